"""The formulas of the measures: closed forms, and a slow reference of the warping error."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from test_flow_warp import constant_flow, slow_bilinear
from torch import Tensor
from torch.nn import functional as F

from pipeline import metrics


def noise(height: int = 24, width: int = 32, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def test_warping_error_against_a_slow_reference() -> None:
    generator = np.random.default_rng(0)
    now, before = (generator.random((3, 9, 11)) for _ in range(2))
    flow, weight = generator.normal(0, 3, (2, 9, 11)), generator.random((9, 11))
    warped = slow_bilinear(before, flow)
    total = parts = 0.0
    for row in range(9):
        for column in range(11):
            for channel in range(3):
                difference = now[channel, row, column] - warped[channel, row, column]
                total += weight[row, column] * difference**2
                parts += weight[row, column]
    tensors = (torch.from_numpy(array)[None] for array in (now, before, flow, weight[None]))
    assert metrics.warping_error(*tensors) == pytest.approx(total / parts, rel=1e-12)


def test_what_moves_by_whole_pixels_has_no_error_where_it_is_trusted() -> None:
    wide = noise(width=40)
    now, before = wide[..., :32], wide[..., 3:35]  # now's pixel x lies in before at x - 3
    flow = constant_flow(-3, 0, 24, 32)
    seen = torch.ones(1, 1, 24, 32)
    seen[..., :3] = 0
    assert metrics.warping_error(now, before, flow, seen) == 0
    assert metrics.warping_error(now, before, flow, torch.ones_like(seen)) > 0
    assert math.isnan(metrics.warping_error(now, before, flow, torch.zeros_like(seen)))


def test_boiling_of_independent_noise_is_its_standard_deviation() -> None:
    def frame(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return 0.5 + torch.randn(1, 3, 96, 96, generator=generator) * 4 / 255

    still, everywhere = torch.full((1, 3, 96, 96), 0.5), torch.ones(1, 1, 96, 96)
    earlier, weights = [frame(seed) for seed in (1, 2, 3)], [everywhere] * 3
    assert metrics.boiling(frame(0), earlier, weights) == pytest.approx(4, rel=0.01)
    assert metrics.boiling(still, [still, still], [everywhere, everywhere]) == 0
    nowhere = [everywhere, 1 - everywhere]  # a pixel counts that is trusted in every frame
    assert math.isnan(metrics.boiling(still, [still, still], nowhere))


def test_gradient_energy() -> None:
    ramp = torch.arange(8.0).expand(1, 3, 5, 8) / 255  # a level from pixel to pixel
    assert metrics.gradient_energy(ramp) == pytest.approx(1)
    assert metrics.gradient_energy(torch.full((1, 3, 5, 8), 0.3)) == 0
    assert metrics.gradient_energy(noise(1, 8)) > 0
    blurred = F.avg_pool2d(noise(), 3, stride=1)
    assert metrics.gradient_energy(blurred) < 0.2 * metrics.gradient_energy(noise())


def test_drift_is_the_change_that_the_original_has_not() -> None:
    fading = [(100.0 - i, 50.0, 20.0 + i) for i in range(20)]  # 15 frames between the ends' means
    brighter = [(r + 2 * i, g, b) for i, (r, g, b) in enumerate(fading)]
    assert metrics.drift(fading, fading) == (0, 0, 0)
    assert metrics.drift(brighter, fading) == pytest.approx((30, 0, 0))
    assert metrics.drift(fading, brighter)[0] == pytest.approx(-30)
    assert metrics.drift(brighter[:3], fading[:3]) == pytest.approx((4, 0, 0))
    assert all(map(math.isnan, metrics.drift(brighter[:1], fading[:1])))
    assert metrics.luminance((255, 255, 255)) == pytest.approx(255)
    assert metrics.mean_colour(torch.ones(1, 3, 4, 4) / 255) == pytest.approx((1, 1, 1))


def test_means_leave_out_what_is_not_known() -> None:
    assert metrics.mean([1, math.nan, 3]) == 2
    assert metrics.largest([1, -4, math.nan, 3]) == -4
    assert math.isnan(metrics.mean([math.nan]))
    assert math.isnan(metrics.largest([]))
    assert math.isnan(metrics.ratio(1, 0))
