"""The types of config values: names of parts, paths, weights, moments, rates, layers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError


@dataclass(frozen=True)
class Named:
    """A value that names a part: one of `names`, or the user's own as "module:function"."""

    names: tuple[str, ...]

    def __call__(self, value: str) -> str:
        if value not in self.names and not OWN_PART.fullmatch(value):
            names = (*self.names, "your own module:function")
            raise PydanticCustomError("name", "not a name", {"names": names})
        return value


@dataclass(frozen=True)
class PathKey:
    """Marks a key that holds a path (relative to the config file), save the words in `names`."""

    names: tuple[str, ...] = ()


def named(*names: str) -> Any:
    """The type of a key that names a part of ours or of the user's."""
    return Annotated[str, AfterValidator(Named(names))]


def _to_tuple(value: object) -> object:
    """A list as TOML has it, or a lone value, which is a list of one."""
    if isinstance(value, str | int | float):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _to_path(value: object) -> Path:
    if not isinstance(value, str | Path):
        raise PydanticCustomError("path", "give a path, in quotes")
    return Path(value)


AnyPath = Annotated[Path, BeforeValidator(_to_path), PathKey()]
Names = Annotated[tuple[str, ...], BeforeValidator(_to_tuple)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Weights = Annotated[tuple[Weight, ...], BeforeValidator(_to_tuple)]
Offsets = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_to_tuple)]


def _moment(value: object) -> object:
    if isinstance(value, time):  # TOML reads a timecode without quotes so
        return value.isoformat()
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number and not (isinstance(value, str) and MOMENT.fullmatch(value)):
        allowed = 'give seconds (4.64), a timecode ("00:00:04.64") or a frame ("120f")'
        raise PydanticCustomError("moment", allowed)
    if isinstance(value, int | float) and not 0 <= value < 1e9:
        raise PydanticCustomError("moment", "give seconds, 0 or more")
    return value


def _rate(value: float | str) -> float | str:
    parts = RATE.fullmatch(str(value))
    if parts is None or not 0 < float(parts[1]) / float(parts[2] or 1) <= 1000:
        allowed = 'give frames per second: 12, 23.976 or "24000/1001", at most 1000'
        raise PydanticCustomError("rate", allowed)
    return value


OWN_PART = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
MOMENT = re.compile(r"(\d{1,9}f|(\d{1,5}:)?\d{1,2}:\d{1,2}(\.\d{1,9})?|\d{1,9}(\.\d{1,9})?)")
RATE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(?:/([1-9]\d{0,8}))?")
Moment = Annotated[int | float | str, BeforeValidator(_moment)]
Moments = Annotated[tuple[Moment, ...], BeforeValidator(_to_tuple)]
Rate = Annotated[int | float | str, AfterValidator(_rate)]
VGG_LAYERS = tuple(
    f"{kind}{block}_{number}"
    for block, convolutions in enumerate((2, 2, 4, 4, 4), start=1)
    for number in range(1, convolutions + 1)
    for kind in ("conv", "relu")
)


def _layers(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise PydanticCustomError("layers", "name at least one layer (a weight of 0 asks for none)")
    for name in value:
        if name not in VGG_LAYERS:
            raise PydanticCustomError("name", "not a layer", {"names": VGG_LAYERS, "given": name})
        if value.count(name) > 1:
            raise PydanticCustomError("layers", f"names {name} twice: each layer once")
    return value


Layers = Annotated[Names, AfterValidator(_layers)]
