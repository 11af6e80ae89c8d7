"""Shots: where the clip is cut, so that no frame is held to one of another shot."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from scenedetect import FrameTimecode
from scenedetect.detector import SceneDetector
from scenedetect.detectors import ContentDetector

from pipeline.errors import ConfigError
from pipeline.images import Pixels
from pipeline.sections import ShotsConfig

ANALYSIS_WIDTH = 320  # cuts show at any size; a small one is quick, and PySceneDetect does so too


@dataclass(frozen=True)
class Shot:
    """Frames [start, stop) without a cut among them."""

    index: int
    start: int
    stop: int


# The frames in order -> the numbers of the frames that begin a new shot (frame 0 need not be said).
Detector = Callable[[Iterable[Pixels], ShotsConfig], list[int]]


def find_shots(detector: Detector, frames: Iterable[Pixels], options: ShotsConfig) -> list[Shot]:
    """Run a detector over all frames `(H, W, 3)` and give the shots between its cuts.

    Raises:
        ConfigError: a detector of the user's that gives a cut where there is no frame.
    """
    count = 0

    def counted() -> Iterable[Pixels]:
        nonlocal count
        for frame in frames:
            count += 1
            yield frame

    counting = iter(counted())
    found = detector(counting, options)
    for _ in counting:
        pass  # a detector need not look at every frame
    bad = [cut for cut in found if not 0 <= cut < count]
    if bad:
        raise ConfigError(f"shots.detector: a cut at frame {bad[0]}, but the clip has {count}")
    edges = sorted({0, *found, count})
    return [Shot(index, *edge) for index, edge in enumerate(itertools.pairwise(edges))]


def content(frames: Iterable[Pixels], options: ShotsConfig) -> list[int]:
    """PySceneDetect's ContentDetector: the mean change of hue, saturation and value."""
    return _detect(ContentDetector(options.threshold, options.min_length), frames)


def none(frames: Iterable[Pixels], options: ShotsConfig) -> list[int]:
    """The whole clip is one shot."""
    return []


def _detect(detector: SceneDetector, frames: Iterable[Pixels]) -> list[int]:
    # Any rate does: the detector is asked for frame numbers, and told its lengths in frames.
    rate = Fraction(25)
    cuts: list[FrameTimecode] = []
    timecode = FrameTimecode(0, rate)
    for number, frame in enumerate(frames):
        timecode = FrameTimecode(number, rate)
        cuts += detector.process_frame(timecode, _small(frame))
    cuts += detector.post_process(timecode)
    return [cut.frame_num for cut in cuts]


def _small(pixels: Pixels) -> Pixels:
    """BGR of 8 bits and about `ANALYSIS_WIDTH` pixels across, as PySceneDetect wants it."""
    height, width = pixels.shape[:2]
    scale = min(1.0, ANALYSIS_WIDTH / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    if small.dtype == np.uint16:
        small = (small // 257).astype(np.uint8)
    return np.ascontiguousarray(small[..., ::-1])


DETECTORS: dict[str, Detector] = {"content": content, "none": none}
