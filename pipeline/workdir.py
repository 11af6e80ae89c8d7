"""The work folder: every path in it, what is done, and of which config and inputs."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flow.files import write_atomic
from pipeline.config import dump_config, fingerprint
from pipeline.errors import WorkDirError
from pipeline.schedule import Source, Step
from pipeline.sections import RunConfig
from pipeline.shots import Shot

# What each stage depends on. Where one of these changed, the stage's files are not of this run.
STAGES = {
    "frames": ("input", "run.frame_bits"),
    "shots": ("shots",),
    "painting": ("style", "content", "tv", "temporal", "flow", "optimizer", "vgg", "run.seed"),
}
# These hold a file's name; what counts is the file's content.
FILES = ("input.path", "style.path")


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
        self.manifest: dict[str, Any] = {}
        self.records: dict[Source, Record] = {}

    def frame(self, number: int) -> Path:
        """The clip's frame, as it is to be painted."""
        return self.root / "frames" / f"{number:06d}.png"

    def painted(self, source: Source) -> Path:
        """The painted frame."""
        return self.root / "stylized" / f"pass_{source.pass_index:02d}" / f"{source.frame:06d}.png"

    def open(self, config: RunConfig, fresh: bool = False) -> None:
        """Make the folder or go on in it, and write the resolved config there.

        Raises:
            WorkDirError: not writable; or of a run that differs, naming the keys.
        """
        try:
            if fresh:
                self._clear()
            self.root.mkdir(parents=True, exist_ok=True)
            self._load()
            self._claim(config)
            write_atomic(self.config, dump_config(config).encode())
        except OSError as error:
            raise WorkDirError(
                f"{self.root}: cannot be used as the work folder: {error.strerror}; "
                "run.work names another"
            ) from None

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

    def _load(self) -> None:
        self.manifest = _read_json(self._manifest_path) or {}
        if not self.manifest and any(self.root.iterdir()):
            raise WorkDirError(
                f"{self.root}: not empty, and not a work folder of ours; run.work names another"
            )
        lines = self._record_path.read_bytes().splitlines() if self._record_path.exists() else []
        for line in lines:
            try:
                record = Record(**json.loads(line))
            except (ValueError, TypeError):
                continue  # cut short by a kill: that frame is painted again
            self.records[Source(record.frame, record.pass_index)] = record

    def _clear(self) -> None:
        """Remove all that an earlier run left, save the knowledge of the video that it wrote."""
        manifest = _read_json(self._manifest_path)
        if manifest is None:
            return
        shutil.rmtree(self.root)
        self.root.mkdir()
        self.note(video=manifest.get("video", {}))

    def _forget_all(self) -> None:
        """Remove what no painted frame came from yet."""
        self.manifest = {}
        for folder in (self.root / "frames", self.flow):
            shutil.rmtree(folder, ignore_errors=True)
        for path in (self._frames_path, self._shots_path):
            path.unlink(missing_ok=True)

    def _claim(self, config: RunConfig) -> None:
        """Take the folder for this config, or refuse where it was another's."""
        claimed: dict[str, Any] = self.manifest.get("made_with", {})
        wanted = {stage: fingerprint(config, *keys) for stage, keys in STAGES.items()}
        for values in wanted.values():
            for key in FILES:
                if values.get(key):
                    values[key] = identity(Path(values[key]))
        before, now = ({k: v for s in m.values() for k, v in s.items()} for m in (claimed, wanted))
        changed = [key for key in now if before and before.get(key) != now[key]]
        if changed and not self.records:
            self._forget_all()  # nothing is lost but what is quickly made again
        elif changed:
            raise WorkDirError(
                f"{self.root} holds a run that differs in {', '.join(changed)}: give --fresh to "
                "start anew there, or another --output, or the old values to go on"
            )
        self.note(made_with=wanted)


def file_hash(path: Path) -> str | None:
    """SHA-256 of a file's bytes, hexadecimal; None where there is no such file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def identity(path: Path) -> str:
    """What tells a file, or the files of a folder or a numbered pattern, from others."""
    if path.is_file():
        return f"sha256:{file_hash(path)}"
    folder = path if path.is_dir() else path.parent
    files = (
        sorted(entry for entry in folder.glob("*") if entry.is_file()) if folder.is_dir() else []
    )
    listing = [f"{entry.name} {entry.stat().st_size} {entry.stat().st_mtime_ns}" for entry in files]
    return f"files:{hashlib.sha256(chr(10).join(listing).encode()).hexdigest()}"


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


def _read_json(path: Path) -> Any:
    """A JSON file's value, or None where it is missing or was damaged."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
