"""How a clip must be turned or mirrored to stand upright, and ffmpeg's filters for it.

ffmpeg would turn frames by itself, but as they are stored: what shares its chroma between pixels
has it half a pixel off afterwards, and interlaced lines become columns. So they are turned by us,
once they are RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NEAR = 0.02  # how far a matrix may be from whole quarter turns: ffmpeg's own degree


@dataclass(frozen=True)
class Turn:
    """The way upright: `filters`, or left to ffmpeg; and whether rows become columns.

    `odd` is an angle in degrees that is not heeded.
    """

    filters: tuple[str, ...] = ()
    transposed: bool = False
    by_ffmpeg: bool = False
    odd: str | None = None

    def __bool__(self) -> bool:
        return bool(self.filters) or self.by_ffmpeg


def turn_of(matrix: Sequence[int]) -> Turn | None:
    """The turn that a display matrix of nine numbers asks for; None where it is none by quarters.

    It takes (x, y) of the stored picture to (a·x + c·y, b·x + d·y) of the upright one.
    """
    a, b, c, d = (matrix[place] for place in (0, 1, 3, 4))
    length = (abs(a * d - b * c)) ** 0.5
    if length == 0:
        return None
    rounded = tuple(round(value / length) for value in (a, b, c, d))
    off = max(abs(v / length - r) for v, r in zip((a, b, c, d), rounded, strict=True))
    return _TURNS.get(rounded) if off <= NEAR else None


def turn_by(degrees: float) -> Turn:
    """The turn by so many degrees, left to ffmpeg, which also knows whether to mirror."""
    quarters, rest = divmod(degrees + 45, 90)
    if not abs(rest - 45) <= 1:  # also where it is not a number
        return Turn(odd=f"{degrees:g}")
    return Turn(transposed=bool(quarters % 2), by_ffmpeg=True)


_TURNS = {
    (1, 0, 0, 1): Turn(),
    (-1, 0, 0, -1): Turn(("hflip", "vflip")),
    (-1, 0, 0, 1): Turn(("hflip",)),
    (1, 0, 0, -1): Turn(("vflip",)),
    (0, 1, -1, 0): Turn(("transpose=clock",), transposed=True),
    (0, -1, 1, 0): Turn(("transpose=cclock",), transposed=True),
    (0, 1, 1, 0): Turn(("transpose=cclock_flip",), transposed=True),
    (0, -1, -1, 0): Turn(("transpose=clock_flip",), transposed=True),
}
