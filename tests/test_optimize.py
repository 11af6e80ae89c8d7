"""The optimisers on functions whose minimum is known, and the stopping rules."""

import pytest
import torch
from torch import Tensor

from pipeline.errors import OptimizationError
from pipeline.optimize import OPTIMIZERS, Minimum, Objective, minimize
from pipeline.sections import OptimizerConfig

START = torch.full((1, 3, 8, 8), 0.5)
TARGET = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
# Curvatures over four orders of magnitude: plain gradient descent would need thousands of steps.
CURVATURE = torch.logspace(0, 4, 192).view(1, 3, 8, 8)


def bowl(image: Tensor) -> dict[str, Tensor]:
    return {"bowl": (CURVATURE * (image - TARGET).square()).mean()}


def run(objective: Objective, name: str = "lbfgs", iterations: int = 100, **keys: float) -> Minimum:
    options = OptimizerConfig.model_validate({"name": name, **keys})
    return minimize(OPTIMIZERS[name], objective, START, iterations, options)


@pytest.mark.parametrize(("name", "share"), [("lbfgs", 1e-4), ("adam", 1e-2)])
def test_finds_the_bottom_of_a_narrow_valley(name: str, share: float) -> None:
    found = run(bowl, name, 200 if name == "lbfgs" else 600)
    assert found.end.total < share * found.start.total
    assert found.end.total == pytest.approx(float(bowl(found.image)["bowl"]))


def test_lbfgs_never_ends_above_where_it_began() -> None:
    def steps(image: Tensor) -> dict[str, Tensor]:  # kinks, where a full step overshoots
        return {"kinks": (CURVATURE * (image - TARGET).abs()).mean()}

    found = run(steps)
    assert found.end.total < 0.2 * found.start.total


def test_the_whole_loss_is_watched() -> None:
    """One term has converged from the start, another still falls: no early stop."""

    def two(image: Tensor) -> dict[str, Tensor]:
        return {"still": 0 * image.sum() + 1e-3, **bowl(image)}

    found = run(two, iterations=60, tolerance=1e-4, window=5)
    assert found.end.terms["bowl"] < 1e-2 * found.start.terms["bowl"]


def test_stops_when_the_loss_stops_falling() -> None:
    found = run(bowl, iterations=5000, tolerance=1e-3, window=10)
    assert found.stopped in ("converged", "stalled")
    assert found.iterations < 2000


def test_counts_its_iterations_and_says_why_it_ended() -> None:
    assert run(bowl, iterations=7).iterations == 7
    assert run(bowl, iterations=7).stopped == "iterations"
    nothing = run(bowl, iterations=0)
    assert nothing.iterations == 0
    assert torch.equal(nothing.image, START)
    assert run(lambda image: {"flat": 0 * image.sum()}).stopped == "stalled"


def test_nan_and_infinity_are_errors() -> None:
    for bad in (float("nan"), float("inf")):

        def broken(image: Tensor, bad: float = bad) -> dict[str, Tensor]:
            return {"style": image.sum() * bad}

        with pytest.raises(OptimizationError, match="style"):
            run(broken)


def test_nan_in_the_middle_of_adam_is_an_error() -> None:
    calls = 0

    def later(image: Tensor) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        return {"style": image.square().sum() * (float("nan") if calls == 5 else 1)}

    with pytest.raises(OptimizationError):
        run(later, "adam")


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
