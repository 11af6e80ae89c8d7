"""Bring one frame onto another along the backward flow."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Mode = Literal["bilinear", "bicubic", "spline"]

KEYS = -0.65
"""The bicubic kernel's a. At -1/2 it reproduces quadratics, and keeps 88 % of a wave of 4 pixels at
half a pixel; at this value 94 %. At OpenCV's and torch's -3/4 it keeps more, but lifts coarser
waves by 3 % each time, at this value by 1 %."""


def backward_warp(image: Tensor, flow: Tensor, mode: Mode = "bilinear") -> Tensor:
    """Sample `image` (frame j) at each pixel's origin, so that it lies on the pixels of frame i.

    Pixel (x, y) of the result is `image` at (x + flow_x, y + flow_y), pixel centres at whole
    numbers. Border policy: an origin outside the frame is moved to the nearest point of its
    border. A whole-pixel flow copies pixels exactly. Differentiable in both arguments (the flow's
    gradient is 0 outside the frame, and at whole pixels unless bicubic). Bicubic keeps more detail
    over many frames, and may leave the range of `image` by a little: it is not clamped here.

    Differs from `grid_sample`: that one scales positions to [-1, 1] and back, which moves even an
    identity warp by rounding.

    Shapes: image (1, C, H, W), flow (1, 2, H, W) in pixels, channel 0 = x -> (1, C, H, W).

    Raises:
        ValueError: shapes that do not fit.
    """
    if flow.shape[1] != 2 or image.shape[-2:] != flow.shape[-2:] or image.shape[0] != flow.shape[0]:
        raise ValueError(f"flow {tuple(flow.shape)} does not fit image {tuple(image.shape)}")
    radius, kernel, beyond = _KERNELS[mode]
    height, width = image.shape[-2:]
    x, y = (axis.to(flow.dtype) for axis in origins(flow))  # (B, H, W) each
    x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    column, row = x.detach().floor(), y.detach().floor()
    flat = (_coefficients(image) if mode == "spline" else image).flatten(2)  # (B, C, H*W)
    result = torch.zeros_like(image)
    for dy in range(1 - radius, radius + 1):
        rows = beyond(row + dy, height - 1)
        line = torch.zeros_like(image)
        for dx in range(1 - radius, radius + 1):
            columns = beyond(column + dx, width - 1)
            line = line + kernel(x - column - dx).unsqueeze(1) * _gather(flat, rows, columns, width)
        result = result + kernel(y - row - dy).unsqueeze(1) * line
    if mode == "spline":
        whole = ((x == column) & (y == row)).unsqueeze(1)
        result = torch.where(whole, _gather(image.flatten(2), row, column, width), result)
    return result


def origins(flow: Tensor) -> tuple[Tensor, Tensor]:
    """The point of frame j, in pixels, that each pixel of frame i came from.

    Shapes: (B, 2, H, W) -> x and y, each (B, H, W).
    """
    height, width = flow.shape[-2:]
    columns = torch.arange(width, dtype=flow.dtype, device=flow.device)  # (W,)
    rows = torch.arange(height, dtype=flow.dtype, device=flow.device)  # (H,)
    return columns + flow[:, 0], rows[:, None] + flow[:, 1]


def resized(flow: Tensor, height: int, width: int) -> Tensor:
    """The flow between larger frames, brought to a size: means over areas, in the new pixels.

    Shapes: (B, 2, H, W) -> (B, 2, height, width).
    """
    scale = torch.tensor([width / flow.shape[-1], height / flow.shape[-2]]).view(1, 2, 1, 1)
    found = F.interpolate(flow, (height, width), mode="area")
    return found * scale.to(flow)


def inside(flow: Tensor) -> Tensor:
    """1 where a pixel's origin lies on frame j, 0 elsewhere.

    The frame ends half a pixel beyond the outer pixels' centres, so that flow that trembles around
    0 leaves the border alone.

    Shapes: (B, 2, H, W) -> (B, 1, H, W).
    """
    height, width = flow.shape[-2:]
    x, y = origins(flow)
    within = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    return within.unsqueeze(1).to(flow.dtype)


def _gather(flat: Tensor, rows: Tensor, columns: Tensor, width: int) -> Tensor:
    """Pixels of a flattened image.

    Shapes: flat (B, C, H*W), rows and columns (B, H, W), whole numbers -> (B, C, H, W).
    """
    index = (rows.long() * width + columns.long()).flatten(1)  # (B, H*W)
    index = index.unsqueeze(1).expand(-1, flat.shape[1], -1)  # (B, C, H*W)
    return flat.gather(2, index).view(*flat.shape[:2], *rows.shape[1:])


def _tent(distance: Tensor) -> Tensor:
    return (1 - distance.abs()).clamp(min=0)


def _keys(distance: Tensor) -> Tensor:
    """Cubic convolution (Keys 1981, eq. 4), factored, so that it is 0 exactly at 1 and 2."""
    a, d = KEYS, distance.abs()
    near = (1 - d) * (1 + d - (a + 2) * d * d)
    far = a * (d - 1) * (d - 2) ** 2
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


def _spline(distance: Tensor) -> Tensor:
    """The cubic B-spline."""
    d = distance.abs()
    near = (0.5 * d - 1) * d * d + 2 / 3
    return torch.where(d <= 1, near, (2 - d).clamp(min=0) ** 3 / 6)


def _coefficients(image: Tensor) -> Tensor:
    """What cubic B-splines are weighted by, so that their sum goes through the pixels.

    The inverse of the filter (1, 4, 1) / 6, √3 z^|n| with z = √3 − 2, along both axes; the image
    is mirrored at its borders' pixels (Unser 1999, box 2).

    Shapes: (B, C, H, W) -> the same.
    """
    return _inverse(image.shape[2], image) @ image @ _inverse(image.shape[3], image).T


def _inverse(size: int, like: Tensor) -> Tensor:
    """The inverse of the filter (1, 4, 1) / 6 on a mirrored line: (size, size)."""
    if size == 1:
        return torch.ones_like(like[0, 0, :1, :1])
    pole, period = math.sqrt(3) - 2, 2 * (size - 1)
    lags = torch.arange(period, dtype=torch.float64)
    response = math.sqrt(3) * (pole**lags + pole ** (period - lags)) / (1 - pole**period)
    place = torch.arange(size)
    found = response[(place[:, None] - place).abs()]
    mirrored = response[(place[:, None] + place) % period]
    mirrored[:, [0, -1]] = 0  # the mirror's own pixels are there once
    return (found + mirrored).to(like)


def _repeated(place: Tensor, last: int) -> Tensor:
    return place.clamp(0, last)


def _mirrored(place: Tensor, last: int) -> Tensor:
    return (last - (last - place.abs()).abs()).clamp(0, last)


# Taps to each side, their weights, and which pixels stand in for those beyond the border.
_KERNELS: dict[str, tuple[int, Callable[[Tensor], Tensor], Callable[[Tensor, int], Tensor]]] = {
    "bilinear": (1, _tent, _repeated),
    "bicubic": (2, _keys, _repeated),
    "spline": (2, _spline, _mirrored),
}
