"""How well a painted clip holds still, and how far it is from the painting and from the clip."""

from __future__ import annotations

from torch import Tensor

from flow.warp import backward_warp


def warping_error(painted: Tensor, earlier: Tensor, flow: Tensor, weight: Tensor) -> float:
    """Σ w·(x_i − warp(x_j))² / (3 · Σ w): the mean over trusted pixels and channels.

    Lai et al. 2018, "Learning blind video temporal consistency", section 4.1, with the weight w of
    a trusted pixel and RGB in [0, 1]; theirs sums over channels, this is the mean.

    Shapes: images (1, 3, H, W); flow(i, j) (1, 2, H, W); weight (1, 1, H, W).
    """
    difference = (painted - backward_warp(earlier, flow)).square()  # (1, 3, H, W)
    total = float(weight.sum()) * painted.shape[1]
    return float((difference * weight).sum()) / total if total else 0.0
