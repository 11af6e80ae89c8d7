"""Geometry: from the decoded picture to the painted one, and to the stored one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.media.info import VideoInfo
from pipeline.sections import InputConfig

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Size = tuple[int, int]
Box = tuple[int, int, int, int]
HARDLY = Fraction(5, 4)
ROUNDING = Fraction(1, 50)


@dataclass(frozen=True)
class Bars:
    """Rows and columns of the decoded picture that are black bars."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def __bool__(self) -> bool:
        return bool(self.left or self.top or self.right or self.bottom)


@dataclass(frozen=True)
class Geometry:
    """Sizes are (width, height) in square pixels.

    `input` is the whole picture as a player shows it; `canvas` the whole picture as it is painted;
    `painted` the canvas without its bars, whose upper left corner lies at `offset`; `crop` is
    (x, y, width, height) in the decoded picture, None where nothing is cut.
    """

    input: Size
    canvas: Size
    painted: Size
    offset: tuple[int, int]
    crop: Box | None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Geometry:
        """Out of plain JSON data, as `dataclasses.asdict` and JSON leave it."""
        given = {field.name: data[field.name] for field in fields(cls)}
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in given.items()
        }
        return cls(**values)


def plan_geometry(info: VideoInfo, options: InputConfig, bars: Bars) -> Geometry:
    """Choose the painted size: pixels made square, then the size that the config asks for.

    A side that is not scaled keeps its length, also where it is odd; a scaled one becomes even.
    """
    width, height = info.size
    shape = _square(info)
    canvas = _wanted(shape, options)
    if not bars:
        return whole(shape, canvas)
    crop = (bars.left, bars.top, width - bars.left - bars.right, height - bars.top - bars.bottom)
    x, y, wide, high = placed(crop, info.size, canvas)
    return Geometry(shape, canvas, (wide, high), (x, y), crop)


def whole(shape: Size, canvas: Size) -> Geometry:
    """The geometry of a picture that is painted as a whole."""
    return Geometry(shape, canvas, canvas, (0, 0), None)


def larger(geometry: Geometry, factor: float) -> Size | None:
    """The painted picture up to so many times as large, as far as the clip's own pixels go.

    None where that would be hardly larger than it is painted.
    """
    sides = zip(geometry.input, geometry.canvas, strict=True)
    scale = min(Fraction(factor), *(Fraction(own, painted) for own, painted in sides))
    if scale < HARDLY:
        return None
    width, height = (_even(side * scale) for side in geometry.painted)
    return width, height


def alike(one: Fraction, other: Fraction) -> bool:
    """Whether two shapes, as width to height, are the same but for what rounding makes of them."""
    return abs(one / other - 1) <= ROUNDING


def placed(box: Box, size: Size, canvas: Size) -> Box:
    """Where a box of a picture of a size lies when the picture is scaled to `canvas`."""
    x, right = (round(edge * canvas[0] / size[0]) for edge in (box[0], box[0] + box[2]))
    y, bottom = (round(edge * canvas[1] / size[1]) for edge in (box[1], box[1] + box[3]))
    return x, y, right - x, bottom - y


def _square(info: VideoInfo) -> Size:
    """The size in square pixels: the stored height stays, the stored width follows."""
    width, height = info.size
    aspect = info.pixel_aspect
    if not Fraction(1, 16) <= aspect <= 16 or aspect == 1:
        return info.size
    if info.turn.transposed:
        return width, _even(height / aspect)
    return _even(width * aspect), height


def _wanted(shape: Size, options: InputConfig) -> Size:
    width, height = shape
    if options.width and options.height:
        return options.width, options.height
    if options.width:
        wanted = options.width, _follow(height, options.width, width)
    elif options.height:
        wanted = _follow(width, options.height, height), options.height
    else:
        wanted = shape
    longer = max(wanted)
    if options.max_side is None or longer <= options.max_side:
        return wanted
    limit = options.max_side - options.max_side % 2
    width, height = (_follow(side, limit, longer) for side in wanted)
    return width, height


def _follow(side: int, new: int, old: int) -> int:
    """What becomes of `side` where the other goes from `old` to `new`."""
    return side if new == old else _even(Fraction(side * new, old))


def _even(length: Fraction) -> int:
    return max(2, 2 * round(length / 2))
