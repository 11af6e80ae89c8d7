"""The history of L-BFGS: curvature from past steps, and the direction that it gives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

FIRST_STEP = 1 / 255  # root mean square change of the first step: one level of 255


class _Pair(NamedTuple):
    row: int  # of the block
    rho: float  # 1 / s·y
    flatness: float  # s·y / y·y


class History:
    """The last steps of L-BFGS and the changes of the gradient along them.

    They lie in one block, that is written round and round: among the network's features, tensors
    that live for many iterations would keep the memory around them from being given back.

    Args:
        length: how many steps are remembered.
        scaling: what is believed of the directions that no step went: the curvature along the
            "newest" step, y·y / s·y (Nocedal and Wright 2006, eq. 7.20), or the "least" of all
            that are remembered. Of what is left of a descent most is in flat directions, and a
            step along a steep one says nothing of them.
    """

    def __init__(self, length: int, scaling: str = "newest") -> None:
        self.length, self.scaling = length, scaling
        self._block: Tensor | None = None  # (length, 2, n): step s, change y
        self._pairs: list[_Pair] = []  # the oldest first

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def clear(self) -> None:
        """Forget all steps."""
        self._pairs = []

    def add(self, step: Tensor, change: Tensor) -> None:
        """Remember a step `(n,)`, if the loss curves upwards along it."""
        curvature = float(step.dot(change))
        if curvature > 1e-8 * float(step.norm()) * float(change.norm()):
            if self._block is None:
                size = (self.length, 2, step.numel())
                self._block = torch.empty(size, dtype=step.dtype, device=step.device)
            row = (self._pairs[-1].row + 1) % self.length if self._pairs else 0
            self._block[row, 0], self._block[row, 1] = step, change
            pair = _Pair(row, 1 / curvature, curvature / float(change.dot(change)))
            self._pairs = [*self._pairs, pair][-self.length :]

    def direction(self, gradient: Tensor) -> tuple[Tensor, float]:
        """The search direction `(n,)` and the first step length along it."""
        pairs = list(self._newest_first())
        if not pairs:
            rms = float(gradient.norm()) / math.sqrt(gradient.numel())
            return -gradient, FIRST_STEP / max(rms, 1e-30)
        direction = -gradient
        alphas = []
        for step, change, rho in pairs:
            alphas.append(rho * float(step.dot(direction)))
            direction.add_(change, alpha=-alphas[-1])
        believed = self._pairs[-1:] if self.scaling == "newest" else self._pairs
        direction.mul_(max(pair.flatness for pair in believed))
        for (step, change, rho), alpha in zip(reversed(pairs), reversed(alphas), strict=True):
            beta = rho * float(change.dot(direction))
            direction.add_(step, alpha=alpha - beta)
        return direction, 1.0

    def _newest_first(self) -> Iterator[tuple[Tensor, Tensor, float]]:
        """Step, change and 1 / s·y."""
        if self._block is not None:
            for row, rho, _ in reversed(self._pairs):
                yield self._block[row, 0], self._block[row, 1], rho
