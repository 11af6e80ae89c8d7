"""A preview: one frame of each shot, small, painted with every variant of a config."""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pipeline import images, preflight
from pipeline.assemble import assemble
from pipeline.config import fingerprint
from pipeline.errors import ConfigError, OptimizationError
from pipeline.excerpt import Excerpt, Picture
from pipeline.images import Pixels
from pipeline.optimize import LossReport
from pipeline.ownfiles import refuse_writing
from pipeline.schedule import Step
from pipeline.sections import FlowConfig, RunConfig
from pipeline.sheets import Cell, labelled_sheet
from pipeline.stylize import Stylizer
from pipeline.variants import Variant
from pipeline.workdir import WorkDir

logger = logging.getLogger("brushflow")

MOST_PICTURES = 64
MOST_SHOTS = 8
MOST_COLUMNS = 8
SMALLEST_CELL = 200  # pixels across, so that the labels can be read


@dataclass(frozen=True)
class Options:
    """What the command line says of a preview.

    `frame` counts the run's frames, None is one of each shot; `size` is of the longer side;
    `columns` is how many variants stand side by side, if they fit.
    """

    sheet: Path | None = None
    frame: int | None = None
    size: int = 240
    columns: int = 4
    quiet: bool = False


def make_preview(variants: Sequence[Variant], options: Options) -> Path:
    """Paint frames of the clip with each variant and write one labelled sheet; answers where.

    It works in a temporary folder: the run's work folder is neither needed nor touched.

    Raises:
        BrushflowError, FlowError: what a user can cause, as one line.
        OSError: the disk is full.
    """
    config = variants[0].config
    path = sheet_path(config, options.sheet)
    for variant in variants:
        refuse_writing(variant.config, [path], "--sheet")
    paintings = [_painting(variant.config) for variant in variants]
    show = _Progress(options)
    excerpt = Excerpt(config, options.size, show.bar)
    if options.frame is None:
        pictures = excerpt.middles(min(MOST_SHOTS, MOST_PICTURES // len(variants)))
    else:
        pictures = excerpt.frame(options.frame)
    with tempfile.TemporaryDirectory(prefix="brushflow-") as folder:
        work = WorkDir(Path(folder))
        work.start_frames()
        for picture in pictures:
            images.write_pixels(work.frame(picture.number), picture.pixels)
        stylizers = _stylizers(variants, paintings, Path(folder))
        painted = _paint(stylizers, variants, pictures, show)
    path.parent.mkdir(exist_ok=True)
    images.write_pixels(path, _sheet(pictures, variants, painted, options))
    return path


def sheet_path(config: RunConfig, given: Path | None) -> Path:
    """Where the sheet goes: `given`, or `<output>.preview.png` beside the output.

    Raises:
        ConfigError: neither is named, or nothing of ours can be written there.
    """
    output = config.output.path
    path = given or (output and output.with_name(output.stem + ".preview.png"))
    if path is None:
        raise ConfigError("output.path is not set: name it, or say where with --sheet FILE")
    if path.suffix.lower() != ".png":
        raise ConfigError(f"--sheet {path}: the sheet is a PNG, give a name that ends in .png")
    if path.resolve() == output:
        raise ConfigError(f"--sheet {path}: this is the output, give another name")
    preflight.check_writable(path, "--sheet" if given else "the sheet")
    return path


def _painting(config: RunConfig) -> torch.Tensor:
    if config.style.path is None:
        raise ConfigError("style.path is not set: name it in the config or give --style")
    return images.read_painting(config.style.path)


def _stylizers(
    variants: Sequence[Variant], paintings: Sequence[torch.Tensor], folder: Path
) -> list[Stylizer]:
    """One for each variant; those with the same `[vgg]` share the network."""
    made: dict[str, Stylizer] = {}
    stylizers = []
    for variant, painting in zip(variants, paintings, strict=True):
        # No frame is held to another: nothing of `[flow]` is loaded.
        config = variant.config.model_copy(update={"flow": FlowConfig()})
        key = str(fingerprint(config, "vgg"))
        if key not in made:
            made[key] = assemble(config, WorkDir(folder), painting)
        base = made[key]
        parts = (base.load_frame, base.load_painted, base.flows, base.device)
        stylizers.append(Stylizer(config, base.network, painting, *parts))
    return stylizers


def _paint(
    stylizers: Sequence[Stylizer],
    variants: Sequence[Variant],
    pictures: Sequence[Picture],
    show: _Progress,
) -> list[list[Pixels]]:
    """For each variant its pictures, each painted as the first frame of a shot is."""
    steps = [
        [Step(picture.number, 0, variant.config.temporal.first_init) for picture in pictures]
        for variant in variants
    ]
    pairs = list(zip(stylizers, steps, strict=True))
    total = sum(stylizer.iterations(step) for stylizer, row in pairs for step in row)
    count = len(variants) * len(pictures)
    painted: list[list[Pixels]] = []
    with tqdm(total=total, unit="iteration", leave=False, **show.look) as bar:
        for variant, (stylizer, row) in zip(variants, pairs, strict=True):
            painted.append([])
            for step in row:
                number = sum(map(len, painted)) + 1
                bar.set_description(f"picture {number} of {count}")
                began = time.monotonic()
                painted[-1].append(_picture(stylizer, variant, step, bar))
                if not show.interactive:
                    words = (number, count, step.frame, variant.label, time.monotonic() - began)
                    logger.info("picture %d of %d: frame %d, %s: %.1f s", *words)
    return painted


def _picture(stylizer: Stylizer, variant: Variant, step: Step, bar: Any) -> Pixels:
    def progress(iteration: int, report: LossReport) -> None:
        bar.update()

    try:
        return images.to_pixels(stylizer.paint(step, progress).image, 8)
    except OptimizationError as error:
        raise OptimizationError(f"{variant.label}, frame {step.frame}: {error}") from None


def _sheet(
    pictures: Sequence[Picture],
    variants: Sequence[Variant],
    painted: Sequence[Sequence[Pixels]],
    options: Options,
) -> Pixels:
    """The clip's own frames above; below the variants, as many side by side as fit."""
    rows = [[Cell(picture.pixels, (picture.label,)) for picture in pictures]]
    beside = max(1, min(options.columns, MOST_COLUMNS // len(pictures)))
    for first in range(0, len(variants), beside):
        several = zip(
            variants[first : first + beside], painted[first : first + beside], strict=True
        )
        rows.append(
            [
                Cell(pixels, variant.words or (variant.label,))
                for variant, row in several
                for pixels in row
            ]
        )
    width = max(SMALLEST_CELL, *(picture.pixels.shape[1] for picture in pictures))
    return labelled_sheet(rows, width)


class _Progress:
    """Bars on a terminal, and nothing elsewhere."""

    def __init__(self, options: Options) -> None:
        self.interactive = sys.stderr.isatty() and not options.quiet
        self.look = {"disable": not self.interactive, "dynamic_ncols": True, "file": sys.stderr}

    def bar(self, items: Iterable[Any], name: str) -> Iterable[Any]:
        """The items, with a bar that vanishes at the end."""
        wrapped: Iterable[Any] = tqdm(items, name, unit="frame", leave=False, **self.look)
        return wrapped
