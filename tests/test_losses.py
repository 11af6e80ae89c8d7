"""Losses in closed form, against slow references, and their gradients."""

import pytest
import torch
from torch import Tensor

from pipeline.losses import (
    TemporalTarget,
    content_loss,
    gram_loss,
    gram_matrix,
    temporal_loss,
    total_variation,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def checkerboard(height: int, width: int) -> Tensor:
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    return ((rows + columns) % 2).double().expand(1, 3, height, width)


def test_gram_against_a_loop() -> None:
    features = random(1, 4, 3, 5)
    gram = gram_matrix(features)
    for a in range(4):
        for b in range(4):
            total = sum(
                float(features[0, a, y, x]) * float(features[0, b, y, x])
                for y in range(3)
                for x in range(5)
            )
            assert float(gram[a, b]) == pytest.approx(total / (4 * 3 * 5), rel=1e-6)


def test_gram_does_not_care_for_memory_format() -> None:
    features = random(1, 8, 6, 7).float()
    other = gram_matrix(features.to(memory_format=torch.channels_last))
    torch.testing.assert_close(gram_matrix(features), other)


def test_the_gradient_of_gram_keeps_the_memory_format() -> None:
    """Another format would be added to the network's own gradient at several times the cost."""
    features = random(1, 8, 6, 7).to(memory_format=torch.channels_last).requires_grad_()
    (gradient,) = torch.autograd.grad(gram_matrix(features).sum(), features)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_total_variation_of_a_checkerboard() -> None:
    height, width = 6, 9
    edges = 3 * (height * (width - 1) + (height - 1) * width)
    board = checkerboard(height, width)
    assert float(total_variation(board, "l2")) == pytest.approx(edges * 255**2 / 2)
    assert float(total_variation(board, "l1")) == pytest.approx(2 * 255)
    for norm in ("l1", "l2"):
        assert float(total_variation(torch.full((1, 3, 4, 4), 0.3), norm)) == 0
        assert float(total_variation(torch.full((1, 3, 1, 1), 0.3), norm)) == 0


def test_every_loss_is_zero_at_its_target() -> None:
    features, image = random(1, 8, 4, 5), random(1, 3, 8, 8)
    assert float(content_loss(features, features)) == 0
    assert float(gram_loss(gram_matrix(features), gram_matrix(features))) == 0
    weight = random(1, 1, 8, 8, seed=1)
    assert float(temporal_loss(image, TemporalTarget(image, weight))) == 0


def test_temporal_loss_sees_only_trusted_pixels() -> None:
    image = random(1, 3, 4, 4)
    other = image.clone()
    other[..., 0, 0] += 0.1
    trusted, blind = torch.ones(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    blind[..., 0, 0] = 0
    assert float(temporal_loss(image, TemporalTarget(other, blind))) == 0
    one_pixel = (0.1 * 255) ** 2 / 16
    found = float(temporal_loss(image, TemporalTarget(other, trusted)))
    assert found == pytest.approx(one_pixel)


def test_smooth_l1_is_half_the_square_up_to_a_level_and_linear_beyond() -> None:
    image, weight = torch.zeros(1, 3, 2, 2, dtype=torch.float64), torch.ones(1, 1, 2, 2)
    for levels, expected in ((0.5, 0.125), (1.0, 0.5), (3.0, 2.5)):
        target = TemporalTarget(image + levels / 255, weight)
        assert float(temporal_loss(image, target, "smooth_l1")) == pytest.approx(expected)


def test_gradients() -> None:
    target = random(1, 3, 4, 5, seed=1)
    held = TemporalTarget(target, random(1, 1, 4, 5, seed=2))
    gram = gram_matrix(target)
    losses = {
        "content": lambda x: content_loss(x, target),
        "gram": lambda x: gram_loss(gram_matrix(x), gram),
        "temporal": lambda x: temporal_loss(x, held),
        "smooth_l1": lambda x: temporal_loss(x, held, "smooth_l1"),
        "l2": lambda x: total_variation(x, "l2"),
        "l1": lambda x: total_variation(x, "l1"),
    }
    start = random(1, 3, 4, 5).requires_grad_()
    for name, loss in losses.items():
        assert torch.autograd.gradcheck(loss, start), name
