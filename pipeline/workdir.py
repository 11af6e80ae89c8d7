"""The work folder: every path in it, what is done, and of which config and inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flow.atomic import sync_folder, write_atomic
from flow.faults import fault_point
from pipeline.claims import claims, differences, file_hash
from pipeline.config import dump_config
from pipeline.errors import NO_SPACE, WorkDirError
from pipeline.framefiles import FrameFiles, delete, read_json, to_json
from pipeline.guard import Guard
from pipeline.records import Record, append_record, read_records
from pipeline.schedule import Source, Step
from pipeline.sections import RunConfig
from pipeline.shots import Shot
from pipeline.staging import Staging

# What each stage makes, and what follows from it.
PAINTED = ("record.jsonl", "stylized", "metrics.json")
FLOW = ("detail", "detail.json", "flow", *PAINTED)
MADE_BY = {
    "frames": ("frames", "frames.json", "shots.json", *FLOW),
    "shots": ("shots.json", *PAINTED),
    "flow": FLOW,
    "painting": PAINTED,
}
OWN = {name for names in MADE_BY.values() for name in names}


class WorkDir:
    """One run's folder. A file counts as done when it has its final name and its recorded hash."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.flow = root / "flow"
        self.metrics = root / "metrics.json"
        self._record_path, self._passes = root / "record.jsonl", root / "stylized"
        self._lie_in(root)
        self._staging = Staging(root)
        self._verified: dict[Source, str] = {}
        self._guard = Guard(root)
        self.manifest: dict[str, Any] = {}
        self.records: dict[Source, Record] = {}

    def _lie_in(self, home: Path) -> None:
        """Where lies what there is before anything is painted."""
        self.config = home / "config.toml"
        self.frames = FrameFiles(home, "frames")
        self.detail = FrameFiles(home, "detail")
        self._manifest_path = home / "manifest.json"
        self._shots_path = home / "shots.json"

    def frame(self, number: int) -> Path:
        """The clip's frame, as it is to be painted."""
        return self.frames.path(number)

    def painted(self, source: Source) -> Path:
        """The painted frame."""
        return self._passes / f"pass_{source.pass_index:02d}" / f"{source.frame:06d}.png"

    def open(self) -> None:
        """Make the folder or go on in it, hold it, and read what it knows.

        Raises:
            WorkDirError: not writable, held by another process, or somebody else's.
        """
        try:
            self._refuse_strangers()
            self._guard.take()
            self.read()
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

    def read(self) -> None:
        """Read what the folder knows, without making or holding it."""
        self.manifest = read_json(self._manifest_path) or {}
        self.records = {record.source: record for record in read_records(self._record_path)}

    def claim(self, config: RunConfig, fresh: bool = False, only_read: bool = False) -> None:
        """Take the folder for a config, and write that there, resolved.

        What an earlier config left and this one does not share is removed, as long as nothing is
        painted; painted frames are never removed unasked, nor anything if `only_read`. If `fresh`,
        all that was there stays until `begin`.

        Raises:
            WorkDirError: the painted frames are of a run that differs; names the keys.
        """
        wanted, before = claims(config), self.manifest.get("made_with")
        if fresh:
            self._staging.start()
            self._lie_in(self._staging.folder)
            self._forget_painted()
        elif before is None and (self.records or self._passes.exists()):
            raise WorkDirError(f"{self._manifest_path}: damaged: run --fresh starts anew there")
        elif before is None and not only_read:
            self._remove(OWN)  # of whom, nobody knows
        elif before is not None:
            changed = differences(before, wanted)
            if changed and (self.records or only_read):
                told = ", ".join(changed.values())
                raise WorkDirError(
                    f"{self.root} holds a run that differs in {told}: run --fresh starts anew "
                    "there; or give another --output, or the old values to go on"
                )
            stages = {stage for stage in MADE_BY if not changed.keys().isdisjoint(wanted[stage])}
            self._remove({name for stage in stages for name in MADE_BY[stage]})
        if not only_read:
            self._sweep()
            self.note(made_with=wanted)
            write_atomic(self.config, dump_config(config).encode())

    def begin(self) -> None:
        """Let a run that is claimed as `fresh` take the place of all that was there before."""
        if self._staging.active:
            hashes = self.frames.hashes
            delete(self.root, OWN, first=self._record_path.name)
            self._staging.adopt(self._manifest_path.name)  # which says what the rest is of
            self._lie_in(self.root)
            self.frames.hashes = hashes

    def reclaimable(self) -> int:
        """The bytes that `begin` will make free."""
        return self._staging.old_bytes()

    def close(self) -> None:
        """Let go of the folder, without what never began."""
        if self._staging.active:
            self._staging.drop()
        self._guard.release()

    def note(self, **values: Any) -> None:
        """Keep values in the manifest."""
        self.manifest |= values
        write_atomic(self._manifest_path, to_json(self.manifest))

    def start_frames(self) -> None:
        """Make the folder of frames, without what an unfinished extraction left."""
        self._shots_path.unlink(missing_ok=True)
        self.frames.start()

    def finish_frames(self, timeline: dict[str, Any], hashes: list[str]) -> None:
        """All frames are there; keep when each is shown, and its hash."""
        self.frames.finish(hashes, {"timeline": timeline})

    def timeline(self) -> dict[str, Any] | None:
        """What `finish_frames` kept, where every frame's file still has its hash; else None."""
        kept = self.frames.about()
        timeline: dict[str, Any] | None = kept and kept["timeline"]
        return timeline

    def shots(self) -> list[Shot] | None:
        """The shots, if they were found before, of just the frames that there are."""
        found = [Shot(**shot) for shot in read_json(self._shots_path) or ()]
        return found if found and found[-1].stop == len(self.frames.hashes) else None

    def finish_shots(self, shots: Iterable[Shot]) -> None:
        """Keep the shots."""
        write_atomic(self._shots_path, to_json([asdict(shot) for shot in shots]))

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
        hashes = [self.frames.hashes[step.frame], *(self._hash(need) for need in step.needs)]
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest()

    def repeats(self, step: Step) -> bool:
        """Whether a step's frame is equal to the one before it, which the step builds on."""
        before = step.frame - 1
        hashes = self.frames.hashes
        builds = before in (*step.init_from, *step.temporal_from) and not step.pass_index
        return builds and hashes[step.frame] == hashes[before]

    def finish(self, png: bytes, record: Record) -> None:
        """Keep a painted frame, then the line that says so."""
        source = record.source
        path = self.painted(source)
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            for folder in (path.parent.parent, self.root):
                sync_folder(folder)
        write_atomic(path, png)
        append_record(self._record_path, record)
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

    def _refuse_strangers(self) -> None:
        entries = self.root.iterdir() if self.root.exists() else ()
        strangers = [path for path in entries if not path.name.startswith(".")]
        if strangers and not self._manifest_path.exists():
            raise WorkDirError(
                f"{self.root}: not empty, and not a work folder of ours; run.work names another"
            )

    def _remove(self, names: set[str]) -> None:
        """Remove some of our own files and folders, and what we know of them."""
        delete(self.root, names, first=self._record_path.name)
        if self._record_path.name in names:
            self._forget_painted()

    def _forget_painted(self) -> None:
        self.records.clear()
        self._verified.clear()
        for key in ("precision", "convolution", "threads"):
            self.manifest.pop(key, None)

    def _sweep(self) -> None:
        """Remove what a killed process was writing."""
        if not self._staging.active:
            self._staging.drop()
        passes = self._passes.glob("*")
        for folder in (self.root, self.frames.folder, self.detail.folder, self.flow, *passes):
            for part in folder.glob(".*.part"):
                part.unlink()
