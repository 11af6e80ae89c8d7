"""How still a painted clip holds, how sharp it stays, where its colours drift: the formulas.

Everywhere: x_i is frame i, w(i, j) the weight of the trusted pixels of frame i against frame j,
p a pixel, c one of the three channels; warp(x_j) lies on the pixels of frame i. Images are in
[0, 1]; what is said in levels is of 255. What cannot be measured (no trusted pixel, a flat frame)
is NaN, and left out of means. `pipeline.measure` applies these to whole clips.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor

from flow.warp import backward_warp

LEVELS = 255.0
LUMA = (0.2126, 0.7152, 0.0722)  # ITU-R BT.709, of the values as they are stored
EDGE_FRAMES = 5  # how many frames at each end of a shot stand for it, where drift is measured

Colour = tuple[float, float, float]


def warping_error(painted: Tensor, earlier: Tensor, flow: Tensor, weight: Tensor) -> float:
    """E_warp(i, j) = Σ_p w · Σ_c (x_i − warp(x_j))² / (3 · Σ_p w): the mean of trusted pixels.

    Lai et al. 2018, "Learning blind video temporal consistency", section 4.1, eq. 10 and 11: the
    warp is bilinear, RGB lies in [0, 1]. Theirs sums the squares over the channels; this is the
    mean over pixels *and* channels, a third of it.

    Shapes: images (1, 3, H, W); flow(i, j) (1, 2, H, W); weight (1, 1, H, W).
    """
    return trusted_error(painted, backward_warp(earlier, flow), weight)


def trusted_error(painted: Tensor, warped: Tensor, weight: Tensor) -> float:
    """`warping_error` of a frame x_j that is warped already: images (1, 3, H, W)."""
    return _trusted_mean((painted - warped).square(), weight)


def boiling(painted: Tensor, warped: Sequence[Tensor], weights: Sequence[Tensor]) -> float:
    """B(i) = 255 · √( Σ_p w · Σ_c s² / (3 · Σ_p w) ): the temporal standard deviation, in levels.

    s²(p, c) is the sample variance (n − 1) of x_i and the earlier frames warped onto it, w the
    product of their weights: only pixels that can be trusted in all of them count. So a pixel that
    the motion explains adds nothing, and independent noise of standard deviation σ gives σ (less
    what a bilinear warp between pixels smooths away). Our own definition.

    Shapes: (1, 3, H, W) each, weights (1, 1, H, W) each, at least one of both.
    """
    variance = torch.stack([painted, *warped]).var(dim=0)  # (1, 3, H, W)
    weight = reduce(torch.mul, weights)
    return LEVELS * math.sqrt(_trusted_mean(variance, weight))


def trusted_share(weight: Tensor) -> float:
    """Σ_p w / (H · W): the share of the frame that the measures look at; (1, 1, H, W)."""
    return float(weight.mean())


def gradient_energy(image: Tensor) -> float:
    """Mean over pixels and channels of (∂x)² + (∂y)², forward differences, in levels squared.

    Sharpness is this against the same of the painted first frame of the shot. Blur alone lowers
    the warping error, so the two always stand beside each other.

    Shapes: (1, 3, H, W).
    """
    across, down = image.diff(dim=-1), image.diff(dim=-2)
    parts = (part.square().mean() for part in (across, down) if part.numel())
    return LEVELS**2 * float(sum(parts, torch.zeros(())))


def mean_colour(image: Tensor) -> Colour:
    """The mean of each channel over the frame, in levels: (1, 3, H, W) -> (R, G, B)."""
    red, green, blue = (LEVELS * float(channel.mean()) for channel in image[0])
    return red, green, blue


def luminance(colour: Colour) -> float:
    """Y = 0.2126 R + 0.7152 G + 0.0722 B of a mean colour (BT.709, of the stored values)."""
    return sum(share * value for share, value in zip(LUMA, colour, strict=True))


def drift(painted: Sequence[Colour], original: Sequence[Colour]) -> Colour:
    """d_c = (m_c(last) − m_c(first)) of the painted shot less the same of the original, in levels.

    `painted` and `original` are the mean colours of all frames of one shot; first and last are the
    means over the 5 frames at each end, fewer where the shot has under 10. Drift of luminance is
    Y(d), signed; drift of colour the mean of |d_c| over the channels. Our own definition.
    """
    red, green, blue = (
        after - before for after, before in zip(_change(painted), _change(original), strict=True)
    )
    return red, green, blue


def _change(colours: Sequence[Colour]) -> Colour:
    """What the last frames have more than the first ones, by channel; NaN of a single frame."""
    edge = min(EDGE_FRAMES, len(colours) // 2)
    if not edge:
        return math.nan, math.nan, math.nan
    red, green, blue = (
        sum(channel[-edge:]) / edge - sum(channel[:edge]) / edge
        for channel in zip(*colours, strict=True)
    )
    return red, green, blue


def _trusted_mean(values: Tensor, weight: Tensor) -> float:
    """Σ w · values / (C · Σ w): values (1, C, H, W), weight (1, 1, H, W)."""
    total = float(weight.sum()) * values.shape[1]
    return float((values * weight).sum()) / total if total else math.nan


def mean(values: Iterable[float]) -> float:
    """The mean of what is known; NaN where nothing is."""
    found = known(values)
    return statistics.fmean(found) if found else math.nan


def means(by_offset: Mapping[int, Iterable[float]]) -> dict[int, float]:
    """The mean for each offset."""
    return {offset: mean(values) for offset, values in by_offset.items()}


def largest(values: Iterable[float]) -> float:
    """Of what is known, what is furthest from 0, with its sign; NaN where nothing is."""
    return max(known(values), key=abs, default=math.nan)


def known(values: Iterable[float]) -> list[float]:
    """The values without NaN and infinity."""
    return [value for value in values if math.isfinite(value)]


def ratio(value: float, base: float) -> float:
    """value / base; NaN where the base is 0 or unknown."""
    return value / base if base else math.nan
