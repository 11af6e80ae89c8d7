"""Where the painted clip goes: checked before any work, written under another name, renamed."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flow.atomic import sync_folder
from pipeline.errors import MediaError
from pipeline.media.formats import CODECS, CONTAINERS, STILLS, Codec, Container
from pipeline.media.process import shown
from pipeline.media.source import PATTERN
from pipeline.sections import InputConfig, OutputConfig


@dataclass(frozen=True)
class Target:
    """An output: a video (it has a `container`), one image, or a folder of images (`pattern`)."""

    path: Path
    codec_name: str
    container: Container | None = None
    pattern: str | None = None
    quality: int | None = None

    @property
    def codec(self) -> Codec:
        """How the picture is stored."""
        return CODECS[self.codec_name]

    @property
    def home(self) -> Path:
        """The folder that is written to."""
        return self.path if self.pattern else self.path.parent

    def numbered(self, number: int) -> str:
        """The name of an image in the folder, by its number."""
        assert self.pattern is not None
        return PATTERN.sub(lambda found: found[0] % number, self.pattern, count=1)


def find_target(output: OutputConfig) -> Target:
    """What `output.path` and `output.codec` mean.

    Raises:
        MediaError: an ending, or a codec in a container, that is not possible.
    """
    path = output.path
    if path is None:
        raise MediaError("output.path: not given")
    suffix = path.suffix.lower()
    if suffix in CONTAINERS:
        container = CONTAINERS[suffix]
        codec = _codec(output, suffix, container.codecs)
        return Target(path, codec, container, quality=_quality(output, codec))
    if PATTERN.search(path.name) and suffix in STILLS:
        codec = _codec(output, suffix, (STILLS[suffix],))
        return Target(path.parent, codec, pattern=path.name, quality=_quality(output, codec))
    if suffix in STILLS:
        codec = _codec(output, suffix, (STILLS[suffix],))
        return Target(path, codec, quality=_quality(output, codec))
    if not suffix or path.is_dir():
        codec = _codec(output, "a folder", ("png", "tiff", "jpeg"))
        ending = {"png": "png", "tiff": "tif", "jpeg": "jpg"}[codec]
        return Target(path, codec, pattern=f"%06d.{ending}", quality=_quality(output, codec))
    allowed = " ".join((*CONTAINERS, *STILLS))
    raise MediaError(
        f"output.path = {shown(path)}: {suffix} cannot be written (allowed: {allowed},"
        " or a folder for single frames)"
    )


def check_output(options: InputConfig, output: OutputConfig) -> Target:
    """Refuse what cannot be written, before any work; nothing is made.

    Raises:
        MediaError: an impossible ending or codec, the input itself, or no place to write.
    """
    target = find_target(output)
    source = options.path
    if source is not None and _same(source, target.path):
        raise MediaError(
            f"output.path = {shown(target.path)}: this is the input, give another name"
        )
    folder = target.home
    if target.pattern is None and target.path.is_dir():
        raise MediaError(f"output.path = {shown(target.path)}: this is a folder, give a file name")
    if (folder.exists() or folder.is_symlink()) and not folder.is_dir():
        raise MediaError(f"output.path: {shown(folder)} is a file, not a folder")
    existing = folder if folder.exists() else folder.parent
    if not existing.is_dir():
        raise MediaError(f"output.path: the folder {shown(existing)} does not exist, make it first")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise MediaError(f"output.path: the folder {shown(existing)} cannot be written to")
    return target


def replaced(target: Target) -> list[Path]:
    """The files there that writing the output might replace: of a folder, all with its names."""
    if target.pattern is None:
        return [target.path]
    before, _, after = PATTERN.split(target.pattern, maxsplit=1)
    fits = re.compile(rf"{re.escape(before)}(\d+){re.escape(after)}", re.IGNORECASE)
    entries = target.path.iterdir() if target.path.is_dir() else ()
    found = [match for entry in entries if (match := fits.fullmatch(entry.name))]
    return [target.path / target.numbered(int(match[1])) for match in found]


def output_exists(output: OutputConfig) -> bool:
    """Whether something that would be replaced lies at the output's place."""
    target = find_target(output)
    if target.pattern is None:
        return target.path.exists() or target.path.is_symlink()
    return target.path.is_dir() and any(target.path.glob(f"*{Path(target.pattern).suffix}"))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden neighbour to write to, which becomes `path` when the block ends well.

    It is fsynced and renamed; on any error it is removed. What a killed process left there is
    removed first: an ffmpeg of its own may still be writing to it.

    Raises:
        MediaError: the folder cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise MediaError(f"{shown(path)}: cannot be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _codec(output: OutputConfig, where: str, allowed: tuple[str, ...]) -> str:
    if output.codec == "auto":
        return allowed[0]
    if output.codec not in allowed:
        raise MediaError(
            f"output.codec = {output.codec}: not possible in {where}"
            f" (allowed: {', '.join(allowed)})"
        )
    return output.codec


def _quality(output: OutputConfig, name: str) -> int | None:
    codec = CODECS[name]
    if output.quality is None:
        return codec.quality
    if codec.quality is None:
        raise MediaError(
            f"output.quality = {output.quality}: {name} has no such setting, remove it"
        )
    if output.quality > codec.worst:
        raise MediaError(
            f"output.quality = {output.quality}: {name} takes 0 (finest) to {codec.worst},"
            f" by default {codec.quality}"
        )
    return output.quality


def _same(source: Path, target: Path) -> bool:
    if os.path.abspath(source) == os.path.abspath(target):  # noqa: PTH100
        return True
    try:
        return source.samefile(target)
    except OSError:
        return False
