"""Black bars: rows and columns at the borders that are dark in every frame.

They may hold noise, a logo or subtitles. What is merely dark is no bar: a bar ends everywhere at
once, a dark sky does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.media.geometry import Bars

Levels = npt.NDArray[np.uint8]
DARK = 24  # of 255: black, and what compression leaves of it
NOISE = 8  # how much brighter than the bar's middle level its last row may be
EDGE = 20  # how much brighter than that the picture must be, within SOFT of the side (or 4 rows)
SOFT = 1 / 60
SHARE = 0.5  # of the columns must have that edge: a subtitle may cross it in the others
LIT = 0.4  # of a bar's row may be brighter than DARK, on the average over the frames: writing
MOST = 0.45  # of a side: more than that is not a bar

# A bar without another one on the other side could be a black table or wall, so it must be of a
# flat black and have its edge all along. Above the picture there is none: that is a night sky.
FLAT, FLAT_SHARE = 8, 0.97
LONE_SHARE = 0.9
LONE_BELOW, LONE_ASIDE = 0.25, 0.125


@dataclass(frozen=True)
class Seen:
    """Of each pixel (H, W) the brightest value, and in what share of the frames it was not dark."""

    most: Levels
    lit: npt.NDArray[np.float32]

    @property
    def turned(self) -> Seen:
        """Columns as rows."""
        return Seen(self.most.T, self.lit.T)

    def inside(self, first: int, last: int) -> Seen:
        """Without so many of the first and of the last rows."""
        rows = slice(first, len(self.most) - last)
        return Seen(self.most[rows], self.lit[rows])


def watch(frames: Iterable[Levels]) -> Seen | None:
    """What the frames (H, W) have in common; None without frames."""
    most: Levels | None = None
    count = 0
    for frame in frames:
        count += 1
        if most is None:
            most, lit = frame.copy(), (frame > DARK).astype(np.uint32)
        else:
            np.maximum(most, frame, out=most)
            lit += frame > DARK
    return None if most is None else Seen(most, (lit / count).astype(np.float32))


def find_bars(seen: Seen) -> Bars:
    """The bars of a clip, above and below, then at the sides; or first at the sides."""
    top, bottom = _pair(seen, (0, LONE_BELOW))
    left, right = _pair(seen.inside(top, bottom).turned, (LONE_ASIDE, LONE_ASIDE))
    if (left or right) and not (top or bottom):
        top, bottom = _pair(seen.turned.inside(left, right).turned, (0, LONE_BELOW))
    return Bars(left, top, right, bottom)


def _pair(seen: Seen, lone: tuple[float, float]) -> tuple[int, int]:
    """The thickness of the bars at the first and at the last rows.

    Two of nearly the same thickness vouch for each other; `lone` is how much of the side others
    may take, if below all those of the last rows are there.
    """
    sides = (seen, Seen(seen.most[::-1], seen.lit[::-1]))
    first, last = (_thickness(side, MOST, SHARE) for side in sides)
    if first and last and abs(first - last) <= max(4, max(first, last) // 4):
        return first, last
    first, last = (_flat(side, _thickness(side, MOST, LONE_SHARE)) for side in sides)
    if first and last:
        return first, last
    size = len(seen.most)
    return first * (first <= lone[0] * size), last * (last <= lone[1] * size)


def _thickness(seen: Seen, most: float, share: float) -> int:
    """How many of the first rows are a bar, up to the outermost edge; 0 where there is none."""
    height = len(seen.most)
    soft = max(4, round(SOFT * height))
    rows = np.median(seen.most, axis=1)
    found = 0
    for count in range(1, int(most * height) + 1):
        level = float(np.median(rows[:count])) + NOISE
        if seen.lit[count - 1].mean() > LIT or level > 2 * DARK:
            break
        bright = seen.most[count : count + soft].max(axis=0) >= level + EDGE
        if (bright & (seen.most[count - 1] <= level)).mean() >= share:
            found = count
        elif found:
            break
    return found if found >= 2 else 0


def _flat(seen: Seen, count: int) -> int:
    """The thickness of a bar, 0 where it is not of one black."""
    dark = seen.most[:count][seen.most[:count] <= DARK]
    enough = 2 * dark.size >= seen.most[:count].size > 0
    return count if enough and (dark <= FLAT).mean() >= FLAT_SHARE else 0
