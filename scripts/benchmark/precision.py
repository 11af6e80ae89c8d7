"""What low precision of the network costs in loss: the same frames by the default in each.

Where a frame ends is partly chance: float32 itself, from starts that differ by a faint noise, ends
first frames up to 2.5 % of their loss apart (standard deviation), more than precisions do. So a
first frame is painted from several such starts, the same in each precision, and means are compared.
A processor that is slow at bfloat16 computes it in float32 (`rounded`). Float16 is for GPUs, and
left out: it takes eight times as long as float32 here.
"""

from __future__ import annotations

import logging
import statistics
from typing import Any

import torch
from torch import Tensor

from scripts.benchmark import sides
from scripts.benchmark.cases import PAINTING, Size, Span
from scripts.benchmark.sides import Scene, with_vgg, written

logger = logging.getLogger("bench")
PRECISIONS = ("float32", "bfloat16")
SHAKE = 1 / 255  # standard deviation of the noise that makes another start of one


def losses(span: Span, size: Size, starts: int) -> dict[str, Any]:
    """The loss in float32 of a first frame and of the next one, as written, in both precisions.

    Both paint the next frame from the first one that float32 painted, without noise.
    """
    default = with_vgg(sides.default(), precision="float32")
    scene = Scene(span.frames(size), PAINTING, default)
    first = [_painted(scene, span.first, seed) for seed in range(starts)]
    scene.painted[span.first] = first[0]["float32"]
    following = _painted(scene, span.first + 1, 0)
    begun = [_scored(scene, span.first, images) for images in first]
    scored = _scored(scene, span.first + 1, following)
    return {
        "first": _ratio(begun),
        "first_all": begun,
        "first_spread": _spread([each["float32"] for each in begun]),
        "next": _ratio([scored]),
    }


def _painted(scene: Scene, frame: int, seed: int) -> dict[str, Tensor]:
    """A frame as each precision paints it, from the same start; seed 0 is the frame's own."""
    found = {}
    noise = torch.randn(scene.frames[frame].shape, generator=torch.Generator().manual_seed(seed))
    for precision in PRECISIONS:
        logger.info("frame %d in %s, start %d", frame, precision, seed)
        painter = scene.painter(with_vgg(scene.config, precision=precision))
        painter.held = scene.targets(frame)
        painter.shake = SHAKE * noise if seed else None
        found[precision] = written(painter.paint(scene.step(scene.config, frame)).image)
    return found


def _scored(scene: Scene, frame: int, images: dict[str, Tensor]) -> dict[str, float]:
    return {precision: scene.score(frame, image).total for precision, image in images.items()}


def _ratio(losses: list[dict[str, float]]) -> float:
    """Mean loss in low precision over that in float32."""
    exact, low = (statistics.fmean(each[name] for each in losses) for name in PRECISIONS)
    return low / exact


def _spread(losses: list[float]) -> float:
    """Standard deviation over the mean; 0 of a single one."""
    return statistics.stdev(losses) / statistics.fmean(losses) if len(losses) > 1 else 0.0
