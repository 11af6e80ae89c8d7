"""A run: assemble the named parts, run the stages in order, own the progress bars."""

from __future__ import annotations

import hashlib
import logging
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from flow.estimators import ESTIMATORS
from flow.occlusion import CHECKS
from flow.store import FlowStore
from pipeline import images, machine, media, shots, vgg
from pipeline.config import fingerprint, pick
from pipeline.errors import ConfigError, OptimizationError, WorkDirError
from pipeline.optimize import LossReport, Minimum
from pipeline.schedule import Source, Step, pairs, schedule
from pipeline.sections import RunConfig
from pipeline.stylize import Stylizer
from pipeline.workdir import Record, WorkDir, file_hash, identity

logger = logging.getLogger("brushflow")

SHEET_COLUMNS = 6
# Bytes a pixel of what a run writes: PNG frames compress to about 0.75 of their size, flow both ways
# is 2 x 2 float32 and two weights.
FLOW_BYTES = 2 * 2 * 4 + 2
PNG_SHARE = 0.8
SPARE_BYTES = 50_000_000


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
        self.clip, self.painting_path, self.output = _required(config)
        self.work = WorkDir(config.run.work or self.output.with_name(self.output.name + ".work"))

    def run(self) -> Outcome:
        started = time.monotonic()
        media.check_output(self.config.input, self.config.output)
        info = media.probe(self.clip, self.config.input)
        painting = images.read_painting(self.painting_path)
        self.work.open(self.config, self.options.fresh)
        self._check_output()
        self._check_space(info)
        timeline = self._extract(info)
        steps = self._find_steps(timeline)
        outcome = Outcome(self.output, None, self.work.root, len(timeline.ticks))
        todo = [step for step in steps if not self.work.is_done(step)]
        if todo:
            self._paint(steps, painting, outcome)
        outcome.encoded = self._encode(info, timeline, steps)
        outcome.sheet = self._sheet(steps)
        outcome.seconds = time.monotonic() - started
        return outcome

    def _check_output(self) -> None:
        """Refuse to replace a file that is not the one that this run wrote."""
        if not self.output.exists() or self.options.overwrite:
            return
        written = self.work.manifest.get("video", {})
        if written.get("sha256") != identity(self.output):
            raise ConfigError(
                f"{self.output} exists and is not of this run: give --overwrite to replace it, "
                "or another --output"
            )

    def _check_space(self, info: media.VideoInfo) -> None:
        """Refuse to start what the disk cannot hold."""
        if info.frames is None:
            return
        width, height = info.size
        png = width * height * 3 * self._bits(info) / 8 * PNG_SHARE
        done = len(self.work.records)
        needed = (info.frames - done) * (2 * png + width * height * FLOW_BYTES) + SPARE_BYTES
        free = shutil.disk_usage(self.work.root).free
        if needed > free:
            raise WorkDirError(
                f"{self.work.root}: the disk has {free / 1e9:.1f} GB free, the run needs about "
                f"{needed / 1e9:.1f} GB ({info.frames} frames of {width}x{height}): make space, "
                "set run.work to another disk, or paint less (input.end, input.max_side)"
            )

    def _bits(self, info: media.VideoInfo) -> int:
        wanted = self.config.run.frame_bits
        return int(wanted) if wanted != "auto" else 16 if info.bit_depth > 8 else 8

    def _extract(self, info: media.VideoInfo) -> media.Timeline:
        """The clip's frames as files, and when each is shown."""
        kept = self.work.timeline()
        if kept is not None:
            return media.Timeline.from_json(kept)
        self.work.start_frames()
        hashes = []
        reader = media.read_frames(info, self.config.input, self._bits(info))
        for frame in self._bar(reader, "extract", info.frames):
            path = self.work.frame(len(hashes))
            images.write_pixels(path, frame.pixels)
            hashes.append(file_hash(path) or "")
        timeline = reader.timeline
        self.work.finish_frames(timeline.to_json(), hashes)
        return timeline

    def _find_steps(self, timeline: media.Timeline) -> list[Step]:
        found = self.work.shots()
        if found is None:
            detector = pick(shots.DETECTORS, self.config.shots.detector, "shots.detector")
            paths = [self.work.frame(number) for number in range(len(timeline.ticks))]
            pixels = (images.read_pixels(path) for path in self._bar(paths, "shots"))
            found = shots.find_shots(detector, pixels, self.config.shots)
            self.work.finish_shots(found)
        starts = ", ".join(str(shot.start) for shot in found[:12]) + (" …" if found[12:] else "")
        plural = "s, beginning at frames" if found[1:] else ", beginning at frame"
        logger.info("%d shot%s %s", len(found), plural, starts)
        return schedule(found, self.config.temporal)

    def _paint(self, steps: list[Step], painting: torch.Tensor, outcome: Outcome) -> None:
        """Paint every step that is not done, each from files alone."""
        stylizer = self._stylizer(painting)
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
        options = self.config.optimizer
        limit = options.iterations if step.needs else options.first_iterations
        with tqdm(
            total=limit, desc=f"frame {step.frame}", leave=False, position=1, **self._look()
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

    def _stylizer(self, painting: torch.Tensor) -> Stylizer:
        """The named parts of the config, put together."""
        config = self.config
        threads = machine.set_threads(config.run.threads)
        device = machine.choose_device(config.run.device)
        precision = self.work.manifest.get("precision") or machine.choose_precision(
            config.vgg.precision, device
        )
        self.work.note(precision=precision)
        logger.info("painting on %s with %d threads, VGG in %s", device, threads, precision)
        weights = vgg.load_weights(config.vgg.weights)
        network = vgg.Vgg19(weights, precision, config.vgg.pooling, config.vgg.padding, device)

        def load_frame(number: int) -> torch.Tensor:
            return images.read_image(self.work.frame(number))

        def load_painted(source: Source) -> torch.Tensor:
            return images.read_image(self.work.painted(source))

        estimator = pick(ESTIMATORS, config.flow.estimator, "flow.estimator")(config.flow)
        check = pick(CHECKS, config.flow.check, "flow.check")
        files = config.flow.files
        store = FlowStore(self.work.flow, load_frame, estimator, check, files)
        return Stylizer(config, network, painting, load_frame, load_painted, store, device)

    def _encode(self, info: media.VideoInfo, timeline: media.Timeline, steps: list[Step]) -> bool:
        """Write the video, unless it is there and made of these frames with these settings."""
        made_of = {
            "painting": self.work.painting_hash(steps),
            "options": fingerprint(self.config, "output"),
        }
        written = self.work.manifest.get("video", {})
        made_before = {key: written.get(key) for key in made_of} == made_of
        if made_before and self.output.exists() and written["sha256"] == identity(self.output):
            return False
        paths = (self.work.painted(step.result) for step in steps)
        pixels = (images.read_pixels(path) for path in self._bar(paths, "encode", len(steps)))
        notes = media.write_video(self.output, pixels, timeline, info, self.config.output)
        for note in notes:
            logger.info("%s", note)
        self.work.note(video={**made_of, "sha256": identity(self.output)})
        return True

    def _sheet(self, steps: list[Step]) -> Path | None:
        """A row of the clip's frames above a row of the painted ones."""
        if not self.config.output.sheet:
            return None
        path = self.output.with_name(self.output.stem + ".sheet.png")
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


def _required(config: RunConfig) -> tuple[Path, Path, Path]:
    paths = []
    for section in ("input", "style", "output"):
        path = getattr(config, section).path
        if path is None:
            raise ConfigError(
                f"{section}.path is not set: name it in the config or give --{section}"
            )
        paths.append(path)
    return paths[0], paths[1], paths[2]


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
