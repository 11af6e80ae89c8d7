"""The container as PyAV sees it: its video streams, what lies beside them, its tags."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from pipeline.errors import MediaError
from pipeline.media.formats import FORMAT_WHITELIST, PROTOCOL_WHITELIST
from pipeline.media.info import Track, TrackKind
from pipeline.media.process import one_line, shown
from pipeline.media.source import Source, file_url

ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
MATROSKA, MOST_UNTIMED = "matroska,webm", 1000
OPEN_SECONDS = 60.0


@dataclass(frozen=True)
class Stream:
    """A video stream as the container describes it."""

    index: int | None
    codec: str = "unknown"
    decoder: str | None = None
    stored: tuple[int, int] | None = None
    rate: Fraction | None = None
    start: Fraction | None = None
    duration: Fraction | None = None
    frames: int | None = None
    untimed: int = 0
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Container:
    """A file as its container describes it; `streams` are candidates, the best first."""

    name: str
    start: Fraction
    duration: Fraction | None
    streams: tuple[Stream, ...]
    tracks: tuple[Track, ...] = ()
    chapters: int = 0
    tags: tuple[tuple[str, str], ...] = ()


def open_container(source: Source) -> Container:
    """What the file says of itself.

    Raises:
        MediaError: no video, or a playlist.
    """
    if source.images is not None:
        return Container("image2", Fraction(0), None, (Stream(0),))
    try:
        with opened(source) as container:
            return _read_container(container)
    except (av.FFmpegError, OSError, ValueError, UnicodeError) as error:
        if source.demuxer is not None:  # ffmpeg may know more kinds of images than PyAV
            return Container(source.demuxer, Fraction(0), None, (Stream(None),))
        raise MediaError(f"{shown(source.path)}: {_why(error)}") from None


def opened(source: Source) -> InputContainer:
    """The file, for PyAV to read; nothing but this file is."""
    return av.open(
        file_url(source.path),
        format=source.demuxer,
        metadata_errors="replace",
        timeout=OPEN_SECONDS,
        options={"format_whitelist": FORMAT_WHITELIST, "protocol_whitelist": PROTOCOL_WHITELIST},
    )


def _read_container(container: InputContainer) -> Container:
    usable = [stream for stream in container.streams.video if not _is_cover(stream)]
    best = container.streams.best("video")
    usable.sort(key=lambda stream: stream is not best)
    return Container(
        name=container.format.name,
        start=Fraction(container.start_time or 0, 1_000_000),
        duration=Fraction(container.duration, 1_000_000) if container.duration else None,
        streams=tuple(_read_stream(container, stream) for stream in usable),
        tracks=tuple(_read_track(stream) for stream in container.streams),
        chapters=len(container.chapters()),
        tags=tuple(sorted(container.metadata.items())),
    )


def _read_stream(container: InputContainer, stream: VideoStream) -> Stream:
    context: Any = stream.codec_context
    if context is None:  # PyAV cannot decode it; ffmpeg may
        return Stream(stream.index)
    codec = context.name
    alpha = stream.metadata.get("alpha_mode") == "1"
    start, ticks, base = stream.start_time, stream.duration, stream.time_base
    rate = stream.guessed_rate or stream.average_rate
    return Stream(
        index=stream.index,
        codec=codec,
        decoder=ALPHA_DECODERS.get(codec) if alpha else None,
        stored=(stream.width, stream.height) if stream.width and stream.height else None,
        rate=Fraction(rate) if rate else None,
        start=start * base if start is not None and base else None,
        duration=ticks * base if ticks and base else None,
        frames=stream.frames or None,
        untimed=_untimed(container, stream) if container.format.name == MATROSKA else 0,
        tags=tuple(sorted(stream.metadata.items())),
    )


def _untimed(container: InputContainer, stream: VideoStream) -> int:
    """How many packets of the first few have no time: those before zero, where ffmpeg drops it."""
    count = 0
    with contextlib.suppress(av.FFmpegError, OSError):
        for packet in itertools.islice(container.demux(stream), MOST_UNTIMED):
            if packet.size and packet.pts is None:
                count += 1
            elif count == 0:
                break
    return count


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


def _why(error: Exception) -> str:
    if isinstance(error, av.ArgumentError):
        return "a playlist, or no video: name the video file itself"
    return (
        f"cannot be opened as a video: {one_line(getattr(error, 'strerror', None) or str(error))}"
    )
