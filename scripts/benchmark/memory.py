"""Peak memory of painting a frame by the default, in a process of its own.

    python -m scripts.benchmark.memory WIDTHxHEIGHT [THREADS]

A warped frame with all that the default keeps: flow's weight, the temporal target, the features
and gradients of the network, and L-BFGS with its whole history. The history is filled by
iterations of a loss without a network, which take no time; then the real loss is evaluated with
its gradient, twice. Prints the system's own figure of the process, Python and torch included.
"""

from __future__ import annotations

import logging
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline import machine
from pipeline.optimize import OPTIMIZERS, Evaluation, Objective
from scripts.benchmark.cases import PAINTING, ROOT, Size, default_clips, spans
from scripts.benchmark.sides import Scene, default

logger = logging.getLogger("bench")
REAL = 2  # evaluations of the real loss
MEMORY, STATUS = Path("/proc/meminfo"), Path("/proc/self/status")
ROOM = 0.85  # share of the available memory that a measurement may be expected to take


class Filling:
    """A loss of pixels alone for so many evaluations, then the real one.

    Far above the real one, so that the step to that is a decrease, and so ill-conditioned that
    L-BFGS does not arrive.
    """

    def __init__(self, real: Objective, like: Tensor, evaluations: int) -> None:
        self.real = real
        self.curvature = torch.logspace(6, 12, like.numel()).view_as(like)
        self.left = evaluations
        self.done = 0

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        if self.left > 0:
            self.left -= 1
            return {"filling": 1e10 + (self.curvature * (image - 0.5).square()).mean()}
        self.curvature = torch.empty(0)
        self.done += 1
        return self.real(image)


def paint(size: Size) -> None:
    """Paint a warped frame by the default as far as its memory goes."""
    span = spans(default_clips())[0]
    scene = Scene(span.frames(size), PAINTING, default())
    frame = span.first + 1
    scene.painted[span.first] = scene.frames[span.first]
    painter = scene.painter(scene.config)
    painter.held = scene.targets(frame)
    options = scene.config.optimizer
    real = painter.objective(scene.frames[frame], list(painter.held))
    filling = Filling(real, scene.frames[frame], options.history + 1)
    points = OPTIMIZERS[options.name](Evaluation(filling), scene.frames[frame].clone(), options)
    while filling.done < REAL:
        next(points)


def peak_gb(size: Size, threads: int) -> float:
    """The peak of a process that paints a frame of this size, in GB (10⁹ bytes)."""
    command = [sys.executable, "-m", "scripts.benchmark.memory", str(size), str(threads)]
    answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return float(answer.stdout)


def peaks(sizes: list[Size], threads: int) -> dict[str, Any]:
    """The peak by size, the smallest first; None where the machine has no room for it."""
    found: dict[str, float | None] = {}
    last: tuple[Size, float] | None = None
    for size in sorted(sizes, key=lambda each: each.megapixels):
        expected = last[1] * size.megapixels / last[0].megapixels if last else 0.0
        if expected > ROOM * available_gb():
            found[str(size)] = None
            continue
        peak = peak_gb(size, threads)
        logger.info("peak memory at %s: %.2f GB", size, peak)
        found[str(size)], last = peak, (size, peak)
    return found


def own_peak_gb() -> float:
    """The most memory that this process has held.

    Linux's `ru_maxrss` begins with what the process that started this one held: `VmHWM` does not.
    """
    if STATUS.is_file():
        return _kilobytes(STATUS, "VmHWM") * 1024 / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9


def available_gb() -> float:
    """Memory that is free for a new process; unlimited where the system does not say."""
    return _kilobytes(MEMORY, "MemAvailable") * 1024 / 1e9 if MEMORY.is_file() else float("inf")


def _kilobytes(path: Path, name: str) -> int:
    lines = path.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    machine.set_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    paint(Size.parse(sys.argv[1]))
    print(own_peak_gb())


if __name__ == "__main__":
    main()
