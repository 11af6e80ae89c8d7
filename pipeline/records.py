"""Records of painted frames: JSON lines in a file that only grows, and may be cut short."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.schedule import Source


@dataclass(frozen=True)
class Record:
    """How one frame was painted: a line of `record.jsonl`.

    `made_from` is a digest of the clip's frame and the painted frames that went in, so that a
    painted frame stands only as long as all stand that it came from.
    """

    frame: int
    pass_index: int
    init: str
    iterations: int
    stopped: str
    seconds: float
    start: dict[str, float]
    end: dict[str, float]
    made_from: str
    sha256: str

    @property
    def source(self) -> Source:
        """The image that it tells of."""
        return Source(self.frame, self.pass_index)


def read_records(path: Path) -> Iterator[Record]:
    """The records in a file, in order; a line that was cut short is passed over."""
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            yield Record(**json.loads(line))
        except (ValueError, TypeError):
            continue  # that frame is painted again


def append_record(path: Path, record: Record) -> None:
    """Add a line, and flush it to the disk.

    Raises:
        OSError: the disk is full.
    """
    with path.open("ab") as file:
        if file.tell() and not _ends_a_line(path):
            file.write(b"\n")  # a kill or a full disk cut the line before short
        file.write(json.dumps(asdict(record)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
