"""What a run's results depend on: the config's keys by stage, and the files that they name."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from flow.given import given_files
from pipeline.config import fingerprint
from pipeline.sections import RunConfig

# Where one of a stage's keys changed, the stage's files are not of this run.
STAGES = {
    "frames": ("input", "run.frame_bits"),
    "shots": ("shots",),
    "flow": ("flow",),
    "painting": ("style", "content", "tv", "temporal", "optimizer", "vgg", "run.seed"),
}
# These hold names of files; what counts is the files' content.
FILES = ("input.path", "style.path", "flow.files", "flow.weights", "vgg.weights")
IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".exr", ".dpx", ".jp2", ".ppm")
NUMBER = re.compile(r"%(?:0\d+)?d")

Claims = dict[str, dict[str, Any]]


def claims(config: RunConfig) -> Claims:
    """Every value that the results depend on, by stage and key; files by their content."""
    stages = {stage: fingerprint(config, *keys) for stage, keys in STAGES.items()}
    for values in stages.values():
        for key in FILES:
            if values.get(key) and Path(values[key]).is_absolute():
                path = Path(values[key])
                values[key] = identity(path, files_of(key, path))
    return stages


def differences(before: Claims, now: Claims) -> dict[str, str]:
    """The keys that changed, and what to say of each: "input.end (4f there, 9f now)".

    Lists and files are only named.
    """
    then = flat(before)
    changed = {key: value for key, value in flat(now).items() if then.get(key) != value}
    return {key: f"{key}{_both(then.get(key), value)}" for key, value in changed.items()}


def flat(stages: Claims) -> dict[str, Any]:
    """The values of all stages, by key."""
    return {key: value for values in stages.values() for key, value in values.items()}


def _both(then: Any, now: Any) -> str:
    """An old and a new value in words, where these say something."""
    words = []
    for value in (then, now):
        if isinstance(value, list) or str(value).startswith(("sha256:", "files:", "missing")):
            return ""
        plain = value if isinstance(value, str) else json.dumps(value)
        words.append("not set" if value is None else plain)
    return f" ({words[0]} there, {words[1]} now)"


def file_hash(path: Path) -> str | None:
    """SHA-256 of a file's bytes, hexadecimal; None where there is no such file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None


def files_of(key: str, path: Path) -> list[Path]:
    """The files that a key of `FILES` means by `path`."""
    return given_files(str(path)) if key == "flow.files" else named_files(path)


def named_files(path: Path) -> list[Path]:
    """The file at `path`, the images of a folder, or the files of a numbered pattern, in order."""
    if path.is_file():
        return [path]
    if path.is_dir():
        found = (entry for entry in path.iterdir() if entry.suffix.lower() in IMAGES)
        return sorted(entry for entry in found if not entry.name.startswith("."))
    if not NUMBER.search(path.name) or not path.parent.is_dir():
        return []
    fits = re.compile(r"\d+".join(re.escape(part) for part in NUMBER.split(path.name)))
    return sorted(entry for entry in path.parent.iterdir() if fits.fullmatch(entry.name))


def identity(path: Path, files: list[Path] | None = None) -> str:
    """What tells the file, or the files, at `path` from others: their names' ends and contents.

    The files are those that `path` names, if they are not given.
    """
    files = named_files(path) if files is None else files
    if not files:
        return "missing"
    if files == [path]:
        return f"sha256:{file_hash(path)}"
    home = os.path.commonpath([entry.parent for entry in files])
    listing = b"\n".join(
        os.fsencode(f"{entry.relative_to(home).as_posix()} {file_hash(entry)}") for entry in files
    )
    return f"files:{hashlib.sha256(listing).hexdigest()}"
