"""What can be asked of config keys by their names: what there is, and what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pipeline.errors import ConfigError
from pipeline.sections import RunConfig, Section


def sections() -> dict[str, type[Section]]:
    """The section classes by their names in a config file, in order."""
    return {name: type(section) for name, section in RunConfig()}


def marker(section: str, key: str, kind: type[Any]) -> Any | None:
    """The metadata object of class `kind` (`PathKey`, `Named`) on a key, or None."""
    field = sections()[section].model_fields[key]
    stack: list[Any] = [*field.metadata, field.annotation]
    while stack:
        item = stack.pop()
        item = getattr(item, "func", item)
        if isinstance(item, kind):
            return item
        stack += [*getattr(item, "__metadata__", ()), *getattr(item, "__args__", ())]
    return None


def is_key(section: str, key: str) -> bool:
    """Whether a section has this key."""
    return section in sections() and key in sections()[section].model_fields


def check_name(name: str, where: str) -> None:
    """Refuse what is not the `section.key` of a key; `where` it was given: --set or --vary.

    Raises:
        ConfigError: no such section or key, or only one of both.
    """
    section, _, key = name.partition(".")
    if section and key:
        return check_key(section, key, where)
    there = sections()
    if section in there:
        hint = f"; [{section}] has the keys {', '.join(there[section].model_fields)}"
    else:
        found = [f"{other}.{name}" for other in there if is_key(other, name)]
        hint = f"; there is {', '.join(found)}" if found else ", like temporal.weight=2e3"
    raise ConfigError(f"{where} {name}: give it as section.key=value{hint}")


def check_key(section: str, key: str, where: str) -> None:
    """Refuse a key that there is not, with what was meant; `where` it was given.

    Raises:
        ConfigError: no such section or key.
    """
    if section not in sections():
        raise ConfigError(f"{where}: [{section}] is unknown{choices(section, sections())}")
    keys = sections()[section].model_fields
    if key not in keys:
        elsewhere = [name for name in sections() if is_key(name, key)]
        hint = f"; {elsewhere[0]}.{key} exists" if elsewhere else ""
        raise ConfigError(f"{where}: {section}.{key} is unknown{choices(key, keys)}{hint}")


def choices(given: str, allowed: Iterable[object]) -> str:
    """What ends an error about an unknown name: the nearest one, and all that there are."""
    names = [str(name) for name in allowed]
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    guess = f'; did you mean "{near[0]}"?' if near else ""
    return f"{guess} (allowed: {', '.join(names)})"
