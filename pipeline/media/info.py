"""What a clip is: its picture, its times, its colours, and what travels along."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from pipeline.media.colour import Colour
from pipeline.media.source import Source
from pipeline.media.turn import Turn

TrackKind = Literal["audio", "subtitle", "video", "data", "attachment"]


@dataclass(frozen=True)
class Track:
    """A stream of the file besides the painted one, by its index; `start` in its own seconds."""

    index: int
    kind: TrackKind
    codec: str
    language: str | None = None
    start: Fraction | None = None


@dataclass(frozen=True)
class VideoInfo:
    """A clip as it was found.

    `size` is (width, height) of the decoded picture, upright; `turn` is how it becomes so from
    `stored`, as it lies in the file; `pixel_aspect` the width of a pixel to its height, in the
    upright picture; `time_base` seconds of a tick; `start` and `duration` of the video, in seconds;
    `zero` the clip's own time that becomes zero; `frames` what the file says, if it does;
    `untimed` of them, the first, have no times, and follow each other from `start` at the `rate`.

    `own_times`: read the file's times as they are; otherwise (streams whose times jump, like
    MPEG-TS) ffmpeg makes them run on from zero, each stream from its own `track_start`. `tags` is
    the metadata of the file, `stream_tags` that of the video stream; `still` tells a single image
    from a clip.
    """

    source: Source
    container: str
    stream: int
    codec: str
    decoder: str | None
    size: tuple[int, int]
    stored: tuple[int, int]
    turn: Turn
    pixel_aspect: Fraction
    pixels: str
    bits: int
    alpha: bool
    interlaced: bool
    colour: Colour
    assumed: tuple[str, ...]
    time_base: Fraction
    rate: Fraction | None
    start: Fraction
    zero: Fraction
    own_times: bool
    track_start: Fraction | None
    duration: Fraction | None
    frames: int | None
    untimed: int
    tracks: tuple[Track, ...]
    chapters: int
    tags: tuple[tuple[str, str], ...]
    stream_tags: tuple[tuple[str, str], ...]
    still: bool

    @property
    def shift(self) -> int:
        """Ticks to add so that no frame has a negative time, which NUT cannot hold."""
        return max(0, math.ceil(-self.start / self.time_base))

    @property
    def is_sequence(self) -> bool:
        """Whether the input is a sequence of images."""
        return self.source.images is not None
