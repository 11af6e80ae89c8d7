"""Single images and folders of them as the output."""

from __future__ import annotations

import contextlib
import glob
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import ffmpeg

from flow.atomic import sync_folder
from pipeline.errors import MediaError
from pipeline.media.colour import Colour, from_rgb, resized
from pipeline.media.geometry import Pixels, Size
from pipeline.media.info import VideoInfo
from pipeline.media.look import compiled
from pipeline.media.output import Target, replacing
from pipeline.media.process import Ffmpeg, shown
from pipeline.media.raw import feed
from pipeline.media.timing import Timeline

JPEG = Colour("bt470bg", "pc", "bt709", "iec61966-2-1")


def write_images(
    target: Target,
    frames: Iterable[Pixels],
    timeline: Timeline,
    info: VideoInfo,
    size: Size,
) -> tuple[str, ...]:
    """Write frames as one image of `size` or as the numbered images of a folder; answers notes.

    Raises:
        MediaError: several frames for one image, a disk that is full, no frames.
    """
    with _scratch(target.home, target.pattern or target.path.name) as folder:
        _encode(folder, frames, timeline, target, size)
        written = sorted(folder.iterdir())
        if target.pattern is None:
            if len(written) != 1:
                raise MediaError(
                    f"{shown(target.path)}: one image, but there are {len(written)} frames:"
                    " give a folder, or a pattern like %06d" + target.path.suffix
                )
            with replacing(target.path) as part:
                written[0].replace(part)
        else:
            _move(written, target)
    return _notes(target, timeline, info)


@contextlib.contextmanager
def _scratch(home: Path, name: str) -> Iterator[Path]:
    """A hidden folder for the images of one output; those that a killed process left are swept.

    Always another one: an ffmpeg that lost us may still be writing into the last one.
    """
    for left in home.glob(f".{glob.escape(name)}.*.frames"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}.", suffix=".frames", dir=home) as folder:
        yield Path(folder)


def _encode(
    folder: Path, frames: Iterable[Pixels], timeline: Timeline, target: Target, size: Size
) -> None:
    codec = target.codec
    pixels = codec.pixels16 if timeline.deep else codec.pixels8
    planar = "format=gbrp16le" if timeline.deep else "format=gbrp"
    options = {"c:v": codec.encoder, **codec.options, "fflags": "+bitexact", "flags:v": "+bitexact"}
    graph = ffmpeg.input("pipe:0", format="nut").output(
        f"file:{str(folder.resolve()).replace('%', '%%')}/%09d",
        vf=",".join([planar, resized(size), *from_rgb(JPEG, pixels, size, deep=timeline.deep)]),
        fps_mode="passthrough",
        format="image2",
        start_number=0,
        **options,
    )
    with Ffmpeg(compiled(graph, own_times=True), output=folder) as process:
        feed(process, frames, timeline, shown(target.path))


def _move(written: list[Path], target: Target) -> None:
    """Give the images their names in the folder, each at once."""
    for number, image in enumerate(written):
        with replacing(target.path / target.numbered(number)) as part:
            image.replace(part)
    sync_folder(target.path)


def _notes(target: Target, timeline: Timeline, info: VideoInfo) -> tuple[str, ...]:
    notes = []
    if timeline.deep and not target.codec.keeps_depth:
        notes.append(f"{target.codec_name} stores 8 bits a channel; the painted frames have 16")
    if target.pattern and timeline.constant_rate is None:
        notes.append("single images hold no times, and the clip's frames are not evenly spaced")
    if left := sorted({track.kind for track in info.tracks}):
        notes.append(f"left out, images hold the picture alone: {', '.join(left)}")
    return tuple(notes)
