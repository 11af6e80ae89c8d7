"""What is measured at which size: the whole benchmark, and a quick first answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.cases import Size, Span, several, spans

PARTS = ("evaluation", "warped", "first", "precision", "pastiche", "memory", "growth")


@dataclass(frozen=True)
class Plan:
    """Sizes and frames of each part.

    Attributes:
        warped: spans whose later frames are painted by both sides, by size.
        first: spans whose first frame is.
        precision: spans whose first two frames are painted in low precision too, by size.
        starts: from how many starts each of these first frames is.
        stills: sizes at which `pastiche` paints the first frame.
        evaluation: sizes of single evaluations.
        megapixel: sizes of whole frames by the default.
        memory: sizes whose peak memory is measured.
        growth: how many tiny frames are painted in a row.
        rounds: how often each time is taken.
    """

    warped: dict[Size, tuple[Span, ...]]
    first: dict[Size, tuple[Span, ...]]
    precision: dict[Size, tuple[Span, ...]]
    starts: int
    stills: tuple[Size, ...]
    evaluation: tuple[Size, ...]
    megapixel: tuple[Size, ...]
    memory: tuple[Size, ...]
    growth: int
    rounds: int

    @property
    def spans(self) -> dict[Size, tuple[Span, ...]]:
        """All spans by size, each once."""
        sizes = dict.fromkeys((*self.warped, *self.first))
        return {
            size: tuple(dict.fromkeys((*self.warped.get(size, ()), *self.first.get(size, ()))))
            for size in sizes
        }


def whole(clips: Path | None) -> Plan:
    """All of it: hours for the baselines, once; half an hour for the rest."""
    small, middle, large = Size(320, 180), Size(640, 360), Size(1280, 720)
    usual, quick_motion = spans(clips)
    quick_first = Span(quick_motion.clip, quick_motion.first, 1)
    return Plan(
        warped={small: (usual, quick_motion), middle: (usual, quick_first)},
        first={small: (usual,), middle: (usual,)},
        precision={Size(160, 90): several(clips)},
        starts=5,
        stills=(Size(256, 144), Size(512, 288)),
        evaluation=(small, middle),
        megapixel=(small, middle, large),
        memory=(middle, large, Size(1920, 1080), Size(3840, 2160)),
        growth=200,
        rounds=3,
    )


def quick(clips: Path | None) -> Plan:
    """A first answer within ten minutes, baselines included."""
    tiny, small = Size(160, 90), Size(320, 180)
    usual, quick_motion = spans(clips)
    hard = Span(quick_motion.clip, quick_motion.first + 1, 1)
    return Plan(
        warped={tiny: (usual, hard)},
        first={tiny: (usual,)},
        precision={Size(80, 45): (usual,)},
        starts=3,
        stills=(Size(128, 80),),
        evaluation=(tiny, small),
        megapixel=(tiny, small),
        memory=(small, Size(640, 360)),
        growth=60,
        rounds=3,
    )
