"""Time: moments and rates as the config gives them, and the timeline of the painted frames."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from pipeline.errors import MediaError
from pipeline.keytypes import RATE
from pipeline.media.colour import Colour
from pipeline.media.geometry import Geometry
from pipeline.sections import InputConfig

ROUNDED = Fraction(1, 1000)  # the tick of containers that round every time: Matroska, FLV, ASF
STANDARD_RATES = tuple(
    Fraction(*rate)
    for rate in (
        (24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1), (60000, 1001),
        (60, 1), (12, 1), (15, 1), (120000, 1001), (120, 1),
    )
)  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """A place in the clip: seconds from its zero, or a frame counted from 0."""

    seconds: Fraction | None = None
    frame: int | None = None


def as_moment(value: float | str) -> Moment:
    """Read seconds (4.64), a timecode ("00:00:04.64") or a frame ("120f")."""
    text = str(value) if not isinstance(value, float) else f"{value:.9f}"
    if text.endswith("f"):
        return Moment(frame=int(text[:-1]))
    seconds = Fraction(0)
    for part in text.split(":"):
        seconds = seconds * 60 + Fraction(part)
    return Moment(seconds=seconds)


def as_rate(value: float | str) -> Fraction:
    """Read frames per second: 12, "24000/1001"; 23.976 means the broadcast rate 24000/1001."""
    found = RATE.fullmatch(str(value))
    assert found is not None, "the config has checked it"
    return broadcast(Fraction(found[1]) / int(found[2] or 1))


def broadcast(rate: Fraction) -> Fraction:
    """The exact rate (24000/1001) behind a rounded one (23.976); any other stays as it is."""
    for standard in STANDARD_RATES:
        if standard.denominator == 1001 and abs(rate - standard) < Fraction(6, 1000):
            return standard
    return rate


@dataclass(frozen=True)
class Damage:
    """What of a clip did not decode, or not as the rest.

    `failed` of `packets` packets gave no picture; `near` are the seconds around which there were
    errors; `expected` is how many frames the file says that it has, where it has fewer; `missing`
    how many seconds less than it says could be read; `stretched` says which frame has another
    shape than the first.
    """

    packets: int = 0
    failed: int = 0
    near: tuple[str, ...] = ()
    expected: int | None = None
    missing: str | None = None
    stretched: str | None = None

    def notes(self, frames: int) -> tuple[str, ...]:
        """What a user should be told of it, one line each; `frames` is how many were read."""
        notes = []
        if self.failed:
            notes.append(f"{self.failed} of {self.packets} packets did not decode")
        if self.near:
            notes.append(f"damaged near {', '.join(self.near)}: what could be repaired is painted")
        if self.expected is not None and self.expected != frames:
            notes.append(f"the file says {self.expected} frames, {frames} could be read")
        if self.missing is not None:
            notes.append(f"the file says {self.missing} s more of video than could be read")
        if self.stretched is not None:
            notes.append(f"{self.stretched}: all frames are stretched to the shape of the first")
        return tuple(notes)


@dataclass(frozen=True)
class Timeline:
    """All that encoding needs to know of the frames, once they lie in files.

    `ticks[i]` is when frame i is shown and `end` when the last one goes, in units of `time_base`
    seconds from the painted clip's zero; `origin` is the clip's own time of that zero and `stop` of
    the end that was asked for, in seconds; `deep` tells frames of 16 bits from those of 8.
    """

    time_base: Fraction
    ticks: tuple[int, ...]
    end: int
    origin: Fraction
    stop: Fraction | None
    geometry: Geometry
    colour: Colour
    deep: bool
    damage: Damage = field(default_factory=Damage)

    def __len__(self) -> int:
        return len(self.ticks)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should be told of the clip's damage, one line each."""
        return self.damage.notes(len(self.ticks))

    @property
    def times(self) -> list[Fraction]:
        """When each frame is shown, in seconds."""
        return [tick * self.time_base for tick in self.ticks]

    @property
    def constant_rate(self) -> Fraction | None:
        """Frames per second, where every frame lasts equally long."""
        steps = {b - a for a, b in zip(self.ticks, (*self.ticks[1:], self.end), strict=True)}
        return 1 / (steps.pop() * self.time_base) if len(steps) == 1 else None

    @property
    def mean_rate(self) -> Fraction:
        """Frames per second on the average, as an encoder wants to know it."""
        span = (self.end - self.ticks[0]) * self.time_base
        return (len(self.ticks) / span).limit_denominator(10000)

    def first(self, count: int) -> Timeline:
        """The timeline of the first `count` frames alone, as a clip that ends there."""
        if count >= len(self.ticks):
            return self
        end = self.ticks[count]
        return replace(
            self, ticks=self.ticks[:count], end=end, stop=self.origin + end * self.time_base
        )

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data; fractions are strings."""
        data = asdict(self)
        for key in ("time_base", "origin", "stop"):
            data[key] = None if data[key] is None else str(data[key])
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Timeline:
        """The inverse of `to_json`, also after a way through a JSON file."""
        data = json.loads(json.dumps(data))
        damage = Damage(**{**data["damage"], "near": tuple(data["damage"]["near"])})
        return cls(
            time_base=Fraction(data["time_base"]),
            ticks=tuple(data["ticks"]),
            end=data["end"],
            origin=Fraction(data["origin"]),
            stop=None if data["stop"] is None else Fraction(data["stop"]),
            geometry=Geometry.from_json(data["geometry"]),
            colour=Colour(**data["colour"]),
            deep=data["deep"],
            damage=damage,
        )


def exact_grid(
    times: Sequence[Fraction], tick: Fraction, rates: Sequence[Fraction]
) -> tuple[Fraction, list[int]] | None:
    """The constant rate behind times that a container has rounded to its `tick` (Matroska: 1 ms).

    Answers (time base, ticks) on the exact grid of the first of `rates` that all times are within
    one tick of, or None.
    """
    if tick != ROUNDED or len(times) < 2:
        return None
    for rate in rates:
        if rate <= 0 or 1 / rate < 2 * tick:
            continue
        first = round(times[0] * rate)
        if all(abs(time - (first + n) / rate) <= tick for n, time in enumerate(times)):
            return 1 / rate, [first + n for n in range(len(times))]
    return None


def evened(times: list[Fraction]) -> list[Fraction]:
    """Times of a container without presentation times (AVI), where ffmpeg had to guess the first.

    With B-frames it leaves a hole of one or two frames after the first one; all later ones are
    evenly spaced and come too late by that.
    """
    if len(times) < 3:
        return times
    step, hole = times[2] - times[1], times[1] - times[0]
    even = all(b - a == step for a, b in pairwise(times[1:]))
    if not even or hole not in (2 * step, 3 * step):
        return times
    return [times[0] + n * step for n in range(len(times))]


def increasing(ticks: Iterable[int]) -> list[int]:
    """Ticks of which none is before or at its predecessor: a broken clip repeats times."""
    found: list[int] = []
    for tick in ticks:
        found.append(max(tick, found[-1] + 1) if found else tick)
    return found


def check_range(options: InputConfig) -> tuple[Moment | None, Moment | None]:
    """Read `input.start` and `input.end`, before anything of the clip is.

    Raises:
        MediaError: the end is not after the start.
    """
    start = None if options.start is None else as_moment(options.start)
    end = None if options.end is None else as_moment(options.end)
    if start is None or end is None:
        return start, end
    for low, high in ((start.seconds, end.seconds), (start.frame, end.frame)):
        if low is not None and high is not None and high <= low:
            raise MediaError(
                f"input.end = {options.end} is not after input.start = {options.start}:"
                " nothing to paint"
            )
    return start, end
