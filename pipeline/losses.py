"""The four losses of the method, in 0..255 units, each a mean over elements unless it says else.

Ruder, Dosovitskiy and Brox 2016, sections 3 and 4; Gatys, Ecker and Bethge 2016, section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

PEAK = 255.0  # images are in [0, 1], the published weights are for 0..255


class TemporalTarget(NamedTuple):
    """An earlier painted frame, warped onto this one, and how strongly each pixel is held to it."""

    image: Tensor  # (1, 3, H, W) in [0, 1]
    weight: Tensor  # (1, 1, H, W): 0 not at all, 1 as the published loss holds a trusted pixel
    area: int = 0  # hold the means of areas this far apart, instead of single pixels


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of features `(1, C, h, w)` (Gatys et al. 2016, eq. 1)."""
    found: Tensor = _MeanSquare.apply(features - target)
    return found


class _MeanSquare(torch.autograd.Function):
    """The mean of squares, summed in float32 at least, in one pass each way."""

    @staticmethod
    def forward(ctx: Any, difference: Tensor) -> Tensor:
        ctx.save_for_backward(difference)
        norm: Tensor = torch.linalg.vector_norm(difference, dtype=_sums(difference))
        return norm.square() / difference.numel()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (difference,), (gradient,) = ctx.saved_tensors, gradients
        found: Tensor = difference * (gradient * 2 / difference.numel())  # a factor in float32
        return found


def gram_matrix(features: Tensor) -> Tensor:
    """G = F Fᵀ / (C·H·W) of features `(1, C, H, W)`: `(C, C)` (Gatys et al. 2016, eq. 3)."""
    gram: Tensor = _Gram.apply(features)
    return gram


class _Gram(torch.autograd.Function):
    """F Fᵀ, whose gradient is one product, (dG + dGᵀ) F, where autograd's own takes two."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        # (H·W, C), a view of channels_last. By features[0] its gradient would lose that format.
        flat = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])
        ctx.dtype = features.dtype
        flat = flat.float() if flat.dtype == torch.float16 else flat  # sums leave its range
        ctx.save_for_backward(flat)
        ctx.shape = features.shape
        return (flat.T @ flat).to(_sums(features)) / features.numel()  # (C, C)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (flat,), (gradient,) = ctx.saved_tensors, gradients
        _, channels, height, width = ctx.shape
        both = (gradient + gradient.T) / ctx.shape.numel()
        found: Tensor = flat @ both.to(flat.dtype)  # (H·W, C)
        return found.to(ctx.dtype).view(1, height, width, channels).permute(0, 3, 1, 2)


def gram_loss(gram: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of Gram matrices (Gatys et al. 2016, eq. 4)."""
    return (gram - target).square().mean()


def temporal_loss(image: Tensor, target: TemporalTarget, kind: str = "squared") -> Tensor:
    """mean( c · (x − warped)² ) over all elements (Ruder et al. 2016, eq. 7).

    With `target.area` it is the mean over areas of ( mean of √c · (x − warped) )², our own. They
    overlap, and fade towards their edges: squares would leave theirs in the painting.
    "smooth_l1", of the published code: half the square up to one level of 255, then the absolute
    difference less a half, so that single large differences count less.
    """
    difference = (image - target.image) * PEAK
    if target.area:
        held = target.weight.sqrt() * difference  # (1, 3, H, W)
        down, across = (_areas(size, target.area).to(held) for size in held.shape[-2:])
        return (down @ held @ across.T).square().mean()
    if kind == "smooth_l1":
        size = difference.abs()
        return (target.weight * torch.where(size < 1, size.square() / 2, size - 0.5)).mean()
    return (target.weight * difference.square()).mean()


@lru_cache(maxsize=8)
def _areas(size: int, apart: int) -> Tensor:
    """The means of overlapping areas along a side, as a matrix `(areas, size)`.

    Each weighs pixels by a tent, from its own middle down to none at its neighbours'.
    """
    count = max(1, round(size / apart))
    middles = (torch.arange(count) + 0.5) * size / count
    off = (torch.arange(size) + 0.5 - middles.unsqueeze(1)).abs() * count / size
    tents = (1 - off).clamp(min=0)
    return tents / tents.sum(dim=1, keepdim=True)


def total_variation(image: Tensor, norm: str = "l2") -> Tensor:
    """How much neighbouring pixels differ, in 0..255 units: a scalar.

    "l2": half the *sum* of squared differences, a sum so that the published weights carry over
    (Johnson's neural-style, which Ruder et al. build on). "l1": the mean of absolute differences;
    a mean, so that one weight smooths frames of every size alike, and it spares edges.
    """
    across = (image[..., :, 1:] - image[..., :, :-1]) * PEAK  # (1, 3, H, W - 1)
    down = (image[..., 1:, :] - image[..., :-1, :]) * PEAK  # (1, 3, H - 1, W)
    if norm == "l1":
        # Of an image one pixel wide or high there is nothing to take the mean of.
        means = [each.abs().sum() / max(1, each.numel()) for each in (across, down)]
        return means[0] + means[1]
    return (across.square().sum() + down.square().sum()) / 2


def _sums(features: Tensor) -> torch.dtype:
    """Sums are kept in float32 at least, whatever the features' precision."""
    return torch.promote_types(features.dtype, torch.float32)


class StyleLoss(NamedTuple):
    """What of features is matched, and how its distance is measured."""

    statistic: Callable[[Tensor], Tensor]
    distance: Callable[[Tensor, Tensor], Tensor]


STYLE_LOSSES: dict[str, StyleLoss] = {
    "gram": StyleLoss(gram_matrix, gram_loss),
}
