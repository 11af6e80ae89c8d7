"""One run's config: read from TOML, overridden, checked, resolved and written again."""

from __future__ import annotations

import codecs
import importlib
import os
import sys
import textwrap
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, time
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import tomli_w
from pydantic import ValidationError

from pipeline.errors import ConfigError
from pipeline.keys import check_key, check_name, choices, is_key, marker, sections
from pipeline.keytypes import PathKey
from pipeline.sections import RunConfig

T = TypeVar("T")
Tables = dict[str, dict[str, Any]]
# What a key takes whose type is a pattern, in words.
FORMS = {
    "flow.files": "a pattern with two numbers, i and j, like flow/%06d_%06d.flo",
    "run.device": "auto, cpu, cuda, cuda:N, mps",
}


def load_config(
    path: Path | None,
    overrides: Iterable[tuple[str, Any]] = (),
    where: Mapping[str, str] = MappingProxyType({}),
) -> RunConfig:
    """Read a config file and apply overrides `("section.key", value)` in order.

    Paths in the file are relative to its folder, paths in overrides to the current one; both come
    out absolute. Without a file the defaults are the base. Python modules in these folders can be
    imported from then on, for the parts that are the user's own. `where` names the options of the
    command line that overrides came from, by key, where that is not --set.

    Raises:
        ConfigError: no such file, not TOML, an unknown key or a wrong value; one line.
    """
    tables: Tables = {}
    origin = {}
    if path is not None:
        tables = _resolve_paths(_read_toml(path), path.resolve().parent)
        origin = {f"{table}.{key}": str(path) for table, keys in tables.items() for key in keys}
    for folder in (Path.cwd(), *([path.resolve().parent] if path is not None else [])):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))  # at the end, so that nothing installed is hidden
    for name, value in overrides:
        origin[name] = where.get(name, "--set")
        check_name(name, origin[name])
        section, _, key = name.partition(".")
        tables.setdefault(section, {})[key] = _resolve_path(section, key, value, Path.cwd())
    try:
        return RunConfig.model_validate(tables)
    except ValidationError as error:
        raise ConfigError(_explain(error, origin)) from None


def parse_override(text: str) -> tuple[str, Any]:
    """Read the `temporal.weight=2e3` of `--set`; the value is TOML, or else a bare string.

    A date or a time stays as it was typed, and so does all that names a file, but for quotes.

    Raises:
        ConfigError: no `=`.
    """
    name, equals, typed = (part.strip() for part in text.partition("="))
    if not equals:
        raise ConfigError(f"--set {text}: give it as section.key=value, like temporal.weight=2e3")
    try:
        value = tomllib.loads(f"value = {typed}")["value"]
    except tomllib.TOMLDecodeError:
        return name, typed
    section, _, key = name.partition(".")
    of_path = is_key(section, key) and marker(section, key, PathKey) is not None
    keep = isinstance(value, date | time) or (of_path and not isinstance(value, str))
    return name, typed if keep else value


def pick(table: Mapping[str, T], name: str, key: str) -> T:
    """The part called `name` in a registry, or the user's own `module:function`.

    Raises:
        ConfigError: no such name (answered with the choices), module or function.
    """
    if name in table:
        return table[name]
    module_name, colon, attribute = name.partition(":")
    if not colon:
        raise ConfigError(f'{key}: "{name}" is unknown{choices(name, table)}')
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError(f'{key}: cannot import "{module_name}": {reason}') from error
    if not hasattr(module, attribute):
        raise ConfigError(f'{key}: module "{module_name}" has no "{attribute}"')
    part: T = getattr(module, attribute)
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
        data = tomllib.loads(_read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    for section, table in data.items():
        if section in sections() and not isinstance(table, dict):
            raise ConfigError(
                f"{path}: {section} is a section: write [{section}] and its keys below"
            )
        for key in table if isinstance(table, dict) else ():
            check_key(section, key, str(path))
        if section not in sections():
            raise ConfigError(f"{path}: [{section}] is unknown{choices(section, sections())}")
    return data


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")  # some editors write a mark
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such config file") from None
    except IsADirectoryError:
        hint = "name a file; a folder of images is given as --input"
        raise ConfigError(f"{path}: a folder, not a config file: {hint}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        if error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise ConfigError(f"{path}: text in UTF-16: save it as UTF-8") from None
        raise ConfigError(
            f"{path}: not a config file, which is TOML text in UTF-8: a clip is given as --input, "
            "a painting as --style; to evaluate any clips, --original and --painted"
        ) from None


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
    try:
        path = os.path.normpath(base / Path(value).expanduser())
    except RuntimeError:
        raise ConfigError(f"{section}.{key} = {value!r}: there is no such home folder") from None
    # The manifest and the resolved config are UTF-8; no file system has a NUL in a name.
    if "\0" in path or path != path.encode("utf-8", "replace").decode():
        allowed = "a path is valid UTF-8 without NUL; rename the file or folder"
        raise ConfigError(f"{section}.{key} = {path!r}: not allowed ({allowed})")
    if (section, key) == ("output", "path") and not Path(path).name:
        wanted = "give a file, or a folder for single frames, below it"
        raise ConfigError(f"output.path = {path!r}: it has no name of its own: {wanted}")
    return path


def _explain(error: ValidationError, origin: Mapping[str, str]) -> str:
    """One line of the first of pydantic's errors, in our words."""
    errors = error.errors(include_url=False)
    first = errors[0]
    name = ".".join(str(part) for part in first["loc"][:2])
    given, context = first["input"], first.get("ctx", {})
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    if "keys" in context:  # that do not go together
        places = dict.fromkeys(origin[key] for key in context["keys"] if key in origin)
        return f"{' and '.join(places) or 'config'}: {first['msg']}{more}"
    if "names" in context:
        given = context.get("given", given)
        reason = "not allowed" + choices(str(given), context["names"])
    elif first["type"] == "string_pattern_mismatch":
        reason = f"not allowed (allowed: {FORMS[name]})"
    elif first["type"] == "literal_error":
        section, key = first["loc"][:2]
        mark = sections()[str(section)].model_fields[str(key)].annotation
        reason = "not allowed" + choices(str(given), getattr(mark, "__args__", ()))
    else:
        reason = first["msg"][0].lower() + first["msg"][1:]
    return f"{origin.get(name, 'config')}: {name} = {given!r}: {reason}{more}"
