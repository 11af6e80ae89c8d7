"""Results that take long, kept in a folder under a digest of all that they depend on."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from flow.atomic import write_atomic
from pipeline.sections import RunConfig
from scripts.benchmark.cases import ROOT

FOLDER = ROOT / ".cache" / "bench"
# Raise it when the code changes so that what was kept is no longer what it would find.
VERSION = 1
WHERE = {"input", "output", "run", "shots"}  # sections that no single frame's loss depends on


class Result(NamedTuple):
    """An image (1, 3, H, W), not clipped, and what is told of it."""

    image: Tensor
    figures: dict[str, Any]


class Kept:
    """A folder of results; each is whole or not there, so that a killed run goes on behind it."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder

    def get(
        self, name: str, depends: Mapping[str, Any], compute: Callable[[], Result] | None
    ) -> Result | None:
        """What is kept under a name and its dependencies, else what is computed, and kept then."""
        key = json.dumps(
            {"version": VERSION, "torch": torch.__version__, **depends}, sort_keys=True
        )
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        told, image = (self.folder / f"{name}-{digest}{end}" for end in (".json", ".npy"))
        if told.exists():
            kept = json.loads(told.read_text(encoding="utf-8"))
            return Result(torch.from_numpy(np.load(image)), kept["figures"])
        if compute is None:
            return None
        found = compute()
        self.folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.save(buffer, found.image.numpy())
        write_atomic(image, buffer.getvalue())
        text = json.dumps({"depends": json.loads(key), "figures": found.figures}, indent=1)
        write_atomic(told, text.encode())
        return found


def digest(*tensors: Tensor) -> str:
    """A digest of tensors' shapes and values."""
    found = hashlib.sha256()
    for tensor in tensors:
        array = tensor.detach().cpu().contiguous().numpy()
        found.update(f"{array.dtype} {array.shape} ".encode() + array.tobytes())
    return found.hexdigest()[:16]


def keys_of(config: RunConfig) -> dict[str, Any]:
    """The keys that a config's file sets and a frame's painting depends on.

    Only those set: `configs/ruder2016.toml` names all that it depends on, so that a key that is
    new to Brushflow leaves what was kept alone.
    """
    tables: dict[str, Any] = config.model_dump(mode="json", exclude=WHERE, exclude_unset=True)
    return {**tables, "seed": config.run.seed}
