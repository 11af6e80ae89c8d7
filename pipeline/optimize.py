"""Minimising a loss over the pixels of an image: L-BFGS and Adam, stopping, and the record."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.errors import OptimizationError
from pipeline.lbfgs import History, smooth_first
from pipeline.sections import OptimizerConfig

# An image (1, 3, H, W) to the weighted loss terms by name; their sum is minimised.
Objective = Callable[[Tensor], dict[str, Tensor]]

ARMIJO = 1e-4  # share of the predicted decrease that a step must reach (Nocedal and Wright, 3.1)
BACKTRACKS = 10
RESOLUTION = 1e-7  # share of the loss below which float32 shows no decrease


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
    stopped: str  # "iterations" (all were done), "converged" (no more to gain), "stalled"


@dataclass
class Evaluation:
    """Losses and their gradient at an image.

    Attributes:
        objective: the loss, term by term.
        noise: by which share of itself a loss may be off, computed in the network's precision.
    """

    objective: Objective
    noise: float = 0.0

    def __call__(self, image: Tensor) -> tuple[LossReport, Tensor]:
        """The losses at an image and the gradient `(3·H·W,)` of their sum.

        Raises `OptimizationError` where the loss is finite and its gradient is not.
        """
        leaf = image.detach().requires_grad_()
        terms = self.objective(leaf)
        (gradient,) = torch.autograd.grad(torch.stack(list(terms.values())).sum(), leaf)
        report = LossReport({name: float(term.detach()) for name, term in terms.items()})
        if math.isfinite(report.total):
            _require(bool(gradient.isfinite().all()), "the gradient", report)
        return report, gradient.contiguous().view(-1)


# The start, then one point an iteration. An optimiser that can go no further returns why:
# "converged" where no more is to be gained; "stalled", or None, where it is stuck.
Points = Generator[Point, None, str | None]
Optimizer = Callable[[Evaluation, Tensor, OptimizerConfig], Points]


def minimize(
    optimizer: Optimizer,
    objective: Objective,
    start: Tensor,
    iterations: int,
    options: OptimizerConfig,
    progress: Callable[[int, LossReport], None] = lambda iteration, report: None,
    noise: float = 0.0,
) -> Minimum:
    """Run an optimiser for at most `iterations`, watching the whole loss, and keep the best point.

    Differs from the published code, whose stopping rule leaves the total variation out.

    Raises:
        OptimizationError: the loss or its gradient is NaN or infinite.
    """
    points = optimizer(Evaluation(objective, noise), start.clone(), options)
    first = best = next(points)
    _require(math.isfinite(first.report.total), "the loss", first.report)
    totals = [first.report.total]
    stopped = "iterations"
    while len(totals) <= iterations:
        try:
            point = next(points)
        except StopIteration as end:
            stopped = end.value or "stalled"
            break
        _require(math.isfinite(point.report.total), "the loss", point.report)
        totals.append(point.report.total)
        best = min(best, point, key=lambda each: each.report.total)
        progress(len(totals) - 1, point.report)
        if _converged(totals, options):
            stopped = "converged"
            break
    return Minimum(best.image, first.report, best.report, len(totals) - 1, stopped)


def lbfgs(evaluate: Evaluation, start: Tensor, options: OptimizerConfig) -> Points:
    """Limited-memory BFGS with backtracking (Nocedal and Wright 2006, algorithms 7.4 and 3.1).

    Full steps are nearly always taken, at one evaluation each. Where the published code's optimiser
    gives up, or leaves the valley, this one halves the step, then forgets its history. With
    `options.bounded` steps end at the bounds of [0, 1], and pixels that press against them stay
    out of the direction (Bertsekas 1982, projected Newton).
    """
    image = _bounded(start, options)
    guess = smooth_first(start.shape, options.smooth)
    history = History(options.history, options.scaling, guess)
    report, gradient = evaluate(image)
    yield Point(image, report)
    while True:
        free = _free(image, gradient, options)
        direction, step = history.direction(gradient * free)
        along = _Along(image, report, gradient, direction * free, options)
        found = _backtrack(evaluate, along, step)
        if isinstance(found, str) and not history:
            return found
        if isinstance(found, str):
            history.clear()
            continue
        moved, report, new_gradient = found
        history.add((moved - image).view(-1), new_gradient - gradient)
        image, gradient = moved, new_gradient
        yield Point(image, report)


def adam(evaluate: Evaluation, start: Tensor, options: OptimizerConfig) -> Points:
    """Adam (Kingma and Ba 2015); needs some three times the iterations of L-BFGS."""
    image = _bounded(start, options).clone()
    optimizer = torch.optim.Adam([image], lr=options.learning_rate)
    while True:
        report, gradient = evaluate(image)
        yield Point(image.clone(), report)
        image.grad = gradient.view_as(image)
        optimizer.step()
        image.copy_(_bounded(image, options))


class _Along(NamedTuple):
    """A point, and the direction `(n,)` in which to leave it."""

    image: Tensor
    report: LossReport
    gradient: Tensor
    direction: Tensor
    options: OptimizerConfig


def _backtrack(
    evaluate: Evaluation, along: _Along, step: float
) -> tuple[Tensor, LossReport, Tensor] | str:
    """The first point on the way that is low enough, its losses and gradient, or why none is.

    "converged" is a way that promised no decrease that float32 can show: by its slope over the
    first step, or by the parabola through that step. A rise within the evaluation's noise is taken
    for none (as Shi, Xie, Byrd and Nocedal 2022 relax the condition): else low precision would end
    the descent.
    """
    image, report, total = along.image, along.report, along.report.total
    least, promised = RESOLUTION * abs(total), math.inf
    noise = evaluate.noise * abs(total)
    for trial in range(BACKTRACKS):
        moved = _bounded(image + step * along.direction.view_as(image), along.options)
        predicted = float(along.gradient.dot((moved - image).view(-1)))
        if trial == 0 and 0 <= -predicted <= least:
            return "converged"
        if not predicted < 0:  # the bounds turned the step uphill: a shorter one meets fewer
            step *= 0.5
            continue
        report, gradient = evaluate(moved)
        if report.total <= total + ARMIJO * predicted + noise:
            return moved, report, gradient
        # The minimum of the parabola through both values and the slope, kept within [0.1, 0.5].
        curve = 2 * (report.total - total - predicted)
        shrink = -predicted / curve if math.isfinite(curve) and curve > 0 else 0.1
        promised = -predicted * shrink / 2 if promised == math.inf else promised
        step *= min(max(shrink, 0.1), 0.5)
    _require(math.isfinite(report.total), "the loss", report)
    return "converged" if promised <= least else "stalled"


def _bounded(image: Tensor, options: OptimizerConfig) -> Tensor:
    return image.clamp(0, 1) if options.bounded else image


def _free(image: Tensor, gradient: Tensor, options: OptimizerConfig) -> Tensor:
    """1 for the pixels `(n,)` that the loss does not press against a bound, else 0."""
    if not options.bounded:
        return torch.ones_like(gradient)
    pixels = image.view(-1)
    pressed = ((pixels <= 0) & (gradient > 0)) | ((pixels >= 1) & (gradient < 0))
    return (~pressed).to(gradient.dtype)


def _require(finite: bool, what: str, report: LossReport) -> None:
    if not finite:
        terms = ", ".join(f"{name} {value:g}" for name, value in report.terms.items())
        raise OptimizationError(
            f"{what} left the finite numbers ({terms}); see vgg.precision, vgg.weights and the "
            "weights of the losses"
        )


def _converged(totals: list[float], options: OptimizerConfig) -> bool:
    """Ruder et al. 2016, section 5: relative change over the last iterations, of the whole loss.

    Differs from the published code, which looks only at every 50th iteration: this window slides.
    And a loss that falls slowly may have far to fall: falling as 1/k (the rate that gradient
    methods have on convex losses, Nesterov 2004, section 2.1.5), one that fell by d over the last
    w of k iterations has d (k - w) / w left, of which `options.remainder` allows a share.
    """
    done, window = len(totals) - 1, options.window
    if options.tolerance == 0 or done < window:
        return False
    before, now = totals[-1 - window], totals[-1]
    change = abs(before - now)
    left = change * (done - window) / window if options.remainder else 0.0
    return change <= options.tolerance * abs(before) and left <= options.remainder * abs(now)


OPTIMIZERS: dict[str, Optimizer] = {"lbfgs": lbfgs, "adam": adam}
