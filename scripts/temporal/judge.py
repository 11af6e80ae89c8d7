"""Measure painted sequences: one scorer, one flow that no method painted by."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from pipeline import images, metrics
from pipeline.measure import measure_sequence
from pipeline.metrics import mean
from pipeline.scorer import Scorer
from scripts.temporal import methods
from scripts.temporal.methods import Method
from scripts.temporal.painting import Painted
from scripts.temporal.sequences import Sequence
from scripts.temporal.truth import Flows


class Judge:
    """Measures all methods of one sequence alike.

    Distances are those of `configs/ruder2016.toml`, without its weights. Style, content and
    iterations are means over the frames behind the first, which most methods share; sharpness is
    against that first frame. Of static shots "drift_still" is that of the still pixels alone.
    """

    def __init__(self, sequence: Sequence, side: int, flows: Flows) -> None:
        self.sequence = sequence
        self.flows = flows
        self.original = [images.to_tensor(pixels) for pixels in sequence.sized(side)]
        painting = images.read_painting(sequence.style)
        self.scorer = Scorer(methods.resolve(Method("ruder2016")), painting)
        self._pairs: dict[tuple[str, int, int], Tensor] = {}

    def measure(self, painted: Painted) -> dict[str, Any]:
        """One row."""
        offsets = self.sequence.offsets
        found = measure_sequence(
            self.original, painted.frames, self._flow, self._weight, offsets, scorer=self.scorer
        )
        summary = found.summary()
        long = self.sequence.long
        later = painted.records[1:]
        row = {
            "ewarp_short": found.ewarp_short,
            "ewarp_long": math.nan if long is None else found.ewarp_long,
            "ewarp": {str(offset): value for offset, value in summary["ewarp"].items()},
            "style_distance": mean(found.painted.style_distance[1:]),
            "content_distance": mean(found.painted.content_distance[1:]),
            **{key: summary[key] for key in ("sharpness", "sharpness_last", "drift")},
            **{key: summary[key] for key in ("drift_colour", "boiling", "trusted")},
            "trusted_long": math.nan if long is None else summary["trusted_by_offset"][long],
            "drift_still": self._still_drift(painted.frames),
            "ewarp_original_short": summary["ewarp_original_short"],
            "ewarp_original_long": math.nan if long is None else summary["ewarp_original_long"],
            "boiling_original": summary["boiling_original"],
            "style_distance_first": found.painted.style_distance[0],
            "iterations": mean(record["iterations"] for record in later),
            "seconds": mean(record["seconds"] for record in later),
            "frames": len(painted.frames),
        }
        return {key: _plain(value) for key, value in row.items()}

    def _still_drift(self, painted: list[Tensor]) -> float:
        """Drift of luminance over the pixels of a static shot that stand still, in levels."""
        if self.sequence.metric is None:
            return math.nan
        still = self._weight(1, 0)[0, 0] > 0  # (H, W)
        means = ([metrics.mean_colour(i[..., still]) for i in f] for f in (painted, self.original))
        return metrics.luminance(metrics.drift(*means))

    def _flow(self, i: int, j: int) -> Tensor:
        return self._kept("flow", i, j)

    def _weight(self, i: int, j: int) -> Tensor:
        return self._kept("weight", i, j)

    def _kept(self, kind: str, i: int, j: int) -> Tensor:
        if (kind, i, j) not in self._pairs:
            self._pairs[kind, i, j] = getattr(self.flows, kind)(i, j)
        return self._pairs[kind, i, j]


def _plain(value: Any) -> Any:
    """What JSON can hold: None for a number that there is not."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
