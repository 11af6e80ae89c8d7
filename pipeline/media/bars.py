"""Black bars: rows and columns at the borders that are dark in every frame."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from pipeline.media.geometry import Bars

DARK = 24  # of 255: black, and what compression leaves of it
EDGE = 20  # how much brighter the picture's first line must be than that, on the average
SHARE = 0.6  # of that line's pixels must not be dark
MOST = 0.45  # of a side: more than that is not a bar


def brightest(frames: Iterable[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8] | None:
    """The brightest value (H, W) that each pixel ever has, None without frames."""
    most: npt.NDArray[np.uint8] | None = None
    for frame in frames:
        most = frame.copy() if most is None else np.maximum(most, frame, out=most)
    return most


def find_bars(most: npt.NDArray[np.uint8]) -> Bars:
    """The bars of a clip, from the brightest value (H, W) that each pixel ever has.

    Bars come in pairs of nearly equal thickness with a hard edge; what is merely dark is none.
    """
    top, bottom = _pair(most)
    left, right = _pair(most[top : len(most) - bottom].T)
    if not (top or left):
        return Bars()
    inside = np.zeros(most.shape, bool)
    inside[top : len(most) - bottom, left : most.shape[1] - right] = True
    return Bars(left, top, right, bottom, int(np.median(most[~inside])))


def _pair(most: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """The thickness of the bars at the first and at the last rows, (0, 0) where there are none."""
    first, last = _dark_rows(most), _dark_rows(most[::-1])
    alike = abs(first - last) <= max(4, max(first, last) // 4)
    return (first, last) if first and last and alike else (0, 0)


def _dark_rows(most: npt.NDArray[np.uint8]) -> int:
    dark = np.asarray(most.max(axis=1) <= DARK)
    count = len(dark) if dark.all() else int(np.argmin(dark))
    if not 2 <= count <= MOST * len(dark):
        return 0
    edge = most[count : count + 2].max(axis=0)
    hard = edge.mean() >= DARK + EDGE and (edge > DARK).mean() >= SHARE
    return count if hard else 0
