"""What is checked before any work is done: what must be named, what would be lost, what fits."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline import media
from pipeline.claims import identity
from pipeline.errors import ConfigError, WorkDirError
from pipeline.sections import RunConfig
from pipeline.workdir import WorkDir

# Bytes a pixel of the flow's files: both directions, two float32 each, and two weights.
FLOW_BYTES = 2 * 2 * 4 + 2
# What a PNG frame takes of its raw size: painted texture hardly compresses.
PNG_SHARE = 0.8
SPARE_BYTES = 50_000_000


def required(config: RunConfig) -> tuple[Path, Path, Path]:
    """The paths of the clip, the painting and the output.

    Raises:
        ConfigError: one is not named.
    """
    paths = []
    for section in ("input", "style", "output"):
        path = getattr(config, section).path
        if path is None:
            raise ConfigError(
                f"{section}.path is not set: name it in the config or give --{section}"
            )
        paths.append(path)
    return paths[0], paths[1], paths[2]


def check_overwrite(config: RunConfig, work: WorkDir, overwrite: bool) -> None:
    """Refuse to replace an output that is not the one that this run wrote.

    Raises:
        ConfigError: it is another's.
    """
    target = media.check_output(config.input, config.output)
    if overwrite or not media.output_exists(config.output):
        return
    if work.manifest.get("video", {}).get("identity") != identity(target.path):
        raise ConfigError(
            f"{target.path} exists and is not of this run: give --overwrite to replace it, "
            "or another --output"
        )


def check_space(clip: media.Clip, work: WorkDir) -> None:
    """Refuse to start what the disk cannot hold.

    Raises:
        WorkDirError: the estimate is more than what is free.
    """
    if clip.frames is None:
        return
    needed = disk_bytes(clip.frames, clip.size, clip.deep)
    free = shutil.disk_usage(work.root).free
    if needed > free:
        width, height = clip.size
        raise WorkDirError(
            f"{work.root}: the disk has {free / 1e9:.2f} GB free, the run needs about "
            f"{needed / 1e9:.2f} GB ({clip.frames} frames of {width}x{height}): make space, "
            "set run.work to another disk, or paint less (input.end, input.max_side)"
        )


def disk_bytes(frames: int, size: tuple[int, int], deep: bool) -> float:
    """An estimate of what a run writes: its frames (16 bits if `deep`) twice, and the flow."""
    pixels = size[0] * size[1]
    png = pixels * 3 * (2 if deep else 1) * PNG_SHARE
    return frames * (2 * png + pixels * FLOW_BYTES) + SPARE_BYTES
