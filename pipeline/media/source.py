"""What the user calls the input: a file, a folder of images or a pattern, as ffmpeg may open it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.errors import MediaError
from pipeline.media.formats import FORMAT_WHITELIST, IMAGE_SUFFIXES, PROTOCOL_WHITELIST
from pipeline.media.process import shown

PATTERN = re.compile(r"%(0\d+)?d")
DEFAULT_RATE = Fraction(25)


@dataclass(frozen=True)
class Source:
    """An input: one file (`images` is None), or the images of a sequence in order.

    `demuxer` is how ffmpeg must read the file, where its name could mean something else.
    """

    path: Path
    images: tuple[Path, ...] | None = None
    rate: Fraction = DEFAULT_RATE
    demuxer: str | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The URL for ffmpeg and the options before its `-i`.

        A sequence is shown to ffmpeg as a folder of numbered links, so that gaps in the numbers
        and odd names do not matter.
        """
        guard = {"protocol_whitelist": PROTOCOL_WHITELIST}
        if self.images is None:
            named = {} if self.demuxer is None else {"f": self.demuxer}
            yield file_url(self.path), {**guard, **named, "format_whitelist": FORMAT_WHITELIST}
            return
        with tempfile.TemporaryDirectory(prefix="brushflow-") as folder:
            suffix = self.images[0].suffix.lower()
            for index, image in enumerate(self.images):
                _link(image, Path(folder, f"{index:06d}{suffix}"))
            url = f"file:{folder.replace('%', '%%')}{os.sep}%06d{suffix}"
            options = {"f": "image2", "pattern_type": "sequence", "start_number": 0}
            yield (
                url,
                {**guard, **options, "framerate": str(self.rate), "format_whitelist": "image2"},
            )


def find_source(path: Path, rate: Fraction | None) -> Source:
    """The input at `path`: a regular file, a folder of images, or a pattern like `%06d.png`.

    Raises:
        MediaError: nothing is there, or it is something else.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100  (resolve() would follow links)
    if path.is_dir():
        return _sequence(path, sorted(path.iterdir(), key=_natural), rate)
    if not path.exists() and (found := PATTERN.search(path.name)) is not None:
        before, after = map(re.escape, (path.name[: found.start()], path.name[found.end() :]))
        name = re.compile(rf"{before}\d+{after}")
        folder = path.parent.iterdir() if path.parent.is_dir() else ()
        return _sequence(
            path, sorted((p for p in folder if name.fullmatch(p.name)), key=_natural), rate
        )
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        why = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise MediaError(f"{shown(path)}: {why}") from None
    if not stat.S_ISREG(mode):
        raise MediaError(f"{shown(path)}: not a file (a pipe or a device cannot be painted)")
    if path.stat().st_size == 0:
        raise MediaError(f"{shown(path)}: the file is empty")
    if path.suffix.lower() == ".tga":  # which only its name tells
        return Source(path, (path,))
    return Source(path, demuxer=_image_demuxer(path))


def source_files(path: Path) -> tuple[Path, ...]:
    """The files that the input at `path` is read from.

    Raises:
        MediaError: nothing is there, or it is something else.
    """
    source = find_source(path, None)
    return source.images or (source.path,)


def file_url(path: Path) -> str:
    """A path as an ffmpeg URL that can mean nothing but this file."""
    return f"file:{os.path.abspath(path)}"  # noqa: PTH100


def _image_demuxer(path: Path) -> str | None:
    """The demuxer of an image file by its first bytes: by its name ffmpeg might see a pattern."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if head.startswith(b"\x89PNG"):
        return "apng" if b"acTL" in head else "png_pipe"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp_anim" if b"ANIM" in head else "webp_pipe"
    if head.startswith(b"\xff\xd8\xff") and path.suffix.lower() in IMAGE_SUFFIXES:
        return "jpeg_pipe"
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


_MAGIC = {
    b"GIF8": "gif",
    b"II*\0": "tiff_pipe",
    b"MM\0*": "tiff_pipe",
    b"BM": "bmp_pipe",
    b"\x76\x2f\x31\x01": "exr_pipe",
    b"SDPX": "dpx_pipe",
    b"XPDS": "dpx_pipe",
    b"qoif": "qoi_pipe",
}


def _sequence(path: Path, files: list[Path], rate: Fraction | None) -> Source:
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()]
    if not images:
        raise MediaError(
            f"{shown(path)}: no images there (looked for {', '.join(IMAGE_SUFFIXES[:6])} …)"
        )
    kinds = Counter(image.suffix.lower() for image in images)
    if len(kinds) > 1:
        names, pattern = ", ".join(sorted(kinds)), _pattern_of_most(images)
        todo = f"name one, as {shown(pattern)}" if pattern else "leave those of one kind there"
        raise MediaError(f"{shown(path)}: images of several kinds ({names}): {todo}")
    return Source(path, tuple(images), rate or DEFAULT_RATE)


def _pattern_of_most(images: list[Path]) -> Path | None:
    """A pattern that takes all images of one kind, the most frequent whose names have one."""
    for suffix, count in Counter(image.suffix.lower() for image in images).most_common():
        kind = [image for image in images if image.suffix.lower() == suffix]
        names = {re.sub(r"\d+(?=\D*$)", "%d", image.stem) + image.suffix for image in kind}
        name = names.pop()
        if count > 1 and not names and PATTERN.search(name):
            return kind[0].with_name(name)
    return None


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts], path.name


def _link(image: Path, name: Path) -> None:
    try:
        name.symlink_to(image)
    except OSError:  # Windows without the right to make links
        shutil.copyfile(image, name)
