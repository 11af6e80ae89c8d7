"""A look at the first frames through ffmpeg itself: what its decoder and filters will give."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import ffmpeg

from pipeline.errors import MediaError
from pipeline.media.colour import Colour
from pipeline.media.geometry import alike
from pipeline.media.process import Ffmpeg, executable, shown
from pipeline.media.source import Source

SHOW_FRAMES = "showinfo=checksum=0"
_FRAME = re.compile(
    r"n: *\d+ pts: *(?P<pts>-?\d+|NOPTS) .*?duration: *(?P<duration>-?\d+) .*?fmt:(?P<pixels>\S+)"
    r".*? sar:(?P<sar_w>\d+)/(?P<sar_h>\d+) s:(?P<w>\d+)x(?P<h>\d+) i:(?P<scan>.)"
)
_COLOUR = re.compile(
    r"color_range:(?P<range>\S+) color_space:(?P<matrix>\S+)"
    r" color_primaries:(?P<primaries>\S+) color_trc:(?P<transfer>[a-z\d-]+)"
)  # not \S+ at the end: another thread's line may follow without a break, "unknownTerminating"
_TIME_BASE = re.compile(r"config in time_base: (\d+)/(\d+)")
_ROTATION = re.compile(r" *side data - .*displaymatrix: rotation of (-?[\d.]+|nan) degrees")
_DECODED = re.compile(
    r"Input stream .*\(video\): (\d+) packets read .*; \d+ frames decoded; (\d+) dec"
)


@dataclass(frozen=True)
class Shown:
    """One decoded frame, as it is stored and ffmpeg's `showinfo` describes it; times in ticks."""

    pts: int | None
    duration: int
    pixels: str
    pixel_aspect: Fraction
    size: tuple[int, int]
    interlaced: bool

    @property
    def shape(self) -> Fraction:
        """Width to height, as a player shows it."""
        return self.pixel_aspect * self.size[0] / self.size[1]


class FrameLog:
    """Reads ffmpeg's log while it decodes: what frames came, and what did not decode."""

    def __init__(self) -> None:
        self.first: Shown | None = None
        self.recent: deque[Shown] = deque(maxlen=512)
        self.colour = Colour("", "", "", "")
        self.time_base: Fraction | None = None
        self.rotation: float | None = None
        self.interlaced = False
        self.count = 0
        self.other: tuple[int, Shown] | None = None  # the first in another shape, by its number
        self.packets = self.failed = 0
        self.trouble: list[Fraction] = []

    def __call__(self, level: str, text: str) -> None:
        if (found := _FRAME.match(text)) is not None:
            self._frame(found)
        elif self.first is not None and not self.colour.matrix and (found := _COLOUR.match(text)):
            self.colour = Colour(**found.groupdict())
        elif self.time_base is None and (found := _TIME_BASE.match(text)):
            self.time_base = Fraction(int(found[1]), int(found[2]))
        elif self.rotation is None and (found := _ROTATION.match(text)):
            self.rotation = float(found[1])
        elif found := _DECODED.search(text):
            self.packets, self.failed = int(found[1]), int(found[2])
        elif level == "error" and len(self.trouble) < 1000:
            self.trouble.append(self._now())

    def _frame(self, found: re.Match[str]) -> None:
        wide, high = int(found["sar_w"]), int(found["sar_h"])
        frame = Shown(
            pts=None if found["pts"] == "NOPTS" else int(found["pts"]),
            duration=int(found["duration"]),
            pixels=found["pixels"],
            pixel_aspect=Fraction(wide, high) if wide and high else Fraction(1),
            size=(int(found["w"]), int(found["h"])),
            interlaced=found["scan"] in "TB",
        )
        self.first = self.first or frame
        if self.other is None and not alike(frame.shape, self.first.shape):
            self.other = self.count, frame
        self.count += 1
        self.interlaced |= frame.interlaced
        self.recent.append(frame)

    def seconds(self, frame: Shown) -> Fraction:
        """When a frame is shown, in the file's own seconds."""
        return (frame.pts or 0) * (self.time_base or Fraction(0))

    def _now(self) -> Fraction:
        return self.seconds(self.recent[-1]) if self.recent else Fraction(0)


def look(source: Source, stream: int | None, decoder: str | None, own_times: bool) -> FrameLog:
    """Decode the first frames of a stream, discard them, and tell what they were.

    Raises:
        MediaError: not one frame decodes.
    """
    log = FrameLog()
    with source.opened() as (url, options):
        graph = ffmpeg.input(url, **options, **decoding(decoder)).output(
            "pipe:1", vf=SHOW_FRAMES, format="null", vframes=24, map=video_map(stream)
        )
        with Ffmpeg(compiled(graph, own_times), on_line=log) as process:
            process.read(1)
            process.finish()
            if log.first is None:
                raise MediaError(f"{shown(source.path)}: no frame decodes: {process.reason()}")
    return log


def decoding(decoder: str | None, turned: bool = False) -> dict[str, Any]:
    """Options before `-i`: whether ffmpeg turns frames upright; the decoder, where its own choice
    would lose the alpha.
    """
    own = {} if decoder is None else {"c:v": decoder}
    return own if turned else {"noautorotate": None, **own}


def video_map(stream: int | None) -> str:
    """The `-map` of the stream to decode; None is the first one that is not a cover picture."""
    return "0:V:0" if stream is None else f"0:{stream}"


def compiled(graph: Any, own_times: bool, repeated: Iterable[tuple[str, str]] = ()) -> list[str]:
    """The whole command line: without questions, with a log that we can read.

    `repeated` are options of the output that may occur several times, which ffmpeg-python's
    keywords cannot say.
    """
    flags = ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+verbose"]
    if own_times:
        flags.append("-copyts")
    command = ffmpeg.compile(graph.global_args(*flags), cmd=executable(), overwrite_output=True)
    output = len(command) - len(flags) - 2  # the output's name, our flags and -y are the last
    extra = [part for name, value in repeated for part in (f"-{name}", value)]
    return [*map(str, command[:output]), *extra, *map(str, command[output:])]
