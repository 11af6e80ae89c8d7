"""A run: assemble the named parts, run the stages in order, own the progress bars."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline import disk, images, media, preflight, stages
from pipeline.ahead import FlowAhead, core_is_free
from pipeline.assemble import assemble
from pipeline.errors import ConfigError
from pipeline.optimize import LossReport
from pipeline.outcome import Options, Outcome
from pipeline.records import Record
from pipeline.schedule import Step, by_shot, needed_for, pairs, schedule
from pipeline.sections import RunConfig
from pipeline.shots import Shot
from pipeline.words import many
from pipeline.workdir import WorkDir

logger = logging.getLogger("brushflow")


class Run:
    """One call on one work folder; closing it lets go of the folder."""

    def __init__(self, config: RunConfig, options: Options) -> None:
        self.config = config
        self.options = options
        self.began = time.monotonic()
        clip, painting, _ = preflight.required(config)
        target = media.check_output(config.input, config.output)
        self.output = target.path
        root = preflight.work_folder(config)
        preflight.check_places(config, root)
        preflight.check_files(config)
        media.check_range(config.input)
        self.info = media.probe(clip, config.input)
        self.painting = images.read_painting(painting)
        self.work = WorkDir(root)

    def __enter__(self) -> Run:
        self.work.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.work.close()

    def prepare(self) -> list[Shot]:
        """Take the folder, extract the frames and find the shots, unless that is done."""
        self.work.claim(self.config, self.options.fresh)
        self.stylizer = assemble(self.config, self.work, self.painting)
        kept = self.work.timeline()
        if kept is None:
            clip = media.plan_clip(self.info, self.config.input, self.config.run.frame_bits)
            for note in clip.notes:
                logger.info("%s", note)
            size = disk.size_of(clip.geometry, clip.deep, self.config)
            disk.check_space(self.config, clip.frames or 0, size, self.work)
            self.timeline = stages.extract(clip, self.work, self.bar)
        else:
            self.timeline = media.Timeline.from_json(kept)
        _, stop = self.options.frames or (0, len(self.timeline))
        preflight.check_count(self.config, stop)
        preflight.check_flow_files(self.config, self.size.width, self.size.height)
        disk.check_space(self.config, len(self.timeline), self.size, self.work)
        if self.options.until == "frames":
            return []
        return stages.find_shots(self.config, self.work, self.info, self.timeline, self.bar)

    @property
    def size(self) -> disk.Size:
        """What is painted of each frame."""
        return disk.size_of(self.timeline.geometry, self.timeline.deep, self.config)

    def run(self) -> Outcome:
        """All that the options ask for and that is not done yet."""
        preflight.check_overwrite(self.config, self.work, self.options.overwrite)
        self._sheet_path()
        shots = self.prepare()
        steps = schedule(shots, self.config.temporal)
        outcome = Outcome(self.work.root, frames=len(steps), passes=self.config.temporal.passes)
        wanted = needed_for(steps, self._part(shots))
        self.work.begin()
        if self.options.until == "flow":
            self._flow(wanted)
        elif self.options.until in ("painting", "video"):
            self._paint(wanted, shots, outcome)
            for shot, own in by_shot(shots, steps).items():
                self._forget_flow(shot, own)
        if self.options.until in ("frames", "shots", "flow"):
            outcome.prepared = self._prepared(shots)
        outcome.done = sum(self.work.is_done(step) for step in steps)
        if self.options.until == "video" and outcome.done == len(steps):
            self._finish(steps, outcome)
        outcome.seconds = time.monotonic() - self.began
        return outcome

    def encode(self) -> Outcome:
        """The video of what is painted, also of an unfinished run."""
        preflight.check_overwrite(self.config, self.work, self.options.overwrite)
        self.work.claim(self.config, only_read=True)
        kept, shots = self.work.timeline(), self.work.shots()
        if kept is None or shots is None:
            there = (
                "frames are missing or damaged" if self.work.records else "nothing is painted yet"
            )
            raise ConfigError(f"{self.work.root}: {there}: run it first")
        self.timeline = media.Timeline.from_json(kept)
        steps = schedule(shots, self.config.temporal)
        outcome = Outcome(self.work.root, frames=len(steps), passes=self.config.temporal.passes)
        outcome.done = sum(self.work.is_done(step) for step in steps)
        self._finish(steps, outcome)
        outcome.seconds = time.monotonic() - self.began
        return outcome

    def bar(self, items: Iterable[Any], name: str, total: int | None = None) -> Iterable[Any]:
        """The items, with a progress bar that vanishes at the end."""
        wrapped: Iterable[Any] = tqdm(items, name, total, unit="frame", leave=False, **self._look)
        return wrapped

    def _prepared(self, shots: list[Shot]) -> str:
        """What there is, where no painting was asked for."""
        found = f", {many(len(shots), 'shot')} found" if shots else ""
        flow = ", flow computed" if self.options.until == "flow" else ""
        return f"{many(len(self.timeline), 'frame')} extracted{found}{flow}"

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
            has = many(count, "frame")
            raise ConfigError(f"--frames {first}:{stop}: the run has {has}, that is 0:{count}")
        return range(first, stop)

    def detail(self, steps: list[Step]) -> None:
        """What flow needs to see of the clip, for those of the steps that are not done."""
        if pairs(step for step in steps if not self.work.is_done(step)):
            given = (self.config, self.work, self.info, self.timeline, self.bar)
            stages.extract_detail(*given)

    def _flow(self, steps: list[Step]) -> None:
        self.detail(steps)
        wanted = pairs(step for step in steps if not self.work.is_done(step))
        for now, earlier in self.bar(wanted, "flow", len(wanted)):
            self.stylizer.flows.weight(now, earlier)

    def _paint(self, steps: list[Step], shots: list[Shot], outcome: Outcome) -> None:
        """Paint every step that is not done, each from files alone."""
        done = sum(self.work.is_done(step) for step in steps)
        if done == len(steps):
            return
        if done:
            logger.info("going on: %d of %d frames are painted", done, len(steps))
        self.detail(steps)
        shots_to_end = {own[-1]: (shot, own) for shot, own in by_shot(shots, steps).items() if own}
        beside = core_is_free(self.stylizer.device)
        with (
            tqdm(total=len(steps), initial=done, unit="frame", desc="paint", **self._look) as bar,
            FlowAhead(self.stylizer.flows, beside) as ahead,
        ):
            for step, following in zip_longest(steps, steps[1:]):
                if not self.work.is_done(step):
                    ahead.between(step, following if self._to_paint(following) else None)
                    record = self._paint_step(step)
                    outcome.painted += 1
                    self._report(record, outcome, done + outcome.painted, len(steps))
                    bar.update()
                    if step in shots_to_end:
                        self._forget_flow(*shots_to_end[step])

    def _to_paint(self, step: Step | None) -> bool:
        """Whether a step is still to be done, and that by painting."""
        return step is not None and not (self.work.is_done(step) or self.work.repeats(step))

    def _forget_flow(self, shot: Shot, steps: list[Step]) -> None:
        """Remove the flow of a finished shot, whose steps are given, if `run.keep` allows it."""
        whole = {step.frame for step in steps} == set(range(shot.start, shot.stop))
        if self.config.run.keep == "result" and whole and all(map(self.work.is_done, steps)):
            self.stylizer.flows.forget(shot.start, shot.stop)

    def _paint_step(self, step: Step) -> Record:
        title, total = f"frame {step.frame}", self.stylizer.iterations(step)
        with tqdm(total=total, desc=title, leave=False, position=1, **self._look) as bar:

            def progress(iteration: int, report: LossReport) -> None:
                bar.set_postfix_str(f"loss {report.total:.4g}", refresh=False)
                bar.update()

            return stages.paint_step(self.stylizer, self.work, step, progress)

    def _report(self, record: Record, outcome: Outcome, done: int, total: int) -> None:
        """One line a frame where there is no bar; and at once what went wrong with one."""
        if not self._interactive and record.stopped == "repeated":
            logger.info("frame %d (%d of %d): as the one before", record.frame, done, total)
        elif not self._interactive:
            begin, end = sum(record.start.values()), sum(record.end.values())
            logger.info(
                "frame %d (%d of %d): %d iterations, loss %.4g to %.4g, %.1f s",
                *(record.frame, done, total, record.iterations, begin, end),
                record.seconds,
            )
        trouble = stages.problem(record)
        if trouble is not None:
            logger.warning("frame %d: %s", record.frame, trouble)
            outcome.flagged.append(f"warning: frame {record.frame}: {trouble}")

    def _finish(self, steps: list[Step], outcome: Outcome) -> None:
        """The video and its sheet."""
        film = stages.Film(self.info, self.timeline, steps)
        outcome.output, outcome.sheet = self.output, self._sheet_path()
        outcome.encoded = stages.encode(self.config, self.work, film, self.bar)
        if outcome.sheet:
            stages.sheet(self.config, self.work, steps, outcome.sheet, outcome.encoded)

    def _sheet_path(self) -> Path | None:
        if not self.config.output.sheet:
            return None
        return preflight.side_path(self.config, "sheet", self.options.overwrite, self.work)

    @property
    def _interactive(self) -> bool:
        return sys.stderr.isatty() and not self.options.quiet

    @property
    def _look(self) -> dict[str, Any]:
        return {"disable": not self._interactive, "dynamic_ncols": True, "file": sys.stderr}
