"""The camera's motion: what most of a frame's flow has in common."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

POINTS = 20_000  # of the frame's flow vectors, enough to fit six numbers to
ROUNDS = 12
SCALE = 0.1  # pixels: a flow vector this far off counts a quarter, or one at the median if further
TEXTURE = 5.0  # levels of 255 a pixel: below it flow is its neighbours' or a guess, and counts less


def camera_motion(flow: Tensor, image: Tensor) -> Tensor:
    """The affine flow `(1, 2, H, W)` that most of a flow follows where its image has texture.

    Pans, zooms and turns of the camera, before a scene that is far or flat: six numbers, by
    iteratively reweighted least squares with Geman and McClure's weights, after Odobez and Bouthemy
    1995, "Robust multiresolution estimation of parametric motion models". What moves by itself
    counts for nothing, and a hundredth of a pixel can be told, where single vectors are off by a
    tenth.

    Shapes: flow (1, 2, H, W) in pixels; image (1, 3, H, W), of the same frame.
    """
    height, width = flow.shape[-2:]
    stride = max(1, round((height * width / POINTS) ** 0.5))
    model = _affine(height, width)  # (H, W, 3)
    seen = (slice(None, None, stride),) * 2
    places = model[seen].reshape(-1, 3)  # (N, 3)
    found = flow[0].permute(1, 2, 0)[seen].reshape(-1, 2).cpu().double()
    texture = _texture(image)[seen].reshape(-1).cpu().double()
    off = (found - found.median(dim=0).values).square().sum(dim=1)
    for _ in range(ROUNDS):
        scale = max(SCALE**2, float(off.median()))
        weighted = places * (texture / (1 + off / scale) ** 2).unsqueeze(1)  # (N, 3)
        faint = 1e-9 * torch.eye(3, dtype=torch.float64)  # no texture at all: no motion
        six = torch.linalg.solve(weighted.T @ places + faint, weighted.T @ found)  # (3, 2)
        off = (found - places @ six).square().sum(dim=1)
    moves: Tensor = model @ six  # (H, W, 2)
    return moves.permute(2, 0, 1).unsqueeze(0).to(flow)


def _affine(height: int, width: int) -> Tensor:
    """1, x and y at each pixel, the latter two in [-1, 1]: (H, W, 3)."""
    along = [torch.linspace(-1, 1, size, dtype=torch.float64) for size in (height, width)]
    y, x = torch.meshgrid(*along, indexing="ij")
    return torch.stack([torch.ones_like(x), x, y], dim=-1)


def _texture(image: Tensor) -> Tensor:
    """Near 1 where an image has texture, 0 where it has none: (1, 3, H, W) -> (H, W)."""
    padded = F.pad(255 * image.mean(dim=1, keepdim=True), (1,) * 4, mode="replicate")[0, 0]
    across = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2
    down = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    energy = across.square() + down.square()
    return energy / (energy + TEXTURE**2)
