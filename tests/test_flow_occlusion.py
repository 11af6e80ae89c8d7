"""Weights: closed forms, a slow reference, and what the soft one does better."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from flow.occlusion import (
    CHECKS,
    boundary,
    emptiness,
    inconsistency,
    long_term_weights,
    published,
    soft,
)

HEIGHT, WIDTH = 40, 56
TOP, LEFT, SIDE, STEP = 10, 12, 16, 5  # the square in frame j; in frame i it is STEP further right


def texture(seed: int) -> torch.Tensor:
    noise = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))
    return F.avg_pool2d(noise, 3, stride=1, padding=1, count_include_pad=False)


def square(left: int) -> torch.Tensor:
    """True on the square's pixels: (1, 1, H, W)."""
    there = torch.zeros(1, 1, HEIGHT, WIDTH, dtype=torch.bool)
    there[..., TOP : TOP + SIDE, left : left + SIDE] = True
    return there


def moving_square() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """flow_ij, flow_ji, image_i, image_j and the disoccluded strip of a square moving right."""
    in_j, in_i = square(LEFT), square(LEFT + STEP)
    step = torch.tensor([float(STEP), 0.0]).view(1, 2, 1, 1)
    background, front = texture(0), texture(1)
    image_j = torch.where(in_j, front, background)
    image_i = torch.where(in_i, front.roll(STEP, dims=3), background)
    return -step * in_i, step * in_j, image_i, image_j, in_j & ~in_i


def slow_published(flow_ij: np.ndarray, flow_ji: np.ndarray) -> np.ndarray:
    """Pixel by pixel; flows (2, H, W)."""
    _, height, width = flow_ij.shape
    weight = np.zeros((height, width))

    def at(flow: np.ndarray, row: int, column: int) -> np.ndarray:
        return flow[:, min(max(row, 0), height - 1), min(max(column, 0), width - 1)]

    for row in range(height):
        for column in range(width):
            there = at(flow_ij, row, column)
            x, y = column + there[0], row + there[1]
            if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
                continue
            x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
            left, top = math.floor(x), math.floor(y)
            back = sum(
                at(flow_ji, top + dy, left + dx) * abs(1 - dy - y + top) * abs(1 - dx - x + left)
                for dy in (0, 1)
                for dx in (0, 1)
            )
            length = (there**2).sum()
            if ((back + there) ** 2).sum() > 0.01 * ((back**2).sum() + length) + 0.5:
                continue
            along_x = (at(flow_ij, row, column + 1) - at(flow_ij, row, column - 1)) / 2
            along_y = (at(flow_ij, row + 1, column) - at(flow_ij, row - 1, column)) / 2
            steep = (along_x**2).sum() + (along_y**2).sum()
            weight[row, column] = steep <= 0.01 * length + 0.002
    return weight


@pytest.mark.parametrize("drift", [0.0, 4.0])
def test_published_is_the_slow_reference(drift: float) -> None:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(2, 2, 4, 5, dtype=torch.float64, generator=generator)
    fine = F.interpolate(coarse, size=(24, 30), mode="bicubic")
    flow_ij = drift + 0.3 * fine[:1]
    flow_ji = -flow_ij + 0.4 * fine[1:]
    weight = published(flow_ij, flow_ji, torch.empty(0), torch.empty(0))
    wanted = slow_published(flow_ij[0].numpy(), flow_ji[0].numpy())
    assert 0.05 < wanted.mean() < 0.95
    np.testing.assert_array_equal(weight[0, 0].numpy(), wanted)


def test_exactly_the_disoccluded_strip_is_inconsistent() -> None:
    flow_ij, flow_ji, _, _, strip = moving_square()
    assert torch.equal(inconsistency(flow_ij, flow_ji) > 1, strip)


def test_published_is_0_on_the_strip_and_on_the_square_s_edge() -> None:
    flow_ij, flow_ji, image_i, image_j, strip = moving_square()
    moving = square(LEFT + STEP)
    neighbours = [moving.roll(by, axis) for by in (-1, 1) for axis in (2, 3)]
    wide = torch.stack(neighbours).any(dim=0) & ~moving
    still = [(~moving).roll(by, axis) for by in (-1, 1) for axis in (2, 3)]
    edge = torch.stack(still).any(dim=0) & moving
    weight = published(flow_ij, flow_ji, image_i, image_j)
    assert torch.equal(weight == 0, strip | wide | edge)
    assert torch.equal(weight == 1, ~(strip | wide | edge))


def test_soft_doubts_the_strip_and_nothing_else() -> None:
    flow_ij, flow_ji, image_i, image_j, strip = moving_square()
    weight = soft(flow_ij, flow_ji, image_i, image_j)
    assert weight[strip].max() < 0.5
    # Smoothing lets the strip's doubt reach some pixels further.
    near = F.max_pool2d(strip.float(), 9, stride=1, padding=4) > 0
    assert weight[~near].min() > 0.9
    assert weight[~strip].mean() > 0.95


def test_emptiness_counts_pixels_beyond_what_its_numbers_can() -> None:
    """As frames of more than 2^24 pixels have them in float32, 256 have them in bfloat16."""
    assert emptiness(torch.zeros(1, 2, 20, 21, dtype=torch.bfloat16)).abs().max() < 1e-2


def test_emptiness_is_1_on_the_strip() -> None:
    _, flow_ji, _, _, strip = moving_square()
    found = emptiness(flow_ji)
    core = F.max_pool2d((~strip).float(), 5, stride=1, padding=2) == 0
    assert core.any()
    assert (found[core] == 1).all()
    assert emptiness(torch.zeros(1, 2, 9, 9)).max() < 1e-6


@pytest.mark.parametrize("name", CHECKS)
def test_a_still_picture_is_trusted(name: str) -> None:
    zero = torch.zeros(1, 2, HEIGHT, WIDTH)
    weight = CHECKS[name](zero, zero, texture(0), texture(0))
    assert weight.shape == (1, 1, HEIGHT, WIDTH)
    assert weight.min() > 0.99


@pytest.mark.parametrize("name", CHECKS)
def test_what_came_from_out_of_the_frame_is_not_trusted(name: str) -> None:
    left = torch.tensor([-3.0, 0.0]).view(1, 2, 1, 1).repeat(1, 1, HEIGHT, WIDTH)
    image_i, image_j = texture(0), texture(0).roll(-3, dims=3)
    weight = CHECKS[name](left, -left, image_i, image_j)
    assert (weight[..., :3] == 0).all()
    assert weight[..., 8:-8].min() > 0.9


def test_soft_trusts_a_flat_sky_where_published_does_not() -> None:
    generator = torch.Generator().manual_seed(0)
    wild = 3 * torch.randn(1, 2, 5, 7, generator=generator)
    flow_ij = F.interpolate(wild, size=(HEIGHT, WIDTH), mode="bilinear")
    flow_ij[..., :6, :] = flow_ij[..., -6:, :] = 0  # the border is another matter
    flow_ij[..., :6] = flow_ij[..., -6:] = 0
    sky = torch.full((1, 3, HEIGHT, WIDTH), 0.7)
    zero = torch.zeros_like(flow_ij)
    assert published(flow_ij, zero, sky, sky).mean() < 0.6
    assert soft(flow_ij, zero, sky, sky).min() > 0.95


def test_soft_takes_neither_grain_nor_exposure_for_a_change() -> None:
    generator = torch.Generator().manual_seed(0)
    zero = torch.zeros(1, 2, HEIGHT, WIDTH)
    grain = [0.03 * torch.randn(1, 3, HEIGHT, WIDTH, generator=generator) for _ in range(2)]
    weight = soft(zero, zero, texture(0) + grain[0], texture(0) + grain[1] + 0.1)
    assert weight.mean() > 0.93


@settings(deadline=None)
@given(
    x=st.floats(-60, 60), y=st.floats(-60, 60), height=st.integers(1, 12), width=st.integers(1, 12)
)
def test_weights_are_finite_and_in_0_1(x: float, y: float, height: int, width: int) -> None:
    flow = torch.tensor([x, y], dtype=torch.float32).view(1, 2, 1, 1).repeat(1, 1, height, width)
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0)).split(1)
    for check in CHECKS.values():
        weight = check(flow, -flow, *images)
        assert weight.shape == (1, 1, height, width)
        assert ((weight >= 0) & (weight <= 1)).all()


def test_boundary_of_a_ramp() -> None:
    ramp = torch.zeros(1, 2, 6, 6)
    ramp[:, 0] = 0.04 * torch.arange(6.0)
    wanted = 0.04**2 / (0.01 * (0.04 * 2) ** 2 + 0.002)
    assert boundary(ramp)[0, 0, 3, 2].item() == pytest.approx(wanted)


def test_long_term_weights_of_a_pixel() -> None:
    weights = [torch.full((1, 1, 1, 1), value) for value in (0.25, 1.0, 1.0)]
    assert [found.item() for found in long_term_weights(weights)] == [0.25, 0.75, 0.0]
    assert long_term_weights([]) == []


@settings(deadline=None)
@given(hard=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=5))
def test_each_pixel_is_held_to_the_nearest_frame_that_shows_it(hard: list[list[bool]]) -> None:
    weights = [torch.tensor(each, dtype=torch.float32).view(1, 1, 1, 4) for each in hard]
    found = torch.stack(long_term_weights(weights))
    for pixel in range(4):
        seen = [each[pixel] for each in hard]
        wanted = [float(now and not any(seen[:index])) for index, now in enumerate(seen)]
        assert found[:, 0, 0, 0, pixel].tolist() == wanted
