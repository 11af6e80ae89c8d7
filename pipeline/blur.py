"""A Gaussian filter of images, on any device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def gaussian(image: Tensor, sigma: float) -> Tensor:
    """The image filtered, zeros beyond its borders: `(1, C, H, W)`; sigma in pixels."""
    radius = round(3 * sigma)
    along = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    taps = torch.exp(-along.square() / (2 * sigma**2))
    taps = (taps / taps.sum()).expand(image.shape[1], 1, 1, -1)
    rows = F.conv2d(image, taps, padding=(0, radius), groups=image.shape[1])
    return F.conv2d(rows, taps.transpose(2, 3), padding=(radius, 0), groups=image.shape[1])
