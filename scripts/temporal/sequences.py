"""The sequences of the comparison: true flow, real clips, or any folder of frames."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from flow.estimators import ESTIMATORS
from flow.occlusion import published
from flow.store import FlowStore
from pipeline import images, media
from pipeline.images import Pixels
from pipeline.sections import FlowConfig, InputConfig
from scripts.temporal.truth import Flows, TrueFlows, Truth, read, shrink

# RAFT sees little in small frames. Of true flow at 160 pixels wide, its own is off by 0.12 to 0.32
# pixels if estimated at 320, by 0.04 to 0.13 at 640.
LEAST_SIDE = 640
STARRY, WAVE = "van_gogh_starry_night_1889.jpg", "hokusai_great_wave_1831.jpg"
KANDINSKY, MONET = "kandinsky_composition_vii_1913.jpg", "monet_water_lilies_1919.jpg"


@dataclass(frozen=True)
class Sequence:
    """Frames in the order in which they are painted, the painting, and what is known of them.

    `pairs` holds the truth from frame i to i − 1, `offsets` what the warping error is measured
    over: the first is the short one, the last the long one. `half` is "choose" for sequences that
    options are chosen on, "report" for the others.
    """

    name: str
    half: str
    style: Path
    frames: list[Pixels]
    offsets: tuple[int, ...]
    pairs: Mapping[int, Truth] = field(default_factory=dict)
    metric: Flows | None = None  # where the flow is known by construction

    @property
    def has_truth(self) -> bool:
        return bool(self.pairs) or self.metric is not None

    @property
    def long(self) -> int | None:
        """The long offset, None where there is none."""
        return self.offsets[-1] if len(self.offsets) > 1 else None

    def sized(self, side: int) -> list[Pixels]:
        """The frames with their longer side at most `side`."""
        return [shrunk(pixels, side) for pixels in self.frames]

    def key(self, side: int) -> str:
        """Of the frames at this size and the painting, for the cache."""
        digest = hashlib.sha256(self.style.read_bytes())
        for pixels in self.sized(side):
            digest.update(pixels.tobytes())
        return f"{self.name}-{side}-{digest.hexdigest()[:8]}"


@dataclass(frozen=True)
class Clip:
    """A part of a real clip."""

    file: str
    start: int
    half: str
    style: str


# Played backwards: of folder, the numbers of the frames whose flow to the next one is given.
TRUE = {
    "alley_1": ("sintel_alley_1", (3, 2, 1), "choose", STARRY),
    "cave_2": ("sintel_cave_2", (2,), "choose", KANDINSKY),
    "bandage_1": ("sintel_bandage_1", (35,), "report", KANDINSKY),
    "RubberWhale": ("middlebury_RubberWhale", (10,), "report", WAVE),
}
CLIPS = {
    "car-turn": Clip("car-turn.mp4", 20, "choose", STARRY),
    "chaplin": Clip("chaplin.mp4", 60, "choose", MONET),
    "paragliding": Clip("paragliding-launch.mp4", 20, "report", WAVE),
    "walk_sign": Clip("walk_sign.mkv", 30, "report", STARRY),
}
LENGTH = 13  # frames of a clip: three pairs at the long offset
LONG = 10


def load(name: str, media_folder: Path, style: Path | None = None) -> Sequence:
    """A sequence of the table by its name, with its own painting or another."""
    found = load_true(name, media_folder) if name in TRUE else load_clip(name, media_folder)
    return found if style is None else replace(found, style=style)


def load_clip(name: str, media_folder: Path) -> Sequence:
    """A part of a real clip."""
    clip = CLIPS[name]
    frames = read_clip(media_folder / "videos" / clip.file, clip.start, LENGTH)
    return Sequence(name, clip.half, media_folder / "styles" / clip.style, frames, (1, LONG))


def load_true(name: str, media_folder: Path) -> Sequence:
    """Frames N + 1, N, … with the true flow N → N + 1, which so is the backward flow."""
    folder_name, numbers, half, style = TRUE[name]
    folder = media_folder / "flow" / folder_name
    separator, digits = ("_", 4) if (folder / f"frame_{numbers[0]:04d}.png").is_file() else ("", 2)
    endings = [f"{separator}{number:0{digits}d}" for number in (numbers[0] + 1, *numbers)]
    frames = [images.read_pixels(folder / f"frame{ending}.png") for ending in endings]
    tensors = [images.to_tensor(frame) for frame in frames]
    pairs = {}
    for i, ending in enumerate(endings[1:], 1):
        packed = (folder / f"flow{ending}.flo.xz").is_file()
        suffix = ".flo.xz" if packed else ".flo"
        pairs[i] = read(folder, ending, tensors[i], tensors[i - 1], suffix)
    offsets = (1,) if len(numbers) == 1 else (1, len(numbers))
    return Sequence(name, half, media_folder / "styles" / style, frames, offsets, pairs)


def load_folder(folder: Path, style: Path) -> Sequence:
    """Any folder of frames in the order of their names' numbers, then of their names; no truth."""
    for path, there in ((folder, folder.is_dir()), (style, style.is_file())):
        if not there:
            raise SystemExit(f"{path}: there is none")
    known = (path for path in folder.iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    paths = [path for path in known if not path.name.startswith(".")]
    paths.sort(key=lambda path: ([int(each) for each in re.findall(r"\d+", path.stem)], path.name))
    if len(paths) < 2:
        raise SystemExit(f"{folder}: at least two PNG or JPEG frames are needed")
    frames = [images.read_pixels(path) for path in paths]
    for path, frame in zip(paths, frames, strict=True):
        if frame.shape != frames[0].shape:
            sizes = (f"{each.shape[1]}x{each.shape[0]}" for each in (frame, frames[0]))
            raise SystemExit(f"{path}: {' where the first frame has '.join(sizes)}")
    offsets = tuple(offset for offset in (1, 5, LONG) if offset < len(frames))
    return Sequence(folder.resolve().name, "", style, frames, offsets)


def read_clip(path: Path, start: int, count: int) -> list[Pixels]:
    """Frames of a clip as a run would paint them, 8 bit."""
    info = media.probe(path, InputConfig())
    clip = media.plan_clip(info, InputConfig(start=f"{start}f", end=f"{start + count}f"), 8)
    with media.read_frames(clip) as reader:
        return [frame.pixels for frame in reader]


def shrunk(pixels: Pixels, side: int) -> Pixels:
    """A picture `(H, W, 3)` with its longer side at most `side`, averaged over areas."""
    height, width = pixels.shape[:2]
    if max(height, width) <= side:
        return pixels
    scale = side / max(height, width)
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA))


def enlarged(pixels: Pixels, side: int) -> Pixels:
    """A picture `(H, W, 3)` with its longer side at least `side`, by cubic interpolation."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale <= 1:
        return pixels
    shape = (round(width * scale), round(height * scale))
    return np.asarray(cv2.resize(pixels, shape, interpolation=cv2.INTER_CUBIC))


class Estimated:
    """The metric's flow where none is given: RAFT or DIS, with the published check.

    Estimated on frames of a side of at least `LEAST_SIDE`, enlarged if the clip has none, and then
    brought to the size wanted, as true flow is.
    """

    def __init__(self, sequence: Sequence, side: int, weights: Path | None, folder: Path) -> None:
        least = max(side, LEAST_SIDE)
        frames = [images.to_tensor(enlarged(each, least)) for each in sequence.sized(least)]
        estimator = ESTIMATORS["raft_small" if weights else "dis"](FlowConfig(weights=weights))
        kind = f"metric-{'raft_small' if weights else 'dis'}-{frames[0].shape[-1]}"
        self._store = FlowStore(folder / kind, frames.__getitem__, estimator, published)
        small = sequence.sized(side)[0]
        self._size = (small.shape[0], small.shape[1])

    def flow(self, i: int, j: int) -> Tensor:
        return self._truth(i, j).flow

    def weight(self, i: int, j: int) -> Tensor:
        return self._truth(i, j).visible

    def forget(self, start: int, stop: int) -> None:
        """Flow is kept."""

    def _truth(self, i: int, j: int) -> Truth:
        return shrink(Truth(self._store.flow(i, j), self._store.weight(i, j)), *self._size)


def true_flows(sequence: Sequence, side: int) -> Flows:
    """The flow that is known, at this size."""
    if sequence.metric is not None:
        return sequence.metric
    small = sequence.sized(side)[0]
    tensors = [images.to_tensor(frame) for frame in sequence.frames]
    return TrueFlows(sequence.pairs, tensors, (small.shape[0], small.shape[1]))


def metric_flows(sequence: Sequence, side: int, weights: Path | None, folder: Path) -> Flows:
    """What the metric goes by: the truth, or an estimate that no method uses."""
    if sequence.has_truth:
        return true_flows(sequence, side)
    return Estimated(sequence, side, weights, folder)


def chosen(names: str | None) -> Iterator[str]:
    """The names of a list "a,b", or all."""
    known = [*TRUE, *CLIPS]
    for name in names.split(",") if names else known:
        if name not in known:
            raise SystemExit(f"--sequences {name}: there are {', '.join(known)}")
        yield name
