"""The default against the published method: time, loss, and how still the frame holds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from pipeline.metrics import warping_error
from pipeline.optimize import Minimum
from pipeline.sections import RunConfig
from scripts.benchmark.kept import Result
from scripts.benchmark.sides import Motion, Scene, by_default, with_vgg, written
from scripts.benchmark.yardstick import Yardstick, in_turn

OWN_ITERATIONS = 4  # of the baseline's, timed again in each round


class Times(NamedTuple):
    """Seconds: our whole frame; one evaluation of the baseline, also with Winograd's convolution.

    The baseline's are of its first iterations, with a short history: what its 100 past steps cost
    beside an evaluation is left out, to its favour.
    """

    ours: list[float]
    direct: list[float]
    winograd: list[float]


def compare(
    scene: Scene, frame: int, base: Result, judge: Motion, rounds: int, yardstick: Yardstick
) -> dict[str, Any]:
    """One frame painted by both sides; ratios are ours to theirs, speedups theirs to ours."""
    minimum, times, evaluations = _race(scene, frame, rounds, yardstick)
    kept = {key: base.figures[key] for key in ("iterations", "evaluations", "stopped")}
    direct, winograd = (
        kept["evaluations"] * statistics.median(each) for each in (times.direct, times.winograd)
    )
    ours = {
        "seconds": statistics.median(times.ours),
        "seconds_all": times.ours,
        "iterations": minimum.iterations,
        "evaluations": evaluations,
        "stopped": minimum.stopped,
        **_judged(scene, frame, minimum.image, judge),
    }
    theirs = {
        "seconds": direct,
        "seconds_winograd": winograd,
        "seconds_per_evaluation": times.direct,
        **kept,
        **_judged(scene, frame, base.image, judge),
    }
    return {
        "frame": frame,
        "speedup": direct / ours["seconds"],
        "speedup_same_network": winograd / ours["seconds"],
        "speedup_iterations": kept["evaluations"] / evaluations,
        "loss_ratio": ours["loss"] / theirs["loss"],
        "loss_ratio_unclipped": ours["loss_unclipped"] / theirs["loss_unclipped"],
        "ewarp_ratio": ours["ewarp"] / theirs["ewarp"]
        if ours["ewarp"] and theirs["ewarp"]
        else None,
        "disoccluded": _disoccluded(scene, frame),
        "ours": ours,
        "published": theirs,
    }


def _judged(scene: Scene, frame: int, image: Tensor, judge: Motion) -> dict[str, Any]:
    """An image's whole loss as written and before clipping, and its warping error as written."""
    return {
        "loss": scene.score(frame, written(image)).total,
        "loss_unclipped": scene.score(frame, image).total,
        "ewarp": _ewarp(scene, frame, written(image), judge),
    }


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over frames, the worst beside them, and the frames themselves."""
    figures: dict[str, Any] = {}
    for key, worst in (
        ("speedup", min),
        ("speedup_same_network", min),
        ("loss_ratio", max),
        ("loss_ratio_unclipped", max),
        ("ewarp_ratio", max),
    ):
        values = [each[key] for each in found if each[key] is not None]
        figures[key] = statistics.median(values) if values else None
        figures[f"{key}_worst"] = worst(values) if values else None
    return {**figures, "frames": found}


def _race(
    scene: Scene, frame: int, rounds: int, yardstick: Yardstick
) -> tuple[Minimum, Times, int]:
    """Paint a frame by the default, in turn with a few of the baseline's own iterations."""
    config = by_default(scene.config)
    painter = scene.painter(config)
    painter.held = scene.targets(frame)
    step = scene.step(config, frame)
    if step.needs:
        painter.style.targets(*scene.frames[frame].shape[-2:])  # a run has them since its first
    found: list[Minimum] = []

    def ours() -> float:
        began, painter.evaluations = time.perf_counter(), 0
        found[:] = [painter.paint(step)]
        return time.perf_counter() - began

    calls: dict[str, Callable[[], float]] = {"ours": ours}
    for way in (scene.config.vgg.convolution, "winograd"):
        calls[way] = _own_iterations(scene, frame, with_vgg(scene.config, convolution=way))
    times = in_turn(calls, rounds, yardstick)
    direct, winograd = times[scene.config.vgg.convolution], times["winograd"]
    return found[0], Times(times["ours"], direct, winograd), painter.evaluations


def _own_iterations(scene: Scene, frame: int, config: RunConfig) -> Callable[[], float]:
    """A call that paints a few of a config's own iterations: seconds an evaluation."""
    few = {"iterations": OWN_ITERATIONS, "first_iterations": OWN_ITERATIONS}
    options = config.optimizer.model_copy(update=few)
    painter = scene.painter(config.model_copy(update={"optimizer": options}))
    painter.held = scene.targets(frame)

    def call() -> float:
        marks: list[tuple[float, int]] = []
        painter.paint(
            scene.step(config, frame),
            lambda i, report: marks.append((time.perf_counter(), painter.evaluations)),
        )
        (began, before), (ended, after) = marks[0], marks[-1]
        return (ended - began) / (after - before)

    return call


def _ewarp(scene: Scene, frame: int, image: Tensor, judge: Motion) -> float | None:
    """The warping error to the painted frame before it, by the judge's flow; None of a first."""
    before = frame - 1
    if before not in scene.painted:
        return None
    flow, weight = judge.flow(frame, before), judge.weight(frame, before)
    return warping_error(image, scene.painted[before], flow, weight)


def _disoccluded(scene: Scene, frame: int) -> float | None:
    """The share of the frame that the published check does not trust."""
    held = scene.targets(frame)
    return 1 - float(held[0].weight.mean()) if held else None
