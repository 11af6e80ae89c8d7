"""What was measured, to be read: a table for people, JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pipeline.measure import SequenceMetrics
from pipeline.metrics import ratio
from pipeline.sections import FlowConfig
from pipeline.sheets import timecode
from pipeline.words import many

Number = Callable[[float], str]


@dataclass(frozen=True)
class Evaluation:
    """A painted clip, measured, and another version of it that it stands against, if any.

    `size` is (width, height); `flow` and `scorer` say by what was measured; `times` are the
    seconds of the painted clip at which its frames are shown.
    """

    painted: SequenceMetrics
    against: SequenceMetrics | None
    names: Mapping[str, str]
    size: tuple[int, int]
    flow: str
    scorer: str
    times: Mapping[int, Fraction]

    def lines(self) -> Iterator[str]:
        """The table, line by line."""
        for role, name in self.names.items():
            yield f"{role + ':':10}{name}"
        spans, (width, height) = self.painted.spans, self.size
        frames, shots = many(len(self.painted.frames), "frame"), many(len(spans), "shot")
        yield f"{'measured:':10}{frames} of {width}x{height} in {shots}"
        yield f"{'flow:':10}{self.flow}"
        yield f"{'losses:':10}{self.scorer}"
        yield ""
        yield from self._table()
        yield ""
        worst = [
            f"{frame} at {timecode(self.times[frame])} ({_tiny(error)})"
            for frame, error in self.painted.worst()
        ]
        if any(map(math.isnan, self.painted.summary()["ewarp"].values())):
            yield "–: nothing to measure: no shot is long enough, or no pixel can be trusted"
        if worst:
            yield f"worst frames, by the warping error between neighbours: {', '.join(worst)}"

    def to_json(self) -> dict[str, Any]:
        """All numbers by name, NaN as None."""
        ours = self.painted.summary()
        worst = [
            {"frame": frame, "time": timecode(self.times[frame]), "ewarp_short": error}
            for frame, error in self.painted.worst()
        ]
        data: dict[str, Any] = {
            **self.names,
            "frames": len(self.painted.frames),
            "size": self.size,
            "shots": [[span.start, span.stop] for span in self.painted.spans],
            "flow": self.flow,
            "scorer": self.scorer,
            **ours,
            "worst": worst,
            "drift_by_shot": self.painted.drifts,
            "per_frame": per_frame(self.painted),
        }
        if self.against is not None:
            theirs = self.against.summary()
            ratios = {
                name: ratio(abs(value), abs(theirs[name]))
                for name, value in ours.items()
                if isinstance(value, float) and not name.endswith(("original", "trusted"))
            }
            data["against_metrics"] = {**theirs, "per_frame": per_frame(self.against)}
            data["ratio"] = ratios
        plain: dict[str, Any] = _plain(data)
        return plain

    def _table(self) -> Iterator[str]:
        """Rows of the painted clip, the clip itself, the other version, and the ratio of both."""
        ours = self.painted.summary()
        theirs = self.against.summary() if self.against else None
        heads = ["painted", "the clip", *(["against", "ratio"] if theirs else [])]
        yield " " * 42 + "".join(f"{head:>12}" for head in heads)
        for label, key, beside, number in rows(list(ours["ewarp"])):
            value, own = (_find(ours, name) for name in (key, beside))
            cells = [number(value), number(own) if beside else ""]
            if theirs:
                other = _find(theirs, key)
                cells += [number(other), _factor(ratio(abs(value), abs(other)))]
            if key.startswith("trusted"):
                cells = cells[:1]  # the clip's, whoever painted it
            if not (key.startswith("style") and math.isnan(value)):
                yield f"{label:42}" + "".join(f"{cell:>12}" for cell in cells)


def flow_words(options: FlowConfig) -> str:
    """What is said of the flow that was measured by."""
    name = options.estimator + (f" {options.preset}" if options.estimator == "dis" else "")
    files = f"{options.files}, what it lacks by {name}" if options.files else name
    return f"{files}; trusted by the {options.check} check"


def rows(offsets: Sequence[int]) -> list[tuple[str, str, str, Number]]:
    """The rows of the table: words, the key of the value, that of the clip's own, and its form."""
    apart = [(f"{many(k, 'frame')} apart", k) for k in offsets]
    return [
        *(
            (f"warping error, {words}", f"ewarp.{k}", f"ewarp_original.{k}", _tiny)
            for words, k in apart
        ),
        ("boiling, levels of 255", "boiling", "boiling_original", _plainly),
        ("sharpness, against a shot's first frame", "sharpness", "sharpness_original", _percent),
        ("  in the last frames of a shot", "sharpness_last", "", _percent),
        ("drift of luminance, levels of 255", "drift", "", _signed),
        ("drift of colour, levels of 255", "drift_colour", "", _plainly),
        ("style distance", "style_distance", "style_distance_original", _plainly),
        ("  share of the clip's, median frame", "style_share", "", _percent),
        ("  worst frame", "style_share_worst", "", _percent),
        ("content distance", "content_distance", "", _plainly),
        *(
            (f"trusted pixels, {words}", f"trusted_by_offset.{k}", "", _percent)
            for words, k in apart
        ),
    ]


def per_frame(found: SequenceMetrics) -> dict[str, Any]:
    """The measures of each frame, as lists over `frame`; colours are (R, G, B) in levels."""
    painted, original = found.painted, found.original
    return {
        "frame": found.frames,
        "ewarp": painted.ewarp,
        "ewarp_original": original.ewarp,
        "trusted": found.trusted,
        "boiling": painted.boiling,
        "sharpness": painted.sharpness,
        "colour": painted.colour,
        "colour_original": original.colour,
        "style_distance": painted.style_distance,
        "style_share": found.style_share,
        "content_distance": painted.content_distance,
    }


def _find(summary: Mapping[str, Any], key: str) -> float:
    """`ewarp.5` is the value of that offset."""
    name, _, offset = key.partition(".")
    value = summary.get(name, math.nan)
    return float(value[int(offset)] if offset else value)


def _plain(value: Any) -> Any:
    """As JSON holds it: NaN becomes None, keys become strings."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _tiny(value: float) -> str:
    if not value or math.isnan(value):
        return "0" if value == 0 else "–"
    digits, _, exponent = f"{value:.1e}".partition("e")
    return f"{digits}e{int(exponent)}"


def _plainly(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _signed(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.2f}"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.{1 if abs(value) >= 0.01 else 2}f} %"


def _factor(value: float) -> str:
    return "–" if math.isnan(value) else f"× {value:.3g}"
