"""Closed forms, a slow reference and the gradient of the backward warp."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.warp import KEYS, Mode, backward_warp, inside, resized

MODES: tuple[Mode, ...] = ("bilinear", "bicubic", "spline")


def constant_flow(x: float, y: float, height: int, width: int) -> torch.Tensor:
    return torch.tensor([x, y]).view(1, 2, 1, 1).repeat(1, 1, height, width)


def slow_bilinear(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Pixel by pixel; image (C, H, W), flow (2, H, W)."""
    channels, height, width = image.shape
    result = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            x = min(max(column + flow[0, row, column], 0), width - 1)
            y = min(max(row + flow[1, row, column], 0), height - 1)
            left, top = math.floor(x), math.floor(y)
            right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
            for channel in range(channels):
                plane = image[channel]
                upper = plane[top, left] * (left + 1 - x) + plane[top, right] * (x - left)
                lower = plane[bottom, left] * (left + 1 - x) + plane[bottom, right] * (x - left)
                result[channel, row, column] = upper * (top + 1 - y) + lower * (y - top)
    return result


@pytest.mark.parametrize("mode", MODES)
@settings(deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 99))
def test_zero_flow_is_the_identity_exactly(mode: Mode, height: int, width: int, seed: int) -> None:
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(backward_warp(image, torch.zeros(1, 2, height, width), mode), image)


@pytest.mark.parametrize("mode", MODES)
@settings(deadline=None)
@given(x=st.integers(-9, 9), y=st.integers(-9, 9))
def test_whole_pixels_are_copied_and_borders_repeated(mode: Mode, x: int, y: int) -> None:
    image = torch.rand(1, 3, 7, 8, generator=torch.Generator().manual_seed(0))
    rows = (torch.arange(7) + y).clamp(0, 6)
    columns = (torch.arange(8) + x).clamp(0, 7)
    warped = backward_warp(image, constant_flow(x, y, 7, 8), mode)
    assert torch.equal(warped, image[:, :, rows][..., columns])


def test_bilinear_is_the_slow_reference() -> None:
    generator = np.random.default_rng(0)
    image = generator.random((2, 9, 11))
    flow = generator.normal(0, 4, (2, 9, 11))
    warped = backward_warp(torch.from_numpy(image)[None], torch.from_numpy(flow)[None])
    np.testing.assert_allclose(warped[0].numpy(), slow_bilinear(image, flow), atol=1e-12)


def test_bicubic_reproduces_a_line_and_keeps_what_its_kernel_says() -> None:
    x = torch.arange(40, dtype=torch.float64)
    flow = constant_flow(0.5, 0.0, 4, 40).double()
    inner = slice(2, 37)
    line = backward_warp((3 * x).expand(1, 1, 4, 40).contiguous(), flow, "bicubic")
    torch.testing.assert_close(line[..., inner], (3 * (x + 0.5))[inner].expand(1, 1, 4, 35))
    for period in (4, 6):
        half = math.pi / period
        kept = (1 - KEYS / 4) * math.cos(half) + KEYS / 4 * math.cos(3 * half)
        assert kept == pytest.approx({4: 0.937, 6: 1.007}[period], abs=1e-3)
        wave = torch.sin(2 * math.pi * x / period).expand(1, 1, 4, 40).contiguous()
        expected = kept * torch.sin(2 * math.pi * (x + 0.5) / period)
        found = backward_warp(wave, flow, "bicubic")[0, 0, 0, inner]
        torch.testing.assert_close(found, expected[inner], atol=1e-9, rtol=0)


def test_a_spline_goes_through_the_pixels_and_reproduces_a_cubic() -> None:
    x = torch.arange(64, dtype=torch.float64)
    image = ((x - 30) ** 3).expand(1, 1, 3, 64).contiguous()
    for shift in (1e-9, 0.3):
        warped = backward_warp(image, constant_flow(shift, 0.0, 3, 64).double(), "spline")
        inner = slice(20, 44)  # what the mirrored borders add is 0.27 times as much each pixel
        expected = ((x + shift - 30) ** 3)[inner].expand(1, 1, 3, 24)
        torch.testing.assert_close(warped[..., inner], expected, atol=1e-5, rtol=0)


def test_each_kernel_keeps_more_detail_than_the_one_before() -> None:
    texture = torch.sin(torch.arange(64) * 1.8).expand(1, 1, 8, 64).contiguous()
    there, back = constant_flow(0.5, 0, 8, 64), constant_flow(-0.5, 0, 8, 64)
    left: dict[str, float] = {}
    for mode in MODES:
        image = texture
        for _ in range(5):
            image = backward_warp(backward_warp(image, there, mode), back, mode)
        left[mode] = image[..., 20:40].var().item()
    assert left["bicubic"] > 2 * left["bilinear"]
    assert left["spline"] > 2 * left["bicubic"]


@pytest.mark.parametrize("mode", MODES)
def test_gradients_of_image_and_flow(mode: Mode) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 2, 4, 5, dtype=torch.float64, generator=generator)
    # Off the whole numbers, where the bilinear kernel has a kink, and inside the frame.
    flow = 0.2 + 0.6 * torch.rand(1, 2, 4, 5, dtype=torch.float64, generator=generator)
    flow[..., -1, :], flow[..., -1] = -0.4, -0.4
    inputs = (image.requires_grad_(), flow.requires_grad_())
    assert torch.autograd.gradcheck(lambda i, f: backward_warp(i, f, mode), inputs)


@settings(max_examples=25, deadline=None)
@given(x=st.floats(-1e9, 1e9), y=st.floats(-1e9, 1e9))
def test_any_flow_stays_within_the_image(x: float, y: float) -> None:
    image = torch.rand(1, 1, 5, 6, generator=torch.Generator().manual_seed(0))
    warped = backward_warp(image, constant_flow(x, y, 5, 6))
    assert image.min() - 1e-6 <= warped.min() <= warped.max() <= image.max() + 1e-6


def test_the_frame_ends_half_a_pixel_beyond_its_outer_pixels() -> None:
    assert inside(constant_flow(1, 0, 2, 3))[0, 0].tolist() == [[1, 1, 0], [1, 1, 0]]
    assert inside(constant_flow(0, -0.6, 2, 3))[0, 0].tolist() == [[0, 0, 0], [1, 1, 1]]
    assert inside(constant_flow(0.4, -0.4, 2, 3)).min() == 1


@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (1, 2, 5, 4), (2, 2, 4, 5)])
def test_a_flow_that_does_not_fit_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        backward_warp(torch.zeros(1, 3, 4, 5), torch.zeros(shape))


@given(height=st.integers(1, 9), width=st.integers(1, 9), times=st.integers(1, 4))
def test_a_larger_frames_flow_is_told_in_the_smaller_ones_pixels(
    height: int, width: int, times: int
) -> None:
    flow = constant_flow(3.0, -2.0, height * times, width * 2 * times)
    found = resized(flow, height, width)
    torch.testing.assert_close(found, constant_flow(1.5 / times, -2.0 / times, height, width))


def test_a_larger_frames_flow_is_averaged_over_areas() -> None:
    flow = torch.tensor([[1.0, 3.0], [5.0, 7.0]]).expand(1, 2, 2, 2)
    torch.testing.assert_close(resized(flow, 1, 1), constant_flow(2.0, 2.0, 1, 1))
