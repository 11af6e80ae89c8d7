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
from pipeline.media.bars import brightest, find_bars
from pipeline.media.colour import SCALER, resized, tagged, to_rgb
from pipeline.media.geometry import Bars, Geometry, Pixels, plan_geometry
from pipeline.media.info import VideoInfo
from pipeline.media.look import SHOW_FRAMES, FrameLog
from pipeline.media.process import shown
from pipeline.media.raw import read_raw
from pipeline.media.report import clip_notes, damage_of
from pipeline.media.timing import (
    STANDARD_RATES,
    Moment,
    Timeline,
    as_moment,
    as_rate,
    broadcast,
    evened,
    exact_grid,
    increasing,
)
from pipeline.sections import InputConfig

TOLERANCE = Fraction(1, 2000)  # a moment given to the millisecond means the frame that is there
SEEK_FROM = Fraction(30)
SEEK_MARGIN = Fraction(10)


@dataclass(frozen=True)
class Frame:
    """A picture that is to be painted: `pixels` (H, W, 3) RGB, shown at `time` seconds."""

    pixels: Pixels
    time: Fraction


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


def plan_clip(
    info: VideoInfo, options: InputConfig, frame_bits: Literal["auto", 8, 16] = "auto"
) -> Clip:
    """Decide what is painted of a clip and how; where bars are looked for, it is decoded once.

    Raises:
        MediaError: nothing lies between `input.start` and `input.end`, or decoding fails.
    """
    deep = frame_bits == 16 or (frame_bits == "auto" and (info.bits > 8 or bool(info.colour.hdr)))
    start = None if options.start is None else as_moment(options.start)
    end = None if options.end is None else as_moment(options.end)
    _check_range(start, end, options)
    rate = None if options.frame_rate is None or info.is_sequence else as_rate(options.frame_rate)
    bars = Bars()
    whole = Clip(info, plan_geometry(info, options, bars), deep, start, end, rate, None, ())
    if options.bars == "auto" and not info.still:
        most = brightest(_scan(whole))
        bars = Bars() if most is None else find_bars(most)
    geometry = plan_geometry(info, options, bars)
    notes = clip_notes(info, geometry, bars, rate)
    return replace(whole, geometry=geometry, frames=_estimate(whole), notes=notes)


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
                times.append(time - _shift(clip.info) * clip.info.time_base)
                yield Frame(picture, times[-1])
        if not times:
            raise MediaError(f"{shown(clip.info.source.path)}: {_nothing(clip)}")
        self._timeline = _timeline(clip, times, watch)


def read_frames(clip: Clip) -> FrameReader:
    """The frames of a clip that are to be painted, one by one; ffmpeg runs while they are read."""
    return FrameReader(clip)


def _chain(clip: Clip) -> list[str]:
    """The filters from decoded frames to painted ones."""
    info, geometry = clip.info, clip.geometry
    chain = [SHOW_FRAMES, *_selection(clip)]
    if info.interlaced:
        chain.append("bwdif=mode=send_frame:deint=interlaced")
    if clip.rate is not None:
        chain.append(f"fps={clip.rate}")
    chain += to_rgb(info.colour, info.pixels, info.size, alpha=info.alpha, deep=clip.deep)
    if geometry.crop is not None:
        x, y, width, height = geometry.crop
        chain.append(f"crop={width}:{height}:{x}:{y}")
    return [*chain, resized(geometry.painted)]


def _selection(clip: Clip) -> list[str]:
    """Filters that let only the asked frames pass, times shifted so that none is negative."""
    info, shift = clip.info, _shift(clip.info)
    limits = []
    for name, moment in (("start", clip.start), ("end", clip.end)):
        if moment is not None and moment.frame is not None:
            limits.append(f"{name}_frame={moment.frame}")
        elif moment is not None and moment.seconds is not None:
            tick = math.ceil((moment.seconds + info.zero - TOLERANCE) / info.time_base)
            limits.append(f"{name}_pts={tick + shift}")
    chain = [f"setpts=PTS+{shift}"] if shift else []
    return [*chain, "trim=" + ":".join(limits)] if limits else chain


def _shift(info: VideoInfo) -> int:
    """Ticks to add so that no frame has a negative time, which NUT cannot hold."""
    return max(0, math.ceil(-info.start / info.time_base))


def _seek(clip: Clip) -> Fraction | None:
    """A time from which decoding is enough, for clips that are entered late."""
    late = clip.start.seconds if clip.start is not None else None
    if late is None or late < SEEK_FROM or not clip.info.own_times or clip.info.is_sequence:
        return None
    return late + clip.info.zero - SEEK_MARGIN


def _nothing(clip: Clip) -> str:
    if clip.start is None and clip.end is None:
        return "no frame decodes"
    return "no frame lies between input.start and input.end"


def _timeline(clip: Clip, times: list[Fraction], watch: FrameLog) -> Timeline:
    info = clip.info
    origin = info.zero
    if clip.start is not None:
        origin = times[0] if clip.start.seconds is None else info.zero + clip.start.seconds
    base = info.time_base if clip.rate is None else 1 / clip.rate
    if info.interlaced and clip.rate is None:
        base /= 2  # as the deinterlacer does
    origin = min((origin // base) * base, times[0] if clip.start is not None else origin)
    if info.container == "avi":
        times = evened(times)
    own = [time - origin for time in times]
    last = own[-1] + _last_duration(clip, times, watch)
    ticks = increasing(round(time / base) for time in own)
    if (
        clip.rate is None
        and (grid := exact_grid(own, info.time_base, _likely_rates(info))) is not None
    ):
        base, ticks = grid
        last = (ticks[-1] + 1) * base
    whole = clip.start is None and clip.end is None and clip.rate is None
    return Timeline(
        time_base=base,
        ticks=tuple(ticks),
        end=max(round(last / base), ticks[-1] + 1),
        origin=origin,
        stop=None if clip.end is None else _stop(clip, origin, last),
        geometry=clip.geometry,
        colour=info.colour,
        deep=clip.deep,
        damage=damage_of(watch, info, whole, len(times), last - own[0]),
    )


def _stop(clip: Clip, origin: Fraction, last: Fraction) -> Fraction:
    """When the sound ends that goes with a clip of a given end, in the clip's own time."""
    assert clip.end is not None
    return origin + last if clip.end.seconds is None else clip.info.zero + clip.end.seconds


def _last_duration(clip: Clip, times: list[Fraction], watch: FrameLog) -> Fraction:
    """How long the last frame is shown, in seconds."""
    if clip.rate is not None:
        return 1 / clip.rate
    info = clip.info
    for shown_frame in reversed(watch.recent):
        if shown_frame.pts is not None and shown_frame.pts * info.time_base == times[-1]:
            if shown_frame.duration > 0:
                return shown_frame.duration * info.time_base
            break
    if info.rate:
        return 1 / info.rate
    return times[-1] - times[-2] if len(times) > 1 else Fraction(1, 25)


def _likely_rates(info: VideoInfo) -> list[Fraction]:
    declared = [] if info.rate is None else [broadcast(info.rate), info.rate]
    return [*declared, *STANDARD_RATES]


def _scan(clip: Clip) -> Iterator[npt.NDArray[np.uint8]]:
    """The clip's frames in grey (H, W), as they are decoded, upright."""
    chain = [
        SHOW_FRAMES,
        *_selection(clip),
        tagged(clip.info.colour),
        f"scale=flags={SCALER}:out_range=pc",
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


def _check_range(start: Moment | None, end: Moment | None, options: InputConfig) -> None:
    if start is None or end is None:
        return
    for low, high in ((start.seconds, end.seconds), (start.frame, end.frame)):
        if low is not None and high is not None and high <= low:
            raise MediaError(
                f"input.end = {options.end} is not after input.start = {options.start}:"
                " nothing to paint"
            )
