"""True flow and true occlusions at another size, played backwards, and chained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from flow.warp import backward_warp, inside
from scripts import truth_files

MIXED = 0.5
"""Standard deviation of the flow, in pixels of the small frame, above which a small pixel holds
two motions and no longer has a true one."""
SHOWN = 0.999  # share of a small pixel that must be visible: all of it, up to rounding
COLOUR = 16 / 255
"""Where no file tells of occlusions, the truth is doubted where it shows another colour than this
(mean over the channels, after smoothing)."""


class Truth(NamedTuple):
    """Flow from frame i to j on the pixels of i, and where it is known and visible."""

    flow: Tensor  # (1, 2, H, W) pixels, finite
    visible: Tensor  # (1, 1, H, W), 1 or 0


class Flows(Protocol):
    """Backward flow and weights, as a stylizer and a measure ask for them."""

    def flow(self, i: int, j: int) -> Tensor: ...

    def weight(self, i: int, j: int) -> Tensor: ...

    def forget(self, start: int, stop: int) -> None: ...


def read(folder: Path, ending: str, image_i: Tensor, image_j: Tensor, suffix: str) -> Truth:
    """The truth of a pair: `flow<ending><suffix>`, occlusions and invalid pixels where given.

    Frames are N (i) and N + 1 (j), so that the given forward flow is the backward flow. Without a
    file of occlusions, `same_colour` stands for it.
    """
    given = truth_files.read_truth(folder / f"flow{ending}{suffix}")  # NaN where unknown
    occluded = truth_files.read_occluded(folder, f"{ending}.png", given)
    flow, visible = known(given, occluded, image_i, image_j)
    invalid = folder / f"invalid{ending}.png"
    if invalid.is_file():
        wrong = truth_files.read_pixels(invalid, cv2.IMREAD_GRAYSCALE) > 127
        visible = visible * torch.from_numpy(~wrong).float()
    return Truth(flow, visible)


def known(given: Tensor, occluded: Tensor | None, image_i: Tensor, image_j: Tensor) -> Truth:
    """The truth of a flow that is NaN where unknown; where `occluded` is None, by colours."""
    flow = filled(given)
    visible = given.isfinite().all(dim=1, keepdim=True).float() * inside(flow)
    visible *= same_colour(flow, image_i, image_j) if occluded is None else (~occluded).float()
    return Truth(flow, visible)


def filled(flow: Tensor) -> Tensor:
    """Unknown pixels (NaN) get the mean of the known ones around them; weights leave them out."""
    known = flow.isfinite().all(dim=1, keepdim=True).float()
    if bool(known.all()):
        return flow
    parts = torch.cat([flow.nan_to_num() * known, known], dim=1)[0].permute(1, 2, 0).numpy()
    blurred = cv2.GaussianBlur(parts, (0, 0), 8.0)
    around = torch.from_numpy(blurred[..., :2] / np.maximum(blurred[..., 2:], 1e-6))
    return torch.where(known > 0, flow, around.permute(2, 0, 1)[None])


def same_colour(flow: Tensor, image_i: Tensor, image_j: Tensor) -> Tensor:
    """1 where the warped frame j shows frame i's colour: (1, 1, H, W)."""
    different = (image_i - backward_warp(image_j, flow)).abs().mean(dim=1)[0].numpy()
    return torch.from_numpy(cv2.GaussianBlur(different, (0, 0), 1.0) <= COLOUR)[None, None].float()


def chained(first: Truth, second: Truth, image_i: Tensor, image_k: Tensor) -> Truth:
    """flow(i, k) from flow(i, j) and flow(j, k): w(i, k)(p) = w(i, j)(p) + w(j, k)(p + w(i, j)(p)).

    Visible is what was so in both, and kept its colour: flow is sampled between pixels, and at
    motion boundaries such a sample is of neither side.
    """
    flow = first.flow + backward_warp(second.flow, first.flow)
    visible = (backward_warp(second.visible, first.flow) > SHOWN).float()
    visible *= first.visible * inside(flow) * same_colour(flow, image_i, image_k)
    return Truth(flow, visible)


def shrink(truth: Truth, height: int, width: int) -> Truth:
    """The truth for frames of another size: vectors are scaled too, visible is what wholly is.

    Each small pixel has the mean flow of its area, weighted by what is visible there; where any of
    the area is not visible, or moves otherwise than the rest (`MIXED`), it is not trusted.
    """
    old_height, old_width = truth.flow.shape[-2:]
    scale = torch.tensor([width / old_width, height / old_height]).view(1, 2, 1, 1)
    flow = truth.flow * scale
    if (height, width) == (old_height, old_width):
        return truth
    share = area(truth.visible, height, width)  # (1, 1, h, w)
    plain, square = area(flow, height, width), area(flow.square(), height, width)
    seen = area(flow * truth.visible, height, width) / share.clamp(min=1e-6)
    mean = torch.where(share > 0.01, seen, plain)
    spread = (square - plain.square()).sum(dim=1, keepdim=True).clamp(min=0).sqrt()
    visible = ((share > SHOWN) & (spread <= MIXED)).float() * inside(mean)
    return Truth(mean, visible)


def area(values: Tensor, height: int, width: int) -> Tensor:
    """The mean over each new pixel's area, parts of old pixels counted as such: (1, C, h, w)."""
    old_height, old_width = values.shape[-2:]
    if height > old_height or width > old_width:
        return F.interpolate(values, (height, width), mode="bilinear", align_corners=False)
    rows = _shares(old_height, height).to(values.dtype)  # (h, H)
    columns = _shares(old_width, width).to(values.dtype)  # (w, W)
    return rows @ values @ columns.T


def _shares(old: int, new: int) -> Tensor:
    """Row a: which share of new pixel a each old pixel makes up; rows sum to 1."""
    scale = old / new
    starts = torch.arange(new, dtype=torch.float64)[:, None] * scale
    pixels = torch.arange(old, dtype=torch.float64)[None]
    overlap = torch.minimum(starts + scale, pixels + 1) - torch.maximum(starts, pixels)
    return overlap.clamp(min=0) / scale


class TrueFlows:
    """The true flow of a clip, as a stylizer and a measure ask for it; longer pairs are chained.

    Args:
        pairs: the truth for (i, i − 1), in the order in which the clip is played, full size.
        images: the clip's frames at that full size.
        size: height and width wanted.
    """

    def __init__(
        self, pairs: Mapping[int, Truth], images: list[Tensor], size: tuple[int, int]
    ) -> None:
        self._full = {(i, i - 1): truth for i, truth in pairs.items()}
        self._images = images
        self._size = size
        self._small: dict[tuple[int, int], Truth] = {}

    def flow(self, i: int, j: int) -> Tensor:
        return self._truth(i, j).flow

    def weight(self, i: int, j: int) -> Tensor:
        return self._truth(i, j).visible

    def forget(self, start: int, stop: int) -> None:
        """Nothing is kept as files."""

    def _truth(self, i: int, j: int) -> Truth:
        if (i, j) not in self._small:
            self._small[i, j] = shrink(self._whole(i, j), *self._size)
        return self._small[i, j]

    def _whole(self, i: int, j: int) -> Truth:
        if (i, j) not in self._full:
            if not j < i - 1:
                raise KeyError(f"no true flow from frame {i} to frame {j}")
            near, far = self._whole(i, i - 1), self._whole(i - 1, j)
            self._full[i, j] = chained(near, far, self._images[i], self._images[j])
        return self._full[i, j]


class StillFlows:
    """A shot in which nothing moves: flow 0; `weight` (1, 1, H, W) tells where that is so."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight

    def flow(self, i: int, j: int) -> Tensor:
        return torch.zeros(1, 2, *self._weight.shape[-2:])

    def weight(self, i: int, j: int) -> Tensor:
        return self._weight

    def forget(self, start: int, stop: int) -> None:
        """Nothing is kept as files."""
