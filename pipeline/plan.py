"""What a run will cost, before it: shots and steps, time, memory and disk, from a calibration."""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flow.store import FlowStore
from pipeline import images, preflight
from pipeline.disk import disk_bytes
from pipeline.records import Record
from pipeline.run import Run
from pipeline.schedule import Step, schedule
from pipeline.sections import RunConfig
from pipeline.sheets import shots_sheet
from pipeline.shots import Shot
from pipeline.stylize import Stylizer, coarser_sizes

TRIAL_ITERATIONS = 4
# Of `optimizer.iterations` that later frames take before `tolerance` stops them, on real clips with
# the default rule: 12 (little moves) to all 120 (a quarter disoccluded); and of a first frame's:
# 439 (320x180) or all of 500, coarser scales fewer (559 in all at 640x360).
USUAL_SHARE = 0.25
USUAL_FIRST_SHARE = 0.8


@dataclass(frozen=True)
class Calibration:
    """Seconds that painting takes on this machine, at the run's size.

    `evaluation`: one evaluation of the loss and its gradient; `first` and `later`: all else that a
    first and a later frame need (reading, flow and weights, warping, features, writing).
    """

    evaluation: float
    first: float
    later: float


@dataclass(frozen=True)
class Plan:
    """What `brushflow plan` tells."""

    config: RunConfig
    shots: list[Shot]
    steps: list[Step]
    todo: list[Step]
    records: Sequence[Record]
    size: tuple[int, int]  # width, height
    calibration: Calibration
    memory: float | None
    disk: float
    free: float
    sheet: Path

    @property
    def seconds(self) -> float:
        """The estimated time of what is not done."""
        usual = usual_iterations(self.config, self.records)
        return estimate(self.config, self.todo, self.size, self.calibration, usual)

    def lines(self) -> Iterator[str]:
        """The plan, line by line."""
        passes = len({step.pass_index for step in self.steps})
        width, height = self.size
        yield (
            f"shots:  {len(self.shots)}, with {self.shots[-1].stop} frames of {width}x{height}, "
            f"{passes} pass{'es' if passes > 1 else ''}"
        )
        yield f"done:   {len(self.steps) - len(self.todo)} of {len(self.steps)} steps"
        calibration = self.calibration
        yield (
            f"time:   about {duration(self.seconds)} for the rest "
            f"({calibration.evaluation:.2f} s an iteration at full size on this machine)"
        )
        if self.memory is not None:
            yield f"memory: about {self.memory / 1e9:.1f} GB at its peak"
        yield f"disk:   about {self.disk / 1e9:.2f} GB more, {self.free / 1e9:.1f} GB are free"
        yield f"sheet:  {self.sheet} (first, middle, last frame of each shot)"


def make_plan(run: Run) -> Plan:
    """Extract, find the shots, calibrate with two frames, and write the sheet of shots.

    Raises:
        BrushflowError: as a run does, also where the disk will not do.
    """
    preflight.side_path(run.config, "shots", run.options.overwrite, run.work)
    shots = run.prepare()
    steps = schedule(shots, run.config.temporal)
    todo = [step for step in steps if not run.work.is_done(step)]
    run.detail(steps)
    width, height = run.timeline.geometry.painted
    disk = disk_bytes(run.config, len(run.timeline), run.size, run.work)
    return Plan(
        config=run.config,
        shots=shots,
        steps=steps,
        todo=todo,
        records=list(run.work.records.values()),
        size=(width, height),
        calibration=calibrate(run.stylizer, steps),
        memory=_peak_memory(run.config, width * height),
        disk=disk,
        free=shutil.disk_usage(run.work.root).free,
        sheet=_write_sheet(run, shots),
    )


def calibrate(stylizer: Stylizer, steps: list[Step]) -> Calibration:
    """Paint the middle one of the later frames (or a first one) for a few iterations, and time it.

    The frames before it stand in for their paintings, which may not be there yet.
    """
    later = [step for step in steps if step.needs]
    first = [step for step in steps if not step.needs]
    step = later[len(later) // 2] if later else first[0]

    def trial(iterations: int, folder: str) -> float:
        painter = _stand_in(stylizer, iterations, Path(folder))
        began = time.perf_counter()
        images.encode_png(images.to_pixels(painter.paint(step).image, 16))
        return time.perf_counter() - began

    with tempfile.TemporaryDirectory() as cold, tempfile.TemporaryDirectory() as warm:
        trial(1, cold)  # the first of all calls also makes what all others use
        with_flow, without = trial(0, warm), trial(0, warm)
        evaluation = (trial(TRIAL_ITERATIONS, warm) - without) / TRIAL_ITERATIONS
    return Calibration(evaluation, max(0.0, without - evaluation), max(0.0, with_flow - evaluation))


def _stand_in(stylizer: Stylizer, iterations: int, folder: Path) -> Stylizer:
    """The same stylizer, but with few iterations, and with frames for painted frames."""
    keys = {
        "iterations": iterations,
        "first_iterations": iterations,
        "coarsest": 0,
        "tolerance": 0.0,
        "first_tolerance": 0.0,
    }
    config = stylizer.config
    assert isinstance(stylizer.flows, FlowStore)
    optimizer = config.optimizer.model_copy(update=keys)
    return Stylizer(
        config.model_copy(update={"optimizer": optimizer}),
        stylizer.network,
        stylizer.style.painting,
        stylizer.load_frame,
        lambda source: stylizer.load_frame(source.frame),
        stylizer.flows.kept_in(folder),
        stylizer.device,
    )


def usual_iterations(config: RunConfig, records: Sequence[Record]) -> float:
    """How many iterations a later frame takes: as those that are painted, else as is usual."""
    painted = [
        record.iterations
        for record in records
        if record.init in ("warped", "previous", "blended") and record.start
    ]
    if painted:
        return statistics.fmean(painted)
    options = config.optimizer
    return options.iterations * (USUAL_SHARE if options.tolerance else 1.0)


def estimate(
    config: RunConfig,
    todo: list[Step],
    size: tuple[int, int],
    calibration: Calibration,
    later_iterations: float,
) -> float:
    """Seconds that the steps will take: iterations times evaluations, and all else once a frame.

    An iteration is one evaluation (rarely two), and the start is one more; a coarser scale costs
    its share of the pixels.
    """
    width, height = size
    options = config.optimizer
    coarser = coarser_sizes(height, width, options.coarsest)
    scales = 1 + sum(h * w / (height * width) for h, w in coarser)
    usual = options.first_iterations * (USUAL_FIRST_SHARE if options.first_tolerance else 1.0)
    first = (usual + 1) * scales * calibration.evaluation + calibration.first
    later = (later_iterations + 1) * calibration.evaluation + calibration.later
    return sum(later if step.needs else first for step in todo)


def duration(seconds: float) -> str:
    """Seconds as people say them: "40 s", "12 min", "3 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _peak_memory(config: RunConfig, pixels: int) -> float | None:
    """What the calibration took at its peak, and L-BFGS's history, which it did not fill."""
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    missing = max(0, config.optimizer.history - TRIAL_ITERATIONS)
    return float(peak + (missing * 2 * pixels * 3 * 4 if config.optimizer.name == "lbfgs" else 0))


def _write_sheet(run: Run, shots: list[Shot]) -> Path:
    path = preflight.side_path(run.config, "shots", run.options.overwrite, run.work)

    def load(number: int) -> images.Pixels:
        return images.read_pixels(run.work.frame(number))

    preflight.write_side(
        path, "shots", shots_sheet(shots, load, run.timeline, run.info.zero), run.work
    )
    return path
