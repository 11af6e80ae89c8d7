"""What is checked before any work is done: what must be named, what would be lost, what fits."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any, NamedTuple, cast

from flow.atomic import write_atomic
from flow.estimators import ESTIMATORS
from flow.occlusion import CHECKS
from pipeline import images, machine, media
from pipeline.claims import file_hash, identity, named_files
from pipeline.config import pick
from pipeline.errors import ConfigError, WorkDirError
from pipeline.losses import STYLE_LOSSES
from pipeline.media.output import find_target
from pipeline.optimize import OPTIMIZERS
from pipeline.sections import RunConfig
from pipeline.shots import DETECTORS
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


def work_folder(config: RunConfig) -> Path:
    """Where the work folder lies: `run.work`, or `<output>.work` beside the output.

    Raises:
        ConfigError, MediaError: neither is named, or an ending that cannot be written.
    """
    if config.run.work is not None:
        return config.run.work
    if config.output.path is None:
        raise ConfigError("output.path is not set: name it in the config or give --output")
    path = find_target(config.output).path
    return path.with_name(path.name + ".work")


def check_places(config: RunConfig, root: Path) -> None:
    """Refuse places that would mix: the clip or the painting in the work folder, and the like.

    Raises:
        ConfigError: move one of the two.
    """
    clip, painting, _ = required(config)
    for section, path in (("input", clip), ("style", painting)):
        if root.resolve() in path.resolve().parents:
            raise ConfigError(f"{section}.path = {path} lies in the work folder {root}: move it")
    target = media.check_output(config.input, config.output)
    home = target.path if target.pattern else target.path.parent
    if clip.is_dir() and home.resolve() == clip.resolve():
        raise ConfigError(f"output.path lies in {clip}, the input's own folder: put it elsewhere")


def check_files(config: RunConfig) -> None:
    """Refuse names of parts, devices and files that are not there, before anything is claimed.

    Raises:
        ConfigError, FlowError: names the key.
    """
    for table, name, key in (
        (ESTIMATORS, config.flow.estimator, "flow.estimator"),
        (CHECKS, config.flow.check, "flow.check"),
        (DETECTORS, config.shots.detector, "shots.detector"),
        (STYLE_LOSSES, config.style.loss, "style.loss"),
        (OPTIMIZERS, config.optimizer.name, "optimizer.name"),
    ):
        pick(cast("dict[str, Any]", table), name, key)
    machine.choose_device(config.run.device)
    for key, path in (("vgg.weights", config.vgg.weights), ("flow.weights", config.flow.weights)):
        if path and Path(path).is_absolute() and not Path(path).is_file():
            raise ConfigError(f"{key}: {path}: no such file")
    if config.flow.files and not named_files(Path(config.flow.files)):
        raise ConfigError(f"flow.files: no file fits {config.flow.files}")


def check_overwrite(config: RunConfig, work: WorkDir, overwrite: bool) -> None:
    """Refuse to replace an output that is not the one that this run wrote, or was writing.

    Raises:
        ConfigError: it is another's.
    """
    target = media.check_output(config.input, config.output)
    place = written_at(target)
    ours = work.manifest.get("encoding") == str(place)
    if overwrite or ours or not media.output_exists(config.output):
        return
    if work.manifest.get("video", {}).get("identity") != identity(place):
        raise ConfigError(
            f"{target.path} exists and is not of this run: give --overwrite to replace it, "
            "or another --output"
        )


def written_at(target: media.Target) -> Path:
    """The file that is written, or the pattern of the files."""
    return target.path / target.pattern if target.pattern else target.path


def side_path(config: RunConfig, kind: str, overwrite: bool, work: WorkDir) -> Path:
    """Where a sheet lies that goes with the output, `<output>.<kind>.png`.

    Raises:
        ConfigError: something that is not ours lies there.
    """
    target = media.check_output(config.input, config.output)
    stem = target.path.name if target.pattern else target.path.stem
    path = target.path.with_name(f"{stem}.{kind}.png")
    ours = work.manifest.get("sheets", {}).get(kind, [])
    if path.is_dir() or (path.exists() and not overwrite and file_hash(path) not in ours):
        raise ConfigError(
            f"{path} exists and is not of this run: give --overwrite, move it, or set "
            "output.sheet = false"
        )
    return path


def write_side(path: Path, kind: str, pixels: images.Pixels, work: WorkDir) -> None:
    """Write a sheet, and remember that it is ours: the new one, and first the old one too."""
    png = images.encode_png(pixels)
    sheets = work.manifest.get("sheets", {})
    hashes = [*sheets.get(kind, []), hashlib.sha256(png).hexdigest()]
    work.note(sheets={**sheets, kind: hashes[-2:]})
    write_atomic(path, png)


def check_space(config: RunConfig, frames: int, clip: Size, work: WorkDir) -> None:
    """Refuse to go on with what the disk cannot hold.

    Raises:
        WorkDirError: the estimate of what is still to be written is more than what is free.
    """
    needed, free = disk_bytes(config, frames, clip, work), shutil.disk_usage(work.root).free
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


def check_json(path: Path | None) -> None:
    """Refuse a place for what is measured.

    Raises:
        ConfigError: another ending than .json, or no such folder.
    """
    if path is None:
        return
    if path.suffix.lower() != ".json" or path.is_dir():
        raise ConfigError(f"--json {path}: give a file name that ends in .json")
    if not path.resolve().parent.is_dir():
        raise ConfigError(f"--json {path}: there is no folder {path.parent}, make it first")
