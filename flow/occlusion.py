"""How far a backward flow can be trusted: 1 where a pixel was seen in the other frame, else 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from flow.warp import backward_warp, inside, origins

Check = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(flow_ij, flow_ji, image_i, image_j) -> weight (1, 1, H, W) in [0, 1] on the pixels of i."""


def published(flow_ij: Tensor, flow_ji: Tensor, image_i: Tensor, image_j: Tensor) -> Tensor:
    """0 at disocclusions, at motion boundaries and where the origin lies out of the frame, else 1.

    Sundaram et al. 2010, section 3, with the numbers of Ruder et al. 2016, section 4.2. Differs
    from the published code: that one never trusts the last row and column.

    Shapes: flows (1, 2, H, W) in pixels -> (1, 1, H, W); the images are not looked at.
    """
    consistent = (inconsistency(flow_ij, flow_ji) <= 1).to(flow_ij.dtype)
    smooth = (boundary(flow_ij) <= 1).to(flow_ij.dtype)
    return consistent * smooth * inside(flow_ij)


def soft(flow_ij: Tensor, flow_ji: Tensor, image_i: Tensor, image_j: Tensor) -> Tensor:
    """How likely it is that warping by the flow shows what frame i shows; 0 out of the frame.

    Three signs that it does not, weighed by logistic regression: the picture differs after the
    warp, the two flows disagree by what can be seen, no pixel of j moves here. The published check
    doubts flat skies, where flows disagree and nothing is to be seen of it, and misses thin
    disocclusions, which the colour gives away.

    The numbers were fitted on moving layers cut from real frames and on MPI Sintel's alley_1, a
    wrongly trusted pixel counting twice.

    Shapes: flows (1, 2, H, W) in pixels, images (1, 3, H, W) in [0, 1] -> (1, 1, H, W).
    """
    doubt = (
        2.0 * mismatch(flow_ij, image_i, image_j)
        + 0.5 * visible_inconsistency(flow_ij, flow_ji, image_i)
        + 5.0 * emptiness(flow_ji)
        - 5.5
    )
    return torch.sigmoid(-doubt) * inside(flow_ij)


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
    along_x, along_y = _gradient(flow_ij)
    return (_squared(along_x) + _squared(along_y)) / (0.01 * _squared(flow_ij) + 0.002)


def mismatch(flow_ij: Tensor, image_i: Tensor, image_j: Tensor) -> Tensor:
    """log(1 + colour difference after the warp / noise), noise being the frame's median difference.

    What the whole frame shares (flicker, exposure) is taken off first, and the difference is
    smoothed, so that grain is not taken for a change.

    Shapes: (1, 2, H, W), (1, 3, H, W) twice -> (1, 1, H, W).
    """
    difference = image_i - backward_warp(image_j, flow_ij)  # (1, 3, H, W)
    shared = difference.flatten(2).median(dim=2).values[..., None, None]  # (1, 3, 1, 1)
    colour = _smooth(_smooth(difference - shared).square().mean(dim=1, keepdim=True)).sqrt()
    # Grain of 8 levels of 255 reaches the limit: beyond it is change, if of most of the frame.
    return torch.log1p(colour / (0.003 + colour.median().clamp(max=0.012)))


def visible_inconsistency(flow_ij: Tensor, flow_ji: Tensor, image_i: Tensor) -> Tensor:
    """log(1 + change of the picture along w̃ + ŵ, per half a level of 255).

    Shapes: (1, 2, H, W) twice, (1, 3, H, W) -> (1, 1, H, W).
    """
    along_x, along_y = _gradient(_smooth(image_i.mean(dim=1, keepdim=True)))
    disagreement = backward_warp(flow_ji, flow_ij) + flow_ij  # (1, 2, H, W)
    x, y = disagreement[:, :1], disagreement[:, 1:]
    change = (
        _smooth(along_x * along_x) * x * x
        + 2 * _smooth(along_x * along_y) * x * y
        + _smooth(along_y * along_y) * y * y
    )
    return torch.log1p(change.clamp(min=0).sqrt() * 510)


def emptiness(flow_ji: Tensor) -> Tensor:
    """1 where no pixel of frame j moves to in frame i, 0 where at least one does.

    The complement of the range map of Wang et al. 2018, "Occlusion aware unsupervised learning of
    optical flow", eq. 2. Shapes: (1, 2, H, W) -> (1, 1, H, W).
    """
    height, width = flow_ji.shape[-2:]
    x, y = (axis.flatten() for axis in origins(flow_ji))
    density = torch.zeros(height * width, dtype=flow_ji.dtype, device=flow_ji.device)
    for column, share_x in ((x.floor(), 1 - x % 1), (x.floor() + 1, x % 1)):
        for row, share_y in ((y.floor(), 1 - y % 1), (y.floor() + 1, y % 1)):
            lands = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            index = row[lands].long() * width + column[lands].long()
            # bincount adds in the pixels' order, so the sum has the same bits on any threads.
            density += torch.bincount(index, (share_x * share_y)[lands], height * width)
    return (1 - _smooth(density.view(1, 1, height, width))).clamp(0, 1)


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


def _smooth(image: Tensor) -> Tensor:
    """Binomial filter of five taps both ways, σ = 1 pixel; borders repeated: (1, C, H, W)."""
    height, width = image.shape[-2:]
    padded = F.pad(image, (2, 2, 2, 2), mode="replicate")
    taps = [(0, 1 / 16), (1, 4 / 16), (2, 6 / 16), (3, 4 / 16), (4, 1 / 16)]
    rows = torch.zeros_like(padded[..., :height, :])  # (1, C, H, W + 4)
    for start, share in taps:
        rows += share * padded[..., start : start + height, :]
    smoothed = torch.zeros_like(image)
    for start, share in taps:
        smoothed += share * rows[..., start : start + width]
    return smoothed


def _gradient(image: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences along x and y, borders repeated: (1, C, H, W) each."""
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    along_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    along_y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return along_x, along_y


def _squared(vectors: Tensor) -> Tensor:
    """Squared length over the channels: (1, 2, H, W) -> (1, 1, H, W)."""
    return vectors.square().sum(dim=1, keepdim=True)


CHECKS: dict[str, Check] = {"soft": soft, "published": published}
