"""What a step has of the frames painted before it: its start, and what it is held to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from flow.camera import camera_motion
from flow.occlusion import long_term_weights
from flow.warp import backward_warp
from pipeline.disocclusion import painted_colours
from pipeline.light import FLASH, LightChange, light_change, likeness, mean_light
from pipeline.losses import TemporalTarget
from pipeline.schedule import Source, Step
from pipeline.sections import TemporalConfig
from pipeline.targets import averaged, flatness, scaled, with_detail

AREA = 1 / 12  # of the shorter side: how far apart the areas lie whose mean colours are its tone
STILL = 0.25  # pixels: motion well below it is none
SLOW = 0.5  # pixels: motion well below it is slow, and flow hardly errs
LEAST_TRUSTED = 0.1  # share of the frame below which the "trusted" mean does not grow further


class Flows(Protocol):
    """Where flow and weights come from: a `flow.store.FlowStore`."""

    def flow(self, i: int, j: int) -> Tensor: ...

    def weight(self, i: int, j: int) -> Tensor: ...

    def forget(self, start: int, stop: int) -> None: ...


class Neighbours:
    """The painted frames around a step's, on its own pixels; each is read and warped once.

    Args:
        step: the step.
        frame: the clip's frame of the step, `(1, 3, H, W)`, on the device to compute on.
        options: the config's `[temporal]`.
        load_frame: the clip's frame of a number, `(1, 3, H, W)`.
        load_painted: the painted image of an earlier step, `(1, 3, H, W)`.
        flows: backward flow and weights between the clip's frames.
    """

    def __init__(
        self,
        step: Step,
        frame: Tensor,
        options: TemporalConfig,
        load_frame: Callable[[int], Tensor],
        load_painted: Callable[[Source], Tensor],
        flows: Flows,
    ) -> None:
        self.step = step
        self.frame = frame
        self.options = options
        self.load_frame = load_frame
        self.load_painted = load_painted
        self.flows = flows
        self._flows: dict[int, Tensor] = {}
        self._warped: dict[int, Tensor] = {}
        self._weights: dict[int, Tensor] = {}
        self._lights: dict[int, LightChange] = {}
        self._motions: dict[int, Tensor] = {}

    def painted(self, other: int) -> Tensor:
        """Another frame as this pass painted it, `(1, 3, H, W)`."""
        return self.load_painted(Source(other, self.step.pass_index)).to(self.frame.device)

    def warped(self, other: int) -> Tensor:
        """The same, brought onto this frame."""
        if other not in self._warped:
            flow, way = self.flow(other), self.options.interpolation
            moved = backward_warp(self.painted(other), flow, way)
            if self.options.light:
                moved = moved * self._gain(other, moved)
            self._warped[other] = moved.clamp(0, 1)
        return self._warped[other]

    def flow(self, other: int) -> Tensor:
        """Where each pixel came from in another frame, `(1, 2, H, W)`."""
        if other not in self._flows:
            self._flows[other] = self.flows.flow(self.step.frame, other).to(self.frame.device)
        return self._flows[other]

    def weight(self, other: int) -> Tensor:
        """Where that can be trusted, `(1, 1, H, W)` in [0, 1]."""
        if other not in self._weights:
            weight = self.flows.weight(self.step.frame, other)
            self._weights[other] = weight.to(self.frame.device)
        return self._weights[other]

    def _held_weight(self, other: int) -> Tensor:
        """How far a painted frame is held to: as its flow can be trusted, and by its light."""
        return self.weight(other) * self._hold(other)

    def _hold(self, other: int) -> float:
        return self._light(other).hold if self.options.light else 1.0

    def start(self) -> Tensor:
        """What a step with `init_from` or `before` starts from; the clip, out of the dark."""
        if self.step.before is not None:
            return self._blended(self.load_painted(self.step.before).to(self.frame.device))
        (other,) = self.step.init_from
        if self.step.init == "previous":
            return self.painted(other)
        other = self._alike(other)
        return torch.lerp(self.frame, self._filled(other), self._hold(other))

    def targets(self) -> list[TemporalTarget]:
        """The images that the temporal loss holds to, with the strength for each pixel.

        The strengths are the flow's weights, shared out among several frames as published
        (`long_term_weights`), and changed by `options.targets`, `mean`, `flat`, `slow` and `light`;
        the anchor's are relative to `options.weight`. The nearest frame's tone (`options.tone`)
        comes last, or behind a flash that of the frame before it.
        """
        found = self._held()
        if self.options.mean == "trusted" and found:
            trusted = sum(float(target.weight.mean()) for target in found)
            held = max(map(self._hold, self.step.temporal_from))  # what light let go stays so
            found = scaled(found, 1 / max(trusted / held, LEAST_TRUSTED))
        if self.step.anchor is not None:
            anchor = self.step.anchor
            share = self.options.anchor / (self.options.weight or 1)
            found.append(TemporalTarget(self.warped(anchor), self._held_weight(anchor) * share))
        if self.options.flat:
            found = scaled(found, 1 + self.options.flat * flatness(self.frame))
        if self.options.slow and self.step.temporal_from:
            slow = self._within(SLOW, self.step.temporal_from[0])
            found = scaled(found, 1 + self.options.slow * slow)
        if self.options.tone:
            found += self._tones()
        return found

    def _held(self) -> list[TemporalTarget]:
        others = self.step.temporal_from
        weights = [self._held_weight(other) for other in others]
        if self.options.light:
            counts = likeness([self._light(other) for other in others])
            weights = [weight * count for weight, count in zip(weights, counts, strict=True)]
        if self.options.targets == "nearest" or len(others) < 2:
            pairs = zip(others, long_term_weights(weights), strict=True)
            return [TemporalTarget(self.warped(other), weight) for other, weight in pairs]
        mean = averaged([self.warped(other) for other in others], weights)
        sharp = self.options.targets == "sharp"
        return [with_detail(mean, self.warped(others[0]), weights[0]) if sharp else mean]

    def _tones(self) -> list[TemporalTarget]:
        """The nearest of the frames, as far as the means of areas go, where nothing moves.

        Where the picture moves, colours are left to find their places: there they do not drift
        for long, and held they cost style. So they are where the camera moves before what is far.
        """
        area = max(1, round(min(self.frame.shape[-2:]) * AREA))
        found = []
        for other in map(self._alike, self.step.temporal_from[:1]):
            steady = self._light(other).steady if self.options.light else 1.0
            strength = self.options.tone * steady
            weight = self.weight(other) * self._within(STILL, other) * strength
            found.append(TemporalTarget(self.warped(other), weight, area))
        return found

    def _within(self, pixels: float, other: int) -> Tensor:
        """1 where neither picture nor camera moved since another frame, near 0 beyond some pixels.

        exp(−(|flow|² + the camera's mean square) / pixels²), `(1, 1, H, W)`.
        """
        if other not in self._motions:
            flow = self.flow(other)
            camera = camera_motion(flow, self.frame).square().sum(dim=1).mean()
            self._motions[other] = flow.square().sum(dim=1, keepdim=True) + camera
        return torch.exp(-self._motions[other] / pixels**2)

    def _light(self, other: int) -> LightChange:
        """How much lighter the clip became since another frame."""
        if other not in self._lights:
            then = self.load_frame(other).to(self.frame.device)
            given = (then, self.frame, self.flow(other), self.weight(other))
            self._lights[other] = light_change(*given)
        return self._lights[other]

    def _filled(self, other: int) -> Tensor:
        """A frame brought onto this one, with what `options.disoccluded` says where it was hid."""
        if self.options.disoccluded == "warped":
            return self.warped(other)
        painted, weight = self.warped(other), self.weight(other)
        moves = self.options.disoccluded == "moved"
        filling = painted_colours(self.frame, painted, weight) if moves else self.frame
        return torch.lerp(filling, painted, weight)

    def _gain(self, other: int, moved: Tensor) -> float:
        """By what a painted frame is to grow lighter, on this frame's pixels."""
        furthest = (self.step.temporal_from or (other,))[-1]
        trend = self._light(furthest).size
        return self._light(other).gain(mean_light(moved, self.weight(other)), trend)

    def _alike(self, other: int) -> int:
        """That frame, or the one of those held to whose light is most like, if it is of a flash."""
        if not self.options.light or self.step.init != "warped":
            return other
        others = (other, *self.step.temporal_from)
        best = min(others, key=lambda each: self._light(each).size)
        flash = self._light(other).size - self._light(best).size > FLASH
        return best if flash else other

    def _blended(self, own: Tensor) -> Tensor:
        """δ c ∘ warped + (1 − δ c) ∘ own (Ruder et al. 2016, eq. 10, δ = `temporal.blend`)."""
        if not self.step.init_from:
            return own
        (other,) = self.step.init_from
        return torch.lerp(own, self.warped(other), self.options.blend * self.weight(other))
