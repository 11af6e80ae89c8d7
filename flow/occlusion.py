"""How far a backward flow can be trusted: 1 where a pixel was seen in the other frame, else 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from flow.warp import backward_warp, inside

Check = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(flow_ij, flow_ji, image_i, image_j) -> weight (1, 1, H, W) in [0, 1] on the pixels of i."""


def published(flow_ij: Tensor, flow_ji: Tensor, image_i: Tensor, image_j: Tensor) -> Tensor:
    """0 at disocclusions, at motion boundaries and where the origin lies out of the frame, else 1.

    Sundaram et al. 2010, section 3, with the numbers of Ruder et al. 2016, section 4.2.

    Shapes: flows (1, 2, H, W) in pixels -> (1, 1, H, W); the images are not looked at.
    """
    consistent = (inconsistency(flow_ij, flow_ji) <= 1).to(flow_ij.dtype)
    smooth = (boundary(flow_ij) <= 1).to(flow_ij.dtype)
    return consistent * smooth * inside(flow_ij)


def inconsistency(flow_ij: Tensor, flow_ji: Tensor) -> Tensor:
    """|w̃ + ŵ|² / (0.01 (|w̃|² + |ŵ|²) + 0.5): above 1 the two flows disagree.

    ŵ = flow(i, j); w̃ = flow(j, i), taken where ŵ points to (Ruder et al. 2016, eq. 5).

    Shapes: (1, 2, H, W) twice -> (1, 1, H, W).
    """
    there = backward_warp(flow_ji, flow_ij)  # w̃ (1, 2, H, W)
    distance = _squared(there + flow_ij)
    return distance / (0.01 * (_squared(there) + _squared(flow_ij)) + 0.5)


def boundary(flow_ij: Tensor) -> Tensor:
    """(|∇û|² + |∇v̂|²) / (0.01 |ŵ|² + 0.002): above 1 lies a motion boundary (eq. 6).

    Central differences, as in the published code; the border's pixels are repeated beyond it.

    Shapes: (1, 2, H, W) -> (1, 1, H, W).
    """
    padded = F.pad(flow_ij, (1, 1, 1, 1), mode="replicate")
    along_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    along_y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return (_squared(along_x) + _squared(along_y)) / (0.01 * _squared(flow_ij) + 0.002)


def long_term_weights(weights: Sequence[Tensor]) -> list[Tensor]:
    """c_long(i, j) = max(c(i, j) − Σ_{k nearer than j} c(i, k), 0) (Ruder et al. 2016, eq. 9).

    So each pixel is held to the nearest frame that it was seen in. Takes and gives the weights in
    the same order, the closest frame first.
    """
    found = []
    nearer = torch.zeros(())
    for weight in weights:
        found.append((weight - nearer).clamp(min=0))
        nearer = nearer + weight
    return found


def _squared(vectors: Tensor) -> Tensor:
    """Squared length over the channels: (1, 2, H, W) -> (1, 1, H, W)."""
    return vectors.square().sum(dim=1, keepdim=True)


CHECKS: dict[str, Check] = {"published": published}
