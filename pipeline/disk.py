"""What a run writes, as an estimate, and whether the disk has room for it."""

from __future__ import annotations

import shutil
from typing import NamedTuple

from pipeline import media
from pipeline.errors import WorkDirError
from pipeline.sections import RunConfig
from pipeline.workdir import WorkDir

# Bytes a pixel of the flow's files: both directions, two float32 each, and two weights.
FLOW_BYTES = 2 * 2 * 4 + 2
# What a PNG frame takes of its raw size: painted texture hardly compresses.
PNG_SHARE = 0.8
SPARE_BYTES = 50_000_000


class Size(NamedTuple):
    """What is painted of each frame; `deep` frames have 16 bits.

    `detail` is how many pixels of it flow is seen by, where those are more.
    """

    width: int
    height: int
    deep: bool
    detail: int = 0


def size_of(geometry: media.Geometry, deep: bool, config: RunConfig) -> Size:
    """What is painted of each frame of a clip of this geometry."""
    larger = media.larger(geometry, config.flow.detail)
    return Size(*geometry.painted, deep, larger[0] * larger[1] if larger else 0)


def check_space(config: RunConfig, frames: int, clip: Size, work: WorkDir) -> None:
    """Refuse to go on with what the disk cannot hold.

    Raises:
        WorkDirError: the estimate of what is still to be written is more than what is free.
    """
    needed = disk_bytes(config, frames, clip, work)
    free = shutil.disk_usage(work.root).free + work.reclaimable()
    if needed > free:
        raise WorkDirError(
            f"{work.root}: the disk has {free / 1e9:.2f} GB free, the run needs about "
            f"{needed / 1e9:.2f} GB more ({frames} frames of {clip.width}x{clip.height}): make "
            "space, set run.work to another disk, or paint less (input.end, input.max_side)"
        )


def disk_bytes(config: RunConfig, frames: int, clip: Size, work: WorkDir) -> float:
    """An estimate of the bytes that a run of so many frames has still to write.

    The clip's frames and those that flow is seen by (unless they are there), the painted ones of
    every pass, and flow: of the longest shot, or of all frames if `run.keep` says so, to each frame
    that one is held to.
    """
    temporal = config.temporal
    pixels = clip.width * clip.height
    png = pixels * 3 * (2 if clip.deep else 1) * PNG_SHARE
    shots = work.shots()
    with_flow = frames
    if shots and config.run.keep == "result":
        with_flow = max(shot.stop - shot.start for shot in shots)
    held_to = len({1, *temporal.offsets}) * (2 if temporal.passes > 1 else 1) + bool(
        temporal.anchor
    )
    flow = with_flow * held_to * pixels * FLOW_BYTES
    detail = 0.0 if work.detail.complete else frames * clip.detail * 3 * PNG_SHARE
    return (
        (0 if work.frames.complete else frames * png)
        + detail
        + (frames * temporal.passes - len(work.records)) * png
        + flow
        + SPARE_BYTES
    )
