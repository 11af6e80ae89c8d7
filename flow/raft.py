"""Flow by torchvision's RAFT (Teed and Deng 2020), and its files of weights."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from flow.errors import FlowError
from flow.estimating import Estimator, EstimatorOptions, cropped, padding_to

logger = logging.getLogger("brushflow")

_SMALLEST = 128  # four levels of correlation over features of an eighth of the size
_UPDATES = 20  # as in the original's demo; torchvision's own default is 12


def raft_small(options: EstimatorOptions) -> Estimator:
    """RAFT with one million parameters (Teed and Deng 2020)."""
    return _estimator("raft_small", options.weights)


def raft_large(options: EstimatorOptions) -> Estimator:
    """RAFT with five million parameters (Teed and Deng 2020)."""
    return _estimator("raft_large", options.weights)


def _estimator(name: Literal["raft_small", "raft_large"], weights: Path | None) -> Estimator:
    from torchvision.models import optical_flow

    network = getattr(optical_flow, name)(weights=None).eval()
    _load(network, name, _weights_file(name) if weights is None else weights)

    def estimate(image_i: Tensor, image_j: Tensor) -> Tensor:
        padding = padding_to(image_i, smallest=_SMALLEST, multiple=8)
        pair = [F.pad(image, padding, mode="replicate") * 2 - 1 for image in (image_i, image_j)]
        with torch.inference_mode():
            flow = network.to(image_i.device)(*pair, num_flow_updates=_UPDATES)[-1]
        return cropped(flow, padding).clone()

    return estimate


def _weights_file(name: str) -> Path:
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


def _load(network: torch.nn.Module, name: str, path: Path) -> None:
    """Fill the network from a state dict in torchvision's or the original repository's layout.

    Raises:
        FlowError: no such file, not a state dict, or of another network.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise FlowError(f"{path}: no such file of weights; flow.weights is for {name}") from None
    except OSError as error:
        raise FlowError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception:  # whatever unpickling makes of a file that is none of its own
        raise FlowError(
            f"{path}: not a file of weights: give flow.weights a state dict of {name} in "
            "torchvision's or the original's layout, as torch.save writes it"
        ) from None
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
