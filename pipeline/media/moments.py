"""Moments of the clip, as the config names them, to the frames of a run."""

from __future__ import annotations

import contextlib
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from fractions import Fraction

from pipeline.media.decode import TOLERANCE
from pipeline.media.info import VideoInfo
from pipeline.media.look import FrameLog
from pipeline.media.raw import read_raw
from pipeline.media.timing import ROUNDED, Moment, Timeline, as_moment, as_rate, evened
from pipeline.sections import InputConfig


def run_frames(
    moments: Sequence[float | str], info: VideoInfo, options: InputConfig, timeline: Timeline
) -> list[int | None]:
    """For each moment the run's first frame that shows it or what comes after; None outside.

    "212f" counts the clip's own frames from 0, whatever `input.start` and `input.frame_rate` make
    of them: for these, the clip is decoded up to the last one. A time is the clip's own too.

    Raises:
        MediaError: the clip does not decode.
    """
    wanted = [as_moment(moment) for moment in moments]
    frames = [moment.frame for moment in wanted if moment.frame is not None]
    times = _input_times(info, max(frames) + 1) if frames else []
    return [
        _run_frame(_clip_time(moment, times, info), info, options, timeline) for moment in wanted
    ]


def _clip_time(moment: Moment, times: Sequence[Fraction], info: VideoInfo) -> Fraction | None:
    """The file's own time of a moment, in seconds; None for a frame that it does not have."""
    if moment.seconds is not None:
        return moment.seconds + info.zero
    assert moment.frame is not None
    return times[moment.frame] if moment.frame < len(times) else None


def _run_frame(
    time: Fraction | None, info: VideoInfo, options: InputConfig, timeline: Timeline
) -> int | None:
    if time is None:
        return None
    own, shown = time - timeline.origin, timeline.times
    if not shown[0] - TOLERANCE <= own < timeline.end * timeline.time_base:
        return None
    if options.frame_rate is not None and not info.is_sequence:
        # ffmpeg's `fps` shows a frame from the tick that is nearest to its time, a half upwards.
        number = bisect_right(shown, own - 1 / as_rate(options.frame_rate) / 2)
    else:
        number = bisect_left(shown, own - max(TOLERANCE, ROUNDED))
    return number if number < len(shown) else None


def _input_times(info: VideoInfo, count: int) -> list[Fraction]:
    """When the clip's first frames are shown, in the file's own seconds."""
    chain = [f"trim=end_frame={max(count, 3)}", "scale=16:16"]  # three, as `evened` needs them
    with contextlib.closing(read_raw(info, chain, "gray", FrameLog())) as raw:
        times = [time for time, _ in raw]
    return evened(times) if info.container == "avi" else times
