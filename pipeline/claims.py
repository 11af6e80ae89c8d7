"""What a run's results depend on: the config's keys by stage, and the files that they name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pipeline.config import fingerprint
from pipeline.sections import RunConfig

# Where one of a stage's keys changed, the stage's files are not of this run.
STAGES = {
    "frames": ("input", "run.frame_bits"),
    "shots": ("shots",),
    "painting": ("style", "content", "tv", "temporal", "flow", "optimizer", "vgg", "run.seed"),
}
# These hold a file's name; what counts is the file's content.
FILES = ("input.path", "style.path", "flow.weights")


def claims(config: RunConfig) -> dict[str, Any]:
    """Every value that the painted frames depend on, by its key; files by their content."""
    values = {
        key: value for keys in STAGES.values() for key, value in fingerprint(config, *keys).items()
    }
    for key in FILES:
        if values.get(key):
            values[key] = identity(Path(values[key]))
    weights = Path(config.vgg.weights)
    if weights.is_absolute():
        values["vgg.weights"] = identity(weights)
    return values


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
