"""The guard of a work folder: one process at a time."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import WorkDirError

LOCK, HOLDER = ".lock", ".holder.json"


class Guard:
    """Holds a folder for this process by a lock of the system's, which ends with the process.

    So a guard that a killed process left is none: nobody holds its lock.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / LOCK, timeout=0)
        self._made: list[Path] = []

    def take(self) -> None:
        """Take the folder, which is made if it is not there.

        Raises:
            WorkDirError: another process holds it; names that one's pid and host.
        """
        self._made = [path for path in (self._folder, *self._folder.parents) if not path.exists()]
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout:
            raise WorkDirError(
                f"{self._folder}: in use by {self._holder()}: wait for it, end it, or give another "
                "--output"
            ) from None
        holder = {"pid": os.getpid(), "host": platform.node()}
        (self._folder / HOLDER).write_text(json.dumps(holder), encoding="utf-8")

    def release(self) -> None:
        """Let go of the folder, if this process holds it; one that it made in vain is removed."""
        if not self._lock.is_locked:
            return
        (self._folder / HOLDER).unlink(missing_ok=True)
        in_vain = self._made and [path.name for path in self._folder.iterdir()] == [LOCK]
        if in_vain and os.name != "nt":  # Windows removes it by itself, once nobody holds it
            (self._folder / LOCK).unlink()
        self._lock.release()
        if in_vain:
            with contextlib.suppress(OSError):  # not empty: somebody else's already
                for path in self._made:
                    path.rmdir()

    def _holder(self) -> str:
        try:
            holder = json.loads((self._folder / HOLDER).read_text(encoding="utf-8"))
            return f"process {holder['pid']} on {holder['host']}"
        except (OSError, ValueError, KeyError):
            return "another process"
