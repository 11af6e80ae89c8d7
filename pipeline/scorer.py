"""The scorer: how far an image is from the painting and from the clip's frame, in float32."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline import losses, vgg
from pipeline.config import pick
from pipeline.images import resize
from pipeline.losses import StyleLoss
from pipeline.sections import RunConfig


class Look(NamedTuple):
    """What the scorer keeps of an image: its style distance, and the content layers' features."""

    style_distance: float
    content: dict[str, Tensor]


class Scorer:
    """The content and style losses of a config, unweighted, as measures of single images.

    The network is the config's (weights, pooling, padding), but always in float32 and with direct
    convolutions, so that no precision is scored. Distances of different configs do not compare:
    score all sides by one.

    Args:
        config: of `[style]`, `[content]` and `[vgg]` all that the losses depend on.
        painting: the style image `(1, 3, h, w)`; None where only content is asked for.
        device: where to compute.

    Raises:
        ConfigError, WeightsError: a style loss or weights that cannot be used.
    """

    def __init__(
        self,
        config: RunConfig,
        painting: Tensor | None,
        device: torch.device = torch.device("cpu"),  # noqa: B008  (immutable)
    ) -> None:
        self.config = config
        self.painting = painting
        self.device = device
        weights = vgg.load_weights(config.vgg.weights)
        how = (config.vgg.pooling, config.vgg.padding, device, "direct")
        self.network = vgg.Vgg19(weights, "float32", *how)
        self.style: StyleLoss = pick(losses.STYLE_LOSSES, config.style.loss, "style.loss")
        self._targets: dict[tuple[int, int], dict[str, Tensor]] = {}

    def style_distance(self, image: Tensor) -> float:
        """Σ_l w_l · distance(statistic(F_l(x)), statistic(F_l(painting))) over `style.layers`.

        With `style.loss = "gram"`: mean squared differences of Gram matrices (Gatys et al. 2016,
        eq. 4), without β. The painting is scaled as for the painting of such a frame. NaN without
        a painting.

        Shapes: (1, 3, H, W).
        """
        return self.look(image).style_distance

    def content_distance(self, image: Tensor, frame: Tensor) -> float:
        """Σ_l mean (F_l(x) − F_l(frame))² over `content.layers` (Gatys et al. 2016, eq. 1).

        Shapes: (1, 3, H, W) twice, of one size.
        """
        return self.between(self.look(image), self.look(frame))

    def total(self, image: Tensor, frame: Tensor) -> float:
        """α · content + β · style: the loss of painting, total variation and temporal terms off.

        Shapes: (1, 3, H, W) twice, of one size.
        """
        seen = self.look(image)
        content = self.config.content.weight * self.between(seen, self.look(frame))
        return content + self.config.style.weight * seen.style_distance

    @torch.no_grad()
    def look(self, image: Tensor) -> Look:
        """One pass of the network over an image `(1, 3, H, W)`, for both distances."""
        style_layers = self.config.style.layers if self.painting is not None else ()
        content_layers = self.config.content.layers
        found = self.network.features(image.to(self.device), (*content_layers, *style_layers))
        content = {name: found[name] for name in content_layers}
        if self.painting is None:
            return Look(math.nan, content)
        targets = self._style_targets(self.painting, *image.shape[-2:])
        distances = (
            weight * self.style.distance(self.style.statistic(found[name]), targets[name])
            for name, weight in zip(style_layers, self.config.style.layer_weights, strict=True)
        )
        return Look(float(sum(distances, torch.zeros(()))), content)

    @torch.no_grad()
    def between(self, one: Look, other: Look) -> float:
        """The content distance of two images that were looked at."""
        pairs = ((one.content[name], other.content[name]) for name in one.content)
        return sum(float(losses.content_loss(*pair)) for pair in pairs)

    def _style_targets(self, painting: Tensor, height: int, width: int) -> dict[str, Tensor]:
        """The painting's statistics by layer, for frames of this size (as the stylizer's)."""
        if (height, width) not in self._targets:
            tall, wide = painting.shape[-2:]
            factor = self.config.style.scale * (height * width / (tall * wide)) ** 0.5
            size = (max(16, round(tall * factor)), max(16, round(wide * factor)))
            scaled = resize(painting, *size).to(self.device)
            features = self.network.features(scaled, self.config.style.layers)
            self._targets[height, width] = {
                name: self.style.statistic(found) for name, found in features.items()
            }
        return self._targets[height, width]
