"""The stages of a run, one function each, over one work folder."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from flow.faults import fault_point
from pipeline import images, media, preflight, shots
from pipeline.claims import identity
from pipeline.config import fingerprint, pick
from pipeline.errors import MediaError, OptimizationError
from pipeline.framefiles import FrameFiles
from pipeline.optimize import LossReport
from pipeline.records import Record
from pipeline.schedule import Source, Step, results
from pipeline.sections import RunConfig
from pipeline.sheets import Cell, labelled_sheet
from pipeline.shots import Shot
from pipeline.stylize import Stylizer
from pipeline.words import many
from pipeline.workdir import WorkDir

logger = logging.getLogger("brushflow")

SHEET_COLUMNS, SHEET_WIDTH = 6, 320


class Bar(Protocol):
    """Wraps what is iterated over to show how far it is."""

    def __call__(self, items: Iterable[Any], name: str, total: int | None = None) -> Iterable[Any]:
        """The same items; `total` is how many there will be, where that is known."""
        ...


def extract(clip: media.Clip, work: WorkDir, bar: Bar) -> media.Timeline:
    """The clip's frames as files, and when each is shown.

    Raises:
        MediaError: nothing decodes.
    """
    work.start_frames()
    with media.read_frames(clip) as reader:
        hashes = _written(bar(reader, "extract", clip.frames), work.frames)
    for note in reader.timeline.notes:
        logger.warning("%s", note)
    work.finish_frames(reader.timeline.to_json(), hashes)
    return reader.timeline


def extract_detail(
    config: RunConfig, work: WorkDir, info: media.VideoInfo, timeline: media.Timeline, bar: Bar
) -> None:
    """The clip's frames larger than they are painted, for flow to see more by, if it has any.

    Raises:
        MediaError: the clip has other frames than it had.
    """
    size = media.larger(timeline.geometry, config.flow.detail)
    if size is None:
        return
    kept = work.detail.about()
    if kept is not None and kept["size"] == [*size]:
        return
    work.detail.start()
    with media.read_larger(info, config.input, timeline, size) as reader:
        hashes = _written(bar(reader, "detail", len(timeline)), work.detail)
    if len(hashes) != len(timeline):
        raise MediaError(
            f"{config.input.path}: {len(hashes)} frames decode now, {len(timeline)} did before: "
            "run --fresh starts anew"
        )
    work.detail.finish(hashes, {"size": size})


def _written(frames: Iterable[media.Frame], files: FrameFiles) -> list[str]:
    """Write frames in their order; the hashes of their files."""
    hashes: list[str] = []
    for frame in frames:
        png = images.write_pixels(files.path(len(hashes)), frame.pixels)
        hashes.append(hashlib.sha256(png).hexdigest())
    return hashes


def find_shots(
    config: RunConfig, work: WorkDir, info: media.VideoInfo, timeline: media.Timeline, bar: Bar
) -> list[Shot]:
    """The shots of the extracted clip, found once and kept."""
    found = work.shots()
    if found is None:
        detector = pick(shots.DETECTORS, config.shots.detector, "shots.detector")
        paths = [work.frame(number) for number in range(len(timeline))]
        pixels = (images.read_pixels(path) for path in bar(paths, "shots", len(paths)))
        cuts = media.run_frames(config.shots.cuts, info, config.input, timeline)
        found = shots.find_shots(detector, pixels, config.shots, cuts)
        work.finish_shots(found)
    starts = ", ".join(str(shot.start) for shot in found[:12]) + (" …" if found[12:] else "")
    frames = "frames" if found[1:] else "frame"
    logger.info("%s, beginning at %s %s", many(len(found), "shot"), frames, starts)
    return found


def paint_step(
    stylizer: Stylizer, work: WorkDir, step: Step, progress: Callable[[int, LossReport], None]
) -> Record:
    """Paint one step from files alone, and keep the image and its record.

    Raises:
        OptimizationError: the loss is NaN or infinite, or memory does not do; names the frame.
    """
    began = time.monotonic()
    if work.repeats(step):
        return _repeat(work, step)
    try:
        minimum = stylizer.paint(step, progress)
    except OptimizationError as error:
        raise OptimizationError(f"frame {step.frame}: {error}") from None
    bits = images.png_bits(work.frame(step.frame))
    png = images.encode_png(images.to_pixels(minimum.image, bits))
    record = Record(
        frame=step.frame,
        pass_index=step.pass_index,
        init=step.init,
        iterations=minimum.iterations,
        stopped=minimum.stopped,
        seconds=round(time.monotonic() - began, 3),
        start=minimum.start.terms,
        end=minimum.end.terms,
        made_from=work.made_from(step),
        sha256=hashlib.sha256(png).hexdigest(),
    )
    work.finish(png, record)
    fault_point("frame")
    return record


def _repeat(work: WorkDir, step: Step) -> Record:
    """A frame that equals the one before it gets the same painting."""
    png = work.painted(Source(step.frame - 1, step.pass_index)).read_bytes()
    record = Record(
        frame=step.frame,
        pass_index=step.pass_index,
        init="repeated",
        iterations=0,
        stopped="repeated",
        seconds=0.0,
        start={},
        end={},
        made_from=work.made_from(step),
        sha256=hashlib.sha256(png).hexdigest(),
    )
    work.finish(png, record)
    fault_point("frame")
    return record


def problem(record: Record) -> str | None:
    """What a user should know of how a frame was painted, if anything."""
    begin, end = sum(record.start.values()), sum(record.end.values())
    if record.stopped == "stalled":
        return f"its optimisation was stuck after {record.iterations} iterations"
    if record.iterations and end >= begin:
        return f"its loss did not fall ({begin:.4g} to {end:.4g})"
    return None


@dataclass(frozen=True)
class Film:
    """What a video is made from: the clip, its times, and the steps that paint it (all passes)."""

    info: media.VideoInfo
    timeline: media.Timeline
    steps: list[Step]


def encode(config: RunConfig, work: WorkDir, film: Film, bar: Bar) -> bool:
    """Write the video, unless it is there, made of these frames with these settings.

    Frames that are not painted stand as they were, as far as a painted one comes after them.

    Raises:
        MediaError: nothing is painted yet, or an encoder failed.
    """
    target = media.check_output(config.input, config.output)
    place = preflight.written_at(target)
    done = results(step for step in film.steps if work.is_done(step))
    if not done:
        raise MediaError(f"{work.root}: no frame is painted yet, there is nothing to encode")
    made_of = {"painting": work.painting_hash(done), "options": fingerprint(config, "output")}
    before = work.manifest.get("video", {})
    count = done[-1].frame + 1
    if before == {**made_of, "frames": count, "identity": identity(place)}:
        return False
    # Noted first: should this be cut short, what lies there then is ours.
    work.note(encoding=str(place))
    painted = {step.frame: work.painted(step.result) for step in done}
    paths = [painted.get(number, work.frame(number)) for number in range(count)]
    pixels = (images.read_pixels(path) for path in bar(paths, "encode", count))
    notes = media.write_video(place, pixels, film.timeline, film.info, config.input, config.output)
    for note in notes:
        logger.info("%s", note)
    fault_point("encoded")
    _remove_surplus(target, count, before.get("frames", 0))
    _tell_unfinished(results(film.steps), count, done)
    work.note(video={**made_of, "frames": count, "identity": identity(place)}, encoding=None)
    return True


def sheet(config: RunConfig, work: WorkDir, steps: list[Step], path: Path, anew: bool) -> None:
    """A row of the clip's frames above a row of the painted ones."""
    done = results(step for step in steps if work.is_done(step))
    if not done or (path.exists() and not anew):
        return
    count = min(SHEET_COLUMNS, len(done))
    chosen = [done[(2 * column + 1) * len(done) // (2 * count)] for column in range(count)]
    rows = [[work.frame(step.frame) for step in chosen], [work.painted(s.result) for s in chosen]]
    cells = [[Cell(images.read_pixels(cell)) for cell in row] for row in rows]
    preflight.write_side(path, "sheet", labelled_sheet(cells, SHEET_WIDTH), work)


def _remove_surplus(target: media.Target, count: int, before: int) -> None:
    """Remove the single frames that a longer video of ours left behind its end."""
    if target.pattern:
        for number in range(count, before):
            (target.path / target.numbered(number)).unlink(missing_ok=True)


def _tell_unfinished(wanted: list[Step], count: int, done: list[Step]) -> None:
    """Tell of frames that the video lacks or has from the clip, and of passes still to come."""
    if len(done) < len(wanted):
        as_in_clip = f", {count - len(done)} of them as in the clip" if count > len(done) else ""
        told = count, many(len(wanted), "frame"), as_in_clip
        logger.info("unfinished: the video has %d of %s%s", *told)
    elif done != wanted:
        rest = len(set(wanted) - set(done))
        of_video = many(rest, "frame of the video is", "frames of the video are")
        logger.info("unfinished: %s of an earlier pass", of_video)
