"""The algorithm as plain data: which frame is painted when, from what, and held to what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.sections import TemporalConfig
from pipeline.shots import Shot


@dataclass(frozen=True)
class Source:
    """One finished image, that is one file: a frame as a pass painted it."""

    frame: int
    pass_index: int


@dataclass(frozen=True)
class Step:
    """One image to paint.

    Attributes:
        frame: the number of the frame.
        pass_index: the pass over the shot, from 0.
        init: what the optimisation starts from: "content", "random", "previous" or "warped".
        init_from: the painted frames that the start is made of.
        temporal_from: the painted frames that the temporal loss holds it to, the closest first.
    """

    frame: int
    pass_index: int
    init: str
    init_from: tuple[int, ...] = ()
    temporal_from: tuple[int, ...] = ()

    @property
    def result(self) -> Source:
        return Source(self.frame, self.pass_index)

    @property
    def needs(self) -> tuple[Source, ...]:
        """The painted images that must be there first."""
        frames = dict.fromkeys((*self.init_from, *self.temporal_from))
        return tuple(Source(frame, self.pass_index) for frame in frames)


def single_pass(shot: Shot, options: TemporalConfig) -> list[Step]:
    """One forward sweep over a shot (Ruder et al. 2016, sections 4.1 to 4.3).

    The first frame stands alone; each other starts from the one before it and is held to those at
    `options.offsets`, as far as the shot reaches back. Without weight no frame is held to any.
    """
    steps = [Step(shot.start, 0, options.first_init)]
    for frame in range(shot.start + 1, shot.stop):
        init_from = (frame - 1,) if options.init in ("warped", "previous") else ()
        offsets = sorted(set(options.offsets)) if options.weight else ()
        held = tuple(frame - offset for offset in offsets if frame - offset >= shot.start)
        steps.append(Step(frame, 0, options.init, init_from, held))
    return steps


def schedule(shots: Sequence[Shot], options: TemporalConfig) -> list[Step]:
    """All steps of a run, in an order in which each finds what it needs."""
    return [step for shot in shots for step in single_pass(shot, options)]


def needed_for(steps: Sequence[Step], frames: Iterable[int]) -> list[Step]:
    """The steps that paint the given frames, and all that they build on, in order."""
    wanted = set(frames)
    needed: set[Source] = set()
    found = []
    for step in reversed(steps):
        if step.frame in wanted or step.result in needed:
            needed |= set(step.needs)
            found.append(step)
    return found[::-1]


def pairs(steps: Iterable[Step]) -> list[tuple[int, int]]:
    """The (i, j) whose backward flow the steps read, each once, in order."""
    found: dict[tuple[int, int], None] = {}
    for step in steps:
        warped_from = step.init_from if step.init == "warped" else ()
        for earlier in (*warped_from, *step.temporal_from):
            found[step.frame, earlier] = None
    return list(found)
