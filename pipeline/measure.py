"""Measure whole clips: every frame of a painted clip beside the original's.

    metrics = measure_sequence(original, painted, store.flow, store.weight, scorer=Scorer(…))
    metrics.ewarp_short, metrics.painted.sharpness, metrics.summary()

It needs no files: whoever has the frames and a flow can measure.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from flow.warp import backward_warp
from pipeline import metrics
from pipeline.metrics import EDGE_FRAMES, Colour, known, largest, mean, means, ratio
from pipeline.scorer import Look, Scorer

OFFSETS = (1, 5, 10)
OfPair = Callable[[int, int], Tensor]
"""flow(i, j) (1, 2, H, W) or weight(i, j) (1, 1, H, W), on the pixels of frame i."""
Pairs = Mapping[int, tuple[Tensor, Tensor]]
"""Flow and weight from a frame to the one so many frames before it."""


class Frames(Protocol):
    """Frame i as an image (1, 3, H, W): a list, or what reads a frame when it is asked for.

    Frames are asked for in order, and then none further back than the largest offset.
    """

    def __getitem__(self, index: int, /) -> Tensor: ...


@dataclass
class Track:
    """What was measured of one version of a clip, frame by frame; NaN where there is nothing.

    `ewarp` is by offset, `sharpness` against the shot's first frame (NaN for that one itself),
    `colour` the mean colour in levels. The formulas stand in `metrics`, those of the distances in
    `scorer`.
    """

    ewarp: dict[int, list[float]]
    boiling: list[float] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)
    colour: list[Colour] = field(default_factory=list)
    style_distance: list[float] = field(default_factory=list)
    content_distance: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class SequenceMetrics:
    """A painted clip beside its original, over the frames of all spans in order.

    `trusted` is the share of trusted pixels, by offset and frame. A span is a shot, or what is
    painted of it. Means are over all frames that have the value, NaN where none has; "short" is
    the smallest offset, "long" the largest.
    """

    spans: tuple[range, ...]
    painted: Track
    original: Track
    trusted: dict[int, list[float]]

    @property
    def frames(self) -> list[int]:
        """The numbers of the frames that the lists go over."""
        return [frame for span in self.spans for frame in span]

    @property
    def ewarp_short(self) -> float:
        """The mean warping error over the smallest offset."""
        return mean(self.painted.ewarp[min(self.trusted)])

    @property
    def ewarp_long(self) -> float:
        """The mean warping error over the largest offset."""
        return mean(self.painted.ewarp[max(self.trusted)])

    @property
    def style_share(self) -> list[float]:
        """Each painted frame's style distance as a share of the untouched frame's."""
        pairs = zip(self.painted.style_distance, self.original.style_distance, strict=True)
        return [ratio(*pair) for pair in pairs]

    @property
    def drifts(self) -> list[Colour]:
        """How each span's mean colour drifts, in levels (`metrics.drift`)."""
        pairs = zip(*(self._by_span(t.colour) for t in (self.painted, self.original)), strict=True)
        return [metrics.drift(*pair) for pair in pairs]

    def worst(self, count: int = 5) -> list[tuple[int, float]]:
        """The frames with the largest short warping errors, and these, the worst first."""
        errors = zip(self.frames, self.painted.ewarp[min(self.trusted)], strict=True)
        found = [(frame, error) for frame, error in errors if math.isfinite(error)]
        return sorted(found, key=lambda pair: -pair[1])[:count]

    def summary(self) -> dict[str, Any]:
        """The clip's numbers by name; of drift the shot's where it is largest."""
        short, long = min(self.trusted), max(self.trusted)
        painted, original = self.painted, self.original
        ends = [value for part in self._by_span(painted.sharpness) for value in part[-EDGE_FRAMES:]]
        return {
            "ewarp_short": self.ewarp_short,
            "ewarp_long": self.ewarp_long,
            "ewarp": means(painted.ewarp),
            "ewarp_original_short": mean(original.ewarp[short]),
            "ewarp_original_long": mean(original.ewarp[long]),
            "ewarp_original": means(original.ewarp),
            "boiling": mean(painted.boiling),
            "boiling_original": mean(original.boiling),
            "sharpness": mean(painted.sharpness),
            "sharpness_last": mean(ends),
            "sharpness_original": mean(original.sharpness),
            "drift": largest(metrics.luminance(drift) for drift in self.drifts),
            "drift_colour": largest(mean(map(abs, drift)) for drift in self.drifts),
            "style_distance": mean(painted.style_distance),
            "style_distance_original": mean(original.style_distance),
            "style_share": statistics.median(known(self.style_share) or [math.nan]),
            "style_share_worst": largest(self.style_share),
            "content_distance": mean(painted.content_distance),
            "trusted": mean(self.trusted[short]),
            "trusted_by_offset": means(self.trusted),
        }

    def _by_span(self, values: Sequence[Any]) -> list[Sequence[Any]]:
        parts, start = [], 0
        for span in self.spans:
            parts.append(values[start : start + len(span)])
            start += len(span)
        return parts


def measure_sequence(
    original: Sequence[Tensor],
    painted: Sequence[Tensor],
    flow: OfPair,
    weight: OfPair,
    offsets: Sequence[int] = OFFSETS,
    spans: Sequence[range] | None = None,
    scorer: Scorer | None = None,
) -> SequenceMetrics:
    """Measure a painted clip beside its original; one shot, unless `spans` tells the shots.

    Args:
        original, painted: images (1, 3, H, W) in [0, 1], equally many of one size.
        flow, weight: `flow(i, j)` and `weight(i, j)` between the original's frames, j = i − offset.
        offsets: how many frames back each frame is compared with, inside of its span.
        spans: ranges of frame numbers.
        scorer: what gives the style and content distances; without it they are NaN.
    """
    found = measure_versions(
        original,
        {"painted": painted},
        flow,
        weight,
        offsets,
        (range(len(original)),) if spans is None else spans,
        scorer,
    )
    return found["painted"]


def measure_versions(
    original: Frames,
    versions: Mapping[str, Frames],
    flow: OfPair,
    weight: OfPair,
    offsets: Sequence[int],
    spans: Sequence[range],
    scorer: Scorer | None = None,
    progress: Callable[[int], None] = lambda frame: None,
) -> dict[str, SequenceMetrics]:
    """Measure several painted versions of one clip at once, so that each flow is asked for once.

    As `measure_sequence`; `progress(i)` is called when all of frame i is measured, after which no
    flow or weight from frame i or of an earlier pair is asked for again.
    """
    sides = [(frames, Track({k: [] for k in offsets})) for frames in (original, *versions.values())]
    trusted: dict[int, list[float]] = {offset: [] for offset in offsets}
    for span in spans:
        energies = [metrics.gradient_energy(frames[span.start]) for frames, _ in sides]
        for i in span:
            back = [offset for offset in offsets if i - offset >= span.start]
            pairs = {k: (flow(i, i - k), weight(i, i - k)) for k in back}
            for k, shares in trusted.items():
                shares.append(metrics.trusted_share(pairs[k][1]) if k in pairs else math.nan)
            seen: Look | None = None  # the original's, which is the first side
            for (frames, track), energy in zip(sides, energies, strict=True):
                image = frames[i]
                _measure_motion(track, image, frames, i, pairs, span)
                _measure_picture(track, image, energy if i > span.start else math.nan)
                seen = _score(track, image, seen, scorer)
            progress(i)
    (_, own), *others = sides
    found = (SequenceMetrics(tuple(spans), track, own, trusted) for _, track in others)
    return dict(zip(versions, found, strict=True))


def _measure_motion(
    track: Track, image: Tensor, frames: Frames, i: int, pairs: Pairs, span: range
) -> None:
    """Warping errors; and boiling, where all offsets that fit into the span reach back inside."""
    warped = {k: backward_warp(frames[i - k], flow) for k, (flow, _) in pairs.items()}
    for k, errors in track.ewarp.items():
        there = k in pairs
        errors.append(metrics.trusted_error(image, warped[k], pairs[k][1]) if there else math.nan)
    complete = bool(pairs) and all(k in pairs for k in track.ewarp if k < len(span))
    weights = [weight for _, weight in pairs.values()]
    boils = metrics.boiling(image, list(warped.values()), weights) if complete else math.nan
    track.boiling.append(boils)


def _measure_picture(track: Track, image: Tensor, first_energy: float) -> None:
    track.sharpness.append(ratio(metrics.gradient_energy(image), first_energy))
    track.colour.append(metrics.mean_colour(image))


def _score(
    track: Track, image: Tensor, original: Look | None, scorer: Scorer | None
) -> Look | None:
    """Distances of an image; answers the original's look, which is the image's own if not given."""
    looked = scorer.look(image) if scorer else None
    original = original or looked
    style, content = math.nan, math.nan
    if scorer and looked and original:
        style, content = looked.style_distance, scorer.between(looked, original)
    track.style_distance.append(style)
    track.content_distance.append(content)
    return original
