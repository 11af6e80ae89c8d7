"""A clip as it will be painted: what of it, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from pipeline.media.geometry import Geometry
from pipeline.media.info import VideoInfo
from pipeline.media.timing import Moment


@dataclass(frozen=True)
class Clip:
    """What of a clip will be painted, and how it is read.

    `frames` is an estimate; `rate` what the frames are thinned out to, None for all of them.
    """

    info: VideoInfo
    geometry: Geometry
    deep: bool
    start: Moment | None
    end: Moment | None
    rate: Fraction | None
    frames: int | None
    notes: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the painted picture."""
        return self.geometry.painted
