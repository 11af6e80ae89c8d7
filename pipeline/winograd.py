"""3x3 convolution by Winograd's minimal filtering, for wide layers of a frozen network in float32.

Lavin and Gray 2016, "Fast algorithms for convolutional neural networks", F(4x4, 3x3): a tile of 4x4
results takes 36 products instead of 144, as 36 matrix products over the channels. Forward and
backward to the input; kernels and biases have no gradient.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from pipeline.borders import fold_border

SIDE, TILE = 6, 4  # of what a tile reads, and of what it gives
# Their matrices of section 4.1 and 4.2: Bᵀ, G, Aᵀ.
INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
OUTPUT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
# The transformed value that reaches all 16 results of a tile once: a bias is added there.
EVERYWHERE = 1 * SIDE + 1
# Below this width the transforms cost more than the products save (64 to 64 channels: 0.8 times
# the speed of a direct convolution; 64 to 128: 1.3, 256: 1.9, 512: 2.4).
NARROWEST = 64 * 128
CHUNK = 61440  # tiles times channels that are worked on at once: they should stay in the cache


class Filters(NamedTuple):
    """A layer's kernel, transformed for the forward and for the backward pass."""

    forward: Tensor  # (36, I, O)
    backward: Tensor  # (36, O, I)
    bias: Tensor  # (O,)


def worth_it(kernel: Tensor) -> bool:
    """Whether a kernel `(O, I, 3, 3)` is wide enough for this to be faster."""
    return kernel.shape[0] * kernel.shape[1] >= NARROWEST


def filters(kernel: Tensor, bias: Tensor) -> Filters:
    """Transform a kernel `(O, I, 3, 3)`, once for all images."""
    turned = kernel.flip(2, 3).transpose(0, 1)
    return Filters(_transformed(kernel), _transformed(turned), bias)


def convolve(x: Tensor, layer: Filters, replicate: bool) -> Tensor:
    """The convolution of `(1, I, H, W)` with its borders padded by one: `(1, O, H, W)`.

    Args:
        x: the features, channels_last.
        layer: what `filters` made of the kernel and the bias.
        replicate: pad with the border's own values, else with zeros.
    """
    found: Tensor = _Convolution.apply(x, layer, replicate)
    return found


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, layer: Filters, replicate: bool) -> Tensor:
        ctx.layer, ctx.replicate = layer, replicate  # type: ignore[attr-defined]
        size = (x.shape[2], x.shape[3])
        return _tiled(_padded(x, 1, replicate), layer.forward, layer.bias, size)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The convolution with the turned kernel; padding that repeats gives its share back."""
        (gradient,) = gradients
        turned, (height, width) = ctx.layer.backward, gradient.shape[2:]
        if not ctx.replicate:
            size = (height, width)
            return _tiled(_padded(gradient, 1, False), turned, None, size), None, None
        size = (height + 2, width + 2)
        found = _tiled(_padded(gradient, 2, False), turned, None, size)  # (1, I, H + 2, W + 2)
        return fold_border(found), None, None


def _padded(x: Tensor, width: int, replicate: bool) -> Tensor:
    """The features with a border, up to whole tiles: `(h, w, C)`; right and below lies zero."""
    channels, height, across = x.shape[1:]
    rows, columns = (_tiles(size + 2 * width - 2) * TILE + 2 for size in (height, across))
    padded = x.new_empty(rows, columns, channels)
    inner = padded[width : width + height, width : width + across]
    inner.copy_(x[0].permute(1, 2, 0))
    padded[:width].zero_()
    padded[width + height :].zero_()
    padded[:, :width].zero_()
    padded[:, width + across :].zero_()
    if replicate:
        padded[:, 0], padded[:, across + 1] = padded[:, 1], padded[:, across]
        padded[0], padded[height + 1] = padded[1], padded[height]
    return padded


def _tiled(padded: Tensor, kernel: Tensor, bias: Tensor | None, size: tuple[int, int]) -> Tensor:
    """The valid convolution of a padded `(h, w, I)`, as far as `size` reaches: `(1, O, *size)`."""
    rows, columns = ((side - 2) // TILE for side in padded.shape[:2])
    channels, outputs = kernel.shape[1:]
    # Not a view of another tensor: the rectifier works in place on it.
    found = torch.empty(
        (1, outputs, *size),
        dtype=padded.dtype,
        device=padded.device,
        memory_format=torch.channels_last,
    )
    pixels = found[0].permute(1, 2, 0)  # (h, w, O)
    step = max(1, CHUNK // channels // columns)
    for top in range(0, rows, step):
        count = min(step, rows - top)
        tiles = _overlapping(padded[top * TILE :], count, columns)  # (36, tiles * I)
        values = _matrix(INPUT, padded.dtype) @ tiles
        products = torch.bmm(values.view(SIDE * SIDE, -1, channels), kernel)  # (36, tiles, O)
        if bias is not None:
            products[EVERYWHERE] += bias
        results = _matrix(OUTPUT, padded.dtype) @ products.view(SIDE * SIDE, -1)
        shaped = results.view(TILE, TILE, count, columns, outputs).permute(2, 0, 3, 1, 4)
        _place(pixels[top * TILE : (top + count) * TILE], shaped)
    return found


def _overlapping(padded: Tensor, rows: int, columns: int) -> Tensor:
    """The tiles of 6x6 that begin at every fourth pixel: `(36, rows * columns * C)`."""
    down, across, _ = padded.stride()
    shape = (SIDE, SIDE, rows, columns, padded.shape[2])
    strides = (down, across, TILE * down, TILE * across, 1)
    tiles = padded.as_strided(shape, strides, padded.storage_offset())
    return tiles.reshape(SIDE * SIDE, -1)


def _place(found: Tensor, results: Tensor) -> None:
    """Write tiles `(rows, 4, columns, 4, O)` into `(h, w, O)`, less what lies beyond its end."""
    rows, _, columns, _, outputs = results.shape
    height, width = found.shape[:2]
    if (height, width) == (rows * TILE, columns * TILE):
        found.view(rows, TILE, columns, TILE, outputs).copy_(results)
    else:
        found.copy_(results.reshape(rows * TILE, columns * TILE, outputs)[:height, :width])


def _tiles(side: int) -> int:
    return -(-side // TILE)


def _transformed(kernel: Tensor) -> Tensor:
    """G g Gᵀ of a kernel `(O, I, 3, 3)`: `(36, I, O)`."""
    matrix = torch.tensor(KERNEL, dtype=kernel.dtype, device=kernel.device)
    taps = kernel.permute(2, 3, 1, 0)  # (3, 3, I, O)
    return (torch.kron(matrix, matrix) @ taps.flatten(0, 1).flatten(1)).view(-1, *taps.shape[2:])


@cache
def _matrix(rows: tuple[tuple[int, ...], ...], dtype: torch.dtype) -> Tensor:
    """M ⊗ M, which transforms flattened tiles on both sides at once."""
    matrix = torch.tensor(rows, dtype=dtype)
    return torch.kron(matrix, matrix)
