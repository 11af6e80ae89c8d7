"""A run: assemble the named parts, run the stages in order, own the progress bars."""

from __future__ import annotations

import hashlib
import logging
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pipeline import images, media, preflight, shots
from pipeline.assemble import assemble
from pipeline.config import fingerprint, pick
from pipeline.errors import OptimizationError
from pipeline.optimize import LossReport, Minimum
from pipeline.schedule import Step, schedule
from pipeline.sections import RunConfig
from pipeline.stylize import Stylizer
from pipeline.workdir import Record, WorkDir, identity

logger = logging.getLogger("brushflow")

SHEET_COLUMNS = 6


@dataclass(frozen=True)
class Options:
    """What the command line says of one call, and no config keeps."""

    fresh: bool = False
    overwrite: bool = False
    quiet: bool = False


@dataclass
class Outcome:
    """What a run did, to be told."""

    output: Path
    sheet: Path | None
    work: Path
    frames: int = 0
    painted: int = 0
    encoded: bool = False
    seconds: float = 0.0
    flagged: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The summary, line by line."""
        if not self.painted and not self.encoded:
            yield f"nothing to do: all {self.frames} frames are painted and the video is written"
        else:
            minutes, seconds = divmod(round(self.seconds), 60)
            yield f"painted {self.painted} of {self.frames} frames in {minutes}:{seconds:02d}"
        yield from self.flagged
        yield f"video: {self.output}"
        if self.sheet:
            yield f"sheet: {self.sheet}"
        yield f"work:  {self.work} (frames, flow, record.jsonl; may be removed)"


def run_pipeline(config: RunConfig, options: Options) -> Outcome:
    """Run all stages that are not done yet; the same call goes on where an earlier one stopped.

    Raises:
        BrushflowError, FlowError: what a user can cause, as one line.
        OSError: the disk is full.
    """
    return Run(config, options).run()


class Run:
    """The stages of one run, over one work folder."""

    def __init__(self, config: RunConfig, options: Options) -> None:
        self.config = config
        self.options = options
        self.clip, self.painting_path, self.output = preflight.required(config)
        self.work = WorkDir(config.run.work or self.output.with_name(self.output.name + ".work"))

    def run(self) -> Outcome:
        started = time.monotonic()
        self.target = media.check_output(self.config.input, self.config.output)
        info = media.probe(self.clip, self.config.input)
        painting = images.read_painting(self.painting_path)
        self.work.open(self.config, self.options.fresh)
        preflight.check_overwrite(self.config, self.work, self.options.overwrite)
        timeline = self._extract(info)
        steps = self._find_steps(timeline)
        outcome = Outcome(self.target.path, None, self.work.root, len(timeline))
        if not all(self.work.is_done(step) for step in steps):
            self._paint(steps, painting, outcome)
        outcome.encoded = self._encode(info, timeline, steps)
        outcome.sheet = self._sheet(steps, outcome.encoded)
        outcome.seconds = time.monotonic() - started
        return outcome

    def _extract(self, info: media.VideoInfo) -> media.Timeline:
        """The clip's frames as files, and when each is shown."""
        kept = self.work.timeline()
        if kept is not None:
            return media.Timeline.from_json(kept)
        clip = media.plan_clip(info, self.config.input, self.config.run.frame_bits)
        for note in clip.notes:
            logger.info("%s", note)
        preflight.check_space(clip, self.work)
        self.work.start_frames()
        hashes: list[str] = []
        with media.read_frames(clip) as reader:
            for frame in self._bar(reader, "extract", clip.frames):
                png = images.write_pixels(self.work.frame(len(hashes)), frame.pixels)
                hashes.append(hashlib.sha256(png).hexdigest())
        timeline = reader.timeline
        self.work.finish_frames(timeline.to_json(), hashes)
        return timeline

    def _find_steps(self, timeline: media.Timeline) -> list[Step]:
        found = self.work.shots()
        if found is None:
            detector = pick(shots.DETECTORS, self.config.shots.detector, "shots.detector")
            paths = [self.work.frame(number) for number in range(len(timeline))]
            pixels = (images.read_pixels(path) for path in self._bar(paths, "shots"))
            found = shots.find_shots(detector, pixels, self.config.shots)
            self.work.finish_shots(found)
        starts = ", ".join(str(shot.start) for shot in found[:12]) + (" …" if found[12:] else "")
        plural = "s, beginning at frames" if found[1:] else ", beginning at frame"
        logger.info("%d shot%s %s", len(found), plural, starts)
        return schedule(found, self.config.temporal)

    def _paint(self, steps: list[Step], painting: torch.Tensor, outcome: Outcome) -> None:
        """Paint every step that is not done, each from files alone."""
        stylizer = assemble(self.config, self.work, painting)
        done = sum(self.work.is_done(step) for step in steps)
        if done:
            logger.info("going on: %d of %d frames are painted", done, len(steps))
        with tqdm(
            total=len(steps), initial=done, unit="frame", desc="paint", **self._look()
        ) as bar:
            for step in steps:
                if self.work.is_done(step):
                    continue
                record = self._paint_step(stylizer, step)
                outcome.painted += 1
                bar.update()
                self._report(record, outcome, len(steps))

    def _paint_step(self, stylizer: Stylizer, step: Step) -> Record:
        began = time.monotonic()
        with tqdm(
            total=stylizer.iterations(step),
            desc=f"frame {step.frame}",
            leave=False,
            position=1,
            **self._look(),
        ) as bar:

            def progress(iteration: int, report: LossReport) -> None:
                bar.set_postfix_str(f"loss {report.total:.4g}", refresh=False)
                bar.update()

            try:
                minimum = stylizer.paint(step, progress)
            except OptimizationError as error:
                raise OptimizationError(
                    f"frame {step.frame}: {error}; see vgg.precision and the weights"
                ) from None
        bits = 16 if images.read_pixels(self.work.frame(step.frame)).dtype == "uint16" else 8
        png = images.encode_png(images.to_pixels(minimum.image, bits))
        record = _record(step, minimum, time.monotonic() - began, self.work.made_from(step), png)
        self.work.finish(png, record)
        return record

    def _report(self, record: Record, outcome: Outcome, total: int) -> None:
        """One line a frame where there is no bar; and at once what went wrong with one."""
        begin, end = sum(record.start.values()), sum(record.end.values())
        if not self._interactive:
            logger.info(
                "frame %d of %d: %d iterations, loss %.4g to %.4g, %.1f s",
                *(record.frame, total, record.iterations, begin, end, record.seconds),
            )
        problem = ""
        if record.stopped == "stalled":
            problem = f"its optimisation was stuck after {record.iterations} iterations"
        elif record.iterations and end >= begin:
            problem = f"its loss did not fall ({begin:.4g} to {end:.4g})"
        if problem:
            logger.warning("frame %d: %s", record.frame, problem)
            outcome.flagged.append(f"warning: frame {record.frame}: {problem}")

    def _encode(self, info: media.VideoInfo, timeline: media.Timeline, steps: list[Step]) -> bool:
        """Write the video, unless it is there and made of these frames with these settings."""
        made_of = {
            "painting": self.work.painting_hash(steps),
            "options": fingerprint(self.config, "output"),
        }
        written = self.work.manifest.get("video", {})
        made_before = {key: written.get(key) for key in made_of} == made_of
        if made_before and written["identity"] == identity(self.target.path):
            return False
        paths = (self.work.painted(step.result) for step in steps)
        pixels = (images.read_pixels(path) for path in self._bar(paths, "encode", len(steps)))
        notes = media.write_video(
            self.output, pixels, timeline, info, self.config.input, self.config.output
        )
        for note in notes:
            logger.info("%s", note)
        self.work.note(video={**made_of, "identity": identity(self.target.path)})
        return True

    def _sheet(self, steps: list[Step], anew: bool) -> Path | None:
        """A row of the clip's frames above a row of the painted ones."""
        if not self.config.output.sheet:
            return None
        path = self.output.with_name(self.output.stem + ".sheet.png")
        if path.exists() and not anew:
            return path
        count = min(SHEET_COLUMNS, len(steps))
        chosen = [steps[(2 * column + 1) * len(steps) // (2 * count)] for column in range(count)]
        rows = [
            [self.work.frame(s.frame) for s in chosen],
            [self.work.painted(s.result) for s in chosen],
        ]
        sheet = images.contact_sheet([[images.read_pixels(path) for path in row] for row in rows])
        images.write_pixels(path, sheet)
        return path

    @property
    def _interactive(self) -> bool:
        return sys.stderr.isatty() and not self.options.quiet

    def _look(self) -> dict[str, Any]:
        return {"disable": not self._interactive, "dynamic_ncols": True, "file": sys.stderr}

    def _bar(self, items: Iterable[Any], name: str, total: int | None = None) -> Iterable[Any]:
        wrapped: Iterable[Any] = tqdm(items, name, total, unit="frame", leave=False, **self._look())
        return wrapped


def _record(step: Step, minimum: Minimum, seconds: float, made_from: str, png: bytes) -> Record:
    return Record(
        frame=step.frame,
        pass_index=step.pass_index,
        init=step.init,
        iterations=minimum.iterations,
        stopped=minimum.stopped,
        seconds=round(seconds, 3),
        start=minimum.start.terms,
        end=minimum.end.terms,
        made_from=made_from,
        sha256=hashlib.sha256(png).hexdigest(),
    )
