"""What a frame starts from where the painted frame before it saw nothing."""

from __future__ import annotations

from torch import Tensor

from pipeline.blur import gaussian

SPREAD = 1 / 24  # of the shorter side: how far painted colours reach into a disocclusion


def painted_colours(frame: Tensor, painted: Tensor, weight: Tensor) -> Tensor:
    """The clip's frame, its colours moved as those of trusted pixels around were by painting.

    The difference of painting and clip, averaged over trusted pixels around (normalised
    convolution, Knutsson and Westin 1993), is added to the clip.

    Shapes: frame, painted (1, 3, H, W) in [0, 1]; weight (1, 1, H, W), where painted is trusted.
    """
    change = (painted - frame) * weight  # (1, 3, H, W)
    reach = max(2.0, min(weight.shape[-2:]) * SPREAD)
    near, total = gaussian(change, reach), gaussian(weight, reach)
    # Far from all trusted pixels the frame's mean change takes over.
    mean = change.mean(dim=(2, 3), keepdim=True) / weight.mean().clamp(min=1e-3)
    least = 0.02
    return (frame + (near + least * mean) / (total + least)).clamp(0, 1)
