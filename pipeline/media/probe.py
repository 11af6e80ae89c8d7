"""Probe: open the container with PyAV, look at the first frames with ffmpeg, put both together."""

from __future__ import annotations

import contextlib
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.video.stream import VideoStream

from pipeline.errors import MediaError
from pipeline.media.colour import complete
from pipeline.media.container import Container, Stream, open_container, opened
from pipeline.media.formats import IMAGE_DEMUXERS
from pipeline.media.info import VideoInfo
from pipeline.media.look import FrameLog, look
from pipeline.media.process import shown
from pipeline.media.source import Source, find_source
from pipeline.media.timing import as_rate
from pipeline.media.turn import Turn, turn_by, turn_of
from pipeline.sections import InputConfig

LONG_START = Fraction(60)
PRIMING = Fraction(1, 10)
TIMES_JUMP = frozenset(
    ["mpegts", "mpegtsraw", "mpeg", "ogg", "mpegvideo", "h264", "hevc", "vvc", "obu", "m4v"]
)


def probe(path: Path, options: InputConfig) -> VideoInfo:
    """Find out what the clip at `path` is.

    Raises:
        MediaError: no such file, no video in it, or nothing of it decodes; one line.
    """
    rate = None if options.frame_rate is None else as_rate(options.frame_rate)
    source = find_source(path, rate)
    container = open_container(source)
    own_times = container.name not in TIMES_JUMP
    failure: MediaError | None = None
    for stream in container.streams:
        try:
            log = look(source, stream.index, stream.decoder, own_times)
        except MediaError as error:
            failure = failure or error
        else:
            return _describe(source, container, stream, log)
    raise failure or MediaError(f"{shown(path)}: no video in it")


def _describe(source: Source, container: Container, stream: Stream, log: FrameLog) -> VideoInfo:
    first, own_times = log.first, container.name not in TIMES_JUMP
    assert first is not None
    assert log.time_base is not None
    stored = stream.stored or first.size
    turn = _turn(source, stream, log.rotation)
    colour, assumed = complete(log.colour, stored, first.pixels)
    start = _start(stream, log)
    return VideoInfo(
        source=source,
        container=container.name,
        stream=0 if stream.index is None else stream.index,
        codec=stream.codec,
        decoder=stream.decoder,
        size=first.size[::-1] if turn.transposed else first.size,
        stored=stored,
        turn=turn,
        pixel_aspect=1 / first.pixel_aspect if turn.transposed else first.pixel_aspect,
        pixels=first.pixels,
        bits=_bits(first.pixels),
        alpha=_has_alpha(first.pixels),
        interlaced=log.interlaced,
        colour=colour,
        assumed=assumed,
        time_base=log.time_base,
        rate=source.rate if source.images else stream.rate,
        start=start,
        zero=_zero(container, stream, start, own_times),
        own_times=own_times,
        track_start=stream.start,
        duration=stream.duration or container.duration,
        frames=len(source.images) if source.images else stream.frames,
        untimed=stream.untimed if stream.rate else 0,
        tracks=tuple(track for track in container.tracks if track.index != stream.index),
        chapters=container.chapters,
        tags=container.tags,
        stream_tags=stream.tags,
        still=_is_image(source, container) and len(log.recent) == 1,
    )


def _is_image(source: Source, container: Container) -> bool:
    if source.images is not None:
        return source.images == (source.path,)
    return container.name in (*IMAGE_DEMUXERS, "ico", "fits")


def _start(stream: Stream, log: FrameLog) -> Fraction:
    """When the first frame is shown, in the clip's own seconds."""
    if stream.untimed and stream.start is not None and stream.rate:
        return stream.start - stream.untimed / stream.rate
    assert log.first is not None
    return (log.first.pts or 0) * (log.time_base or Fraction(0))


def _turn(source: Source, stream: Stream, rotation: float | None) -> Turn:
    """The turn upright: by the matrix of the first frame, as ffmpeg's log tells an angle alone.

    PyAV raises ValueError where a frame also has data of a kind that it does not know (EXIF).
    """
    if rotation is None:
        return Turn()
    failing = contextlib.suppress(av.FFmpegError, OSError, StopIteration, ValueError)
    with failing, opened(source) as container:
        video = cast(VideoStream, container.streams[stream.index or 0])
        data: Any = next(container.decode(video)).side_data.get("DISPLAYMATRIX")
        if data is not None:
            return turn_of(struct.unpack("=9i", bytes(data))) or turn_by(rotation)
    return turn_by(rotation)


def _zero(container: Container, stream: Stream, start: Fraction, own_times: bool) -> Fraction:
    """The clip's own time that becomes zero: its zero, unless it lies in the middle or far off.

    What sounds before the first frame does so in the painted clip too, save for the little that
    decoders throw away.
    """
    if own_times and container.start >= LONG_START:
        return container.start
    first = 0 if own_times else stream.start or 0
    sounds = [track.start for track in container.tracks if track.kind == "audio"]
    starts = [start - first for start in sounds if start is not None]
    early = [start for start in starts if -LONG_START < start < -PRIMING]
    return min([start, Fraction(0), *early])


def _bits(pixels: str) -> int:
    if pixels.startswith(("gbrpf", "gbrapf", "grayf", "rgbf", "rgbaf", "yaf")):
        return 16
    return max(component.bits for component in av.VideoFormat(pixels).components)


def _has_alpha(pixels: str) -> bool:
    if pixels == "pal8":
        return True
    return any(component.is_alpha for component in av.VideoFormat(pixels).components)
