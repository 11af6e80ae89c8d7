"""VGG-19 as an encoder: features by layer name, with the original Oxford weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline import winograd
from pipeline.weights import MEAN, Weights
from pipeline.winograd import fold_border

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# float16: gradients, being of means, fade below its smallest numbers in large frames, and as a loss
# converges; so many pixels more scale them up by 1.
GRADIENT_PIXELS = 2048
HALF_PEAK = torch.finfo(torch.float16).max / 8  # room for sums of borders and of losses


class Filters(NamedTuple):
    """A layer's kernel as it is convolved with directly, forward and backward."""

    forward: Tensor  # (O, I, 3, 3)
    backward: Tensor  # (I, O, 3, 3)
    bias: Tensor  # (O,)


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
        self.pool: Callable[[Tensor], Tensor] = _max_pool if pooling == "max" else _average_pool
        self.replicate = padding == "replicate"
        self.mean = torch.tensor(MEAN, device=device).view(1, 3, 1, 1)
        self.device = device
        self.weights = weights
        self.minimal = convolution == "winograd" or (
            convolution == "auto" and precision == "float32" and device.type == "cpu"
        )
        self._layers: dict[tuple[int, int], Filters | winograd.Filters] = {}

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
        wanted = set(layers)
        half = self.dtype == torch.float16
        scale = 2.0 ** round(math.log2(image[0, 0].numel() / GRADIENT_PIXELS)) if half else 1.0
        x = image * 255 - self.mean
        x = x.to(self.dtype, memory_format=torch.channels_last)
        x = _scale_gradient(x, 1 / scale)
        for block, number in self.weights:
            if not wanted:
                return  # nothing behind the last wanted layer is computed
            if number == 1 and block > 1:
                x = self.pool(x)
            x = self._convolve(x, self._layer(block, number))
            if before := (name := f"conv{block}_{number}") in wanted:
                wanted.remove(name)
                yield name, _scale_gradient(x, scale)
            # In place only where no caller holds the convolution's own output.
            x = F.relu(x, inplace=not before)
            if (name := f"relu{block}_{number}") in wanted:
                wanted.remove(name)
                yield name, _scale_gradient(x, scale)

    def _layer(self, block: int, number: int) -> Filters | winograd.Filters:
        """A layer's filters, made when it is first walked: what lies behind it is never needed."""
        if (block, number) not in self._layers:
            kernel, bias = self.weights[block, number]
            self._layers[block, number] = self._made(kernel, bias)
        return self._layers[block, number]

    def _made(self, kernel: Tensor, bias: Tensor) -> Filters | winograd.Filters:
        kernel, bias = (part.to(self.device, self.dtype) for part in (kernel, bias))
        if self.minimal and winograd.worth_it(kernel):
            return winograd.filters(kernel, bias)
        form = torch.channels_last
        turned = kernel.flip(2, 3).transpose(0, 1).contiguous(memory_format=form)
        return Filters(kernel.contiguous(memory_format=form), turned, bias)

    def _convolve(self, x: Tensor, layer: Filters | winograd.Filters) -> Tensor:
        if isinstance(layer, winograd.Filters):
            return winograd.convolve(x, layer, self.replicate)
        found: Tensor = _Direct.apply(x, layer, self.replicate)
        return found


class _Direct(torch.autograd.Function):
    """A convolution whose kernel is frozen: unlike autograd's own it keeps no (padded) input.

    Backwards it is a convolution with the turned kernel, which takes one copy less than
    `conv2d_input` and up to a quarter less time.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: Filters, replicate: bool) -> Tensor:
        ctx.layer, ctx.replicate = layer, replicate
        if replicate:
            return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), layer.forward, layer.bias)
        return F.conv2d(x, layer.forward, layer.bias, padding=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        padding = 2 if ctx.replicate else 1
        found = F.conv2d(gradients[0], ctx.layer.backward, padding=padding)
        if found.dtype == torch.float16:  # a huge loss leaves its range: then the largest do
            found.clamp_(-HALF_PEAK, HALF_PEAK)
        return (fold_border(found) if ctx.replicate else found), None, None


def _average_pool(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 2, ceil_mode=True)  # odd sizes and tiny frames keep a last row


def _max_pool(x: Tensor) -> Tensor:
    found: Tensor = _MaxPool.apply(x)
    return found


class _MaxPool(torch.autograd.Function):
    """2x2 maxima; where they lie (64 bits each) is found again on the way back, not kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return F.max_pool2d(x, 2, ceil_mode=True)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            pooled = F.max_pool2d(leaf, 2, ceil_mode=True)
        found: Tensor = torch.autograd.grad(pooled, leaf, gradients[0])[0]
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
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None
