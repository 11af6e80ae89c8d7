"""Against an independent program: `pastiche`, Gatys et al. 2016 for a still image.

Its own command line paints, in processes of its own; none of its code is imported. Its objective,
read from its source, is one that our config can say: its Gram matrices are divided by H·W and their
squared differences weighted by 10 / C², which is ten times ours, whose are divided by C·H·W; its
content loss is ours times 0.01; no total variation, maximum pooling, zero padding. Both get the
same two files of the same size, so that neither scales; both start from the content.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline import images
from pipeline.config import load_config
from pipeline.optimize import Evaluation, minimize
from pipeline.sections import RunConfig
from pipeline.stylize import coarse, coarser_sizes
from scripts.benchmark.cases import Size
from scripts.benchmark.kept import Kept, Result, digest
from scripts.benchmark.sides import Scene, by_default, with_vgg, written
from scripts.benchmark.yardstick import Yardstick

STEPS = 1000  # its default
WITHIN = 1.02  # of the loss that it reaches
TIMED = 10  # of its steps, after two that do not count
LINE = re.compile(r"(\d+)\s+[\d.]+\s+([\d.]+)\s*")  # step, elapsed, loss
MOST = STEPS  # iterations that ours may take
JUDGED = 10  # iterations of ours from one float32 score to the next, as often as it tells its own


def objective() -> RunConfig:
    """Its objective as our config."""
    keys = {
        "content.weight": 0.01,
        "style.weight": 10.0,
        "tv.weight": 0.0,
        "vgg.pooling": "max",
        "vgg.padding": "zeros",
        "vgg.precision": "float32",
        "vgg.convolution": "direct",
    }
    return load_config(None, keys.items())


@dataclass(frozen=True)
class Still:
    """The two images that both programs get, as files in a folder, and their size.

    Its sides are divisible by 16: else its pooling drops a last row or column that ours keeps.
    """

    folder: Path
    size: Size

    @property
    def content(self) -> Path:
        return self.folder / f"content-{self.size}.png"

    @property
    def style(self) -> Path:
        return self.folder / f"style-{self.size}.png"

    def write(self, frame: Tensor, painting: Tensor) -> None:
        """Write them: the painting is cut to the frame's shape, and scaled to its size."""
        self.folder.mkdir(parents=True, exist_ok=True)
        height, width = painting.shape[-2:]
        tall = min(height, round(width * self.size.height / self.size.width))
        wide = min(width, round(height * self.size.width / self.size.height))
        top, left = (height - tall) // 2, (width - wide) // 2
        cut = painting[..., top : top + tall, left : left + wide]
        scaled = images.resize(cut, self.size.height, self.size.width)
        images.write_pixels(self.content, images.to_pixels(frame, 8))
        images.write_pixels(self.style, images.to_pixels(scaled, 8))

    def scene(self) -> Scene:
        """The still as our side sees it."""
        return Scene({0: images.read_image(self.content)}, self.style, objective())

    def told(self, steps: int, every: int, **extra: str) -> Iterator[tuple[int, float, float]]:
        """Run the program: step, loss, and the moment at which it told of them."""
        side = max(self.size.width, self.size.height)
        options = {"size": side, "num-steps": steps, "info-step": every, "device": "cpu", "seed": 0}
        files = {"content": self.content, "styles": self.style, "output": self.folder / "out.png"}
        words = [f"--{key}={value}" for key, value in {**options, **files, **extra}.items()]
        threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
        command = [sys.executable, "-u", "-m", "pastiche", *words]
        environment = {**os.environ, **threads}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    if found := LINE.fullmatch(line):
                        yield int(found[1]), float(found[2]), time.perf_counter()
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise SystemExit(f"pastiche ended with code {process.returncode}")


def reached(still: Still, kept: Kept, steps: int = STEPS) -> Result:
    """What the program paints in its default number of steps, and the losses on its way."""

    def run() -> Result:
        losses = [(step, loss) for step, loss, _ in still.told(steps, 10)]
        return Result(images.read_image(still.folder / "out.png"), {"losses": losses})

    given = digest(images.read_image(still.content), images.read_image(still.style))
    found = kept.get(f"pastiche-{still.size}", {"given": given, "steps": steps}, run)
    assert found is not None
    return found


def seconds_a_step(still: Still) -> float:
    """What one of its steps takes, from the moments at which it tells of them."""
    moments = [moment for _, _, moment in still.told(TIMED + 2, 1)]
    return (moments[-1] - moments[2]) / TIMED


@dataclass(frozen=True)
class Mark:
    """A point on our way: the loss in float32, as it is and as written, after so many seconds."""

    iteration: int
    seconds: float
    loss: float
    loss_written: float


def our_way(scene: Scene, bounded: bool, yardstick: Yardstick) -> Iterator[Mark]:
    """Our optimiser by the default, from the content, coarse to fine: every tenth point.

    Judging is not timed. Coarser scales end by the default's own rule; the last one goes on until
    nobody asks.
    """
    config = by_default(scene.config)
    options = config.optimizer.model_copy(update={"bounded": bounded})
    config = config.model_copy(update={"optimizer": options})
    painter, judge = scene.painter(config), scene.painter(with_vgg(config, precision="float32"))
    frame = scene.frames[0]
    full = (frame.shape[-2], frame.shape[-1])
    measure = judge.objective(frame, [])
    noise = painter.noise
    yardstick()
    began, start, before = time.perf_counter(), frame, 0
    for size in coarser_sizes(*full, options.coarsest):
        small, start = images.resize(frame, *size), images.resize(start, *size)
        loss, most = painter.objective(small, [], options.refresh), options.first_iterations
        found = minimize(painter.optimizer, loss, start, most, coarse(options), noise=noise)
        start, before = found.image, before + found.iterations
    start = images.resize(start, *full)
    loss = painter.objective(frame, [], options.refresh)
    points = painter.optimizer(Evaluation(loss, noise), start, options)
    seconds = 0.0
    for iteration, point in enumerate(islice(points, MOST + 1)):
        if iteration % JUDGED:
            continue
        seconds += time.perf_counter() - began
        image = point.image
        yield Mark(
            before + iteration, seconds, *(_total(measure, x) for x in (image, written(image)))
        )
        began = time.perf_counter()


def _total(measure: Any, image: Tensor) -> float:
    with torch.no_grad():
        return float(sum(measure(image).values()))


def compare(still: Still, kept: Kept, yardstick: Yardstick, steps: int = STEPS) -> dict[str, Any]:
    """Time to within 2 % of the loss that it reaches, as written, and as its optimiser has it."""
    found, scene = reached(still, kept, steps), still.scene()
    judge = scene.painter(scene.config).objective(scene.frames[0], [])
    losses = [loss for _, loss in found.figures["losses"]]
    ends = {"loss": _total(judge, found.image), "loss_unclipped": losses[-1]}
    enough = next(step for step, loss in found.figures["losses"] if loss <= WITHIN * losses[-1])
    step = seconds_a_step(still)
    written_, own = (
        _first(our_way(scene, bounded, yardstick), WITHIN * end, key)
        for bounded, end, key in (
            (True, ends["loss"], "loss_written"),
            (False, ends["loss_unclipped"], "loss"),
        )
    )
    again = seconds_a_step(still)
    each = (step + again) / 2
    return {
        "speedup": _ratio(steps * each, written_),
        "speedup_unclipped": _ratio(steps * each, own),
        "speedup_unclipped_same_target": _ratio(enough * each, own),
        "start_agrees": _total(judge, scene.frames[0]) / losses[0],
        "pastiche": {
            **ends,
            "steps": steps,
            "steps_to_within": enough,
            "seconds": steps * each,
            "seconds_a_step": [step, again],
        },
        "ours": None if written_ is None else vars(written_),
        "ours_unclipped": None if own is None else vars(own),
    }


def _first(way: Iterator[Mark], target: float, key: str) -> Mark | None:
    """The first point at or below a loss."""
    return next((mark for mark in way if getattr(mark, key) <= target), None)


def _ratio(seconds: float, mark: Mark | None) -> float | None:
    return seconds / mark.seconds if mark else None
