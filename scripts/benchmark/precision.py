"""What low precision of the network costs in loss: the same frames by the default in each.

A processor that is slow at bfloat16 computes it in float32 (`rounded`), and leaves float16 out.
"""

from __future__ import annotations

import logging
from typing import Any

from torch import Tensor

from scripts.benchmark import rounded, sides
from scripts.benchmark.cases import PAINTING, Size, Span
from scripts.benchmark.sides import Scene, with_vgg, written

logger = logging.getLogger("bench")
PRECISIONS = ("float32", "bfloat16", "float16")


def losses(span: Span, size: Size) -> dict[str, Any]:
    """The loss in float32 of a first frame and of the next one, as written, over float32's own.

    All precisions paint the next frame from the first one that float32 painted.
    """
    precisions = PRECISIONS[:2] if rounded.needed() else PRECISIONS
    default = with_vgg(sides.default(), precision="float32")
    scene = Scene(span.frames(size), PAINTING, default)
    found: dict[str, dict[str, float]] = {precision: {} for precision in precisions}
    for name, frame in (("first", span.first), ("next", span.first + 1)):
        images: dict[str, Tensor] = {}
        for precision in precisions:
            logger.info("%s, %s: %s frame in %s", span.name, size, name, precision)
            painter = scene.painter(with_vgg(default, precision=precision))
            painter.held = scene.targets(frame)
            images[precision] = written(painter.paint(scene.step(default, frame)).image)
            found[precision][name] = scene.score(frame, images[precision]).total
        scene.painted[frame] = images["float32"]
    return {
        precision: {name: loss / found["float32"][name] for name, loss in each.items()}
        for precision, each in found.items()
        if precision != "float32"
    }
