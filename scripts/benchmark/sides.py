"""Both sides of the comparison: one objective, two ways of minimising it, and one judge.

*What* is minimised is that of `configs/ruder2016.toml` on both sides: losses, weights, pooling,
padding, and the temporal target with its weight. *How* is that file's on one side and the default's
on the other: the optimiser, the network's precision and convolution, and what a frame starts from.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import torch
from torch import Tensor

from flow.estimators import ESTIMATORS
from flow.occlusion import CHECKS
from pipeline import images, machine, vgg
from pipeline.arithmetic import choose
from pipeline.config import load_config
from pipeline.losses import TemporalTarget
from pipeline.optimize import LossReport, Objective
from pipeline.schedule import Source, Step, single_pass
from pipeline.sections import RunConfig
from pipeline.shots import Shot
from pipeline.stylize import Stylizer
from pipeline.temporal import Neighbours
from pipeline.weights import Weights, load_weights
from scripts.benchmark import rounded
from scripts.benchmark.cases import ROOT

# The keys that say how, not what; all of [optimizer] besides.
HOW = {
    "vgg": ("precision", "convolution"),
    "temporal": ("first_init", "init", "interpolation", "disoccluded"),
}
CPU = torch.device("cpu")  # what the figures are of


def published() -> RunConfig:
    """The published method's settings."""
    return load_config(ROOT / "configs" / "ruder2016.toml")


def default() -> RunConfig:
    """The settings that a user gets without asking."""
    return RunConfig()


def by_default(objective: RunConfig) -> RunConfig:
    """What a config minimises, minimised as the default one says."""
    ours = default()
    changed: dict[str, object] = {"optimizer": ours.optimizer}
    for section, keys in HOW.items():
        values = {key: getattr(getattr(ours, section), key) for key in keys}
        changed[section] = getattr(objective, section).model_copy(update=values)
    return objective.model_copy(update=changed)


def with_vgg(config: RunConfig, **keys: str) -> RunConfig:
    """A config with other keys in its `[vgg]`."""
    return config.model_copy(update={"vgg": config.vgg.model_copy(update=keys)})


def written(image: Tensor) -> Tensor:
    """An image as the user gets it: clipped to [0, 1] and rounded to 8 bits."""
    return images.to_tensor(images.to_pixels(image, 8))


@lru_cache(maxsize=3)  # Winograd's filters take 0.6 GB each
def network(
    weights: str, precision: str, pooling: str, padding: str, convolution: str
) -> vgg.Vgg19:
    """The encoder, once for all painters that want the same."""
    emulated = precision == "bfloat16" and rounded.needed()
    kind = rounded.RoundedVgg19 if emulated else vgg.Vgg19
    found = kind(_weights(weights), precision, pooling, padding, CPU, convolution)
    machine.give_back_memory()  # as a run does
    return found


@cache
def _weights(source: str) -> Weights:
    return load_weights(source)


class Motion:
    """Flow and weight between frames, as a config's `[flow]` has them, computed once."""

    def __init__(self, config: RunConfig, frames: dict[int, Tensor]) -> None:
        self.frames = frames
        self.estimate = ESTIMATORS[config.flow.estimator](config.flow)
        self.check = CHECKS[config.flow.check]
        self._flows: dict[tuple[int, int], Tensor] = {}

    def flow(self, i: int, j: int) -> Tensor:
        """Backward flow (1, 2, H, W)."""
        if (i, j) not in self._flows:
            self._flows[i, j] = self.estimate(self.frames[i], self.frames[j])
        return self._flows[i, j]

    def weight(self, i: int, j: int) -> Tensor:
        """How far it can be trusted (1, 1, H, W)."""
        return self.check(self.flow(i, j), self.flow(j, i), self.frames[i], self.frames[j])

    def forget(self, start: int, stop: int) -> None:
        """Nothing: a few frames are kept to the end."""


class Painter(Stylizer):
    """A stylizer that is held to targets given to it, and counts its evaluations.

    Its own `[temporal]` shapes what it starts from, and that alone: were the targets its own too,
    the two sides would minimise different losses.
    """

    held: tuple[TemporalTarget, ...] = ()
    shake: Tensor | None = None  # added to what frames start from, to make another start of it
    evaluations = 0

    def objective(self, frame: Tensor, held: list[TemporalTarget], refresh: int = 1) -> Objective:
        """The loss, held to what both sides are held to wherever it is held to anything."""
        found = super().objective(frame, list(self.held) if held else [], refresh)

        def counted(image: Tensor) -> dict[str, Tensor]:
            self.evaluations += 1
            return found(image)

        return counted

    def _start(self, around: Neighbours) -> Tensor:
        start = super()._start(around)
        return start if self.shake is None else start + self.shake


class Scene:
    """Consecutive frames at a size with all that both sides are given.

    Args:
        frames: images `(1, 3, H, W)` by number, without a gap.
        painting: the style image.
        objective: the config that says what is minimised, and how at the published side.
    """

    def __init__(self, frames: dict[int, Tensor], painting: Path, objective: RunConfig) -> None:
        self.frames = frames
        self.painting = images.read_painting(painting)
        self.config = objective
        self.motion = Motion(objective, frames)
        self.painted: dict[int, Tensor] = {}  # earlier frames that both sides go on from
        self.shot = Shot(0, min(frames), max(frames) + 1)

    def painter(self, config: RunConfig) -> Painter:
        """A painter of this scene by a config."""
        keys = config.vgg
        precision, convolution = choose(keys, CPU)
        encoder = network(keys.weights, precision, keys.pooling, keys.padding, convolution)
        load = (self.frames.__getitem__, self._load_painted)
        return Painter(config, encoder, self.painting, *load, self.motion, CPU)

    def step(self, config: RunConfig, frame: int) -> Step:
        """The step of a config's schedule that paints a frame."""
        return single_pass(self.shot, config.temporal)[frame - self.shot.start]

    def targets(self, frame: int) -> tuple[TemporalTarget, ...]:
        """What both sides hold a frame to: the published warp and weights of painted frames."""
        step, options = self.step(self.config, frame), self.config.temporal
        given = (self.frames.__getitem__, self._load_painted, self.motion)
        return tuple(Neighbours(step, self.frames[frame], options, *given).targets())

    def score(self, frame: int, image: Tensor) -> LossReport:
        """The whole loss at an image in float32, by the published side's own settings."""
        judge = self.painter(with_vgg(self.config, precision="float32"))
        judge.held = self.targets(frame)
        with torch.no_grad():
            terms = judge.objective(self.frames[frame], list(judge.held))(image)
        return LossReport({name: float(term) for name, term in terms.items()})

    def _load_painted(self, source: Source) -> Tensor:
        return self.painted[source.frame]
