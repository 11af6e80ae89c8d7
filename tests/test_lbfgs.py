"""The history of L-BFGS against the matrix that it stands for."""

import pytest
import torch
from torch import Tensor

from pipeline.lbfgs import History, smooth_first

SIZE = 6


def vectors(count: int, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(SIZE, generator=generator, dtype=torch.float64) for _ in range(count)]


def slow_direction(
    pairs: list[tuple[Tensor, Tensor]], gradient: Tensor, scaling: str, guess: Tensor
) -> Tensor:
    """-H g, H built up as a matrix from a guess (Nocedal and Wright 2006, eq. 7.16 and 7.20)."""
    scales = [float(step.dot(change) / change.dot(guess @ change)) for step, change in pairs]
    scale = scales[-1] if scaling == "newest" else max(scales)
    inverse = guess * scale
    for step, change in pairs:
        rho = 1 / step.dot(change)
        turn = torch.eye(SIZE, dtype=torch.float64) - rho * torch.outer(change, step)
        inverse = turn.T @ inverse @ turn + rho * torch.outer(step, step)
    return -inverse @ gradient


ALIKE = torch.eye(SIZE, dtype=torch.float64)
SMOOTH = torch.stack(vectors(SIZE, seed=7))


@pytest.mark.parametrize("guess", [ALIKE, ALIKE + SMOOTH @ SMOOTH.T])
@pytest.mark.parametrize("scaling", ["newest", "least"])
@pytest.mark.parametrize("length", [1, 3, 5])
def test_direction_is_that_of_the_last_pairs(length: int, scaling: str, guess: Tensor) -> None:
    """Also where the block has been written round, and after all was forgotten."""
    history = History(length, scaling, lambda vector: guess @ vector)
    (gradient,) = vectors(1, seed=9)
    for round_ in range(2):
        pairs = []
        for step, noise in zip(vectors(8, seed=round_), vectors(8, seed=5 + round_), strict=True):
            change = step + 0.1 * noise
            pairs.append((step, change))
            history.add(step.clone(), change.clone())
            direction, first = history.direction(gradient)
            torch.testing.assert_close(
                direction, slow_direction(pairs[-length:], gradient, scaling, guess)
            )
            assert first == 1.0
        history.clear()
        assert not history
        assert torch.equal(
            history.direction(gradient)[0], -guess @ gradient
        )  # nothing is left of what was forgotten


def test_steps_along_which_the_loss_bends_down_are_not_kept() -> None:
    history = History(3)
    (step,) = vectors(1, seed=0)
    history.add(step, -step)
    assert not history


def test_the_smooth_guess_is_symmetric_and_positive() -> None:
    """Or directions would lead uphill; what is smooth goes five times as far."""
    shape = torch.Size((1, 3, 16, 20))
    guess = smooth_first(shape, 4.0)
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(shape.numel(), generator=generator) for _ in range(2))
    assert float(one.dot(guess(other))) == pytest.approx(float(other.dot(guess(one))), rel=1e-4)
    checkers = (-1.0) ** (torch.arange(16).view(-1, 1) + torch.arange(20)).expand(shape)
    for image, further in ((torch.ones(shape), 5.0), (checkers, 1.0)):
        found = guess(image.reshape(-1)).view(shape) / image
        assert torch.allclose(found[..., 8, 10], torch.tensor(further), atol=0.01)
        assert float((found * image * image).sum()) > 0  # at both ends of the spectrum
    assert torch.equal(smooth_first(shape, 0.0)(one), one)
