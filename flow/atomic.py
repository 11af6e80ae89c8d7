"""The atomic write under every file that we keep."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from flow.faults import fault_point


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds either its old content or all of the new, at any kill.

    The bytes go to a hidden neighbour, are fsynced and renamed; then the folder is fsynced, so
    that the name survives a power loss too (on systems that can fsync a folder).

    Raises:
        OSError: the disk is full or the folder cannot be written; the neighbour is removed.
    """
    part = _neighbour(path)
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fault_point("written")
        part.replace(path)
        fault_point("renamed")
    except BaseException as error:
        if isinstance(error, OSError):
            error.filename = str(path)  # the name that the user knows
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    sync_folder(path.parent)


def check_atomic(path: Path) -> None:
    """Try whether `write_atomic` could write to `path`, without touching what is there.

    Raises:
        OSError: the folder cannot be written, or a folder lies there.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    part = _neighbour(path)
    part.open("wb").close()
    part.unlink()


def sync_folder(folder: Path) -> None:
    """Flush a folder's names to the disk; does nothing where no folder can be opened (Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _neighbour(path: Path) -> Path:
    # Not by tempfile: nobody else may read its files, and these have the usual rights.
    return path.with_name(f".{path.name}.{os.getpid()}.part")
