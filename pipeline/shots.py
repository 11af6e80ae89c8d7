"""Shots: where the clip is cut, so that no frame is held to one of another shot.

A cut is an abrupt change to another picture. A dissolve or a fade changes little from one frame to
the next and stays within one shot; so does a flash, after which the picture comes back.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from scenedetect import FrameTimecode
from scenedetect.detector import SceneDetector
from scenedetect.detectors import AdaptiveDetector, ContentDetector

from pipeline.errors import ConfigError
from pipeline.images import Pixels
from pipeline.sections import ShotsConfig
from pipeline.words import many

logger = logging.getLogger("brushflow")

ANALYSIS_WIDTH = 320  # cuts show at any size; a small one is quick, and PySceneDetect does so too
WINDOW = 2  # frames on either side that the adaptive detector compares with
ADAPTIVE_THRESHOLD = 2.0  # PySceneDetect's own is 3: we look again at what it finds
ADAPTIVE_LEAST = 10.0  # and at least so much change, of 255; its own, 15, misses cuts in grey films
CONTENT_THRESHOLD = 27.0
# A flash: within so many frames, a picture of 32x18 pixels comes back so near (mean difference of
# 255) to the one before it, and within half of the jump. Across cuts between the benchmark's clips
# this is never under 29, and within a shot hardly ever over 24.
FLASH_FRAMES = 8
FLASH_NEAR = 24.0
# A dissolve or a fade: over so many frames the same small pictures go on changing, to at least so
# many times the first change. Hue is noise where it is dark, so that the detectors cut there.
GRADUAL_FRAMES = 5
GRADUAL_GROWTH = 2.0


@dataclass(frozen=True)
class Shot:
    """Frames [start, stop) without a cut among them."""

    index: int
    start: int
    stop: int


# The frames in order -> the numbers of the frames that begin a new shot (frame 0 need not be said).
Detector = Callable[[Iterable[Pixels], ShotsConfig], list[int]]


def find_shots(
    detector: Detector,
    frames: Iterable[Pixels],
    options: ShotsConfig,
    cuts: Iterable[int | None] = (),
) -> list[Shot]:
    """Run a detector over all frames `(H, W, 3)` and give the shots between its cuts and `cuts`.

    `cuts` are those by hand, as the run's frame numbers, None for one outside of the run: each
    stands, and replaces what the detector found nearer to it than `options.min_length`. They are
    read after the frames.

    Raises:
        ConfigError: a cut by the user's hand or detector where there is no frame.
    """
    count = 0

    def counted() -> Iterable[Pixels]:
        nonlocal count
        for frame in frames:
            count += 1
            yield frame

    counting = iter(counted())
    found: object = detector(counting, options)
    if not isinstance(found, Sequence):
        kind = type(found).__name__
        raise ConfigError(f"shots.detector: it gave {kind}; wanted is a list of frame numbers")
    for _ in counting:
        pass  # a detector need not look at every frame
    given = list(cuts)
    by_hand = {cut for cut in given if cut is not None}
    if None in given:
        outside = many(given.count(None), "cut lies", "cuts lie")
        logger.info("shots.cuts: %s outside of what is painted", outside)
    for key, numbers in (("shots.detector", found), ("shots.cuts", sorted(by_hand))):
        bad = [cut for cut in numbers if not 0 <= cut < count]
        if bad:
            raise ConfigError(f"{key}: a cut at frame {bad[0]}, but the clip has {count}")
    free = (f for f in found if all(abs(f - hand) >= options.min_length for hand in by_hand))
    edges = sorted({0, *free, *by_hand, count})
    return [Shot(index, *edge) for index, edge in enumerate(itertools.pairwise(edges))]


def adaptive(frames: Iterable[Pixels], options: ShotsConfig) -> list[int]:
    """PySceneDetect's AdaptiveDetector: a change that stands out among those around it."""
    detector = AdaptiveDetector(
        options.threshold or ADAPTIVE_THRESHOLD,
        min_scene_len=0,
        window_width=WINDOW,
        min_content_val=ADAPTIVE_LEAST,
    )
    return _detect(detector, frames, options.min_length)


def content(frames: Iterable[Pixels], options: ShotsConfig) -> list[int]:
    """PySceneDetect's ContentDetector: the mean change of hue, saturation and value."""
    detector = ContentDetector(options.threshold or CONTENT_THRESHOLD, min_scene_len=0)
    return _detect(detector, frames, options.min_length)


def none(frames: Iterable[Pixels], options: ShotsConfig) -> list[int]:
    """The whole clip is one shot, save for the cuts by hand."""
    return []


def _detect(detector: SceneDetector, frames: Iterable[Pixels], min_length: int) -> list[int]:
    """The cuts that a detector finds, at least `min_length` frames apart, without flashes and
    gradual changes.

    The first and the last shot may be shorter, since the clip's ends are no cuts.
    """
    flash = min(FLASH_FRAMES, min_length)
    ahead = max(flash, GRADUAL_FRAMES)
    recent: deque[tuple[int, Pixels]] = deque(maxlen=GRADUAL_FRAMES + ahead + WINDOW + 1)
    waiting: deque[int] = deque()
    cuts: list[int] = []
    back = -1  # the frame at which the picture was back after the last flash
    for number, found in _candidates(detector, frames, recent):
        waiting += found
        while waiting and (number is None or number >= waiting[0] + ahead + WINDOW - 1):
            cut, tiny = waiting.popleft(), dict(recent)
            returned = _returns(cut, tiny, flash)
            if returned is not None:
                back = max(back, returned)
            elif cut > back and not _gradual(cut, tiny):
                cuts.append(cut)
    return _spaced(cuts, min_length)


def _candidates(
    detector: SceneDetector, frames: Iterable[Pixels], recent: deque[tuple[int, Pixels]]
) -> Iterator[tuple[int | None, list[int]]]:
    """(number, the cuts found now) for each frame, and (None, …) at the end; fills `recent`.

    The detector compares with the frames on both sides, so both ends of the clip are shown to it
    mirrored: held instead, steady motion would seem to halve there, and stand out as a cut.
    """
    fed = itertools.count()

    def feed(small: Pixels) -> list[int]:
        # Any rate does: the detector is asked for frame numbers, and told its lengths in frames.
        found = detector.process_frame(FrameTimecode(next(fed), Fraction(25)), small)
        return [cut.frame_num - WINDOW for cut in found]

    smalls = map(_small, frames)
    first, count = list(itertools.islice(smalls, WINDOW + 1)), 0
    last: deque[Pixels] = deque(maxlen=WINDOW + 1)
    for small in _mirrored(first[::-1]):
        feed(small)
    for number, small in enumerate(itertools.chain(first, smalls)):
        last.append(small)
        recent.append((number, _tiny(small)))
        yield number, [cut for cut in feed(small) if cut > 0]
        count = number + 1
    found = [cut for small in _mirrored(list(last))[::-1] for cut in feed(small)]
    yield None, [cut for cut in found if 0 < cut < count]


def _mirrored(towards: list[Pixels]) -> list[Pixels]:
    """`WINDOW` frames beyond an end of the clip, the outermost first, of those towards that end."""
    return (towards * (WINDOW + 1))[:-1][-WINDOW:]  # of fewer, mirrored again and again


def _returns(cut: int, tiny: dict[int, Pixels], horizon: int) -> int | None:
    """The frame less than `horizon` after a cut that again shows what was before it, or None."""
    before = tiny[cut - 1]
    limit = min(FLASH_NEAR, _difference(before, tiny[cut]) / 2)
    after = (number for number in range(cut + 1, cut + horizon) if number in tiny)
    return next((number for number in after if _difference(before, tiny[number]) < limit), None)


def _gradual(cut: int, tiny: dict[int, Pixels]) -> bool:
    """Whether the change at a cut is but a small part of one that goes on before or after it.

    The median over the frames, so that a flash near a cut does not hide it.
    """
    limit = GRADUAL_GROWTH * _difference(tiny[cut - 1], tiny[cut])
    steps = range(GRADUAL_FRAMES)
    after = [_difference(tiny[cut - 1], tiny[cut + k]) for k in steps if cut + k in tiny]
    before = [_difference(tiny[cut - 1 - k], tiny[cut]) for k in steps if cut - 1 - k in tiny]
    return max(float(np.median(after)), float(np.median(before))) > limit


def _spaced(cuts: list[int], min_length: int) -> list[int]:
    """Of cuts too close the last: a piece too short goes to the shot before it, which is spoilt
    for a few frames, where the next shot would be from its start."""
    kept: list[int] = []
    for cut in reversed(cuts):
        if not kept or kept[0] - cut >= min_length:
            kept.insert(0, cut)
    return kept


def _difference(a: Pixels, b: Pixels) -> float:
    return float(np.abs(a.astype(np.float32) - b).mean())


def _tiny(small: Pixels) -> Pixels:
    return np.asarray(cv2.resize(small, (32, 18), interpolation=cv2.INTER_AREA))


def _small(pixels: Pixels) -> Pixels:
    """BGR of 8 bits and about `ANALYSIS_WIDTH` pixels across, as PySceneDetect wants it."""
    height, width = pixels.shape[:2]
    scale = min(1.0, ANALYSIS_WIDTH / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    if small.dtype == np.uint16:
        small = (small // 257).astype(np.uint8)
    return np.ascontiguousarray(small[..., ::-1])


DETECTORS: dict[str, Detector] = {"adaptive": adaptive, "content": content, "none": none}
