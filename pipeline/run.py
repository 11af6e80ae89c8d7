"""A run: assemble the named parts, run the stages in order, own the progress bars."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline import images, media, preflight, stages
from pipeline.assemble import assemble
from pipeline.errors import ConfigError
from pipeline.optimize import LossReport
from pipeline.schedule import Step, needed_for, pairs, schedule
from pipeline.sections import RunConfig
from pipeline.shots import Shot
from pipeline.workdir import Record, WorkDir

logger = logging.getLogger("brushflow")

UNTIL = ("frames", "shots", "flow", "painting", "video")


@dataclass(frozen=True)
class Options:
    """What the command line says of one call, and no config keeps.

    `frames` (first, last + 1) and `shot` choose a part of the work, `until` the last stage.
    """

    fresh: bool = False
    overwrite: bool = False
    quiet: bool = False
    frames: tuple[int, int] | None = None
    shot: int | None = None
    until: str = "video"


@dataclass
class Outcome:
    """What a call did, to be told."""

    work: Path
    output: Path | None = None
    sheet: Path | None = None
    frames: int = 0
    done: int = 0
    painted: int = 0
    encoded: bool = False
    seconds: float = 0.0
    flagged: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The summary, line by line."""
        if self.output and not self.painted and not self.encoded:
            yield f"nothing to do: all {self.frames} frames are painted and the video is written"
        else:
            minutes, seconds = divmod(round(self.seconds), 60)
            rest = f", {self.done} are done" if self.done > self.painted else ""
            yield f"painted {self.painted} of {self.frames} frames in {minutes}:{seconds:02d}{rest}"
        yield from self.flagged
        if self.output:
            yield f"video: {self.output}"
        if self.sheet:
            yield f"sheet: {self.sheet}"
        yield f"work:  {self.work} (frames, flow, record.jsonl; may be removed when all is done)"


class Run:
    """One call on one work folder; closing it lets go of the folder."""

    def __init__(self, config: RunConfig, options: Options) -> None:
        self.config = config
        self.options = options
        self.began = time.monotonic()
        clip, painting, output = preflight.required(config)
        self.output = media.check_output(config.input, config.output).path
        self.info = media.probe(clip, config.input)
        self.painting = images.read_painting(painting)
        self.work = WorkDir(config.run.work or output.with_name(output.name + ".work"))

    def __enter__(self) -> Run:
        self.work.open(self.config, self.options.fresh)
        return self

    def __exit__(self, *error: object) -> None:
        self.work.close()

    def prepare(self) -> list[Shot]:
        """Extract the frames and find the shots, unless that is done."""
        self.stylizer = assemble(self.config, self.work, self.painting)
        kept = self.work.timeline()
        if kept is None:
            clip = media.plan_clip(self.info, self.config.input, self.config.run.frame_bits)
            for note in clip.notes:
                logger.info("%s", note)
            preflight.check_space(clip, self.work)
            self.timeline = stages.extract(clip, self.work, self.bar)
        else:
            self.timeline = media.Timeline.from_json(kept)
        if self.options.until == "frames":
            return []
        return stages.find_shots(self.config, self.work, self.info, self.timeline, self.bar)

    def run(self) -> Outcome:
        """All that the options ask for and that is not done yet."""
        preflight.check_overwrite(self.config, self.work, self.options.overwrite)
        shots = self.prepare()
        steps = schedule(shots, self.config.temporal)
        outcome = Outcome(self.work.root, frames=len(self.timeline))
        wanted = needed_for(steps, self._part(shots))
        if self.options.until == "flow":
            self._flow(wanted)
        elif self.options.until in ("painting", "video"):
            self._paint(wanted, shots, outcome)
        outcome.done = sum(self.work.is_done(step) for step in steps)
        if self.options.until == "video" and outcome.done == len(steps):
            self._finish(steps, outcome)
        outcome.seconds = time.monotonic() - self.began
        return outcome

    def encode(self) -> Outcome:
        """The video of what is painted, also of an unfinished run."""
        preflight.check_overwrite(self.config, self.work, self.options.overwrite)
        kept, shots = self.work.timeline(), self.work.shots()
        if kept is None or shots is None:
            raise ConfigError(f"{self.work.root}: nothing is painted there yet: run it first")
        self.timeline = media.Timeline.from_json(kept)
        steps = schedule(shots, self.config.temporal)
        outcome = Outcome(self.work.root, frames=len(steps))
        outcome.done = sum(self.work.is_done(step) for step in steps)
        self._finish(steps, outcome)
        outcome.seconds = time.monotonic() - self.began
        return outcome

    def bar(self, items: Iterable[Any], name: str, total: int | None = None) -> Iterable[Any]:
        """The items, with a progress bar that vanishes at the end."""
        wrapped: Iterable[Any] = tqdm(items, name, total, unit="frame", leave=False, **self._look)
        return wrapped

    def _part(self, shots: list[Shot]) -> range:
        """The frames that the options choose."""
        count, options = len(self.timeline), self.options
        if options.shot is not None:
            if not 0 <= options.shot < len(shots):
                raise ConfigError(
                    f"--shot {options.shot}: the clip has the shots 0 to {len(shots) - 1}"
                )
            return range(shots[options.shot].start, shots[options.shot].stop)
        first, stop = options.frames or (0, count)
        if options.frames and not 0 <= first < stop <= count:
            raise ConfigError(
                f"--frames {first}:{stop}: the run has {count} frames, that is 0:{count}"
            )
        return range(first, stop)

    def _flow(self, steps: list[Step]) -> None:
        wanted = pairs(steps)
        for now, earlier in self.bar(wanted, "flow", len(wanted)):
            self.stylizer.flows.weight(now, earlier)

    def _paint(self, steps: list[Step], shots: list[Shot], outcome: Outcome) -> None:
        """Paint every step that is not done, each from files alone."""
        done = sum(self.work.is_done(step) for step in steps)
        if done == len(steps):
            return
        if done:
            logger.info("going on: %d of %d frames are painted", done, len(steps))
        last = {shot.stop - 1: shot for shot in shots}
        with tqdm(total=len(steps), initial=done, unit="frame", desc="paint", **self._look) as bar:
            for step in steps:
                if not self.work.is_done(step):
                    self._report(self._paint_step(step), outcome, len(steps))
                    bar.update()
                if step.frame in last and self.config.run.keep == "result":
                    self.stylizer.flows.forget(last[step.frame].start, last[step.frame].stop)

    def _paint_step(self, step: Step) -> Record:
        title, total = f"frame {step.frame}", self.stylizer.iterations(step)
        with tqdm(total=total, desc=title, leave=False, position=1, **self._look) as bar:

            def progress(iteration: int, report: LossReport) -> None:
                bar.set_postfix_str(f"loss {report.total:.4g}", refresh=False)
                bar.update()

            return stages.paint_step(self.stylizer, self.work, step, progress)

    def _report(self, record: Record, outcome: Outcome, total: int) -> None:
        """One line a frame where there is no bar; and at once what went wrong with one."""
        outcome.painted += 1
        if not self._interactive:
            begin, end = sum(record.start.values()), sum(record.end.values())
            logger.info(
                "frame %d (%d of %d): %d iterations, loss %.4g to %.4g, %.1f s",
                *(record.frame, outcome.painted, total, record.iterations, begin, end),
                record.seconds,
            )
        trouble = stages.problem(record)
        if trouble is not None:
            logger.warning("frame %d: %s", record.frame, trouble)
            outcome.flagged.append(f"warning: frame {record.frame}: {trouble}")

    def _finish(self, steps: list[Step], outcome: Outcome) -> None:
        outcome.output = self.output
        outcome.encoded = stages.encode(
            self.config, self.work, self.info, self.timeline, steps, self.bar
        )
        outcome.sheet = stages.sheet(self.config, self.work, steps, outcome.encoded)

    @property
    def _interactive(self) -> bool:
        return sys.stderr.isatty() and not self.options.quiet

    @property
    def _look(self) -> dict[str, Any]:
        return {"disable": not self._interactive, "dynamic_ncols": True, "file": sys.stderr}
