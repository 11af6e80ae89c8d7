"""One run's config: read from TOML, overridden, checked, resolved and written again."""

from __future__ import annotations

import difflib
import importlib
import textwrap
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import ValidationError

from pipeline.errors import ConfigError
from pipeline.keytypes import PathKey
from pipeline.sections import RunConfig, marker, sections

T = TypeVar("T")
Tables = dict[str, dict[str, Any]]


def load_config(path: Path | None, overrides: Iterable[tuple[str, Any]] = ()) -> RunConfig:
    """Read a config file and apply overrides `("section.key", value)` in order.

    Paths in the file are relative to its folder, paths in overrides to the current one; both come
    out absolute. Without a file the defaults are the base.

    Raises:
        ConfigError: no such file, not TOML, an unknown key or a wrong value; one line.
    """
    tables: Tables = {}
    origin = {}
    if path is not None:
        tables = _resolve_paths(_read_toml(path), path.resolve().parent)
        origin = {f"{table}.{key}": str(path) for table, keys in tables.items() for key in keys}
    for name, value in overrides:
        section, _, key = name.partition(".")
        _check_key(section, key, "--set")
        origin[name] = "--set"
        tables.setdefault(section, {})[key] = _resolve_path(section, key, value, Path.cwd())
    try:
        return RunConfig.model_validate(tables)
    except ValidationError as error:
        raise ConfigError(_explain(error, origin)) from None


def parse_override(text: str) -> tuple[str, Any]:
    """Read the `temporal.weight=2e3` of `--set`; the value is TOML, or else a bare string.

    Raises:
        ConfigError: no `=`.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: give it as section.key=value, like temporal.weight=2e3")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value


def pick(table: Mapping[str, T], name: str, key: str) -> T:
    """The part called `name` in a registry, or the user's own `module:function`.

    Raises:
        ConfigError: no such name (answered with the choices), module or function.
    """
    if name in table:
        return table[name]
    module_name, colon, attribute = name.partition(":")
    if not colon:
        raise ConfigError(f'{key}: "{name}" is unknown{_choices(name, table)}')
    try:
        part: T = getattr(importlib.import_module(module_name), attribute)
    except ImportError as error:
        raise ConfigError(f'{key}: cannot import "{module_name}": {error}') from error
    except AttributeError:
        raise ConfigError(f'{key}: module "{module_name}" has no "{attribute}"') from None
    return part


def fingerprint(config: RunConfig, *keys: str) -> dict[str, Any]:
    """The values of the named sections or `section.key`s, flat, as JSON holds them."""
    tables = config.model_dump(mode="json")
    flat = {
        f"{name}.{key}": value for name, table in tables.items() for key, value in table.items()
    }
    return {name: flat[name] for name in flat if name in keys or name.partition(".")[0] in keys}


def dump_config(config: RunConfig) -> str:
    """The config as TOML, every key that has a value, without comments."""
    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def annotated_defaults() -> str:
    """Every key with its default and its meaning, as TOML: the text of `configs/default.toml`.

    A key that has no default stands there as a comment.
    """
    lines = [
        "# Every key of Brushflow, with its default. A config of your own holds only what differs.",
        "# Paths are relative to the file that they stand in.",
    ]
    for name, section in sections().items():
        lines += ["", f"[{name}]  # {section.__doc__}"]
        for key, field in section.model_fields.items():
            lines += textwrap.wrap(
                field.description or "", 98, initial_indent="# ", subsequent_indent="# "
            )
            if field.default is None:
                example = (field.examples or ["…"])[0]
                lines.append("# " + tomli_w.dumps({key: example}).strip())
            else:
                value = list(field.default) if isinstance(field.default, tuple) else field.default
                one_line = tomli_w.dumps({key: value}).strip().replace("\n    ", " ")
                lines.append(one_line.replace("[ ", "[").replace(",\n]", "]"))
    return "\n".join(lines) + "\n"


def _read_toml(path: Path) -> Tables:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such config file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a config file: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    for section, table in data.items():
        if section in sections() and not isinstance(table, dict):
            raise ConfigError(
                f"{path}: {section} is a section: write [{section}] and its keys below"
            )
        for key in table if isinstance(table, dict) else ():
            _check_key(section, key, str(path))
        if section not in sections():
            raise ConfigError(f"{path}: [{section}] is unknown{_choices(section, sections())}")
    return data


def _check_key(section: str, key: str, where: str) -> None:
    if section not in sections():
        raise ConfigError(f"{where}: [{section}] is unknown{_choices(section, sections())}")
    keys = sections()[section].model_fields
    if key not in keys:
        elsewhere = [name for name, other in sections().items() if key in other.model_fields]
        hint = f"; {elsewhere[0]}.{key} exists" if elsewhere else ""
        raise ConfigError(f"{where}: {section}.{key} is unknown{_choices(key, keys)}{hint}")


def _choices(given: str, names: Iterable[str]) -> str:
    names = list(names)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    guess = f'; did you mean "{near[0]}"?' if near else ""
    return f"{guess} (allowed: {', '.join(names)})"


def _resolve_paths(tables: Tables, base: Path) -> Tables:
    return {
        section: {key: _resolve_path(section, key, value, base) for key, value in table.items()}
        for section, table in tables.items()
    }


def _resolve_path(section: str, key: str, value: Any, base: Path) -> Any:
    mark = marker(section, key, PathKey)
    if mark is None or not isinstance(value, str | Path) or value in mark.names:
        return value
    if not str(value):
        raise ConfigError(f"{section}.{key}: an empty path")
    return str(base / Path(value).expanduser())


def _explain(error: ValidationError, origin: Mapping[str, str]) -> str:
    """One line of the first of pydantic's errors, in our words."""
    errors = error.errors(include_url=False)
    first = errors[0]
    name = ".".join(str(part) for part in first["loc"][:2])
    given, context = first["input"], first.get("ctx", {})
    if "names" in context:
        given = context.get("given", given)
        reason = "not allowed" + _choices(str(given), context["names"])
    elif first["type"] == "literal_error":
        section, key = first["loc"][:2]
        mark = sections()[str(section)].model_fields[str(key)].annotation
        reason = "not allowed" + _choices(str(given), getattr(mark, "__args__", ()))
    else:
        reason = first["msg"][0].lower() + first["msg"][1:]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{origin.get(name, 'config')}: {name} = {given!r}: {reason}{more}"
