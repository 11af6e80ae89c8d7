"""What is minimised for one frame, and what of it need not be computed anew each time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from pipeline import losses
from pipeline.losses import TemporalTarget
from pipeline.sections import RunConfig
from pipeline.style import Style, acts_on
from pipeline.vgg import Vgg19

SMALL = 0.01  # share of the losses below which the deepest ones may be taken to first order
AGED = 1e-5  # by which share of itself the loss is then off, as a rule less


class FrameLoss:
    """The loss of Ruder et al. 2016, eq. 9, with total variation, term by term: an `Objective`.

    The network's terms are built while walking it, which halves the memory of their gradients.

    Args:
        config: weights and layers.
        network: the encoder.
        style: the painting's statistics.
        frame: the clip's frame `(1, 3, H, W)`.
        held: what the temporal loss holds to.
        refresh: compute the deepest losses anew every so many calls, if they are small.
    """

    def __init__(
        self,
        config: RunConfig,
        network: Vgg19,
        style: Style,
        frame: Tensor,
        held: Sequence[TemporalTarget],
        refresh: int = 1,
    ) -> None:
        self.config, self.network, self.style, self.held = config, network, style, held
        self.painting = style.targets(*frame.shape[-2:])
        self.beta = config.style.weight * acts_on(frame, config.style)
        with torch.no_grad():
            self.content = network.features(frame, config.content.layers)
        behind = _behind(network, self.content, self.painting)
        fades = network.dtype == torch.float16  # slopes would fade below its smallest numbers
        ages = bool(behind) and refresh > 1 and not fades
        self.deepest = _Deepest(self._style_behind(behind), refresh) if ages else None
        self.layers = {*self.content, *self.painting} - (behind if ages else set())

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """The weighted terms at an image `(1, 3, H, W)`."""
        config, features = self.config, image
        contents, styles = [], []
        for name, features in self.network.walk(image, self.layers):
            if name in self.content:
                contents.append(losses.content_loss(features, self.content[name]))
            if name in self.painting:
                styles.append(self.style.distance(name, features, self.painting))
        content, style = (
            weight * _sum(found)
            for weight, found in ((config.content.weight, contents), (self.beta, styles))
        )
        if self.deepest:
            style = style + self.deepest(features, content + style)
        variation = losses.total_variation(image, config.tv.norm)
        terms = {"content": content, "style": style, "tv": config.tv.weight * variation}
        if self.held:
            kind = config.temporal.loss
            temporal = _sum(losses.temporal_loss(image, target, kind) for target in self.held)
            terms["temporal"] = (config.temporal.weight or 1) * temporal
        return terms

    def _style_behind(self, layers: set[str]) -> Callable[[Tensor], Tensor]:
        """The weighted style loss of layers behind the content, of the last content's features."""
        network, style, painting = self.network, self.style, self.painting  # and not self: a circle
        weight, last = self.beta, max(self.content, key=network.depth)

        def loss(features: Tensor) -> Tensor:
            walk = network.walk_on(features, last, layers)
            return weight * _sum(style.distance(name, each, painting) for name, each in walk)

        return loss


class _Deepest:
    """Style losses of layers behind all content, to first order between calls that compute them.

    With the published weights relu5_1 makes up .3 % of the loss, and what leads to it a quarter of
    the work. Its slope in the features of the content layer before is kept; from there on the way
    back is the others' own, always exact. The parts of a loss that change slowly are computed less
    often, as in multiple time stepping (Tuckerman, Berne and Martyna 1992).

    Args:
        loss: the weighted losses, of the features of the last content layer.
        refresh: compute them anew every so many calls, if they are small.
    """

    def __init__(self, loss: Callable[[Tensor], Tensor], refresh: int) -> None:
        self.loss, self.refresh, self.calls = loss, refresh, 0
        self.value = self.slope = self.there = torch.tensor(0.0)

    def __call__(self, features: Tensor, others: Tensor) -> Tensor:
        """The losses at features, beside the sum of the network's others."""
        if self.calls % self.refresh == 0:
            self._compute(features.detach())
            if self.value > SMALL * others.detach():
                self.calls = -1  # anew next time too
        self.calls += 1
        change = (features - self.there) * self.slope
        return self.value + change.sum(dtype=self.value.dtype)

    @torch.enable_grad()
    def _compute(self, features: Tensor) -> None:
        value = self.loss(features.requires_grad_())
        (self.slope,) = torch.autograd.grad(value, features)
        self.value, self.there = value.detach(), features.detach()


def _behind(network: Vgg19, content: Iterable[str], painting: Iterable[str]) -> set[str]:
    """The style layers behind all content layers; none, if there is no content."""
    depths = [network.depth(name) for name in content]
    return {name for name in painting if depths and network.depth(name) > max(depths)}


def _sum(terms: Iterable[Tensor]) -> Tensor:
    found = list(terms)
    return torch.stack(found).sum() if found else torch.tensor(0.0)
