"""Minimising a loss over the pixels of an image: L-BFGS and Adam, stopping, and the record."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.errors import OptimizationError
from pipeline.sections import OptimizerConfig

# An image (1, 3, H, W) to the weighted loss terms by name; their sum is minimised.
Objective = Callable[[Tensor], dict[str, Tensor]]

ARMIJO = 1e-4  # share of the predicted decrease that a step must reach (Nocedal and Wright, 3.1)
FIRST_STEP = 1 / 255  # root mean square change of the first step: one level of 255
BACKTRACKS = 10


@dataclass(frozen=True)
class LossReport:
    """The weighted loss terms at one image, and their sum."""

    terms: dict[str, float]

    @property
    def total(self) -> float:
        return math.fsum(self.terms.values())


class Point(NamedTuple):
    """An image on the optimiser's way, and its losses."""

    image: Tensor  # (1, 3, H, W)
    report: LossReport


@dataclass(frozen=True)
class Minimum:
    """What `minimize` found: the best image, and how it got there."""

    image: Tensor  # (1, 3, H, W), not clipped
    start: LossReport
    end: LossReport
    iterations: int
    stopped: str  # "iterations" (all were done), "converged" (by the tolerance), "stalled"


@dataclass
class Evaluation:
    """Losses and their gradient at an image; counts the evaluations."""

    objective: Objective
    count: int = field(default=0, init=False)

    def __call__(self, image: Tensor) -> tuple[LossReport, Tensor]:
        """The losses at an image and the gradient `(3·H·W,)` of their sum."""
        self.count += 1
        leaf = image.detach().requires_grad_()
        terms = self.objective(leaf)
        (gradient,) = torch.autograd.grad(torch.stack(list(terms.values())).sum(), leaf)
        report = LossReport({name: float(term.detach()) for name, term in terms.items()})
        return report, gradient.contiguous().view(-1)


# From a start, yields the start itself and then one point an iteration; ends where it is stuck.
Optimizer = Callable[[Evaluation, Tensor, OptimizerConfig], Iterator[Point]]


def minimize(
    optimizer: Optimizer,
    objective: Objective,
    start: Tensor,
    iterations: int,
    options: OptimizerConfig,
    progress: Callable[[int, LossReport], None] = lambda iteration, report: None,
) -> Minimum:
    """Run an optimiser for at most `iterations`, watching the whole loss, and keep the best point.

    Differs from the published code, whose stopping rule leaves the total variation out.

    Raises:
        OptimizationError: the loss is NaN or infinite.
    """
    points = optimizer(Evaluation(objective), start, options)
    first = best = _finite(next(points))
    totals = [first.report.total]
    stopped = "iterations"
    while len(totals) <= iterations:
        point = next(points, None)
        if point is None:
            stopped = "stalled"
            break
        totals.append(_finite(point).report.total)
        best = min(best, point, key=lambda each: each.report.total)
        progress(len(totals) - 1, point.report)
        if _converged(totals, options):
            stopped = "converged"
            break
    return Minimum(best.image, first.report, best.report, len(totals) - 1, stopped)


def lbfgs(evaluate: Evaluation, start: Tensor, options: OptimizerConfig) -> Iterator[Point]:
    """Limited-memory BFGS with backtracking (Nocedal and Wright 2006, algorithms 7.4 and 3.1).

    Full steps are nearly always taken, at one evaluation each. Where the published code's optimiser
    gives up, or leaves the valley, this one halves the step, then forgets its history. With
    `options.bounded` steps end at the bounds of [0, 1], and pixels that press against them stay
    out of the direction (Bertsekas 1982, projected Newton).
    """
    image, history = _bounded(start, options), History(options.history)
    report, gradient = evaluate(image)
    yield Point(image, report)
    while True:
        free = _free(image, gradient, options)
        direction, step = history.direction(gradient * free)
        along = _Along(image, report, gradient, direction * free, options)
        found = _backtrack(evaluate, along, step)
        if found is None and not history.pairs:
            return
        if found is None:
            history.pairs.clear()
            continue
        moved, report, new_gradient = found
        history.add((moved - image).view(-1), new_gradient - gradient)
        image, gradient = moved, new_gradient
        yield Point(image, report)


def adam(evaluate: Evaluation, start: Tensor, options: OptimizerConfig) -> Iterator[Point]:
    """Adam (Kingma and Ba 2015); needs some three times the iterations of L-BFGS."""
    image = _bounded(start, options).clone()
    optimizer = torch.optim.Adam([image], lr=options.learning_rate)
    while True:
        report, gradient = evaluate(image)
        yield Point(image.clone(), report)
        image.grad = gradient.view_as(image)
        optimizer.step()
        image.copy_(_bounded(image, options))


class History:
    """The last steps of L-BFGS and the changes of the gradient along them."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.pairs: list[tuple[Tensor, Tensor, float]] = []  # step s, change y, 1 / s·y

    def add(self, step: Tensor, change: Tensor) -> None:
        """Remember a step `(n,)`, if the loss curves upwards along it."""
        curvature = float(step.dot(change))
        if curvature > 1e-8 * float(step.norm()) * float(change.norm()):
            self.pairs = [*self.pairs, (step, change, 1 / curvature)][-self.length :]

    def direction(self, gradient: Tensor) -> tuple[Tensor, float]:
        """The search direction `(n,)` and the first step length along it."""
        if not self.pairs:
            rms = float(gradient.norm()) / math.sqrt(gradient.numel())
            return -gradient, FIRST_STEP / max(rms, 1e-30)
        direction = -gradient
        alphas = []
        for step, change, rho in reversed(self.pairs):
            alphas.append(rho * float(step.dot(direction)))
            direction.add_(change, alpha=-alphas[-1])
        _, change, rho = self.pairs[-1]
        direction.mul_(1 / (rho * float(change.dot(change))))
        for (step, change, rho), alpha in zip(self.pairs, reversed(alphas), strict=True):
            beta = rho * float(change.dot(direction))
            direction.add_(step, alpha=alpha - beta)
        return direction, 1.0


class _Along(NamedTuple):
    """A point, and the direction `(n,)` in which to leave it."""

    image: Tensor
    report: LossReport
    gradient: Tensor
    direction: Tensor
    options: OptimizerConfig


def _backtrack(
    evaluate: Evaluation, along: _Along, step: float
) -> tuple[Tensor, LossReport, Tensor] | None:
    """The first point on the way that is low enough, its losses and gradient, or None."""
    image, total = along.image, along.report.total
    for _ in range(BACKTRACKS):
        moved = _bounded(image + step * along.direction.view_as(image), along.options)
        predicted = float(along.gradient.dot((moved - image).view(-1)))
        if predicted >= 0:
            return None
        report, gradient = evaluate(moved)
        if report.total <= total + ARMIJO * predicted:
            return moved, report, gradient
        # The minimum of the parabola through both values and the slope, kept within [0.1, 0.5].
        curve = 2 * (report.total - total - predicted)
        shrink = -predicted / curve if math.isfinite(curve) and curve > 0 else 0.1
        step *= min(max(shrink, 0.1), 0.5)
    return None


def _bounded(image: Tensor, options: OptimizerConfig) -> Tensor:
    return image.clamp(0, 1) if options.bounded else image


def _free(image: Tensor, gradient: Tensor, options: OptimizerConfig) -> Tensor:
    """1 for the pixels `(n,)` that the loss does not press against a bound, else 0."""
    if not options.bounded:
        return torch.ones_like(gradient)
    pixels = image.view(-1)
    pressed = ((pixels <= 0) & (gradient > 0)) | ((pixels >= 1) & (gradient < 0))
    return (~pressed).to(gradient.dtype)


def _finite(point: Point) -> Point:
    if not math.isfinite(point.report.total):
        terms = ", ".join(f"{name} {value:g}" for name, value in point.report.terms.items())
        raise OptimizationError(f"the loss left the finite numbers ({terms})")
    return point


def _converged(totals: list[float], options: OptimizerConfig) -> bool:
    """Ruder et al. 2016, section 5: relative change over the last iterations, of the whole loss."""
    if options.tolerance == 0 or len(totals) <= options.window:
        return False
    before, now = totals[-1 - options.window], totals[-1]
    return abs(before - now) <= options.tolerance * abs(before)


OPTIMIZERS: dict[str, Optimizer] = {"lbfgs": lbfgs, "adam": adam}
