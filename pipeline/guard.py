"""The guard of a work folder: one process at a time."""

from __future__ import annotations

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

    def take(self) -> None:
        """Take the folder.

        Raises:
            WorkDirError: another process holds it; names that one's pid and host.
        """
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
        """Let go of the folder, if this process holds it."""
        if self._lock.is_locked:
            (self._folder / HOLDER).unlink(missing_ok=True)
            self._lock.release()

    def _holder(self) -> str:
        try:
            holder = json.loads((self._folder / HOLDER).read_text(encoding="utf-8"))
            return f"process {holder['pid']} on {holder['host']}"
        except (OSError, ValueError, KeyError):
            return "another process"
