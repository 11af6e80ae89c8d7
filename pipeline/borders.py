"""Borders that repeat the image's own, on the way back."""

from __future__ import annotations

from torch import Tensor


def fold_border(gradient: Tensor) -> Tensor:
    """What repeating the border forwards means backwards: `(1, C, H + 2, W + 2)` to `(1, C, H, W)`.

    Changes what it is given.
    """
    gradient[:, :, 1].add_(gradient[:, :, 0])  # by `+=` a slice is copied onto itself too
    gradient[:, :, -2].add_(gradient[:, :, -1])
    gradient[..., 1].add_(gradient[..., 0])
    gradient[..., -2].add_(gradient[..., -1])
    return gradient[:, :, 1:-1, 1:-1]
