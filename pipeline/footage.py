"""Footage to be measured: the frames of a run's work folder or of any clip, one at a time."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from torch import Tensor

from pipeline import images, media, shots
from pipeline.claims import claims, differences
from pipeline.config import load_config, pick
from pipeline.errors import WorkDirError
from pipeline.images import Pixels
from pipeline.measure import Frames
from pipeline.preflight import work_folder
from pipeline.schedule import Source
from pipeline.sections import InputConfig, RunConfig, ShotsConfig
from pipeline.stages import Bar
from pipeline.workdir import WorkDir

logger = logging.getLogger("brushflow")


class Footage(Protocol):
    """A painted clip: `name` for the user, `size` (width, height), and its frames by number."""

    name: str
    size: tuple[int, int]
    frames: Frames

    def times(self, bar: Bar) -> dict[int, Fraction]:
        """When each of the frames that there are is shown, in seconds of the painted clip."""
        ...


class RunFootage:
    """A run's painted frames beside the clip's, as they lie in its work folder; only read.

    Of a frame that several passes have painted the last one counts. `frames` are the painted ones,
    `original` the clip's, `shots` those of the run; the last `kept` frames stay in memory.

    Raises:
        WorkDirError: no work folder, nothing painted yet, or damaged.
    """

    def __init__(self, root: Path, kept: int) -> None:
        work = WorkDir(root)
        if not work.config.is_file():
            raise WorkDirError(
                f"{root}: there is no work folder: run it first, or measure any two clips with "
                "--original and --painted"
            )
        work.read()
        timeline, found = work.timeline(), work.shots()
        if not work.records or timeline is None or found is None:
            there = "frames are missing or damaged" if work.records else "nothing is painted yet"
            raise WorkDirError(f"{root}: {there}: run it first")
        passes = {source.frame: source for source in sorted(work.records, key=_by_pass)}
        mixed = sorted({source.pass_index for source in passes.values()})
        if mixed[1:]:
            told = ", ".join(map(str, mixed))
            logger.warning("%s: unfinished: its frames are of the passes %s", root, told)
        self.work = work
        self.name = str(root)
        self.shots = [range(shot.start, shot.stop) for shot in found]
        self.original: Frames = FileFrames(work.frame, kept)
        self.frames: Frames = FileFrames(lambda number: work.painted(passes[number]), kept)
        self._timeline = media.Timeline.from_json(timeline)
        self._painted = sorted(passes)
        self.size = self._timeline.geometry.painted

    def differences(self, config: RunConfig) -> dict[str, str]:
        """The keys that were painted with other values, as `claims.differences` tells them.

        A file that is not there any more differs in nothing.
        """
        before, now = self.work.manifest.get("made_with", {}), claims(config)
        for stage, values in now.items():
            then = before.get(stage, {})
            now[stage] = {k: v for k, v in values.items() if k in then and v != "missing"}
        return differences(before, now)

    def times(self, bar: Bar) -> dict[int, Fraction]:
        times = self._timeline.times
        return {number: times[number] for number in self._painted}


class ClipFootage:
    """Any clip that media reads: a video, an image, a folder of images or a pattern.

    The whole picture, black bars too. `input` chooses a part of it (start, end, frame_rate), and
    its width and height are what it is scaled to.

    Raises:
        MediaError: it cannot be read.
    """

    def __init__(self, path: Path, options: InputConfig, kept: int) -> None:
        self.options = options.model_copy(update={"path": path, "bars": "none"})
        self.clip = media.plan_clip(media.probe(path, self.options), self.options)
        self.name = str(path)
        self.size = self.clip.size
        self.frames: Frames = ClipFrames(self.clip, kept)

    def resized(self, size: tuple[int, int], kept: int) -> ClipFootage:
        """The same clip, scaled to (width, height)."""
        width, height = size
        keys = {"max_side": None, "width": width, "height": height}
        return ClipFootage(Path(self.name), self.options.model_copy(update=keys), kept)

    def times(self, bar: Bar) -> dict[int, Fraction]:
        """As `Footage` says; the clip is decoded once for it."""
        with media.read_frames(self.clip) as reader:
            for _ in bar(reader, "count", self.clip.frames):
                pass
        return dict(enumerate(reader.timeline.times))

    def shots(self, options: ShotsConfig, bar: Bar) -> list[range]:
        """The shots, as a run finds them; the clip is decoded once for it."""
        detector = pick(shots.DETECTORS, options.detector, "shots.detector")
        with media.read_frames(self.clip) as reader:

            def cuts() -> Iterator[int | None]:
                given = (self.clip.info, self.options, reader.timeline)
                yield from media.run_frames(options.cuts, *given)

            pixels = (frame.pixels for frame in bar(reader, "shots", self.clip.frames))
            found = shots.find_shots(detector, pixels, options, cuts())
        return [range(shot.start, shot.stop) for shot in found]


class FileFrames:
    """Frames that lie in files; the last `kept` stay in memory as pixels."""

    def __init__(self, path_of: Callable[[int], Path], kept: int) -> None:
        self._pixels = lru_cache(kept)(lambda number: images.read_pixels(path_of(number)))

    def __getitem__(self, index: int, /) -> Tensor:
        return images.to_tensor(self._pixels(index))


class ClipFrames:
    """The frames of a clip, read once and forward; the last `kept` stay, and frame 0.

    Frame 0 because whoever computes flow looks at it for the frames' size, at any time.
    """

    def __init__(self, clip: media.Clip, kept: int) -> None:
        self._reader = media.read_frames(clip)
        self._read = 0
        self._first: Pixels | None = None
        self._recent: deque[Pixels] = deque(maxlen=kept)

    def __getitem__(self, index: int, /) -> Tensor:
        while self._read <= index:
            self._recent.append(next(self._reader).pixels)
            self._first = self._recent[0] if self._first is None else self._first
            self._read += 1
        back = self._read - index  # 1 for the last one read
        pixels = self._first if index == 0 else self._recent[-back]
        assert pixels is not None
        return images.to_tensor(pixels)

    def close(self) -> None:
        """End its ffmpeg, if it runs."""
        self._reader.close()


def run_root(path: Path) -> Path | None:
    """The work folder that a path means: itself, or that of a config file; None for a clip.

    Raises:
        ConfigError: a config file that cannot be used.
    """
    if path.suffix.lower() == ".toml":
        return work_folder(load_config(path))
    return path if WorkDir(path).config.is_file() else None


def common_spans(shots: list[range], there: Collection[int]) -> list[range]:
    """The unbroken parts of shots of which all frames are there."""
    spans = []
    for shot in shots:
        missing = [number for number in shot if number not in there]
        edges = [shot.start - 1, *missing, shot.stop]
        spans += [range(a + 1, b) for a, b in itertools.pairwise(edges) if b > a + 1]
    return spans


def _by_pass(source: Source) -> int:
    return source.pass_index
