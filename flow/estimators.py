"""Estimate backward flow between two frames: OpenCV's DIS, torchvision's RAFT."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from flow.errors import FlowError

Estimator = Callable[[Tensor, Tensor], Tensor]
"""(image_i, image_j), (1, 3, H, W) RGB in [0, 1] each -> flow(i, j) (1, 2, H, W), pixels."""

logger = logging.getLogger("brushflow")

_DIS_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
_DIS_SMALLEST = 32  # below 16 OpenCV ends in an error or, worse, in a segmentation fault
# "finest" enlarges frames of so many pixels and fewer: at widths of 160 and 320 that mostly takes a
# tenth to a quarter off the error on MPI Sintel and Middlebury; from some 900 on it gains nothing.
_DOUBLED = 640 * 480
_RAFT_SMALLEST = 128  # four levels of correlation over features of an eighth of the size
_RAFT_UPDATES = 20  # as in the original's demo; torchvision's own default is 12


class EstimatorOptions(Protocol):
    """What an estimator's factory reads of the user's options."""

    @property
    def preset(self) -> str:
        """DIS: how much work it does."""

    @property
    def weights(self) -> Path | None:
        """RAFT: the file of its weights."""


def dis(options: EstimatorOptions) -> Estimator:
    """Dense Inverse Search on grey frames (Kroeger et al. 2016), as OpenCV has it."""
    preset = options.preset

    def estimate(image_i: Tensor, image_j: Tensor) -> Tensor:
        padding = _padding(image_i, smallest=_DIS_SMALLEST, multiple=1)
        grey_i, grey_j = (_grey(image, padding) for image in (image_i, image_j))
        flow = _dis_method(preset).calc(grey_i, grey_j, np.empty(0))
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
        padding = _padding(image_i, smallest=2 * _DIS_SMALLEST, multiple=2)
        pair = [_grey(image, padding) for image in (image_i, image_j)]
        height, width = pair[0].shape
        half = (width // 2, height // 2)
        small = [cv2.resize(grey, half, interpolation=cv2.INTER_AREA) for grey in pair]
        near = _dis_method("fine", smoothness=120.0).calc(pair[0], pair[1], np.empty(0))
        far = _dis_method("fine").calc(small[0], small[1], np.empty(0))
        return _as_flow((2 * near + 2 * cv2.resize(far, (width, height))) / 3, padding)

    return estimate


def _as_flow(flow: np.ndarray, padding: tuple[int, int, int, int]) -> Tensor:
    """OpenCV's (H', W', 2) as (1, 2, H, W), without its padding."""
    return _crop(torch.from_numpy(flow).permute(2, 0, 1)[None], padding).contiguous()


def _dis_method(preset: str, smoothness: float = 30.0) -> cv2.DISOpticalFlow:
    """OpenCV's own preset, or "fine": medium's patches down to single pixels, and smoother.

    A fresh object each time, because it lowers its finest scale for small frames and keeps it so.
    """
    if preset in _DIS_PRESETS:
        return cv2.DISOpticalFlow.create(_DIS_PRESETS[preset])
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
    flow = _dis_method("fine", smoothness=60.0).calc(wide_i, wide_j, np.empty(0))
    return cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) / 2


def raft_small(options: EstimatorOptions) -> Estimator:
    """RAFT with one million parameters (Teed and Deng 2020)."""
    return _raft("raft_small", options.weights)


def raft_large(options: EstimatorOptions) -> Estimator:
    """RAFT with five million parameters (Teed and Deng 2020)."""
    return _raft("raft_large", options.weights)


def _raft(name: Literal["raft_small", "raft_large"], weights: Path | None) -> Estimator:
    from torchvision.models import optical_flow

    network = getattr(optical_flow, name)(weights=None).eval()
    _load_raft(network, name, _raft_file(name) if weights is None else weights)

    def estimate(image_i: Tensor, image_j: Tensor) -> Tensor:
        padding = _padding(image_i, smallest=_RAFT_SMALLEST, multiple=8)
        pair = [F.pad(image, padding, mode="replicate") * 2 - 1 for image in (image_i, image_j)]
        with torch.inference_mode():
            flow = network.to(image_i.device)(*pair, num_flow_updates=_RAFT_UPDATES)[-1]
        return _crop(flow, padding).clone()

    return estimate


def _raft_file(name: str) -> Path:
    """torchvision's file of weights in its cache, downloaded to there if need be.

    Raises:
        FlowError: it is not there and cannot be downloaded.
    """
    from torchvision.models import get_model_weights

    url: str = get_model_weights(name).DEFAULT.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.is_file():
        logger.info("downloading %s to %s", url, path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(
                url, str(path), hash_prefix=path.stem.rpartition("-")[2], progress=False
            )
        except (OSError, RuntimeError) as error:
            raise FlowError(
                f"no weights for {name} and no download ({error}): put {url} at {path}, "
                "or name a file of them as flow.weights"
            ) from None
    return path


def _load_raft(network: torch.nn.Module, name: str, path: Path) -> None:
    """Fill the network from a state dict in torchvision's or the original repository's layout.

    Raises:
        FlowError: no such file, not a state dict, or of another network.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise FlowError(f"{path}: no such file of weights; flow.weights is for {name}") from None
    except Exception as error:  # whatever unpickling makes of a file that is none of its own
        reason = str(error).strip().partition("\n")[0]
        raise FlowError(f"{path}: cannot be read as weights: {reason}") from None
    wanted = network.state_dict()
    named = isinstance(state, dict) and all(isinstance(key, str) for key in state)
    found = torchvision_layout(state) if named else {}
    wrong = [
        key
        for key in {**wanted, **found}
        if key not in wanted or getattr(found.get(key), "shape", None) != wanted[key].shape
    ]
    if wrong:
        raise FlowError(
            f"{path}: not the weights of {name}: {wrong[0]} (and {len(wrong) - 1} more)"
        )
    network.load_state_dict(found)


def torchvision_layout(state: dict[str, Any]) -> dict[str, Any]:
    """Rename the original repository's keys into torchvision's, which themselves stay."""
    renamed = {}
    for key, value in state.items():
        if re.search(r"layer\d\.\d\.norm[34]\.", key):
            continue  # the downsampling's norm, which stands in the original twice
        for pattern, replacement in _RENAMES:
            key = re.sub(pattern, replacement, key)
        renamed[key] = value
    return renamed


def _padding(image: Tensor, smallest: int, multiple: int) -> tuple[int, int, int, int]:
    """Left, right, top, bottom: to sides of at least `smallest`, divisible by `multiple`.

    `smallest` is itself divisible by it.
    """
    height, width = image.shape[-2:]
    across, down = (max(-side % multiple, smallest - side) for side in (width, height))
    return across // 2, across - across // 2, down // 2, down - down // 2


def _crop(flow: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
    left, right, top, bottom = padding
    height, width = flow.shape[-2:]
    return flow[..., top : height - bottom, left : width - right]


def _grey(image: Tensor, padding: tuple[int, int, int, int]) -> np.ndarray:
    """Shapes: (1, 3, H, W) in [0, 1] -> (H', W') uint8."""
    padded = F.pad(image, padding, mode="replicate")[0].cpu()
    pixels = (padded * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)  # (H', W', 3)
    return cv2.cvtColor(np.ascontiguousarray(pixels.numpy()), cv2.COLOR_RGB2GRAY)


_RENAMES = (
    (r"^module\.", ""),
    (r"^fnet\.", "feature_encoder."),
    (r"^cnet\.", "context_encoder."),
    (r"_encoder\.conv1\.", "_encoder.convnormrelu.0."),
    (r"_encoder\.norm1\.", "_encoder.convnormrelu.1."),
    (r"_encoder\.conv2\.", "_encoder.conv."),
    (r"(layer\d\.\d)\.conv(\d)\.", r"\1.convnormrelu\2.0."),
    (r"(layer\d\.\d)\.norm(\d)\.", r"\1.convnormrelu\2.1."),
    (r"^update_block\.mask\.0\.", "mask_predictor.convrelu.0."),
    (r"^update_block\.mask\.2\.", "mask_predictor.conv."),
    (r"^update_block\.encoder\.conv\.", "update_block.motion_encoder.conv.0."),
    (r"^update_block\.encoder\.convc(\d)\.", r"update_block.motion_encoder.convcorr\1.0."),
    (r"^update_block\.encoder\.convf(\d)\.", r"update_block.motion_encoder.convflow\1.0."),
    (r"^update_block\.gru\.conv([zrq])([12])\.", r"update_block.recurrent_block.convgru\2.conv\1."),
    (r"^update_block\.gru\.conv([zrq])\.", r"update_block.recurrent_block.convgru1.conv\1."),
)
"""The original repository's names of layers and torchvision's, applied in this order."""

ESTIMATORS: dict[str, Callable[[EstimatorOptions], Estimator]] = {
    "dis": dis,
    "raft_small": raft_small,
    "raft_large": raft_large,
}
# What estimates on frames larger than those that flow is for, where that is not the same.
ON_LARGER: dict[str, Callable[[Any], Estimator]] = {"dis": dis_on_larger}
