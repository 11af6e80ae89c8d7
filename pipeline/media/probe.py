"""Probe: open the container with PyAV, look at the first frames with ffmpeg, put both together."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from pipeline.errors import MediaError
from pipeline.media.colour import complete
from pipeline.media.formats import (
    FORMAT_WHITELIST,
    IMAGE_DEMUXERS,
    PROTOCOL_WHITELIST,
)
from pipeline.media.info import Track, TrackKind, VideoInfo
from pipeline.media.look import FrameLog, look
from pipeline.media.process import one_line, shown
from pipeline.media.source import Source, file_url, find_source
from pipeline.media.timing import as_rate
from pipeline.media.turn import Turn, turn_by, turn_of
from pipeline.sections import InputConfig

ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
LONG_START = Fraction(60)
TIMES_JUMP = (
    "mpegts",
    "mpegtsraw",
    "mpeg",
    "ogg",
    "mpegvideo",
    "h264",
    "hevc",
    "vvc",
    "obu",
    "m4v",
)
OPEN_SECONDS = 60.0


@dataclass(frozen=True)
class _Stream:
    """A video stream as the container describes it."""

    index: int | None
    codec: str = "unknown"
    decoder: str | None = None
    stored: tuple[int, int] | None = None
    rate: Fraction | None = None
    start: Fraction | None = None
    duration: Fraction | None = None
    frames: int | None = None
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Container:
    """A file as its container describes it; `streams` are candidates, the best first."""

    name: str
    start: Fraction
    duration: Fraction | None
    streams: tuple[_Stream, ...]
    tracks: tuple[Track, ...] = ()
    chapters: int = 0
    tags: tuple[tuple[str, str], ...] = ()


def probe(path: Path, options: InputConfig) -> VideoInfo:
    """Find out what the clip at `path` is.

    Raises:
        MediaError: no such file, no video in it, or nothing of it decodes; one line.
    """
    rate = None if options.frame_rate is None else as_rate(options.frame_rate)
    source = find_source(path, rate)
    container = _open(source)
    own_times = container.name not in TIMES_JUMP
    failure: MediaError | None = None
    for stream in container.streams:
        try:
            log = look(source, stream.index, stream.decoder, own_times)
        except MediaError as error:
            failure = failure or error
        else:
            return _describe(source, container, stream, log, own_times)
    raise failure or MediaError(f"{shown(path)}: no video in it")


def _describe(
    source: Source, container: _Container, stream: _Stream, log: FrameLog, own_times: bool
) -> VideoInfo:
    first = log.first
    assert first is not None
    assert log.time_base is not None
    stored = stream.stored or first.size
    turn = _turn(source, stream, log.rotation)
    colour, assumed = complete(log.colour, stored, first.pixels)
    start = (first.pts or 0) * log.time_base
    image = source.images is None and container.name in (*IMAGE_DEMUXERS, "ico", "fits")
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
        zero=_zero(container, start) if own_times else Fraction(0),
        own_times=own_times,
        track_start=stream.start,
        duration=stream.duration or container.duration,
        frames=len(source.images) if source.images else stream.frames,
        tracks=tuple(track for track in container.tracks if track.index != stream.index),
        chapters=container.chapters,
        tags=container.tags,
        stream_tags=stream.tags,
        still=image and len(log.recent) == 1,
    )


def _turn(source: Source, stream: _Stream, rotation: float | None) -> Turn:
    """The turn upright: by the matrix of the first frame, as ffmpeg's log tells an angle alone.

    PyAV raises ValueError where a frame also has data of a kind that it does not know (EXIF).
    """
    if rotation is None:
        return Turn()
    failing = contextlib.suppress(av.FFmpegError, OSError, StopIteration, ValueError)
    with failing, _opened(source) as container:
        video = cast(VideoStream, container.streams[stream.index or 0])
        data: Any = next(container.decode(video)).side_data.get("DISPLAYMATRIX")
        if data is not None:
            return turn_of(struct.unpack("=9i", bytes(data))) or turn_by(rotation)
    return turn_by(rotation)


def _zero(container: _Container, start: Fraction) -> Fraction:
    """The clip's own time that becomes zero: its zero, unless it lies in the middle or far off."""
    return container.start if container.start >= LONG_START else min(start, Fraction(0))


def _open(source: Source) -> _Container:
    if source.images is not None:
        return _Container("image2", Fraction(0), None, (_Stream(0),))
    try:
        with _opened(source) as container:
            return _read_container(container)
    except (av.FFmpegError, OSError, ValueError, UnicodeError) as error:
        if source.demuxer is not None:  # ffmpeg may know more kinds of images than PyAV
            return _Container(source.demuxer, Fraction(0), None, (_Stream(None),))
        raise MediaError(f"{shown(source.path)}: {_why(error)}") from None


def _opened(source: Source) -> InputContainer:
    return av.open(
        file_url(source.path),
        format=source.demuxer,
        metadata_errors="replace",
        timeout=OPEN_SECONDS,
        options={"format_whitelist": FORMAT_WHITELIST, "protocol_whitelist": PROTOCOL_WHITELIST},
    )


def _read_container(container: InputContainer) -> _Container:
    usable = [stream for stream in container.streams.video if not _is_cover(stream)]
    best = container.streams.best("video")
    usable.sort(key=lambda stream: stream is not best)
    return _Container(
        name=container.format.name,
        start=Fraction(container.start_time or 0, 1_000_000),
        duration=Fraction(container.duration, 1_000_000) if container.duration else None,
        streams=tuple(_read_stream(stream) for stream in usable),
        tracks=tuple(_read_track(stream) for stream in container.streams),
        chapters=len(container.chapters()),
        tags=tuple(sorted(container.metadata.items())),
    )


def _read_stream(stream: VideoStream) -> _Stream:
    context = stream.codec_context
    codec = context.name if context is not None else "unknown"
    alpha = stream.metadata.get("alpha_mode") == "1"
    start, ticks, base = stream.start_time, stream.duration, stream.time_base
    rate = stream.guessed_rate or stream.average_rate
    return _Stream(
        index=stream.index,
        codec=codec,
        decoder=ALPHA_DECODERS.get(codec) if alpha else None,
        stored=(stream.width, stream.height) if stream.width and stream.height else None,
        rate=Fraction(rate) if rate else None,
        start=start * base if start is not None and base else None,
        duration=ticks * base if ticks and base else None,
        frames=stream.frames or None,
        tags=tuple(sorted(stream.metadata.items())),
    )


def _read_track(stream: Any) -> Track:
    context = getattr(stream, "codec_context", None)
    name = getattr(getattr(context, "codec", None), "canonical_name", None) or getattr(
        context, "name", ""
    )
    start = getattr(stream, "start_time", None)
    seconds = None if start is None else start * stream.time_base
    kind = cast(TrackKind, stream.type)
    return Track(stream.index, kind, name or "", stream.metadata.get("language"), seconds)


def _is_cover(stream: VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _bits(pixels: str) -> int:
    if pixels.startswith(("gbrpf", "gbrapf", "grayf", "rgbf", "rgbaf", "yaf")):
        return 16
    return max(component.bits for component in av.VideoFormat(pixels).components)


def _has_alpha(pixels: str) -> bool:
    if pixels == "pal8":
        return True
    return any(component.is_alpha for component in av.VideoFormat(pixels).components)


def _why(error: Exception) -> str:
    if isinstance(error, av.ArgumentError):
        return "a playlist, or no video: name the video file itself"
    return (
        f"cannot be opened as a video: {one_line(getattr(error, 'strerror', None) or str(error))}"
    )
