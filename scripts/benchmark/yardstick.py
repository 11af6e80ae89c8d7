"""The yardstick: a plain matrix product, timed between all else, and VGG's share of its rate."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from pipeline import vgg
from pipeline.arithmetic import choose
from pipeline.optimize import Evaluation
from pipeline.plan import usual_iterations
from pipeline.weights import CHANNELS, NAMES
from scripts.benchmark import sides
from scripts.benchmark.cases import Size
from scripts.benchmark.sides import Scene, with_vgg

SIDE = 2048  # of the matrices
DEEPEST = (5, 1)  # relu5_1
NOISY = 1.25  # the slower half of the products against the quicker one


class Yardstick:
    """A matrix product in a precision, timed whenever it is asked for."""

    def __init__(self, precision: str, side: int = SIDE) -> None:
        self.side = side
        self.matrix = torch.rand(side, side).to(vgg.DTYPES[precision])
        self.seconds: list[float] = []
        self()  # the first call does not count
        self.seconds.clear()

    def __call__(self) -> float:
        """Multiply once: the seconds that it took."""
        began = time.perf_counter()
        (self.matrix @ self.matrix).sum().item()
        self.seconds.append(time.perf_counter() - began)
        return self.seconds[-1]

    @property
    def rate(self) -> float:
        """Floating-point operations a second, by the median."""
        return float(2 * self.side**3 / statistics.median(self.seconds))

    @property
    def spread(self) -> float:
        """The 90th percentile of the products' seconds over the 10th."""
        ordered = sorted(self.seconds)
        return ordered[int(0.9 * (len(ordered) - 1))] / ordered[int(0.1 * (len(ordered) - 1))]

    @property
    def noisy(self) -> bool:
        """Whether other work on the machine made times that tell little."""
        return self.spread > NOISY


def in_turn(
    calls: Mapping[str, Callable[[], float]], rounds: int, yardstick: Yardstick
) -> dict[str, list[float]]:
    """What calls answer, A B A B, the yardstick before each, so that a load falls on all."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            yardstick()
            found[name].append(call())
    return found


def timed(call: Callable[[], object]) -> float:
    """The seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def network_flops(size: Size) -> float:
    """Operations of VGG-19's direct convolutions up to relu5_1, forward and back to the pixels."""
    total, inputs = 0.0, 3
    for block, number in NAMES:
        pixels = -(-size.width // 2 ** (block - 1)) * -(-size.height // 2 ** (block - 1))
        total += 2 * 9 * inputs * CHANNELS[block - 1] * pixels
        inputs = CHANNELS[block - 1]
        if (block, number) == DEEPEST:
            break
    return 2 * total


def shares(scene: Scene, size: Size, rounds: int, yardstick: Yardstick) -> dict[str, Any]:
    """Direct-equivalent rate of an evaluation of the default's loss, as a share of the product's.

    Of the whole evaluation: losses, Gram matrices and pooling too, over the operations of direct
    convolutions alone. Winograd's convolution needs fewer, so that its share can pass 1.
    """
    default = sides.default()
    chosen = choose(default.vgg, sides.CPU).precision
    ways = ("direct", "winograd") if chosen == "float32" else ("direct",)
    calls: dict[str, Callable[[], float]] = {}
    for way in ways:
        painter = scene.painter(with_vgg(default, convolution=way))
        frame = scene.frames[scene.shot.start]
        evaluate = Evaluation(painter.objective(frame, []))
        evaluate(frame)  # warm

        calls[way] = partial(timed, partial(evaluate, frame))
    found = in_turn(calls, rounds, yardstick)
    seconds = {way: statistics.median(times) for way, times in found.items()}
    share = {way: network_flops(size) / took / yardstick.rate for way, took in seconds.items()}
    return {"precision": chosen, "seconds": seconds, "share": share}


def per_megapixel(scene: Scene, size: Size, rounds: int, yardstick: Yardstick) -> dict[str, Any]:
    """Seconds that a warped frame takes by the default, its own objective too, per megapixel.

    A few iterations are painted; as many as frames usually take (`brushflow plan` counts with the
    same number) are reckoned with, at one evaluation each and one for the start.
    """
    default = sides.default()
    usual = usual_iterations(default, [])
    few = min(1 + default.optimizer.refresh, default.optimizer.iterations)  # all kinds, in turn
    options = default.optimizer.model_copy(update={"iterations": few})
    painter = scene.painter(default.model_copy(update={"optimizer": options}))
    frame = scene.shot.start + 1
    painter.held = scene.targets(frame)

    def call() -> float:
        marks: list[tuple[float, int]] = []
        began, before = time.perf_counter(), painter.evaluations
        painter.paint(
            scene.step(painter.config, frame),
            lambda i, report: marks.append((time.perf_counter(), painter.evaluations)),
        )
        took, done = time.perf_counter() - began, painter.evaluations - before
        (first, begun), (last, ended) = marks[0], marks[-1]
        each = (last - first) / max(ended - begun, 1)
        return took + (usual + 1 - done) * each

    seconds = statistics.median(in_turn({"": call}, rounds, yardstick)[""])
    return {
        "iterations": usual,
        "seconds": seconds,
        "seconds_per_megapixel": seconds / size.megapixels,
    }
