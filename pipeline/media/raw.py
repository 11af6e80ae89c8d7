"""Raw frames through a pipe, with their exact times: NUT, out of ffmpeg and into it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from typing import Any

import av
import ffmpeg
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from pipeline.errors import MediaError
from pipeline.media.geometry import Pixels, Size
from pipeline.media.info import VideoInfo
from pipeline.media.look import SHOW_FRAMES, FrameLog, compiled, decoding, video_map
from pipeline.media.process import Ffmpeg, shown
from pipeline.media.timing import Timeline

LOOKED_AT, OPAQUE = 24, 255
_FORMATS = {"gray": ("u1", ()), "rgb24": ("u1", (3,)), "rgb48le": ("<u2", (3,))}
_NO_PROBING = {"probesize": "32", "analyzeduration": "0", "fpsprobesize": "0"}


def read_raw(
    info: VideoInfo, chain: list[str], pixels: str, log: FrameLog, seek: Fraction | None = None
) -> Generator[tuple[Fraction, Pixels]]:
    """Decode the clip through a filter chain: (seconds, array (H, W) or (H, W, 3)) for each frame.

    Within the chain, times are later by `info.shift` ticks. `pixels` is "gray", "rgb24" or
    "rgb48le"; `seek` a time before which nothing is needed.
    Closing the generator ends ffmpeg.

    Raises:
        MediaError: ffmpeg stalls, or ends before its first frame.
    """
    dtype, channels = _FORMATS[pixels]
    with info.source.opened() as (url, options):
        command = _command(info, url, options, chain, pixels, seek)
        with Ffmpeg(command, on_line=log) as process:
            count = 0
            for time, data, (width, height) in _packets(process):
                own = time - info.shift * info.time_base
                yield own, np.frombuffer(data, dtype).reshape(height, width, *channels)
                count += 1
            process.finish()
            if process.stalled or (count == 0 and process.errors):
                done = f" after {count} frames" if count else ""
                raise MediaError(f"{shown(info.source.path)}: {process.reason()}{done}")


def seen_through(info: VideoInfo) -> bool:
    """Whether a pixel of the clip's first frames is transparent; only where they can have such."""
    if not info.alpha:
        return False
    chain = [f"trim=end_frame={LOOKED_AT}", "format=rgba", "alphaextract"]
    with contextlib.closing(read_raw(info, chain, "gray", FrameLog())) as raw:
        return any(int(alpha.min()) < OPAQUE for _, alpha in raw)


def feed(process: Ffmpeg, frames: Iterable[Pixels], timeline: Timeline, name: str) -> int:
    """Write frames (H, W, 3), all of one size, into ffmpeg's input as NUT; answers how many.

    Raises:
        MediaError: no frame at all, or ffmpeg fails; `name` is what it writes.
    """
    count = 0
    try:
        with av.open(process, "w", format="nut") as nut:
            for frame, tick in zip(frames, timeline.ticks, strict=False):
                if count == 0:
                    stream = _raw_stream(nut, timeline, frame)
                packet = av.Packet(np.ascontiguousarray(frame).tobytes())
                packet.stream = stream
                packet.time_base = timeline.time_base
                packet.pts = packet.dts = tick
                packet.is_keyframe = True
                nut.mux(packet)
                count += 1
        failed = process.finish() != 0
    except (BrokenPipeError, av.FFmpegError):
        process.finish()
        failed = True
    if failed:
        raise MediaError(f"{name}: {process.reason()}")
    if count == 0:
        raise MediaError(f"{name}: no frame to write")
    return count


def _raw_stream(nut: OutputContainer, timeline: Timeline, frame: Pixels) -> VideoStream:
    stream: VideoStream = nut.add_stream("rawvideo", rate=timeline.mean_rate)
    stream.height, stream.width = frame.shape[:2]
    stream.pix_fmt = "rgb48le" if timeline.deep else "rgb24"
    stream.codec_context.time_base = timeline.time_base
    stream.time_base = timeline.time_base
    return stream


def _command(
    info: VideoInfo,
    url: str,
    options: dict[str, Any],
    chain: list[str],
    pixels: str,
    seek: Fraction | None,
) -> list[str]:
    own = decoding(info.decoder, info.turn.by_ffmpeg)
    before: dict[str, Any] = {"max_error_rate": 1, **options, **own}
    if seek is not None:
        before |= {"ss": f"{float(seek):.6f}", "seek_timestamp": 1}
    graph = ffmpeg.input(url, **before).output(
        "pipe:1",
        map=video_map(info.stream),
        vf=",".join([SHOW_FRAMES, *_retimed(info, seek), *chain]),
        pix_fmt=pixels,
        vcodec="rawvideo",
        fps_mode="passthrough",
        enc_time_base="filter",
        map_metadata=-1,
        map_chapters=-1,
        format="nut",
    )
    command = compiled(graph, info.own_times)
    if seek is not None:
        command.insert(command.index("-i"), "-noaccurate_seek")
    return command


def _retimed(info: VideoInfo, seek: Fraction | None) -> list[str]:
    """Filters that give frames without times their own, and shift all of them."""
    times = f"PTS+{info.shift}"
    if info.untimed and info.rate and seek is None:
        first, step = info.start / info.time_base + info.shift, 1 / (info.rate * info.time_base)
        times = f"'if(lt(N,{info.untimed}),round({float(first)}+N*{float(step)}),{times})'"
    return [f"setpts={times}"] if info.shift or info.untimed else []


def _packets(process: Ffmpeg) -> Iterator[tuple[Fraction, bytearray, Size]]:
    try:
        nut = av.open(process, format="nut", metadata_errors="replace", options=_NO_PROBING)
    except (av.FFmpegError, OSError):
        return
    assert isinstance(nut, InputContainer)
    with nut:
        stream = nut.streams.video[0]
        for packet in nut.demux(stream):
            if packet.size:
                assert packet.pts is not None
                yield (
                    packet.pts * packet.time_base,
                    bytearray(packet),
                    (stream.width, stream.height),
                )
