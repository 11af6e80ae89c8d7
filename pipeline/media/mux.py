"""What travels along: sound, subtitles, chapters, metadata, attachments, beside the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import ffmpeg

from pipeline.errors import MediaError
from pipeline.media.formats import TEXT_SUBTITLES, Container
from pipeline.media.info import Track, VideoInfo
from pipeline.media.look import compiled
from pipeline.media.output import Target
from pipeline.media.process import Ffmpeg, shown
from pipeline.media.source import file_url
from pipeline.media.timing import Timeline
from pipeline.sections import OutputConfig

Way = Literal["copy", "convert"]
STALE_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")
KEPT_STREAM_TAGS = ("language", "title", "handler_name")
LAYOUTS = "mono|stereo|3.0|quad|5.0|5.1|6.1|7.1"


@dataclass(frozen=True)
class _Job:
    """A muxing to do: the encoded picture (or None, for a trial) and the tracks beside it."""

    video: Path | None
    path: Path
    timeline: Timeline
    info: VideoInfo
    target: Target

    @property
    def container(self) -> Container:
        """What the output takes."""
        assert self.target.container is not None
        return self.target.container


def add_tracks(
    video: Path,
    path: Path,
    timeline: Timeline,
    info: VideoInfo,
    target: Target,
    output: OutputConfig,
) -> tuple[str, ...]:
    """Put the encoded picture and all that the container takes of the input's rest into `path`.

    Tracks are copied, else converted, else left out: the notes say so. Sound and subtitles keep
    their place against the picture.

    Raises:
        MediaError: the file cannot be written.
    """
    job = _Job(video, path, timeline, info, target)
    container = job.container
    ways = {track: _ways(track, container, output) for track in info.tracks}
    chosen = {track: options[0] for track, options in ways.items() if options}
    reason = _run(job, chosen)
    if reason and chosen:
        chosen = {}
        for track, options in ways.items():
            trial = replace(job, video=None)
            works = (way for way in options if not _run(trial, {track: way}))
            if (way := next(works, None)) is not None:
                chosen[track] = way
        reason = _run(job, chosen)
    if reason:
        raise MediaError(f"{shown(target.path)}: {reason}")
    return (*_track_notes(info, chosen, container, output), *_tag_notes(path, info))


def _ways(track: Track, container: Container, output: OutputConfig) -> list[Way]:
    """How a track may come along, the best first."""
    if track.kind == "audio" and container.audio and output.audio == "keep":
        return ["copy", "convert"] if track.codec in container.audio else ["convert"]
    if track.kind == "subtitle":
        copied: list[Way] = ["copy"] if track.codec in container.subtitles else []
        converted: list[Way] = ["convert"] if track.codec in TEXT_SUBTITLES else []
        return [*copied, *converted]
    if track.kind == "attachment" and container.attachments:
        return ["copy"]
    return []


def _run(job: _Job, chosen: dict[Track, Way]) -> str | None:
    """Write the file; None, or why it failed. Raises MediaError when ffmpeg stalls."""
    with Ffmpeg(_command(job, chosen), output=job.path) as process:
        failed = process.finish() != 0
        if process.stalled:
            raise MediaError(f"{shown(job.target.path)}: {process.reason()}")
        return process.reason() if failed else None


def _command(job: _Job, chosen: dict[Track, Way]) -> list[str]:
    info, timeline = job.info, job.timeline
    streams = []
    options: dict[str, Any] = {"fflags": "+bitexact", "format": job.container.muxer, "dn": None}
    if job.video is not None:
        first = 0.0 if info.own_times else float(timeline.times[0])
        streams.append(ffmpeg.input(file_url(job.video), itsoffset=f"{first:.6f}")["v:0"])
        options |= _header_options(job)
    if not info.is_sequence:
        with info.source.opened() as (url, guard):
            rest = ffmpeg.input(url, itsoffset=f"{float(_delay(job, chosen)):.6f}", **guard)
        streams += [rest[str(track.index)] for track in chosen] or [rest["d:99?"]]  # for its tags
    for key, value in _track_options(job, chosen):
        options[key] = value
    if timeline.stop is not None:
        options["t"] = f"{float(timeline.stop - timeline.origin):.6f}"
    graph = ffmpeg.output(*streams, file_url(job.path), **options)
    return compiled(graph, info.own_times, () if job.video is None else _tags(info))


def _delay(job: _Job, chosen: dict[Track, Way]) -> Fraction:
    """Seconds to add to the tracks' times, so that they keep their place against the picture.

    Where ffmpeg makes times run from zero, that is the start of the earliest track that it reads,
    while for the picture it was the picture's own.
    """
    info = job.info
    starts = [track.start for track in chosen if track.start is not None]
    if info.own_times or not starts or info.track_start is None:
        return -job.timeline.origin
    return min(starts) - info.track_start - job.timeline.origin


def _tags(info: VideoInfo) -> Iterator[tuple[str, str]]:
    """Metadata that is not simply the input's: what would be untrue is taken out."""
    for key in STALE_TAGS:
        yield "metadata", f"{key}="
    for key, value in info.stream_tags:
        if key in KEPT_STREAM_TAGS:
            yield "metadata:s:v:0", f"{key}={value}"


def _header_options(job: _Job) -> dict[str, Any]:
    """Options of the whole file and of its picture."""
    timeline, base = job.timeline, job.timeline.time_base
    last = (timeline.end - timeline.ticks[-1]) * base
    options: dict[str, Any] = {
        "c:v": "copy",
        "bsf:v": f"setts=pts=PTS:dts=DTS:duration={last}/TB",
    }
    if not job.info.is_sequence:
        options |= {"map_metadata": 1, "map_chapters": 1}
    rate = timeline.constant_rate
    if rate is not None and (timeline.times[0] * rate).denominator == 1:
        options["r:v"] = str(rate)  # snaps times to the rate's grid: only where they lie on it
    if job.container.muxer in ("mp4", "mov"):
        options |= {"video_track_timescale": base.denominator, "movflags": "+faststart"}
    return options


def _track_options(job: _Job, chosen: dict[Track, Way]) -> Iterator[tuple[str, Any]]:
    trimmed = job.timeline.origin != job.info.zero
    for kind, letter in (("audio", "a"), ("subtitle", "s"), ("attachment", "t")):
        tracks = [track for track in chosen if track.kind == kind]
        for number, track in enumerate(tracks):
            name = f"{letter}:{number}"
            if chosen[track] == "copy":
                yield f"c:{name}", "copy"
            elif kind == "audio":
                yield from _audio_options(job.container.audio_encoder, name, trimmed)
            else:
                yield f"c:{name}", job.container.text_encoder
            if trimmed and kind != "attachment":
                yield f"bsf:{name}", "noise=drop='lt(pts,0)'"


def _audio_options(encoder: str, name: str, trimmed: bool) -> Iterator[tuple[str, Any]]:
    chain = ["atrim=start=0"] if trimmed else []
    if encoder == "libopus":
        chain.append(f"aformat=channel_layouts={LAYOUTS}")
    yield f"c:{name}", encoder
    if chain:
        yield f"filter:{name}", ",".join(chain)


def _track_notes(
    info: VideoInfo, chosen: dict[Track, Way], container: Container, output: OutputConfig
) -> Iterator[str]:
    for track in info.tracks:
        language = f" ({track.language})" if track.language not in (None, "und") else ""
        name = f"{track.kind} track {track.index}{language}, {track.codec or 'unknown codec'}"
        if track.kind == "video":
            yield f"{name}: left out, only one video track is painted: track {info.stream}"
        elif track.kind == "audio" and output.audio == "none":
            yield f"{name}: left out, as output.audio says"
        elif track not in chosen:
            yield f"{name}: left out, {container.muxer} does not take it"
        elif chosen[track] == "convert":
            encoder = container.audio_encoder if track.kind == "audio" else container.text_encoder
            yield f"{name}: converted to {encoder.removeprefix('lib')}"


def _tag_notes(path: Path, info: VideoInfo) -> Iterator[str]:
    with av.open(file_url(path), metadata_errors="replace") as container:
        kept = {key.lower() for key in container.metadata}
    lost = [key for key, _ in info.tags if key.lower() not in (*kept, *STALE_TAGS)]
    if lost:
        yield f"metadata left out, the container has no place for it: {', '.join(lost)}"
