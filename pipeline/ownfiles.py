"""The user's own files: what a config names to be read is never written over."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline import media
from pipeline.claims import files_of
from pipeline.errors import ConfigError
from pipeline.sections import RunConfig


def named_paths(config: RunConfig) -> dict[str, Path]:
    """The paths of all keys that name a file, a folder or a pattern to be read, as far as given."""
    given = {
        "input.path": config.input.path,
        "style.path": config.style.path,
        "vgg.weights": config.vgg.weights,
        "flow.weights": config.flow.weights,
        "flow.files": config.flow.files,
    }
    paths = {key: Path(path) for key, path in given.items() if path is not None}
    return {key: path for key, path in paths.items() if path.is_absolute()}


def refuse_writing(config: RunConfig, places: Iterable[Path], what: str) -> None:
    """Refuse to write where a file lies that the config names to be read, whatever leads there.

    Links and the letters' case do not matter: a file is known by its place on the disk. `what` says
    in the error what would be written.

    Raises:
        ConfigError: names the file and its key.
        MediaError: the input is not there.
    """
    there = [place for place in places if place.exists()]
    own = _own_files(config) if there else {}
    for place in there:
        key = own.get(_on_disk(place))
        if key is not None:
            raise ConfigError(
                f"{what} {place}: this file is read, as {key}, and never written: give another name"
            )


def _own_files(config: RunConfig) -> dict[tuple[int, int], str]:
    """The key that names it, for each file that is read, by its place on the disk."""
    found: dict[tuple[int, int], str] = {}
    for key, path in named_paths(config).items():
        files = media.source_files(path) if key == "input.path" else files_of(key, path)
        found |= {_on_disk(file): key for file in files if file.exists()}
    return found


def _on_disk(path: Path) -> tuple[int, int]:
    """What `os.path.samefile` compares."""
    found = path.stat()
    return found.st_dev, found.st_ino
