"""The work folder: every path in it, what is done, and of which config and inputs."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flow.atomic import write_atomic
from flow.faults import fault_point
from pipeline.claims import claims, file_hash
from pipeline.config import dump_config
from pipeline.errors import NO_SPACE, WorkDirError
from pipeline.guard import Guard
from pipeline.schedule import Source, Step
from pipeline.sections import RunConfig
from pipeline.shots import Shot


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


class WorkDir:
    """One run's folder. A file counts as done when it has its final name and its recorded hash."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.flow = root / "flow"
        self.config = root / "config.toml"
        self._manifest_path = root / "manifest.json"
        self._record_path = root / "record.jsonl"
        self._frames_path = root / "frames.json"
        self._shots_path = root / "shots.json"
        self._verified: dict[Source, str] = {}
        self._frame_hashes: list[str] = []
        self._guard = Guard(root)
        self.manifest: dict[str, Any] = {}
        self.records: dict[Source, Record] = {}

    def frame(self, number: int) -> Path:
        """The clip's frame, as it is to be painted."""
        return self.root / "frames" / f"{number:06d}.png"

    def painted(self, source: Source) -> Path:
        """The painted frame."""
        return self.root / "stylized" / f"pass_{source.pass_index:02d}" / f"{source.frame:06d}.png"

    def open(self, config: RunConfig, fresh: bool = False) -> None:
        """Make the folder or go on in it, hold it, and write the resolved config there.

        Raises:
            WorkDirError: not writable; held by another process; somebody else's; or of a run that
                differs, naming the keys.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._refuse_strangers()
            self._guard.take()
            self._open(config, fresh)
        except OSError as error:
            self._guard.release()
            if error.errno in NO_SPACE:
                raise
            raise WorkDirError(
                f"{self.root}: cannot be used as the work folder: {error.strerror}; "
                "run.work names another"
            ) from None
        except BaseException:
            self._guard.release()
            raise

    def _open(self, config: RunConfig, fresh: bool) -> None:
        for part in self.root.rglob(".*.part"):
            part.unlink()  # what a killed process was writing
        if fresh:
            self._clear(keep=("video",))
        self._load()
        self._claim(config)
        write_atomic(self.config, dump_config(config).encode())

    def close(self) -> None:
        """Let go of the folder."""
        self._guard.release()

    def note(self, **values: Any) -> None:
        """Keep values in the manifest."""
        self.manifest |= values
        write_atomic(self._manifest_path, _json(self.manifest))

    def start_frames(self) -> None:
        """Make the folder of frames, without what an unfinished extraction left."""
        shutil.rmtree(self.root / "frames", ignore_errors=True)
        (self.root / "frames").mkdir()

    def finish_frames(self, timeline: dict[str, Any], hashes: list[str]) -> None:
        """All frames are there; keep when each is shown, and its hash."""
        self._frame_hashes = hashes
        write_atomic(self._frames_path, _json({"timeline": timeline, "sha256": hashes}))

    def timeline(self) -> dict[str, Any] | None:
        """What `finish_frames` kept, where every frame's file still has its hash; else None."""
        kept = _read_json(self._frames_path)
        if kept is None:
            return None
        self._frame_hashes = kept["sha256"]
        paths = (self.frame(number) for number in range(len(self._frame_hashes)))
        if any(file_hash(path) != known for path, known in zip(paths, kept["sha256"], strict=True)):
            return None
        timeline: dict[str, Any] = kept["timeline"]
        return timeline

    def shots(self) -> list[Shot] | None:
        """The shots, if they were found before."""
        kept = _read_json(self._shots_path)
        return None if kept is None else [Shot(**shot) for shot in kept]

    def finish_shots(self, shots: Iterable[Shot]) -> None:
        """Keep the shots."""
        write_atomic(self._shots_path, _json([asdict(shot) for shot in shots]))

    def is_done(self, step: Step) -> bool:
        """Whether the step's image is there, whole, and made from what is there now."""
        record = self.records.get(step.result)
        if record is None or record.made_from != self.made_from(step):
            return False
        if step.result not in self._verified:
            found = file_hash(self.painted(step.result))
            if found != record.sha256:
                return False
            self._verified[step.result] = found
        return True

    def made_from(self, step: Step) -> str:
        """A digest of all images that go into a step."""
        hashes = [self._frame_hashes[step.frame], *(self._hash(need) for need in step.needs)]
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest()

    def finish(self, png: bytes, record: Record) -> None:
        """Keep a painted frame, then the line that says so."""
        source = Source(record.frame, record.pass_index)
        path = self.painted(source)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, png)
        with self._record_path.open("ab") as file:
            if file.tell() and not self._ends_a_line():
                file.write(b"\n")  # a kill or a full disk cut the line before short
            file.write(json.dumps(asdict(record)).encode() + b"\n")
        fault_point("recorded")
        self.records[source] = record
        self._verified[source] = record.sha256

    def painting_hash(self, steps: Iterable[Step]) -> str:
        """A digest of the painted frames that the steps gave."""
        hashes = " ".join(self._hash(step.result) for step in steps)
        return hashlib.sha256(hashes.encode()).hexdigest()

    def _hash(self, source: Source) -> str:
        record = self.records.get(source)
        return record.sha256 if record else "not painted"

    def _ends_a_line(self) -> bool:
        with self._record_path.open("rb") as file:
            file.seek(-1, 2)
            return file.read(1) == b"\n"

    def _refuse_strangers(self) -> None:
        strangers = [path for path in self.root.iterdir() if not path.name.startswith(".")]
        if strangers and not self._manifest_path.exists():
            raise WorkDirError(
                f"{self.root}: not empty, and not a work folder of ours; run.work names another"
            )

    def _load(self) -> None:
        self.manifest = _read_json(self._manifest_path) or {}
        lines = self._record_path.read_bytes().splitlines() if self._record_path.exists() else []
        for line in lines:
            try:
                record = Record(**json.loads(line))
            except (ValueError, TypeError):
                continue  # cut short by a kill: that frame is painted again
            self.records[Source(record.frame, record.pass_index)] = record

    def _claim(self, config: RunConfig) -> None:
        """Take the folder for this config, or refuse where it was another's."""
        wanted = claims(config)
        before = self.manifest.get("made_with", wanted)
        changed = [key for key in wanted if before.get(key) != wanted[key]]
        if changed and self.records:
            raise WorkDirError(
                f"{self.root} holds a run that differs in {', '.join(changed)}: give --fresh to "
                "start anew there, or another --output, or the old values to go on"
            )
        if changed:
            self._clear(keep=("video",))  # nothing is lost but what is quickly made again
        self.note(made_with=wanted)

    def _clear(self, keep: tuple[str, ...]) -> None:
        """Remove all that an earlier run left, save some of what the manifest knows.

        The manifest goes last: should this be cut short, it still says whose the rest was.
        """
        manifest = _read_json(self._manifest_path) or {}
        self._record_path.unlink(missing_ok=True)
        for path in self.root.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != self._manifest_path and not path.name.startswith("."):
                path.unlink()
        self.manifest = {}
        self.note(**{key: manifest[key] for key in keep if key in manifest})


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


def _read_json(path: Path) -> Any:
    """A JSON file's value, or None where it is missing or was damaged."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
