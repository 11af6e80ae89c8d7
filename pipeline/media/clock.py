"""From the times of decoded frames to the timeline that the painted clip will have."""

from __future__ import annotations

from fractions import Fraction

from pipeline.media.clip import Clip
from pipeline.media.info import VideoInfo
from pipeline.media.look import FrameLog
from pipeline.media.report import damage_of
from pipeline.media.timing import (
    STANDARD_RATES,
    Timeline,
    broadcast,
    evened,
    exact_grid,
    increasing,
)


def make_timeline(clip: Clip, times: list[Fraction], watch: FrameLog) -> Timeline:
    """When each frame is shown, on the exact grid behind the times where there is one."""
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
