"""What is checked before any work is done: what must be named, what would be lost."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

from flow.atomic import check_atomic, write_atomic
from flow.estimators import ESTIMATORS
from flow.files import require_size
from flow.given import given_files, require_files
from flow.occlusion import CHECKS
from pipeline import images, machine, media
from pipeline.claims import file_hash, identity
from pipeline.config import pick
from pipeline.errors import ConfigError
from pipeline.losses import STYLE_LOSSES
from pipeline.media.output import find_target
from pipeline.optimize import OPTIMIZERS
from pipeline.ownfiles import named_paths, refuse_writing
from pipeline.sections import RunConfig
from pipeline.shots import DETECTORS
from pipeline.workdir import WorkDir


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
    """Refuse places that would mix: what is read in the work folder, or where is written.

    Raises:
        ConfigError: move one of the two.
    """
    clip, _, _ = required(config)
    for key, path in named_paths(config).items():
        if root.resolve() in path.resolve().parents:
            raise ConfigError(f"{key} = {path} lies in the work folder {root}: move it")
    target = media.check_output(config.input, config.output)
    if clip.is_dir() and target.home.resolve() == clip.resolve():
        raise ConfigError(f"output.path lies in {clip}, the input's own folder: put it elsewhere")
    refuse_writing(config, media.replaced(target), "output.path =")
    if not target.pattern:
        _check_name(target.path)


def _check_name(output: Path) -> None:
    """Refuse a name with no room behind it for what the file is called while it is written."""
    home = next(folder for folder in output.absolute().parents if folder.exists())
    try:
        check_atomic(home / (output.name + ".video"))
    except OSError as error:
        raise ConfigError(
            f"output.path = {output}: it cannot be written there ({error.strerror}): give another"
        ) from None


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
    if config.flow.files:
        require_files(config.flow.files)


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


def check_count(config: RunConfig, frames: int) -> None:
    """Refuse a single image as the output of several frames, before any of them is painted.

    Raises:
        ConfigError: give a folder, a pattern or a video.
    """
    target = find_target(config.output)
    if frames > 1 and target.container is None and target.pattern is None:
        raise ConfigError(
            f"output.path = {target.path}: one image, but there are {frames} frames: give a "
            f"folder, a pattern like %06d{target.path.suffix}, or a video like .mp4"
        )


def check_flow_files(config: RunConfig, width: int, height: int) -> None:
    """Refuse flow of the user's own that is not of the painted frames' size, before any is painted.

    Raises:
        FlowError: names the first such file.
    """
    for path in given_files(config.flow.files) if config.flow.files else ():
        require_size(path, height, width)


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
    refuse_writing(config, [path], "the contact sheet")
    ours = work.manifest.get("sheets", {}).get(kind, [])
    if path.is_dir() or (path.exists() and not overwrite and file_hash(path) not in ours):
        raise ConfigError(
            f"{path} exists and is not of this run: give --overwrite, move it, or set "
            "output.sheet = false"
        )
    return path


def check_writable(path: Path, what: str) -> None:
    """Refuse a place for a file before the work for it; its folder may be still to be made.

    Raises:
        ConfigError: no file can be written there; `what` names the place's option.
    """
    home = path.parent if path.parent.exists() else path.parent.parent
    try:
        check_atomic(home / path.name)
    except OSError as error:
        raise ConfigError(
            f"{what} {path}: no file can be written there ({error.strerror}): give another place"
        ) from None


def write_side(path: Path, kind: str, pixels: images.Pixels, work: WorkDir) -> None:
    """Write a sheet, and remember that it is ours: the new one, and first the old one too."""
    png = images.encode_png(pixels)
    sheets = work.manifest.get("sheets", {})
    hashes = [*sheets.get(kind, []), hashlib.sha256(png).hexdigest()]
    work.note(sheets={**sheets, kind: hashes[-2:]})
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, png)


def check_json(path: Path | None) -> None:
    """Refuse a place for what is measured.

    Raises:
        ConfigError: another ending than .json, or no folder that can be written.
    """
    if path is None:
        return
    if path.suffix.lower() != ".json" or path.is_dir():
        raise ConfigError(f"--json {path}: give a file name that ends in .json")
    if not path.resolve().parent.is_dir():
        raise ConfigError(f"--json {path}: there is no folder {path.parent}, make it first")
    check_writable(path, "--json")
