"""Bfloat16 as a processor with AMX computes it, on one that is slow at it."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from pipeline import arithmetic, direct, vgg, winograd


@cache
def needed() -> bool:
    """Whether this processor is slower at bfloat16 than at float32."""
    return arithmetic.bfloat16_speedup(torch.device("cpu")) < 1


class RoundedVgg19(vgg.Vgg19):
    """What its layers read and write is rounded, kernels are; products and sums are float32's.

    So it computes what torch's own does but for the order of sums, far sooner.
    """

    def _made(self, kernel: Tensor, bias: Tensor) -> direct.Filters | winograd.Filters:
        return super()._made(kernel.float(), bias.float())

    def _convolve(
        self, x: Tensor, layer: direct.Filters | winograd.Filters, rectified: bool
    ) -> Tensor:
        return super()._convolve(x.float(), layer, rectified).to(self.dtype)
