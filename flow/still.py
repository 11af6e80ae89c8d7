"""No flow where nothing moves: what an estimator makes of noise would blur a still picture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from flow.camera import camera_motion
from flow.warp import backward_warp

STANDS = 0.15  # pixels: the median flow up to which most of the frame stands still, or creeps
CREEPS = 2 / 3  # of what differs: if so much comes closer by the camera's motion, it does move
NEAR = 0.5  # pixels: longer flow is motion
MARGIN = (0.5 / 255) ** 2  # squared colour difference: half a level is nothing to be seen
RADIUS = 2  # pixels that are averaged over, so that noise explains nothing


def settled(flow: Tensor, image_i: Tensor, image_j: Tensor) -> Tensor:
    """The same flow `(1, 2, H, W)`, but none where a still camera sees nothing move.

    Where most of the frame moves by less than `STANDS`, flow below `NEAR` counts only if the other
    frame `(1, 3, H, W)` warped by it comes closer than unwarped, by more than `MARGIN`. Painted
    frames of a still shot are then carried on as they are: warped by a tenth of a pixel every time,
    strokes blur. But a camera that creeps by as little takes flat areas with it, which show no
    motion from frame to frame: if most of the frame comes closer by what its flow has in common
    (`camera_motion`; noise brings half of it closer), all flow is left as it is.
    """
    length = flow.square().sum(dim=1, keepdim=True).sqrt()  # (1, 1, H, W)
    if float(length.median()) > STANDS:
        return flow
    now, before = _blurred(image_i), _blurred(image_j)
    camera = camera_motion(flow, image_i)
    unmoved, along, moved = (
        _difference(now, backward_warp(before, way.to(before.device)))
        for way in (torch.zeros_like(flow), camera, flow)
    )
    near = (length <= NEAR).to(unmoved.device)
    if int((near & (along < unmoved)).sum()) > CREEPS * int((near & (along != unmoved)).sum()):
        return flow
    nothing = near & (unmoved <= moved + MARGIN)
    return torch.where(nothing.to(flow.device), torch.zeros_like(flow), flow)


def _difference(image: Tensor, other: Tensor) -> Tensor:
    """Squared difference, averaged over channels and a neighbourhood: (1, 1, H, W)."""
    return _blurred((image - other).square().mean(dim=1, keepdim=True))


def _blurred(image: Tensor) -> Tensor:
    padded = F.pad(image, (RADIUS,) * 4, mode="replicate")
    return F.avg_pool2d(padded, 2 * RADIUS + 1, stride=1)
