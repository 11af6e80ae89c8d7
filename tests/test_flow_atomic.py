"""The atomic write: the old content or the new, never a part."""

import errno
import os
from pathlib import Path

import pytest

from flow.atomic import write_atomic


def test_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    write_atomic(tmp_path / "ours.bin", b"")
    (tmp_path / "usual.bin").write_bytes(b"")
    assert (tmp_path / "ours.bin").stat().st_mode == (tmp_path / "usual.bin").stat().st_mode


def test_keeps_the_old_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bin"
    write_atomic(path, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomic(path, b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
