"""Decoding: what will be painted, and its frames one by one with their exact times."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.errors import MediaError
from pipeline.media.bars import find_bars, watch
from pipeline.media.clip import Clip
from pipeline.media.clock import make_timeline
from pipeline.media.colour import SCALER, resized, tagged, to_rgb
from pipeline.media.geometry import Bars, Geometry, Pixels, Size, plan_geometry, whole
from pipeline.media.info import VideoInfo
from pipeline.media.look import FrameLog
from pipeline.media.process import shown
from pipeline.media.raw import read_raw, seen_through
from pipeline.media.report import clip_notes
from pipeline.media.timing import Moment, Timeline, as_rate, check_range
from pipeline.sections import InputConfig
from pipeline.words import many

TOLERANCE = Fraction(1, 2000)  # a moment given to the millisecond means the frame that is there
SEEK_FROM = Fraction(30)
SEEK_MARGIN = Fraction(10)


@dataclass(frozen=True)
class Frame:
    """A picture that is to be painted: `pixels` (H, W, 3) RGB, shown at `time` seconds."""

    pixels: Pixels
    time: Fraction


def plan_clip(
    info: VideoInfo, options: InputConfig, frame_bits: Literal["auto", 8, 16] = "auto"
) -> Clip:
    """Decide what is painted of a clip and how; where bars are looked for, it is decoded once.

    Raises:
        MediaError: nothing lies between `input.start` and `input.end`, or decoding fails.
    """
    deep = frame_bits == 16 or (frame_bits == "auto" and (info.bits > 8 or bool(info.colour.hdr)))
    bars = Bars()
    clip = _clip(info, options, plan_geometry(info, options, bars), deep)
    if options.bars == "auto" and not info.still:
        seen = watch(_scan(clip))
        bars = Bars() if seen is None else find_bars(seen)
    geometry = plan_geometry(info, options, bars)
    notes = clip_notes(info, geometry, bars, clip.rate, seen_through(info))
    return replace(clip, geometry=geometry, frames=_estimate(clip), notes=notes)


def read_whole(
    info: VideoInfo, options: InputConfig, timeline: Timeline, size: Size
) -> FrameReader:
    """The frames that a clip's timeline is of, scaled to `size` (width, height), with their bars.

    Raises:
        MediaError: nothing decodes any more.
    """
    return FrameReader(_clip(info, options, whole(size, size), timeline.deep))


def read_larger(
    info: VideoInfo, options: InputConfig, timeline: Timeline, size: Size
) -> FrameReader:
    """The frames that a clip's timeline is of, in 8 bits, scaled to another `size`, without bars.

    Raises:
        MediaError: nothing decodes any more.
    """
    return FrameReader(_clip(info, options, replace(timeline.geometry, painted=size), False))


def _clip(info: VideoInfo, options: InputConfig, geometry: Geometry, deep: bool) -> Clip:
    start, end = check_range(options)
    rate = None if options.frame_rate is None or info.is_sequence else as_rate(options.frame_rate)
    return Clip(info, geometry, deep, start, end, rate, None, ())


class FrameReader(Iterator[Frame]):
    """Iterates over the frames of a clip; closing it (or leaving `with`) ends its ffmpeg.

    After the last frame `timeline` is there. Raises MediaError when nothing decodes.
    """

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._timeline: Timeline | None = None
        self._frames = self._read()

    def __next__(self) -> Frame:
        return next(self._frames)

    def __enter__(self) -> FrameReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End ffmpeg, if it still runs."""
        self._frames.close()

    @property
    def timeline(self) -> Timeline:
        """The times of all frames, once the last one has been read."""
        assert self._timeline is not None, "read all frames first"
        return self._timeline

    def _read(self) -> Generator[Frame]:
        clip, watch = self._clip, FrameLog()
        pixels = "rgb48le" if clip.deep else "rgb24"
        times: list[Fraction] = []
        raw = read_raw(clip.info, _chain(clip), pixels, watch, _seek(clip))
        with contextlib.closing(raw):
            for time, picture in raw:
                times.append(time)
                yield Frame(picture, times[-1])
        if not times:
            raise MediaError(f"{shown(clip.info.source.path)}: {_nothing(clip)}")
        self._timeline = make_timeline(clip, times, watch)


def read_frames(clip: Clip) -> FrameReader:
    """The frames of a clip that are to be painted, one by one; ffmpeg runs while they are read."""
    return FrameReader(clip)


def _chain(clip: Clip) -> list[str]:
    """The filters from decoded frames to painted ones."""
    info, geometry = clip.info, clip.geometry
    chain = _selection(clip)
    if info.interlaced:
        chain.append("bwdif=mode=send_frame:deint=interlaced")
    if clip.rate is not None:
        chain.append(f"fps={clip.rate}")
    if _is_tiff(
        info
    ):  # its chroma lies in the middle of the pixels that share it: ffmpeg is silent
        chain.append("setparams=chroma_location=center")
    lying = info.turn.transposed and not info.turn.by_ffmpeg
    size = info.size[::-1] if lying else info.size
    chain += to_rgb(info.colour, info.pixels, size, alpha=info.alpha, deep=clip.deep)
    chain += info.turn.filters
    if geometry.crop is not None:
        x, y, width, height = geometry.crop
        chain.append(f"crop={width}:{height}:{x}:{y}")
    return [*chain, resized(geometry.painted)]


def _is_tiff(info: VideoInfo) -> bool:
    images = info.source.images
    name = images[0].suffix.lower() if images else info.container
    return name in (".tif", ".tiff", "tiff_pipe")


def _selection(clip: Clip) -> list[str]:
    """Filters that let only the asked frames pass."""
    info = clip.info
    limits = []
    for name, moment in (("start", clip.start), ("end", clip.end)):
        if moment is not None and moment.frame is not None:
            limits.append(f"{name}_frame={moment.frame}")
        elif moment is not None and moment.seconds is not None:
            tick = math.ceil((moment.seconds + info.zero - TOLERANCE) / info.time_base)
            limits.append(f"{name}_pts={tick + info.shift}")
    return ["trim=" + ":".join(limits)] if limits else []


def _seek(clip: Clip) -> Fraction | None:
    """A time from which decoding is enough, for clips that are entered late."""
    late = clip.start.seconds if clip.start is not None else None
    if late is None or late < SEEK_FROM or not clip.info.own_times or clip.info.is_sequence:
        return None
    return late + clip.info.zero - SEEK_MARGIN


def _nothing(clip: Clip) -> str:
    if clip.start is None and clip.end is None:
        return "no frame decodes"
    return f"no frame lies between input.start and input.end{_length(clip.info)}"


def _length(info: VideoInfo) -> str:
    """How long a clip is, in words, as far as the file says it."""
    if info.still:
        return ": it is a single image"
    count, seconds = info.frames, info.duration
    known = [f"{many(count, 'frame')} (0f to {count - 1}f)"] if count else []
    if seconds is None and count and info.rate:
        seconds = count / info.rate
    known += [f"{float(seconds):.2f} s"] if seconds else []
    return f": the clip has {', '.join(known)}" if known else ""


def _scan(clip: Clip) -> Iterator[npt.NDArray[np.uint8]]:
    """The clip's frames in grey (H, W), as they are decoded, upright."""
    chain = [
        *_selection(clip),
        tagged(clip.info.colour),
        f"scale=flags={SCALER}:out_range=pc",
        *clip.info.turn.filters,
    ]
    for _, picture in read_raw(clip.info, chain, "gray", FrameLog(), _seek(clip)):
        yield picture.astype(np.uint8, copy=False)


def _estimate(clip: Clip) -> int | None:
    """How many frames will be painted, about."""
    info = clip.info
    if info.still:
        return 1
    rate = info.rate
    length = info.frames / rate if info.frames and rate else info.duration
    if length is None or rate is None:
        return info.frames
    first = _seconds(clip.start, rate) or Fraction(0)
    last = _seconds(clip.end, rate)
    span = (length if last is None else min(last, length)) - first
    return max(0, round(span * (clip.rate or rate)))


def _seconds(moment: Moment | None, rate: Fraction) -> Fraction | None:
    if moment is None:
        return None
    return moment.seconds if moment.frame is None else moment.frame / rate
