"""The published method's frames: slow, so computed once and kept.

Their pictures are found with the quicker convolution of this machine, which have the same values to
1e-5; what an iteration of the file's own settings takes is timed elsewhere.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

from torch import Tensor

from pipeline.optimize import LossReport
from scripts.benchmark.kept import Kept, Result, digest, keys_of
from scripts.benchmark.sides import Scene, by_default, with_vgg, written

logger = logging.getLogger("bench")
AGREES = 1e-3  # how far a kept image's loss may lie from the one it was kept with


def common_ground(scene: Scene, frames: Iterable[int], kept: Kept, name: str) -> None:
    """Paint, as the default does, the frames that both sides go on from, as 8-bit images.

    Kept whatever the default becomes, since it is given to both sides and baselines build on it.
    """
    config = by_default(scene.config)
    for frame in frames:
        depends = {"what": "ground", **_given(scene, frame)}

        def paint(frame: int = frame) -> Result:
            logger.info("%s: painting frame %d, that both sides go on from", name, frame)
            painter = scene.painter(config)
            painter.held = scene.targets(frame)
            found = painter.paint(scene.step(config, frame))
            by = config.optimizer.model_dump(mode="json")
            return Result(written(found.image), {"by": by, "loss": found.end.total})

        result = kept.get(f"ground-{name}-{frame}", depends, paint)
        assert result is not None
        scene.painted[frame] = result.image


def baseline(scene: Scene, frame: int, kept: Kept, name: str) -> Result:
    """The published method's painting of a frame, unclipped, and how it got there."""
    config = keys_of(scene.config)
    del config["vgg"]["convolution"]
    depends = {"what": "baseline", "config": config, **_given(scene, frame)}
    found = kept.get(f"ruder-{name}-{frame}", depends, lambda: _paint(scene, frame, name))
    assert found is not None
    told, now = found.figures["loss"], scene.score(frame, found.image).total
    if abs(now - told) > AGREES * told:
        raise SystemExit(
            f"{name}, frame {frame}: a kept baseline has the loss {now:.6g}, but was kept with "
            f"{told:.6g}: the objective has changed; remove {kept.folder}"
        )
    return found


def _paint(scene: Scene, frame: int, name: str) -> Result:
    config = with_vgg(scene.config, convolution="auto")
    painter = scene.painter(config)
    painter.held = scene.targets(frame)
    began = time.perf_counter()

    def progress(iteration: int, report: LossReport) -> None:
        if iteration % 50 == 0:
            seconds = time.perf_counter() - began
            logger.info(
                "%s, frame %d: published iteration %d, loss %.5g, %.0f s",
                *(name, frame, iteration, report.total, seconds),
            )

    found = painter.paint(scene.step(config, frame), progress)
    figures: dict[str, Any] = {
        "loss": found.end.total,
        "terms": found.end.terms,
        "start": found.start.total,
        "iterations": found.iterations,
        "evaluations": painter.evaluations,
        "stopped": found.stopped,
        "seconds_then": time.perf_counter() - began,
    }
    return Result(found.image, figures)


def _given(scene: Scene, frame: int) -> dict[str, Any]:
    """All that both sides are given for a frame, as digests; the objective."""
    held = [part for held in scene.targets(frame) for part in (held.image, held.weight)]
    before = [scene.painted[j] for j in scene.step(scene.config, frame).init_from]
    objective = keys_of(scene.config)
    del objective["optimizer"], objective["vgg"]["convolution"], objective["vgg"]["precision"]
    tensors: list[Tensor] = [scene.frames[frame], scene.painting, *before, *held]
    return {"objective": objective, "given": digest(*tensors), "frame": frame}
