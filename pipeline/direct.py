"""3x3 convolution of a frozen layer, directly, with the rectifier behind it in one pass.

In low precision the first layer would see pixels in steps of up to half a level, through kernels
that are off by as much: near a minimum that was half of all error in the gradient. So it gets
both as sums of two numbers, as more channels; where three are padded to sixteen or more that costs
nothing (Henry, Tang and Heinecke 2019, "Leveraging the bfloat16 artificial intelligence datatype
for higher-precision computations").
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.borders import fold_border

HALF_PEAK = torch.finfo(torch.float16).max / 8  # room for sums of borders and of losses
ONES = [1, 1]  # padding, stride, dilation


class Filters(NamedTuple):
    """A layer's kernel as it is convolved with, forward and backward.

    Where oneDNN convolves, kernels lie as its blocks want them (`packed`): else it would order
    them anew at every call, which takes a fifth of the time.
    """

    forward: Tensor  # (O, I, 3, 3)
    backward: Tensor  # (I, O, 3, 3), turned
    bias: Tensor  # (O,)
    packed: bool


def filters(kernel: Tensor, bias: Tensor) -> Filters:
    """Make a kernel `(O, I, 3, 3)` ready, once for all images."""
    form = torch.channels_last
    both = (kernel, kernel.flip(2, 3).transpose(0, 1))
    forward, backward = (each.contiguous(memory_format=form) for each in both)
    packed = _by_onednn(kernel)
    if packed:
        forward, backward = _ordered(forward), _ordered(backward)
    return Filters(forward, backward, bias, packed)


def split_image(x: Tensor, dtype: torch.dtype) -> Tensor:
    """An image `(1, 3, H, W)` in float32 for a layer by `split_kernel`: `(1, 9, H, W)` of dtype."""
    found: Tensor = _Split.apply(x, dtype)
    return found


def split_kernel(kernel: Tensor, dtype: torch.dtype) -> Tensor:
    """A kernel `(O, 3, 3, 3)` in float32 for images by `split_image`: `(O, 9, 3, 3)` of dtype.

    K x = K₁ x₁ + K₁ x₂ + K₂ x₁ but for K₂ x₂, each being its rounded value and what that is off.
    """
    rounded, rest = _parts(kernel, dtype)
    return torch.cat((rounded, rounded, rest), dim=1)


class _Split(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dtype: torch.dtype) -> Tensor:
        rounded, rest = _parts(x, dtype)
        parts = torch.cat((rounded, rest, rounded), dim=1)
        return parts.contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        by_rounded, _, by_rest = gradients[0].float().chunk(3, dim=1)  # through K₁, K₁ and K₂
        return by_rounded + by_rest, None


def _parts(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Rounded to dtype, and what that leaves."""
    rounded = x.to(dtype)
    return rounded, (x - rounded.float()).to(dtype)


def convolve(x: Tensor, layer: Filters, replicate: bool, rectified: bool) -> Tensor:
    """The convolution of `(1, I, H, W)` with its borders padded by one: `(1, O, H, W)`.

    Args:
        x: the features, channels_last.
        layer: what `filters` made of the kernel and the bias.
        replicate: pad with the border's own values, else with zeros.
        rectified: negative values become 0.
    """
    found: Tensor = _Convolution.apply(x, layer, replicate, rectified)
    return found


class _Convolution(torch.autograd.Function):
    """Unlike autograd's own, it keeps no (padded) input, for its kernel is frozen.

    Backwards it is a convolution with the turned kernel, which takes one copy less than
    `conv2d_input` and up to a quarter less time.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: Filters, replicate: bool, rectified: bool) -> Tensor:
        ctx.layer, ctx.replicate, ctx.rectified = layer, replicate, rectified
        if replicate:
            x = F.pad(x, (1, 1, 1, 1), mode="replicate")
        found = _plain(x, layer.forward, layer.bias, 0 if replicate else 1, layer.packed, rectified)
        if rectified:
            ctx.save_for_backward(found)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,), layer = gradients, ctx.layer
        if ctx.rectified:
            gradient = torch.ops.aten.threshold_backward(gradient, *ctx.saved_tensors, 0)
        padding = 2 if ctx.replicate else 1
        found = _plain(gradient, layer.backward, None, padding, layer.packed, False)
        if found.dtype == torch.float16:  # a huge loss leaves its range: then the largest do
            found.clamp_(-HALF_PEAK, HALF_PEAK)
        return (fold_border(found) if ctx.replicate else found), None, None, None


def _plain(
    x: Tensor, kernel: Tensor, bias: Tensor | None, padding: int, packed: bool, rectified: bool
) -> Tensor:
    """A convolution with zeros around, and the rectifier."""
    if packed:
        around, after = [padding, padding], "relu" if rectified else "none"
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, kernel, bias, around, ONES, ONES, 1, after, [], ""
        )
        return found
    found = F.conv2d(x, kernel, bias, padding=padding)
    return F.relu(found, inplace=True) if rectified else found


def _by_onednn(kernel: Tensor) -> bool:
    """Whether torch gives convolutions of this kind to oneDNN, as it does on most processors."""
    if kernel.device.type != "cpu" or not torch._C._has_mkldnn:
        return False
    if kernel.dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return kernel.dtype == torch.float32


def _ordered(kernel: Tensor) -> Tensor:
    order: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
    found: Tensor = order(kernel.to_mkldnn(), ONES, ONES, ONES, 1, None)
    return found
