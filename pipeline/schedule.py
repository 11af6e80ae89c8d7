"""The algorithm as plain data: which frame is painted when, from what, and held to what."""

from __future__ import annotations

from bisect import bisect_right
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
        init: what the optimisation starts from: "content", "random", "previous", "warped", or
            "blended" of its own last pass and a neighbour's warped frame.
        init_from: the painted frames of this pass that the start is made of.
        temporal_from: the painted frames that the temporal loss holds it to, the closest first.
        anchor: the painted frame that it is held to against drift, if any.
    """

    frame: int
    pass_index: int
    init: str
    init_from: tuple[int, ...] = ()
    temporal_from: tuple[int, ...] = ()
    anchor: int | None = None

    @property
    def result(self) -> Source:
        return Source(self.frame, self.pass_index)

    @property
    def before(self) -> Source | None:
        """The last pass's image of this frame, where the start is made of it."""
        return Source(self.frame, self.pass_index - 1) if self.init == "blended" else None

    @property
    def needs(self) -> tuple[Source, ...]:
        """The painted images that must be there first."""
        anchor = () if self.anchor is None else (self.anchor,)
        frames = dict.fromkeys((*self.init_from, *self.temporal_from, *anchor))
        same_pass = (Source(frame, self.pass_index) for frame in frames)
        return (*((self.before,) if self.before else ()), *same_pass)


def single_pass(shot: Shot, options: TemporalConfig) -> list[Step]:
    """One forward sweep over a shot (Ruder et al. 2016, sections 4.1 to 4.3).

    The first frame stands alone; each other starts from the one before it and is held to those at
    `options.offsets`, as far as the shot reaches back. Without weight no frame is held to any.
    """
    steps = [Step(shot.start, 0, options.first_init)]
    for frame in range(shot.start + 1, shot.stop):
        init_from = (frame - 1,) if options.init in ("warped", "previous") else ()
        held = _earlier(frame, shot, options) if options.weight else ()
        anchor = shot.start if options.anchor else None
        steps.append(Step(frame, 0, options.init, init_from, held, anchor))
    return steps


def multi_pass(shot: Shot, options: TemporalConfig) -> list[Step]:
    """Alternate sweeps over a shot (Ruder et al. 2016, section 4.4).

    In pass 0 every frame is painted on its own. From then on sweeps go forwards and backwards in
    turn: a frame starts from its own last image, blended with its neighbour's of the same sweep,
    and from `options.from_pass` on it is held to those that the sweep has passed, and to the
    sweep's first, the anchor.
    """
    frames = range(shot.start, shot.stop)
    steps = [Step(frame, 0, options.first_init) for frame in frames]
    for index in range(1, options.passes):
        order = frames if index % 2 else frames[::-1]
        held = index >= options.from_pass
        for frame in order:
            neighbour = () if frame == order[0] else (frame - order.step,)
            passed = _earlier(frame, shot, options, order.step) if held and options.weight else ()
            anchor = order[0] if held and options.anchor and neighbour else None
            steps.append(Step(frame, index, "blended", neighbour, passed, anchor))
    return steps


def _earlier(
    frame: int, shot: Shot, options: TemporalConfig, direction: int = 1
) -> tuple[int, ...]:
    """The frames at the offsets that a sweep has passed before it reaches a frame."""
    found = (frame - direction * offset for offset in sorted(set(options.offsets)))
    return tuple(earlier for earlier in found if shot.start <= earlier < shot.stop)


def schedule(shots: Sequence[Shot], options: TemporalConfig) -> list[Step]:
    """All steps of a run, in an order in which each finds what it needs."""
    sweep = multi_pass if options.passes > 1 else single_pass
    return [step for shot in shots for step in sweep(shot, options)]


def by_shot(shots: Sequence[Shot], steps: Iterable[Step]) -> dict[Shot, list[Step]]:
    """The steps of each shot, in their order."""
    starts = [shot.start for shot in shots]
    found: dict[Shot, list[Step]] = {shot: [] for shot in shots}
    for step in steps:
        found[shots[bisect_right(starts, step.frame) - 1]].append(step)
    return found


def results(steps: Iterable[Step]) -> list[Step]:
    """The last step of each frame, whose images the video is made of, in the frames' order."""
    last = {step.frame: step for step in steps}
    return [last[frame] for frame in sorted(last)]


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
        warped_from = step.init_from if step.init in ("warped", "blended") else ()
        anchor = () if step.anchor is None else (step.anchor,)
        for earlier in (*warped_from, *step.temporal_from, *anchor):
            found[step.frame, earlier] = None
    return list(found)
