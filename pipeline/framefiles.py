"""Numbered frames as PNG files in a folder, and the file beside it that says they are all there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from flow.atomic import sync_folder, write_atomic
from pipeline.claims import file_hash


class FrameFiles:
    """The frames `<name>/000042.png` of a work folder, with `<name>.json`.

    They count as there when that file is, and each of them still has the hash that it tells.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.folder = root / name
        self.index = root / f"{name}.json"
        self.hashes: list[str] = []

    def path(self, number: int) -> Path:
        """Where a frame lies."""
        return self.folder / f"{number:06d}.png"

    @property
    def complete(self) -> bool:
        """Whether all were written."""
        return self.index.exists()

    def start(self) -> None:
        """Make the folder, without what an unfinished extraction left."""
        self.index.unlink(missing_ok=True)
        if self.folder.is_dir():
            shutil.rmtree(self.folder)
        self.folder.mkdir()
        sync_folder(self.folder.parent)

    def finish(self, hashes: list[str], about: dict[str, Any]) -> None:
        """All frames are there; keep the hash of each, and what is to be known of them."""
        self.hashes = hashes
        write_atomic(self.index, to_json({**about, "sha256": hashes}))

    def about(self) -> dict[str, Any] | None:
        """What `finish` kept, where every frame's file still has its hash; else None."""
        kept: dict[str, Any] | None = read_json(self.index)
        if kept is None:
            return None
        self.hashes = kept["sha256"]
        if any(file_hash(self.path(n)) != known for n, known in enumerate(self.hashes)):
            return None
        return kept


def delete(root: Path, names: set[str], first: str) -> None:
    """Delete some files and folders of a work folder, the one named `first` before all others.

    Whatever else lies there stays. Should this be cut short, the manifest still says of which
    config the rest was.
    """
    for name in sorted(names, key=lambda name: name != first):
        path = root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def to_json(value: Any) -> bytes:
    """A value as the work folder's files hold it."""
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


def read_json(path: Path) -> Any:
    """A JSON file's value, or None where it is missing or was damaged."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
