"""The history of L-BFGS: curvature from past steps, and the direction that it gives."""

from __future__ import annotations

import math

from torch import Tensor

FIRST_STEP = 1 / 255  # root mean square change of the first step: one level of 255


class History:
    """The last steps of L-BFGS and the changes of the gradient along them."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.pairs: list[tuple[Tensor, Tensor, float]] = []  # step s, change y, 1 / s·y

    def add(self, step: Tensor, change: Tensor) -> None:
        """Remember a step `(n,)`, if the loss curves upwards along it."""
        curvature = float(step.dot(change))
        if curvature > 1e-8 * float(step.norm()) * float(change.norm()):
            self.pairs = [*self.pairs, (step, change, 1 / curvature)][-self.length :]

    def direction(self, gradient: Tensor) -> tuple[Tensor, float]:
        """The search direction `(n,)` and the first step length along it."""
        if not self.pairs:
            rms = float(gradient.norm()) / math.sqrt(gradient.numel())
            return -gradient, FIRST_STEP / max(rms, 1e-30)
        direction = -gradient
        alphas = []
        for step, change, rho in reversed(self.pairs):
            alphas.append(rho * float(step.dot(direction)))
            direction.add_(change, alpha=-alphas[-1])
        _, change, rho = self.pairs[-1]
        direction.mul_(1 / (rho * float(change.dot(change))))
        for (step, change, rho), alpha in zip(self.pairs, reversed(alphas), strict=True):
            beta = rho * float(change.dot(direction))
            direction.add_(step, alpha=alpha - beta)
        return direction, 1.0
