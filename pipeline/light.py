"""How much lighter a clip became between two frames, and how far its painting follows."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from flow.warp import backward_warp
from pipeline.losses import PEAK
from pipeline.metrics import LUMA

FLICKER = 2.0  # levels of 255: changes well below it are none
FLASH = 8.0  # levels: frames whose light differs by more than another's say less
BRIGHTEST = 2.0  # the most that one frame can be lighter than another, as a factor
EMERGED = 0.1  # share of its light by which a clip grows, and what was dark is there to be painted
DARK = 64.0  # levels: in a clip well above it all was there to be painted
LIGHTEST = 0.9  # of the clip's own light: as far as a painting follows it upwards


class LightChange(NamedTuple):
    """The mean luminance of what two frames both show, in levels of 255."""

    then: float
    now: float

    @property
    def size(self) -> float:
        """By how many levels it differs."""
        return abs(self.now - self.then)

    def gain(self, painted: float, trend: float = 0.0) -> float:
        """The factor by which a painting of this mean luminance follows; 1 if it hardly changed.

        A change of d levels counts as d s² / (s² + 2²), s the larger of |d| and of the change over
        more frames (`trend`), so that fades and exposures count, and noise does not. The painting
        follows in proportion, down to black. But a dark frame's painting is not as dark as it is
        (style weighs more in it: of 0 and of 50 levels alike it made 50 to 100): there the clip's
        proportions say nothing, and it grows no lighter until the clip has come near.
        """
        change, size = self.now - self.then, max(self.size, trend)
        counted = change * size**2 / (size**2 + FLICKER**2)
        followed = painted * (1 + counted / max(self.then, 1.0))
        if counted > 0:
            followed = min(followed, max(painted, LIGHTEST * (self.then + counted)))
        return min(followed / max(painted, 1e-3), BRIGHTEST)

    @property
    def hold(self) -> float:
        """How far the earlier frame's painting says what this frame is to look like, in [0, 1].

        Less, the darker the clip was and the more it grew lighter since: what comes out of the dark
        was not there to be painted, and style had filled the dark with what it liked. Down to black
        all is known, and so it is of what a flash or an exposure lights up.
        """
        return 1 / (1 + self._risen**2 * math.exp(-((self.then / DARK) ** 2)))

    @property
    def steady(self) -> float:
        """How far mean colours may be held to, in [0, 1]: while light comes up, hardly."""
        return 1 / (1 + self._risen**2) ** 4

    @property
    def _risen(self) -> float:
        return max(0.0, self.now - self.then) / max(self.then, FLASH) / EMERGED


def light_change(then: Tensor, now: Tensor, flow: Tensor, weight: Tensor) -> LightChange:
    """Between two frames of the clip, over the pixels whose flow can be trusted.

    Luminance as in Gao et al. 2018 ("ReCoNet", section 3.3), who let the painting follow it pixel
    by pixel, with its grain.

    Shapes: then, now (1, 3, H, W); flow (1, 2, H, W) from now to then; weight (1, 1, H, W).
    """
    return LightChange(*(mean_light(each, weight) for each in (backward_warp(then, flow), now)))


def mean_light(image: Tensor, weight: Tensor) -> float:
    """The mean luminance of what can be trusted, in levels of 255.

    Shapes: image (1, 3, H, W); weight (1, 1, H, W).
    """
    weight = weight.clamp(min=1e-3)
    return PEAK * float((_luminance(image) * weight).sum() / weight.sum())


def likeness(changes: list[LightChange]) -> list[float]:
    """Of several frames, how far each counts: less, the more its light differs than the best's.

    A painting that followed a flash lost what was too light in it: the frames before the flash say
    better how the ones behind it look.
    """
    best = min((change.size for change in changes), default=0.0)
    return [math.exp(-(((change.size - best) / FLASH) ** 4)) for change in changes]


def _luminance(image: Tensor) -> Tensor:
    """Y of BT.709: (1, 3, H, W) -> (1, 1, H, W)."""
    shares = torch.tensor(LUMA, dtype=image.dtype, device=image.device).view(1, 3, 1, 1)
    return (image * shares).sum(dim=1, keepdim=True)
