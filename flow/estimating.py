"""What estimators of flow have in common: their type, their options, frames of fitting sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from torch import Tensor

Estimator = Callable[[Tensor, Tensor], Tensor]
"""(image_i, image_j), (1, 3, H, W) RGB in [0, 1] each -> flow(i, j) (1, 2, H, W), pixels."""


class EstimatorOptions(Protocol):
    """What an estimator's factory reads of the user's options."""

    @property
    def preset(self) -> str:
        """DIS: how much work it does."""

    @property
    def weights(self) -> Path | None:
        """RAFT: the file of its weights."""


def padding_to(image: Tensor, smallest: int, multiple: int) -> tuple[int, int, int, int]:
    """Left, right, top, bottom: to sides of at least `smallest`, divisible by `multiple`.

    `smallest` is itself divisible by it.
    """
    height, width = image.shape[-2:]
    across, down = (max(-side % multiple, smallest - side) for side in (width, height))
    return across // 2, across - across // 2, down // 2, down - down // 2


def cropped(flow: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
    """What is left of a flow `(1, 2, H, W)` without the padding of its frames."""
    left, right, top, bottom = padding
    height, width = flow.shape[-2:]
    return flow[..., top : height - bottom, left : width - right]
