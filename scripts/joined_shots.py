"""Clips whose cuts are known, made of pieces that are one shot each."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.images import Pixels


@dataclass(frozen=True)
class Case:
    """A clip whose cuts are known: frames `(H, W, 3)` and the first frames of its later shots."""

    kind: str
    frames: list[Pixels]
    cuts: list[int]


def shuffled(
    pieces: list[list[Pixels]], chance: random.Random, shortest: int
) -> Iterator[list[Pixels]]:
    """All pieces in random order, each cut to a random length."""
    for piece in chance.sample(pieces, len(pieces)):
        length = chance.randint(min(shortest, len(piece)), min(60, len(piece)))
        start = chance.randint(0, len(piece) - length)
        yield piece[start : start + length]


def hard(kind: str, pieces: list[list[Pixels]], chance: random.Random) -> Case:
    """Hard cuts between shots of at least ten frames."""
    return _joined(kind, shuffled(pieces, chance, 10))


def blended(kind: str, pieces: list[list[Pixels]], chance: random.Random) -> Case:
    """Hard cuts whose first frame is a blend of both shots, as converted frame rates have them."""
    case = hard(kind, pieces, chance)
    frames = list(case.frames)
    for cut in case.cuts:
        frames[cut] = _mix(frames[cut - 1], frames[cut], 0.6)
    return Case(kind, frames, case.cuts)


def grey(kind: str, pieces: list[list[Pixels]], chance: random.Random) -> Case:
    """The same, black and white."""
    case = hard(kind, pieces, chance)
    frames = [np.repeat(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY)[..., None], 3, 2) for f in case.frames]
    return Case(kind, frames, case.cuts)


def dark(kind: str, pieces: list[list[Pixels]], chance: random.Random) -> Case:
    """The same, at a quarter of the light."""
    case = hard(kind, pieces, chance)
    return Case(kind, [frame // 4 for frame in case.frames], case.cuts)


def dissolves(kind: str, pieces: list[list[Pixels]], chance: random.Random) -> Case:
    """Each piece dissolves into the next over 8, 12 or 25 frames: no cut."""
    frames: list[Pixels] = []
    for piece in shuffled(pieces, chance, 20):
        length = min(chance.choice((8, 12, 25)), len(frames) // 2, len(piece) // 2)
        ramp = _ramp(frames[len(frames) - length :])
        both = [_mix(old, new, t) for (t, old), new in zip(ramp, piece[:length], strict=True)]
        frames = [*frames[: len(frames) - length], *both, *piece[length:]]
    return Case(kind, frames, [])


def fades(kind: str, pieces: list[list[Pixels]], chance: random.Random) -> Case:
    """Each piece fades in from black and out again, with 0, 2 or 6 black frames: no cut."""
    frames: list[Pixels] = []
    for piece in shuffled(pieces, chance, 24):
        length = chance.choice((8, 12))
        black = np.zeros_like(piece[0])
        frames += [_mix(black, f, t) for t, f in _ramp(piece[:length])]
        frames += piece[length:-length]
        frames += [_mix(f, black, t) for t, f in _ramp(piece[-length:])]
        frames += [black] * chance.choice((0, 2, 6))
    return Case(kind, frames, [])


def flashes(kind: str, pieces: list[list[Pixels]], chance: random.Random) -> Case:
    """Hard cuts, and in the middle of each shot one to three frames flare up."""
    case = _joined(kind, shuffled(pieces, chance, 24))
    frames = list(case.frames)
    for start, stop in zip([0, *case.cuts], [*case.cuts, len(frames)], strict=True):
        middle, strength = (start + stop) // 2, chance.uniform(0.5, 1)
        for number in range(middle, middle + chance.randint(1, 3)):
            white = np.full_like(frames[number], 255)
            frames[number] = _mix(frames[number], white, strength)
    return Case(kind, frames, case.cuts)


def _joined(kind: str, pieces: Iterable[list[Pixels]]) -> Case:
    frames: list[Pixels] = []
    cuts = []
    for piece in pieces:
        cuts.append(len(frames))
        frames += piece
    return Case(kind, frames, cuts[1:])


def _ramp(frames: list[Pixels]) -> Iterator[tuple[float, Pixels]]:
    for number, frame in enumerate(frames, 1):
        yield number / (len(frames) + 1), frame


def _mix(a: Pixels, b: Pixels, share: float) -> Pixels:
    return np.asarray(cv2.addWeighted(a, 1 - share, b, share, 0))


JOINTS: dict[str, Callable[[str, list[list[Pixels]], random.Random], Case]] = {
    "hard cuts": hard,
    "cuts with a blended frame": blended,
    "hard cuts, black and white": grey,
    "hard cuts, dark": dark,
    "dissolves": dissolves,
    "fades through black": fades,
    "hard cuts and flashes": flashes,
}
