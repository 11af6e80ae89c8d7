"""The optimisers on functions whose minimum is known, and the stopping rules."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from pipeline.errors import OptimizationError
from pipeline.optimize import (
    OPTIMIZERS,
    Evaluation,
    LossReport,
    Minimum,
    Objective,
    Optimizer,
    Point,
    Points,
    _Along,
    _backtrack,
    lbfgs,
    minimize,
)
from pipeline.sections import OptimizerConfig

START = torch.full((1, 3, 8, 8), 0.5)
TARGET = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
# Curvatures over four orders of magnitude: plain gradient descent would need thousands of steps.
CURVATURE = torch.logspace(0, 4, 192).view(1, 3, 8, 8)


def bowl(image: Tensor) -> dict[str, Tensor]:
    return {"bowl": (CURVATURE * (image - TARGET).square()).mean()}


def run(objective: Objective, name: str = "lbfgs", iterations: int = 100, **keys: float) -> Minimum:
    options = OptimizerConfig.model_validate({"name": name, "tolerance": 0.0, **keys})
    return minimize(OPTIMIZERS[name], objective, START, iterations, options)


@pytest.mark.parametrize(("name", "share"), [("lbfgs", 1e-4), ("adam", 1e-2)])
def test_finds_the_bottom_of_a_narrow_valley(name: str, share: float) -> None:
    found = run(bowl, name, 200 if name == "lbfgs" else 600)
    assert found.end.total < share * found.start.total
    assert found.end.total == pytest.approx(float(bowl(found.image)["bowl"]))


def test_lbfgs_goes_down_at_every_iteration_over_kinks() -> None:
    """A full step overshoots them: each point that it yields is lower all the same."""
    told: list[float] = []

    def kinks(image: Tensor) -> dict[str, Tensor]:
        return {"kinks": (CURVATURE * (image - TARGET).abs()).mean()}

    options = OptimizerConfig(tolerance=0.0)
    found = minimize(lbfgs, kinks, START, 100, options, lambda _, at: told.append(at.total))
    assert len(told) == 100
    assert all(later < earlier for earlier, later in pairwise([found.start.total, *told]))
    assert found.end.total < 0.2 * found.start.total


def test_the_whole_loss_is_watched() -> None:
    """One term has converged from the start, another still falls: no early stop."""

    def two(image: Tensor) -> dict[str, Tensor]:
        return {"still": 0 * image.sum() + 1e-3, **bowl(image)}

    found = run(two, iterations=60, tolerance=1e-4, window=5)
    assert found.end.terms["bowl"] < 1e-2 * found.start.terms["bowl"]


def test_stops_when_the_loss_stops_falling() -> None:
    found = run(bowl, iterations=5000, tolerance=1e-3, window=10)
    assert found.stopped == "converged"
    assert found.iterations < 2000


def test_nothing_to_gain_is_converged() -> None:
    """Flat, lower only beyond the bounds, or as low as float32 shows of a loss of 500."""
    flat = run(lambda image: {"flat": 0 * image.sum() + 3})
    assert (flat.stopped, flat.iterations) == ("converged", 0)
    corner = minimize(lbfgs, lambda image: {"up": -image.sum()}, START + 1, 9, OptimizerConfig())
    assert (corner.stopped, corner.iterations) == ("converged", 0)
    slight = run(lambda image: {"slight": 1e-6 * image.mean() + 500})
    assert (slight.stopped, slight.iterations) == ("converged", 0)
    fine = run(lambda image: {"bowl": bowl(image)["bowl"] + 500}, iterations=5000)
    assert fine.stopped == "converged"
    assert fine.end.total == pytest.approx(500, rel=1e-5)


def test_a_loss_that_rises_along_its_gradient_is_stalled() -> None:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(context: object, image: Tensor) -> Tensor:
            return image.square().sum()

        @staticmethod
        def backward(context: object, upstream: Tensor) -> Tensor:
            return -upstream.expand(START.shape)

    found = run(lambda image: {"wrong": Wrong.apply(image)})
    assert (found.stopped, found.iterations) == ("stalled", 0)
    assert torch.equal(found.image, START)


def test_a_step_that_the_bounds_turn_uphill_is_shortened_before_history_is_dropped() -> None:
    """Along (3, -1) the loss falls; at x's bound only the second pixel is left, and that rises."""
    start = torch.tensor([0.9, 0.5]).view(1, 1, 1, 2)

    def tilted(image: Tensor) -> dict[str, Tensor]:
        return {"tilted": (image * torch.tensor([-1.0, -0.5])).sum()}

    evaluate, options = Evaluation(tilted), OptimizerConfig()
    report, gradient = evaluate(start)
    along = _Along(start, report, gradient, torch.tensor([3.0, -1.0]), options)
    found = _backtrack(evaluate, along, 0.5)
    assert not isinstance(found, str)
    assert found[1].total < report.total


def test_counts_its_iterations_and_says_why_it_ended() -> None:
    assert run(bowl, iterations=7).iterations == 7
    assert run(bowl, iterations=7).stopped == "iterations"
    nothing = run(bowl, iterations=0)
    assert nothing.iterations == 0
    assert torch.equal(nothing.image, START)


def test_nan_and_infinity_are_errors() -> None:
    for bad in (float("nan"), float("inf")):

        def broken(image: Tensor, bad: float = bad) -> dict[str, Tensor]:
            return {"style": image.sum() * bad}

        with pytest.raises(OptimizationError, match="style"):
            run(broken)


@pytest.mark.parametrize("name", ["lbfgs", "adam"])
@pytest.mark.parametrize("first", [1, 2, 5])
def test_nan_in_the_middle_is_an_error(name: str, first: int) -> None:
    calls = 0

    def later(image: Tensor) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        return {"style": bowl(image)["bowl"] * (float("nan") if calls >= first else 1)}

    with pytest.raises(OptimizationError, match="style nan"):
        run(later, name)


@pytest.mark.parametrize("name", ["lbfgs", "adam"])
@pytest.mark.parametrize("first", [1, 4])
def test_a_gradient_that_is_not_finite_is_an_error(name: str, first: int) -> None:
    calls = 0

    def root(image: Tensor) -> dict[str, Tensor]:  # its slope at 0 is infinite, times 0: NaN
        nonlocal calls
        calls += 1
        zero = 0 * image.sum() if calls >= first else image.sum() ** 2
        return {"root": zero.sqrt() + bowl(image)["bowl"]}

    with pytest.raises(OptimizationError, match=r"gradient left the finite numbers \(root"):
        run(root, name)


def test_one_step_too_far_is_no_error() -> None:
    calls = 0

    def cliff(image: Tensor) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        return {"cliff": bowl(image)["bowl"] * (float("inf") if calls == 3 else 1)}

    assert run(cliff, iterations=20).end.total < 0.1 * float(bowl(START)["bowl"])


@pytest.mark.parametrize("name", ["lbfgs", "adam"])
def test_bounds_are_kept_and_the_minimum_within_them_is_found(name: str) -> None:
    outside = TARGET * 3 - 1  # in [-1, 2]

    def far(image: Tensor) -> dict[str, Tensor]:
        return {"far": (CURVATURE * (image - outside).square()).mean()}

    found = run(far, name, 300, learning_rate=0.05)
    assert found.image.min() >= 0
    assert found.image.max() <= 1
    best = float(far(outside.clamp(0, 1))["far"])
    assert found.end.total == pytest.approx(best, rel=1e-3)
    free = run(far, name, 300, learning_rate=0.05, bounded=False)
    assert free.image.min() < 0
    assert free.end.total < best


def test_the_same_twice() -> None:
    first, second = run(bowl, iterations=30), run(bowl, iterations=30)
    assert torch.equal(first.image, second.image)


def test_the_default_rule_looks_at_eight_iterations_at_least() -> None:
    """A loss that hardly falls stops at once when that is sure; one that falls goes on."""
    level, fast = iter(range(1000)), iter(range(1000))

    def steps(fall: float, numbers: Iterator[int]) -> Optimizer:
        def optimizer(evaluate: Evaluation, start: Tensor, options: OptimizerConfig) -> Points:
            for number in numbers:
                yield Point(start, LossReport({"loss": 100 * (1 - fall) ** number}))
            return None

        return optimizer

    options = OptimizerConfig()
    slow = minimize(steps(0.0003, level), bowl, START, 40, options)
    assert (slow.iterations, slow.stopped) == (options.window, "converged") == (8, "converged")
    quick = minimize(steps(0.01, fast), bowl, START, 40, options)
    assert (quick.iterations, quick.stopped) == (40, "iterations")


@pytest.mark.parametrize(("remainder", "iterations"), [(0.11, 33), (0.0501, 76), (0.0, 26)])
def test_a_slow_fall_that_has_far_to_go_goes_on(remainder: float, iterations: int) -> None:
    """Of a loss of 1 + 4 / k, 4 / k is left, however little a window of 8 iterations fell."""

    def falling(evaluate: Evaluation, start: Tensor, options: OptimizerConfig) -> Points:
        yield Point(start, LossReport({"loss": 9.0}))
        for number in range(1, 1000):
            yield Point(start, LossReport({"loss": 1 + 4 / number}))
        return None

    options = OptimizerConfig(tolerance=0.06, remainder=remainder)
    found = minimize(falling, bowl, START, 1000, options)
    assert (found.iterations, found.stopped) == (iterations, "converged")


def test_a_loss_that_is_off_by_its_noise_still_goes_down() -> None:
    """As in low precision: a search that takes noise for a rise gives up on the way."""

    def rough(image: Tensor) -> dict[str, Tensor]:
        exact = 1 + bowl(image)["bowl"]
        with torch.no_grad():
            off = 1e-3 * exact * torch.sin(1e6 * image.double().sum()).float()
        return {"rough": exact + off}

    options = OptimizerConfig(tolerance=0.0)
    stuck, free = (
        minimize(lbfgs, rough, START, 150, options, lambda _, report: None, noise)
        for noise in (0.0, 2e-3)
    )
    assert stuck.stopped == "stalled"
    left = [float(bowl(found.image)["bowl"]) for found in (stuck, free)]
    assert left[1] < 0.3 * left[0]
