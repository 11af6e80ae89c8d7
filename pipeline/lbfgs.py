"""The history of L-BFGS: curvature from past steps, and the direction that it gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.blur import gaussian

SMOOTH = 2.0  # pixels: what varies over more is smooth
FIRST_STEP = 1 / 255  # root mean square change of the first step: one level of 255


class _Pair(NamedTuple):
    row: int  # of the block
    rho: float  # 1 / s·y
    flatness: float  # s·y / y·Ky


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
        guess: K, what the inverse curvature is taken for before any step, but for a factor
            (`smooth_first`).
    """

    def __init__(
        self,
        length: int,
        scaling: str = "newest",
        guess: Callable[[Tensor], Tensor] = lambda gradient: gradient,
    ) -> None:
        self.length, self.scaling, self.guess = length, scaling, guess
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
            flatness = curvature / float(change.dot(self.guess(change)))
            pair = _Pair(row, 1 / curvature, flatness)
            self._pairs = [*self._pairs, pair][-self.length :]

    def direction(self, gradient: Tensor) -> tuple[Tensor, float]:
        """The search direction `(n,)` and the first step length along it."""
        pairs = list(self._newest_first())
        if not pairs:
            direction = -self.guess(gradient)
            rms = float(direction.norm()) / math.sqrt(gradient.numel())
            return direction, FIRST_STEP / max(rms, 1e-30)
        direction = -gradient
        alphas = []
        for step, change, rho in pairs:
            alphas.append(rho * float(step.dot(direction)))
            direction.add_(change, alpha=-alphas[-1])
        believed = self._pairs[-1:] if self.scaling == "newest" else self._pairs
        direction = self.guess(direction).mul_(max(pair.flatness for pair in believed))
        for (step, change, rho), alpha in zip(reversed(pairs), reversed(alphas), strict=True):
            beta = rho * float(change.dot(direction))
            direction.add_(step, alpha=alpha - beta)
        return direction, 1.0

    def _newest_first(self) -> Iterator[tuple[Tensor, Tensor, float]]:
        """Step, change and 1 / s·y."""
        if self._block is not None:
            for row, rho, _ in reversed(self._pairs):
                yield self._block[row, 0], self._block[row, 1], rho


def smooth_first(shape: torch.Size, share: float) -> Callable[[Tensor], Tensor]:
    """K = 1 + share · G of images `(1, 3, H, W)`, G a Gaussian filter, on vectors `(n,)`.

    The network's losses are flat along smooth changes, so that steps which only follow the gradient
    find an image's colours long after its edges: the two scales of a preconditioner by levels
    (Bramble, Pasciak and Xu 1990), which is symmetric and positive as L-BFGS wants it.
    """

    def guess(vector: Tensor) -> Tensor:
        return vector + share * gaussian(vector.view(shape), SMOOTH).reshape(-1)

    return guess if share else torch.clone
