"""Encoding: painted frames into the output, at their times, with what travels along."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from pipeline.media.chroma import grown
from pipeline.media.colour import Colour, from_rgb, resized, stored
from pipeline.media.frame import framed
from pipeline.media.geometry import Pixels, Size
from pipeline.media.images import write_images
from pipeline.media.info import VideoInfo
from pipeline.media.look import compiled
from pipeline.media.mux import add_tracks
from pipeline.media.output import Target, check_output, replacing
from pipeline.media.process import Ffmpeg, shown
from pipeline.media.raw import feed
from pipeline.media.source import file_url
from pipeline.media.timing import Timeline
from pipeline.sections import InputConfig, OutputConfig

BITEXACT = {"fflags": "+bitexact", "flags:v": "+bitexact"}


@dataclass(frozen=True)
class _Picture:
    """How the canvas becomes the stored picture."""

    size: Size
    padding: tuple[int, int]
    colour: Colour
    chain: tuple[str, ...]


def write_video(
    path: Path,
    frames: Iterable[Pixels],
    timeline: Timeline,
    info: VideoInfo,
    options: InputConfig,
    output: OutputConfig,
) -> tuple[str, ...]:
    """Write the painted frames (H, W, 3) to `path`, and what travels along; answers notes.

    Fewer frames than the timeline has make a shorter clip, whose sound ends with it. The file
    appears under its name when it is whole; the same frames give the same bytes.

    Raises:
        MediaError: no frames, a disk that is full, an encoder that fails.
    """
    target = check_output(options, output.model_copy(update={"path": path}))
    target.home.mkdir(exist_ok=True)
    size = timeline.geometry.input if output.size == "input" else timeline.geometry.canvas
    with contextlib.closing(framed(frames, timeline, info, options, size)) as whole:
        if target.container is None:
            return write_images(target, whole, timeline, info, size)
        return _write_clip(target, whole, timeline, info, output, size)


def _write_clip(
    target: Target,
    frames: Iterable[Pixels],
    timeline: Timeline,
    info: VideoInfo,
    output: OutputConfig,
    size: Size,
) -> tuple[str, ...]:
    assert target.container is not None
    picture = _picture(target, timeline, info, size)
    notes = _picture_notes(target, timeline, picture)
    with replacing(target.path) as part:
        if target.container.muxer == "gif":
            _encode(part, frames, timeline, target, picture)
            return (*notes, *_silence(info))
        with _removed(part.with_name(f"{part.name}.video")) as video:
            count = _encode(video, frames, timeline, target, picture)
            tracks = add_tracks(video, part, timeline.first(count), info, target, output)
        return (*notes, *tracks)


def _encode(
    path: Path, frames: Iterable[Pixels], timeline: Timeline, target: Target, picture: _Picture
) -> int:
    """Encode the picture alone; answers how many frames there were."""
    with Ffmpeg(_command(path, timeline, target, picture), output=path) as process:
        return feed(process, frames, timeline, shown(target.path))


def _command(path: Path, timeline: Timeline, target: Target, picture: _Picture) -> list[str]:
    assert target.container is not None
    codec, base = target.codec, timeline.time_base
    options: dict[str, Any] = {"c:v": codec.encoder, **codec.options, **BITEXACT}
    if target.quality is not None:
        options["crf"] = target.quality
    if target.codec_name == "h265" and target.container.muxer in ("mp4", "mov"):
        options["tag:v"] = "hvc1"  # what Apple's players look for
    if target.container.muxer in ("mp4", "mov"):
        options["video_track_timescale"] = base.denominator
    if target.container.muxer == "gif":
        last = (timeline.end - timeline.ticks[-1]) * base
        options["final_delay"] = max(1, round(last * 100))
        base = Fraction(1, 100)
    graph = ffmpeg.input("pipe:0", format="nut", protocol_whitelist="file,pipe").output(
        file_url(path),
        vf=",".join(picture.chain),
        fps_mode="passthrough",
        enc_time_base=f"{base.numerator}:{base.denominator}",
        format=target.container.muxer,
        **options,
    )
    return compiled(graph, own_times=True)


def _picture(target: Target, timeline: Timeline, info: VideoInfo, size: Size) -> _Picture:
    codec = target.codec
    padding = (-size[0] % codec.align[0], -size[1] % codec.align[1])
    final = (size[0] + padding[0], size[1] + padding[1])
    colour = stored(info.colour, final, full_range=codec.full_range)
    planar = "format=gbrp16le" if timeline.deep else "format=gbrp"
    chain = [planar, resized(size), grown(size, final)]
    pixels = codec.pixels16 if timeline.deep else codec.pixels8
    if target.codec_name == "gif":
        chain += ["split[a][b]", "[a]palettegen=stats_mode=single[p]", "[b][p]paletteuse=new=1"]
        return _Picture(size, padding, colour, (";".join((",".join([*chain[:-2]]), *chain[-2:])),))
    return _Picture(
        size, padding, colour, (*chain, *from_rgb(colour, pixels, final, deep=timeline.deep))
    )


def _picture_notes(target: Target, timeline: Timeline, picture: _Picture) -> tuple[str, ...]:
    notes = []
    width, height = picture.size
    wide, high = picture.padding
    if wide or high:
        added = " and ".join(
            text
            for count, text in ((wide, "a column at the right"), (high, "a row below"))
            if count
        )
        notes.append(
            f"{target.codec_name} stores even sizes only: {width}x{height} became"
            f" {width + wide}x{height + high} by repeating {added}"
        )
    if timeline.deep and not target.codec.keeps_depth:
        notes.append(
            f"{target.codec_name} stores 8 bits a channel here; the painted frames have 16"
        )
    container = target.container
    if container is not None and container.tick and _inexact(timeline, container.tick):
        notes.append(f"{target.path.suffix} keeps times to {1000 // container.tick} ms")
    return tuple(notes)


def _inexact(timeline: Timeline, tick: int) -> bool:
    return any((time * tick).denominator != 1 for time in timeline.times)


def _silence(info: VideoInfo) -> tuple[str, ...]:
    left = sorted({track.kind for track in info.tracks})
    return (f"left out, the output holds the picture alone: {', '.join(left)}",) if left else ()


@contextlib.contextmanager
def _removed(path: Path) -> Iterator[Path]:
    path.unlink(missing_ok=True)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
