"""Flow by OpenCV's DIS: Dense Inverse Search (Kroeger et al. 2016)."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from flow.estimating import Estimator, EstimatorOptions, cropped, padding_to

_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
_SMALLEST = 32  # below 16 OpenCV ends in an error or, worse, in a segmentation fault
# "finest" enlarges frames of so many pixels and fewer: at widths of 160 and 320 that mostly takes a
# tenth to a quarter off the error on MPI Sintel and Middlebury; from some 900 on it gains nothing.
_DOUBLED = 640 * 480


def dis(options: EstimatorOptions) -> Estimator:
    """Dense Inverse Search on grey frames (Kroeger et al. 2016), as OpenCV has it."""
    preset = options.preset

    def estimate(image_i: Tensor, image_j: Tensor) -> Tensor:
        padding = padding_to(image_i, smallest=_SMALLEST, multiple=1)
        grey_i, grey_j = (_grey(image, padding) for image in (image_i, image_j))
        flow = _method(preset).calc(grey_i, grey_j, np.empty(0))
        if preset == "finest" and grey_i.size <= _DOUBLED:
            flow = (flow + _at_double_size(grey_i, grey_j)) / 2
        return _as_flow(flow, padding)

    return estimate


def dis_on_larger(options: EstimatorOptions) -> Estimator:
    """As `dis`, for frames larger than those that the flow is for: "finest" need not enlarge them.

    They show more grain, which "fine" as it is follows, so that still parts hold 1.4 times worse:
    flow is smoother, and a third of it is that of frames of half the size.
    """
    if options.preset != "finest":
        return dis(options)

    def estimate(image_i: Tensor, image_j: Tensor) -> Tensor:
        padding = padding_to(image_i, smallest=2 * _SMALLEST, multiple=2)
        pair = [_grey(image, padding) for image in (image_i, image_j)]
        height, width = pair[0].shape
        half = (width // 2, height // 2)
        small = [cv2.resize(grey, half, interpolation=cv2.INTER_AREA) for grey in pair]
        near = _method("fine", smoothness=120.0).calc(pair[0], pair[1], np.empty(0))
        far = _method("fine").calc(small[0], small[1], np.empty(0))
        return _as_flow((2 * near + 2 * cv2.resize(far, (width, height))) / 3, padding)

    return estimate


def _as_flow(flow: np.ndarray, padding: tuple[int, int, int, int]) -> Tensor:
    """OpenCV's (H', W', 2) as (1, 2, H, W), without its padding."""
    return cropped(torch.from_numpy(flow).permute(2, 0, 1)[None], padding).contiguous()


def _method(preset: str, smoothness: float = 30.0) -> cv2.DISOpticalFlow:
    """OpenCV's own preset, or "fine": medium's patches down to single pixels, and smoother.

    A fresh object each time, because it lowers its finest scale for small frames and keeps it so.
    """
    if preset in _PRESETS:
        return cv2.DISOpticalFlow.create(_PRESETS[preset])
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    method.setFinestScale(0)
    method.setVariationalRefinementIterations(10)
    method.setVariationalRefinementAlpha(smoothness)
    method.setVariationalRefinementDelta(1.0)
    method.setVariationalRefinementGamma(5.0)
    return method


def _at_double_size(*pair: np.ndarray) -> np.ndarray:
    """Flow between enlarged frames: it sees what is small, and trembles more with grain."""
    height, width = pair[0].shape
    large = (2 * width, 2 * height)
    wide_i, wide_j = (cv2.resize(grey, large, interpolation=cv2.INTER_CUBIC) for grey in pair)
    flow = _method("fine", smoothness=60.0).calc(wide_i, wide_j, np.empty(0))
    return cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) / 2


def _grey(image: Tensor, padding: tuple[int, int, int, int]) -> np.ndarray:
    """Shapes: (1, 3, H, W) in [0, 1] -> (H', W') uint8."""
    padded = F.pad(image, padding, mode="replicate")[0].cpu()
    pixels = (padded * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)  # (H', W', 3)
    return cv2.cvtColor(np.ascontiguousarray(pixels.numpy()), cv2.COLOR_RGB2GRAY)
