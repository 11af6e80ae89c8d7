"""The painting as the style loss sees it: its statistics, and how far features are from them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline import losses
from pipeline.config import pick
from pipeline.errors import ConfigError
from pipeline.images import resize
from pipeline.losses import StyleLoss
from pipeline.sections import StyleConfig
from pipeline.vgg import Vgg19

SMALLEST = 16  # pixels of a side: all five blocks of the network still see something
BLACK = 48.0  # levels of 255: what is nowhere lighter than a good deal less is black
AREAS = 40  # to a frame's shorter side: as small may be what is light in it

Targets = dict[str, Tensor]  # a statistic by layer


def acts_on(frame: Tensor, options: StyleConfig) -> float:
    """How far style acts on a frame `(1, 3, H, W)`: 0 if all of it is black, 1 if any is light.

    1 − exp(−(P / 48)⁴), P being the lightest channel of its lightest small area, in levels of 255;
    areas have at least three pixels a side, so that noise is not light.
    """
    if options.black == "paint":
        return 1.0
    height, width = frame.shape[-2:]
    side = max(3, round(min(height, width) / AREAS))
    size = (min(side, height), min(side, width))
    lightest = losses.PEAK * float(F.avg_pool2d(frame, size, stride=1).max())
    return 1 - math.exp(-((lightest / BLACK) ** 4))


class Style:
    """The painting's statistics, computed once for each size of frames.

    Args:
        options: the config's `[style]`.
        painting: the style image `(1, 3, h, w)`.
        network: the encoder, whose device is the painting's.

    Raises:
        ConfigError: a style loss that there is not, or that is none.
    """

    def __init__(self, options: StyleConfig, painting: Tensor, network: Vgg19) -> None:
        self.options = options
        self.painting = painting
        self.network = network
        self.loss: StyleLoss = pick(losses.STYLE_LOSSES, options.loss, "style.loss")
        if not all(callable(getattr(self.loss, name, None)) for name in StyleLoss._fields):
            raise ConfigError(
                f"style.loss = {options.loss}: it must have two functions, `statistic` of features "
                "and `distance` of two statistics, as a pipeline.losses.StyleLoss has"
            )
        self.weights = dict(zip(options.layers, options.layer_weights, strict=True))
        self._targets: dict[tuple[int, int], Targets] = {}

    @torch.no_grad()
    def targets(self, height: int, width: int) -> Targets:
        """The painting's statistics by layer, for frames of this size."""
        if (height, width) not in self._targets:
            walk = self.network.walk(self._scaled(height, width), self.weights)
            found = {name: self.loss.statistic(features) for name, features in walk}
            self._targets[height, width] = found
        return self._targets[height, width]

    def distance(self, name: str, features: Tensor, targets: Targets) -> Tensor:
        """w_l · distance of one layer's features `(1, C, h, w)` from the painting: a scalar."""
        return self.weights[name] * self.loss.distance(self.loss.statistic(features), targets[name])

    def _scaled(self, height: int, width: int) -> Tensor:
        """The painting with the frame's area, times `style.scale` at each side."""
        tall, wide = self.painting.shape[-2:]
        factor = self.options.scale * (height * width / (tall * wide)) ** 0.5
        size = (max(SMALLEST, round(tall * factor)), max(SMALLEST, round(wide * factor)))
        return resize(self.painting, *size)
