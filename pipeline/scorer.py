"""The scorer: how far an image is from the painting and from the clip's frame, in float32."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline import losses
from pipeline.sections import RunConfig
from pipeline.style import Style
from pipeline.vgg import Vgg19
from pipeline.weights import load_weights


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
        self.device = device
        weights = load_weights(config.vgg.weights)
        how = (config.vgg.pooling, config.vgg.padding, device)
        self.network = Vgg19(weights, "float32", *how)
        self.style = None
        if painting is not None:
            self.style = Style(config.style, painting.to(device), self.network)

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
        style, content_layers = self.style, self.config.content.layers
        painting = style.targets(*image.shape[-2:]) if style else {}
        content, distances = {}, []
        for name, features in self.network.walk(
            image.to(self.device), {*content_layers, *painting}
        ):
            if name in content_layers:
                content[name] = features
            if style and name in painting:
                distances.append(float(style.distance(name, features, painting)))
        return Look(math.fsum(distances) if style else math.nan, content)

    @torch.no_grad()
    def between(self, one: Look, other: Look) -> float:
        """The content distance of two images that were looked at."""
        pairs = ((one.content[name], other.content[name]) for name in one.content)
        return sum(float(losses.content_loss(*pair)) for pair in pairs)
