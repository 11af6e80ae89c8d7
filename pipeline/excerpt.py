"""A few frames of a clip, small, as a run would extract them, but without its work folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np

from pipeline import media, shots
from pipeline.config import pick
from pipeline.errors import ConfigError
from pipeline.images import Pixels
from pipeline.sections import RunConfig
from pipeline.sheets import timecode
from pipeline.shots import Shot
from pipeline.words import many

logger = logging.getLogger("brushflow")

Bar = Callable[[Iterable[Any], str], Iterable[Any]]


@dataclass(frozen=True)
class Picture:
    """A frame `(H, W, 3)` of the run by its number, and what it is."""

    number: int
    pixels: Pixels
    label: str


class Excerpt:
    """Reads a clip one frame at a time and keeps few, with their longer side at most `size`.

    Raises:
        ConfigError, MediaError: `input.path` is not set, or cannot be read.
    """

    def __init__(self, config: RunConfig, size: int, bar: Bar) -> None:
        if config.input.path is None:
            raise ConfigError("input.path is not set: name it in the config or give --input")
        self.config = config
        self.size = size
        self.bar = bar
        self.info = media.probe(config.input.path, config.input)
        self.clip = media.plan_clip(self.info, config.input, config.run.frame_bits)

    def frame(self, number: int) -> list[Picture]:
        """One frame, counted from the run's first.

        Raises:
            ConfigError: there is none of that number.
        """
        pictures = self._read({number: ""})
        if not pictures:
            count = sum(1 for _ in self._frames("count"))
            has = many(count, "frame")
            raise ConfigError(f"--frame {number}: the run has {has}, counted from 0")
        return pictures

    def middles(self, most: int) -> list[Picture]:
        """The middle frame of each shot; of more than `most` shots, so many over the whole clip."""
        found = self._find_shots()
        chosen = found
        if len(found) > most:
            chosen = [found[(2 * n + 1) * len(found) // (2 * most)] for n in range(most)]
            names = ", ".join(str(shot.index) for shot in chosen)
            logger.info("%d of %d shots are shown (%s)", most, len(found), names)
        names_of = {(shot.start + shot.stop) // 2: f"shot {shot.index}, " for shot in chosen}
        return self._read(names_of)

    def _find_shots(self) -> list[Shot]:
        """The shots as the run finds them: from the same pixels."""
        options = self.config.shots
        detector = pick(shots.DETECTORS, options.detector, "shots.detector")
        with media.read_frames(self.clip) as reader:

            def cuts() -> Iterator[int | None]:
                given = (self.info, self.config.input, reader.timeline)
                yield from media.run_frames(options.cuts, *given)

            pixels = (frame.pixels for frame in self.bar(reader, "shots"))
            return shots.find_shots(detector, pixels, options, cuts())

    def _read(self, wanted: dict[int, str]) -> list[Picture]:
        """The frames of these numbers, as far as they are there; nothing behind them is read."""
        pictures = []
        for number, (time, pixels) in enumerate(self._frames("extract")):
            if number in wanted:
                label = f"{wanted[number]}frame {number}, {timecode(time - self.info.zero)}"
                pictures.append(Picture(number, shrunk(pixels, self.size), label))
            if number >= max(wanted):
                break
        return pictures

    def _frames(self, name: str) -> Iterator[tuple[Fraction, Pixels]]:
        with media.read_frames(self.clip) as reader:
            for frame in self.bar(reader, name):
                yield frame.time, frame.pixels


def shrunk(pixels: Pixels, size: int) -> Pixels:
    """A picture `(H, W, 3)` scaled down until its longer side has at most `size` pixels."""
    height, width = pixels.shape[:2]
    scale = size / max(height, width)
    if scale >= 1:
        return pixels
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA))
