"""Static shots: a held frame with the noise of a real sensor, and the still part of a real clip."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.images import Pixels
from scripts.temporal.sequences import STARRY, Sequence, read_clip, shrunk
from scripts.temporal.truth import StillFlows

STATIC = ("held", "still")
FILE = "walk_sign.mkv"  # a fixed camera, a person moves before a wall
READ = 89  # all its frames
STILL = 2.0  # levels: a pixel whose smoothed value moves less than this over the clip is still
Floats = NDArray[np.float32]


class Noise(NamedTuple):
    """What a sensor and a codec leave: the standard deviation of each channel in levels, and how
    far noise goes on to the next pixel and to the next frame (correlations)."""

    deviation: Floats  # (3,)
    channels: Floats  # (3, 3) correlation of the channels
    next_pixel: float
    next_frame: float


def load_static(name: str, media_folder: Path, length: int, side: int, grain: float) -> Sequence:
    """ "held": one frame of the clip, held, with noise of the clip's own statistics at its full
    size, `grain` times as strong; every pixel's true flow is 0. "still": the clip itself, judged
    where it stands still.
    """
    clip = read_clip(media_folder / "videos" / FILE, 0, READ)
    style = media_folder / "styles" / STARRY
    if name == "still":
        frames = [shrunk(pixels, side) for pixels in clip[:length]]
        weight = torch.from_numpy(still_pixels(frames, 1.0))[None, None].float()
    else:
        noise = measured_noise(clip, still_pixels(clip, 3.0))
        noise = noise._replace(deviation=noise.deviation * np.float32(grain))
        frames = noisy(shrunk(clip[0], side), noise, length)
        weight = torch.ones(1, 1, *frames[0].shape[:2])
    offsets = tuple(offset for offset in (1, 10) if offset < len(frames))
    return Sequence(name, "", style, frames, offsets, metric=StillFlows(weight))


def still_pixels(clip: list[Pixels], blur: float) -> NDArray[np.bool_]:
    """Where no smoothed value departs from its mean by more than `STILL` levels: (H, W)."""
    smooth = np.stack([cv2.GaussianBlur(p.astype(np.float32), (0, 0), blur) for p in clip])
    return np.asarray(np.abs(smooth - smooth.mean(axis=0)).max(axis=(0, 3)) <= STILL)


def measured_noise(clip: list[Pixels], still: NDArray[np.bool_]) -> Noise:
    """Statistics of what still pixels of a clip do in time."""
    frames = np.stack([pixels.astype(np.float32) for pixels in clip])
    rest = frames - frames.mean(axis=0)  # (N, H, W, 3)
    values = rest[:, still]  # (N, n, 3)
    deviation = np.asarray(values.std(axis=(0, 1)), np.float32)
    channels = np.asarray(np.corrcoef(values.reshape(-1, 3).T), np.float32)
    both = still[:, 1:] & still[:, :-1]
    one, other = rest[:, :, 1:][:, both], rest[:, :, :-1][:, both]
    next_pixel = float((one * other).mean() / values.var())
    next_frame = float((values[1:] * values[:-1]).mean() / values.var())
    return Noise(deviation, channels, next_pixel, next_frame)


def noisy(frame: Pixels, noise: Noise, count: int, seed: int = 0) -> list[Pixels]:
    """A frame held, with Gaussian noise of these statistics: autoregressive in time and space."""
    generator = np.random.default_rng(seed)
    mix = np.linalg.cholesky(noise.channels + 1e-4 * np.eye(3, dtype=np.float32))
    keep = min(max(noise.next_frame, 0.0), 0.99)
    state = _field(generator, frame.shape, noise.next_pixel)
    frames = []
    for _ in range(count):
        grain = state @ mix.T * noise.deviation
        frames.append((frame + grain).round().clip(0, 255).astype(np.uint8))
        fresh = _field(generator, frame.shape, noise.next_pixel)
        state = keep * state + (1 - keep * keep) ** 0.5 * fresh
    return frames


def _field(generator: np.random.Generator, shape: tuple[int, ...], next_pixel: float) -> Floats:
    """Unit noise (H, W, 3) whose neighbours correlate: autoregressive along x, then along y."""
    keep = min(max(next_pixel, 0.0), 0.99)
    field = generator.standard_normal(shape).astype(np.float32)
    share = np.float32((1 - keep * keep) ** 0.5)
    for lines in (field, field.swapaxes(0, 1)):
        for k in range(1, len(lines)):
            lines[k] = keep * lines[k - 1] + share * lines[k]
    return field
