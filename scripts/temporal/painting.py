"""Paint a sequence by a method; every frame is kept, so that work goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flow.atomic import write_atomic
from flow.store import FlowStore
from pipeline import arithmetic, images, vgg
from pipeline.assemble import flow_store
from pipeline.media.geometry import HARDLY
from pipeline.schedule import Source, Step, schedule
from pipeline.sections import RunConfig
from pipeline.shots import Shot
from pipeline.stylize import Stylizer
from pipeline.weights import load_weights
from scripts.temporal import methods
from scripts.temporal.methods import Method
from scripts.temporal.sequences import Sequence, true_flows
from scripts.temporal.truth import Flows

CPU = torch.device("cpu")
Told = Callable[[str], None]


@dataclass(frozen=True)
class Painted:
    """A sequence as a method painted it: images as written, and how each came about.

    `records` are of the last pass's frames, with the iterations and seconds of all their passes.
    """

    frames: list[Tensor]
    records: list[dict[str, Any]]


class Painter:
    """Paints one sequence at one size by any method, keeping everything below one folder.

    Args:
        sequence: what to paint.
        side: the longer side of the frames.
        cache: the folder of all sequences.
        tell: is told of each frame that is painted.
        precision: of the network, for all methods.
    """

    def __init__(
        self, sequence: Sequence, side: int, cache: Path, tell: Told, precision: str = "float32"
    ) -> None:
        self.sequence = sequence
        self.side = side
        self.precision = precision
        self.folder = cache / sequence.key(side)
        self.images = [images.to_tensor(pixels) for pixels in sequence.sized(side)]
        self.painting = images.read_painting(sequence.style)
        self.tell = tell
        self._networks: dict[str, vgg.Vgg19] = {}

    def paint(self, method: Method) -> Painted:
        """All frames by a method, as its last pass leaves them; what is kept is not repeated."""
        config = methods.resolve(method, self.precision)
        steps = schedule([Shot(0, 0, len(self.images))], config.temporal)
        source = "truth" if method.true_flow else "estimated"
        work = self.folder / methods.identity(config, source)
        stylizer = self._stylizer(config, work, self._flows(config, method))
        for step in steps:
            self._step(method, config, stylizer, step, work)
        return self._painted(steps, work)

    def _step(
        self, method: Method, config: RunConfig, stylizer: Stylizer, step: Step, work: Path
    ) -> None:
        """Paint a step, or take the shared first frame, unless it is there."""
        path = file_of(work, step.result)
        if path.is_file() and path.with_suffix(".json").is_file():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if step.frame == 0 and step.pass_index == 0 and not method.own_first:
            data, record = self._first()
        else:
            data, record = self._minimised(stylizer, step)
            self.tell(f"{self.sequence.name} {method.name} {step.frame}.{step.pass_index} {record}")
        write_atomic(path, data)
        write_atomic(path.with_suffix(".json"), json.dumps(record).encode())
        if not (work / "config.json").is_file():
            whole = {"method": method.name, **methods.flat(config)}
            write_atomic(work / "config.json", json.dumps(whole, indent=1).encode())

    def _first(self) -> tuple[bytes, dict[str, Any]]:
        """The first frame as published: from noise, 2000 iterations or until its rule stops it."""
        config = methods.resolve(Method("ruder2016"), self.precision)
        path = self.folder / f"first-{methods.identity(methods.first_frames(config))}.png"
        if not path.is_file():
            stylizer = self._stylizer(config, self.folder, None)
            data, record = self._minimised(stylizer, Step(0, 0, config.temporal.first_init))
            self.tell(f"{self.sequence.name} first {record}")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path.with_suffix(".json"), json.dumps(record).encode())
            write_atomic(path, data)
        return path.read_bytes(), json.loads(path.with_suffix(".json").read_bytes())

    def _minimised(self, stylizer: Stylizer, step: Step) -> tuple[bytes, dict[str, Any]]:
        began = time.monotonic()
        found = stylizer.paint(step)
        record = {
            "iterations": found.iterations,
            "stopped": found.stopped,
            "seconds": round(time.monotonic() - began, 2),
            "loss": {name: float(f"{term:.6g}") for name, term in found.end.terms.items()},
        }
        return images.encode_png(images.to_pixels(found.image, 8)), record

    def _stylizer(self, config: RunConfig, work: Path, flows: Flows | None) -> Stylizer:
        def load_painted(source: Source) -> Tensor:
            return images.read_image(file_of(work, source))

        return Stylizer(
            config,
            self._network(config),
            self.painting,
            self.images.__getitem__,
            load_painted,
            flows or _NoFlows(),
            CPU,
        )

    def _network(self, config: RunConfig) -> vgg.Vgg19:
        options = config.vgg
        key = options.model_dump_json()
        if key not in self._networks:
            weights = load_weights(options.weights)
            precision, convolution = arithmetic.choose(options, CPU)
            how = (precision, options.pooling, options.padding, CPU, convolution)
            self._networks[key] = vgg.Vgg19(weights, *how)
        return self._networks[key]

    def _flows(self, config: RunConfig, method: Method) -> Flows:
        if method.true_flow:
            return true_flows(self.sequence, self.side)
        options = config.flow
        still = "-still" if options.still else ""
        larger = self.sequence.sized(round(self.side * options.detail))
        detail = f"-x{options.detail:g}" if options.detail > 1 else ""
        name = f"flow-{options.estimator}-{options.preset}-{options.check}{still}{detail}"
        if own := [str(each) for each in (options.files, options.weights) if each]:
            name += "-" + hashlib.sha256(" ".join(own).encode()).hexdigest()[:8]

        def load_larger(number: int) -> Tensor | None:
            hardly = larger[0].shape[1] < HARDLY * self.images[0].shape[-1]
            return None if hardly else images.to_tensor(larger[number])

        load = self.images.__getitem__
        store: FlowStore = flow_store(config, load, self.folder / name, load_larger)
        return store

    def _painted(self, steps: list[Step], work: Path) -> Painted:
        """The last pass's images; the records of a frame's passes taken together."""
        last: dict[int, Source] = {}
        records: dict[int, dict[str, Any]] = {}
        for step in steps:
            path = file_of(work, step.result)
            record = json.loads(path.with_suffix(".json").read_bytes())
            before = records.get(step.frame, {"iterations": 0, "seconds": 0.0})
            for key in ("iterations", "seconds"):
                record[key] += before[key]
            last[step.frame], records[step.frame] = step.result, record
        frames = [images.read_image(file_of(work, last[frame])) for frame in sorted(last)]
        return Painted(frames, [records[frame] for frame in sorted(last)])


class _NoFlows:
    """For first frames, which ask for none."""

    def flow(self, i: int, j: int) -> Tensor:
        raise KeyError((i, j))

    def weight(self, i: int, j: int) -> Tensor:
        raise KeyError((i, j))

    def forget(self, start: int, stop: int) -> None:
        """Nothing is kept."""


def file_of(work: Path, source: Source) -> Path:
    return work / f"pass_{source.pass_index:02d}" / f"{source.frame:06d}.png"
