"""VGG-19 as an encoder: features by layer name, with the original Oxford weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline import direct, winograd
from pipeline.weights import MEAN, Weights

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# By which share of itself a loss moves with the rounding of features; near a minimum it was seen to
# by 5e-5 in bfloat16.
NOISE = {"float32": 0.0, "bfloat16": 1e-4, "float16": 1e-5}
# float16: gradients, being of means, fade below its smallest numbers in large frames, and as a loss
# converges; so many pixels more scale them up by 1.
GRADIENT_PIXELS = 2048


class Vgg19:
    """The convolutional part of VGG-19; pure functions of an image, its weights frozen.

    Args:
        weights: kernels and biases by (block, number), for RGB input in 0..255 less `MEAN`.
        precision: "float32", "bfloat16" or "float16", for kernels and features.
        pooling: "max" (Simonyan and Zisserman) or "average" (Gatys et al. 2016, section 2).
        padding: "zeros" (the published network) or "replicate".
        convolution: "direct", or "winograd" for wide layers.
    """

    def __init__(
        self,
        weights: Weights,
        precision: str,
        pooling: str,
        padding: str,
        device: torch.device,
        convolution: str = "direct",
    ) -> None:
        self.dtype = DTYPES[precision]
        self.noise = NOISE[precision]
        self.pool: Callable[[Tensor], Tensor] = _max_pool if pooling == "max" else _average_pool
        self.replicate = padding == "replicate"
        self.mean = torch.tensor(MEAN, device=device).view(1, 3, 1, 1)
        self.device = device
        self.weights = weights
        self.minimal = convolution == "winograd"
        self._layers: dict[tuple[int, int], direct.Filters | winograd.Filters] = {}

    def features(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """The activations of the named layers, `(1, C, h, w)`, in the network's precision.

        Args:
            image: `(1, 3, H, W)`, RGB in [0, 1].
            layers: names like "relu4_2" or "conv4_2" (before the rectifier).
        """
        return dict(self.walk(image, layers))

    def walk(self, image: Tensor, layers: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """As `features`, each layer as soon as it is there.

        A loss that is built while walking has its gradient taken on the way back just where its
        layer is passed; built behind the walk, all layers' gradients are held at once.
        """
        half = self.dtype == torch.float16
        scale = 2.0 ** round(math.log2(image[0, 0].numel() / GRADIENT_PIXELS)) if half else 1.0
        x = _scale_gradient(image * 255 - self.mean, 1 / scale)
        x = x.contiguous(memory_format=torch.channels_last)
        x = x if self.dtype == torch.float32 else direct.split_image(x, self.dtype)
        for name, features in self._onwards(x, self.weights, layers):
            yield name, _scale_gradient(features, scale)

    def walk_on(
        self, features: Tensor, behind: str, layers: Iterable[str]
    ) -> Iterator[tuple[str, Tensor]]:
        """Walk on from the features of a layer to layers behind it."""
        places = list(self.weights)
        there = next(place for place in places if behind in _names(*place))
        x = features if behind.startswith("relu") else F.relu(features)
        yield from self._onwards(x, places[places.index(there) + 1 :], layers)

    def depth(self, layer: str) -> int:
        """How many convolutions lead to a layer."""
        return 1 + next(i for i, place in enumerate(self.weights) if layer in _names(*place))

    def _onwards(
        self, x: Tensor, places: Iterable[tuple[int, int]], layers: Iterable[str]
    ) -> Iterator[tuple[str, Tensor]]:
        wanted, late = set(layers), False
        for block, number in places:
            if not wanted:
                return  # nothing behind the last wanted layer is computed
            if number == 1 and block > 1:
                x = self.pool(x)
                x = F.relu(x, inplace=True) if late else x
            layer, relu, conv = self._layer(block, number), *_names(block, number)
            late = relu not in wanted and self._pooled_next(block, number)
            x = self._convolve(x, layer, rectified=not late and conv not in wanted)
            if conv in wanted:
                wanted.remove(conv)
                yield conv, x
                x = x if late else F.relu(x)
            if relu in wanted:
                wanted.remove(relu)
                yield relu, x

    def _pooled_next(self, block: int, number: int) -> bool:
        """Whether maxima follow: there the rectifier does as well, on a quarter of the values."""
        return self.pool is _max_pool and (block, number + 1) not in self.weights

    def _layer(self, block: int, number: int) -> direct.Filters | winograd.Filters:
        """A layer's filters, made when it is first walked: what lies behind it is never needed."""
        if (block, number) not in self._layers:
            kernel, bias = (part.to(self.device) for part in self.weights[block, number])
            if (block, number) == (1, 1) and self.dtype != torch.float32:
                kernel = direct.split_kernel(kernel, self.dtype)
            self._layers[block, number] = self._made(kernel.to(self.dtype), bias.to(self.dtype))
        return self._layers[block, number]

    def _made(self, kernel: Tensor, bias: Tensor) -> direct.Filters | winograd.Filters:
        if self.minimal and winograd.worth_it(kernel):
            return winograd.filters(kernel, bias)
        return direct.filters(kernel, bias)

    def _convolve(
        self, x: Tensor, layer: direct.Filters | winograd.Filters, rectified: bool
    ) -> Tensor:
        if isinstance(layer, direct.Filters):
            return direct.convolve(x, layer, self.replicate, rectified)
        found = winograd.convolve(x, layer, self.replicate)
        return F.relu(found, inplace=True) if rectified else found


def _names(block: int, number: int) -> tuple[str, str]:
    """Of a layer, with its rectifier and before it."""
    return f"relu{block}_{number}", f"conv{block}_{number}"


def _average_pool(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 2, ceil_mode=True)  # odd sizes and tiny frames keep a last row


def _max_pool(x: Tensor) -> Tensor:
    if x.device.type != "cpu":
        return F.max_pool2d(x, 2, ceil_mode=True)
    found: Tensor = _MaxPool.apply(x)
    return found


class _MaxPool(torch.autograd.Function):
    """2x2 maxima on a CPU: kept is where they lie, which is no larger than the input.

    Windows do not overlap, so that the way back only puts each value in its place: torch's own is
    two to five times as slow.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        found, places = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
        ctx.save_for_backward(places)
        ctx.size = x.shape[-2:]
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (places,) = ctx.saved_tensors
        found: Tensor = torch.ops.aten.max_unpool2d(gradients[0], places, ctx.size)
        return found


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
        return x.detach()  # the same memory, which `view_as` would show in another format

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None
