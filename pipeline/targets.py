"""Images that the temporal loss holds to, put together of warped painted frames."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.blur import gaussian
from pipeline.losses import PEAK, TemporalTarget

DETAIL = 1.0  # pixels: what varies over less is what warping's errors blur in a mean
FLAT = 4.0  # levels of 255 a pixel: gradients well below it are a flat area's
FLAT_RADIUS = 3  # pixels


def averaged(images: list[Tensor], weights: list[Tensor]) -> TemporalTarget:
    """The weighted mean of images, as strong as the best of their weights."""
    total = torch.stack(weights).sum(dim=0)  # (1, 1, H, W)
    mixed = torch.stack([image * weight for image, weight in zip(images, weights, strict=True)])
    strength = torch.stack(weights).amax(dim=0)
    return TemporalTarget(mixed.sum(dim=0) / total.clamp(min=1e-6), strength)


def with_detail(target: TemporalTarget, nearest: Tensor, weight: Tensor) -> TemporalTarget:
    """A mean of frames with the nearest one's fine detail, where that can be trusted.

    Frames that are warped from further away lie beside each other by what flow errs, so that their
    mean is blurred, and a painting held to it grows softer from frame to frame.
    """
    change = (nearest - target.image) * weight
    return TemporalTarget(target.image + change - gaussian(change, DETAIL), target.weight)


def scaled(targets: list[TemporalTarget], factor: float | Tensor) -> list[TemporalTarget]:
    """The same images, held to so many times as strongly."""
    return [TemporalTarget(target.image, target.weight * factor) for target in targets]


def flatness(frame: Tensor) -> Tensor:
    """1 where a frame `(1, 3, H, W)` has no texture, near 0 where it has: `(1, 1, H, W)`.

    exp(−|∇|² / 4²), the gradient in levels of 255 and averaged over 7 by 7 pixels.
    """
    padded = F.pad(frame, (1, 1, 1, 1), mode="replicate") * PEAK
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    energy = (across.square() + down.square()).mean(dim=1, keepdim=True)
    border = (FLAT_RADIUS,) * 4
    smooth = F.avg_pool2d(F.pad(energy, border, mode="replicate"), 2 * FLAT_RADIUS + 1, stride=1)
    return torch.exp(-smooth / FLAT**2)
