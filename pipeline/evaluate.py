"""Evaluate: what a run has painted, or any pair of clips, measured frame by frame."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from tqdm import tqdm

from flow.atomic import write_atomic
from pipeline import images, machine, media, preflight
from pipeline.assemble import flow_store
from pipeline.config import load_config
from pipeline.errors import ConfigError
from pipeline.footage import ClipFootage, ClipFrames, Footage, RunFootage, common_spans, run_root
from pipeline.measure import OFFSETS, Frames, measure_versions
from pipeline.scorecard import Evaluation, flow_words
from pipeline.scorer import Scorer
from pipeline.sections import FlowConfig, InputConfig, RunConfig
from pipeline.stages import Bar

logger = logging.getLogger("brushflow")

KEPT = max(OFFSETS) + 1  # frames of each clip that are in memory


@dataclass(frozen=True)
class Request:
    """What the command line asks for.

    A run, found by its `config` or as its work folder, or else a `pair` (original, painted).
    `named` is the config file or folder; `overrides` are those of the command line, which the
    config holds already; `flow` is what to measure by; `scorer` a config file whose losses score,
    None for the run's own.
    """

    config: RunConfig
    flow: FlowConfig
    overrides: Sequence[tuple[str, Any]] = ()
    named: Path | None = None
    pair: tuple[Path, Path] | None = None
    against: Path | None = None
    scorer: Path | None = None
    json: Path | None = None
    quiet: bool = False

    @property
    def folder(self) -> Path | None:
        """The work folder, where that was named."""
        return self.named if self.named is not None and self.named.is_dir() else None


@dataclass(frozen=True)
class Scene:
    """The clips to measure, none of them read yet.

    `shots` are the original's; `kept` is the config that the run was painted with, `metrics` where
    its numbers are kept.
    """

    original: Frames
    painted: Footage
    against: Footage | None
    shots: Callable[[Bar], list[range]]
    kept: Path | None = None
    metrics: Path | None = None

    def close(self) -> None:
        """End what still reads a clip."""
        sides = [self.original, *(side.frames for side in (self.painted, self.against) if side)]
        for frames in sides:
            if isinstance(frames, ClipFrames):
                frames.close()


def make_evaluation(request: Request, tell: Callable[[Iterator[str]], None]) -> None:
    """Measure, tell, and write the numbers to `request.json` and into the run's work folder.

    They are told first, so that they are not lost where they cannot be written. Nothing of a run is
    claimed, held or changed: it may go on meanwhile.

    Raises:
        BrushflowError, FlowError: what a user can cause, as one line.
        OSError: the disk is full.
    """
    began = time.monotonic()
    preflight.check_json(request.json)
    scene = _pair_scene(request, *request.pair) if request.pair else _run_scene(request)
    with contextlib.closing(scene):
        _check_sizes(scene)
        machine.set_threads(request.config.run.threads)
        scorer, scored_by = _scorer(request, scene)
        evaluation = _measure(request, scene, scorer, scored_by)
    tell(evaluation.lines())
    numbers = evaluation.to_json().items()
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(value)}" for name, value in numbers)
    data = f"{{\n{lines}\n}}\n".encode()  # a line each: lists of frames are long
    for path in (request.json, scene.metrics):
        if path is not None:
            write_atomic(path, data)
    logger.info("measured in %.1f s", time.monotonic() - began)


def _run_scene(request: Request) -> Scene:
    config = request.config
    if request.folder is None and config.output.path is None and config.run.work is None:
        raise ConfigError(
            "name a run by its config, its work folder or --output, or any two clips by --original "
            "and --painted"
        )
    run = RunFootage(request.folder or preflight.work_folder(config), KEPT)
    _tell_changes(request, run)
    against = _against(request)
    return Scene(
        run.original, run, against, lambda bar: run.shots, run.work.config, run.work.metrics
    )


def _tell_changes(request: Request, run: RunFootage) -> None:
    """Warn of keys that a run was painted with other values of; but flow may be measured by any.

    Without a config file only what the command line says counts: the rest is nobody's claim.
    """
    given = {name for name, _ in request.overrides}
    by_file = request.named is not None and request.folder is None
    told = [
        words
        for key, words in run.differences(request.config).items()
        if (not key.startswith("flow.") if key in given else by_file)
    ]
    if told:
        keys = ", ".join(told)
        logger.warning("%s is measured as it was painted, with other values: %s", run.name, keys)


def _pair_scene(request: Request, original: Path, painted: Path) -> Scene:
    result = ClipFootage(painted, InputConfig(), KEPT)
    clip = ClipFootage(original, request.config.input, KEPT)
    if clip.size != result.size:
        same = media.alike(Fraction(*clip.size), Fraction(*result.size))
        verb = "scaled" if same else "of another shape, and stretched"
        told = (clip.name, *clip.size, verb, *result.size)
        logger.warning("%s has %dx%d: it is %s to the painted clip's %dx%d", *told)
        clip = clip.resized(result.size, KEPT)
    options = request.config.shots
    return Scene(clip.frames, result, _against(request), lambda bar: clip.shots(options, bar))


def _against(request: Request) -> Footage | None:
    """The other painted version: of a run, or a clip."""
    if request.against is None:
        return None
    root = run_root(request.against)
    return RunFootage(root, KEPT) if root else ClipFootage(request.against, InputConfig(), KEPT)


def _check_sizes(scene: Scene) -> None:
    painted, against = scene.painted, scene.against
    if against is not None and against.size != painted.size:
        sizes = [f"{width}x{height}" for width, height in (against.size, painted.size)]
        raise ConfigError(
            f"--against {against.name}: it has {sizes[0]}, and {painted.name} {sizes[1]}: only "
            "clips of one size can be compared"
        )


def _scorer(request: Request, scene: Scene) -> tuple[Scorer, str]:
    """What gives the distances, and what is said of it."""
    own = load_config(scene.kept, request.overrides)
    config = load_config(request.scorer, request.overrides) if request.scorer else own
    path = own.style.path or config.style.path
    painting = images.read_painting(path) if path else None
    device = machine.choose_device(request.config.run.device)
    base = "the run's own" if scene.kept else "the defaults"
    words = f"those of {request.scorer}" if request.scorer else base
    given = f"against {path}" if path else "of content alone: --style names a painting"
    return Scorer(config, painting, device), f"{words}, in float32, {given}"


def _measure(request: Request, scene: Scene, scorer: Scorer, scored_by: str) -> Evaluation:
    """All that takes time; flow lies in a temporary folder, and no longer than it is needed."""
    bar = _Bars(request.quiet)
    sides = {"painted": scene.painted, "against": scene.against}
    there = {role: side for role, side in sides.items() if side is not None}
    with tempfile.TemporaryDirectory(prefix="brushflow-") as folder:
        config = RunConfig(flow=request.flow)
        store = flow_store(config, scene.original.__getitem__, Path(folder))
        times = {role: side.times(bar) for role, side in there.items()}
        spans = _spans(scene.shots(bar), times)
        with bar.counted("measure", sum(map(len, spans))) as shown:

            def progress(frame: int) -> None:
                store.forget(frame, frame + 1)  # later pairs have files of their own
                shown.update()

            frames = {role: side.frames for role, side in there.items()}
            given = (store.flow, store.weight, OFFSETS, spans, scorer, progress)
            found = measure_versions(scene.original, frames, *given)
    return Evaluation(
        painted=found["painted"],
        against=found.get("against"),
        names={role: side.name for role, side in there.items()},
        size=scene.painted.size,
        flow=flow_words(request.flow),
        scorer=scored_by,
        times=times["painted"],
    )


def _spans(shots: list[range], times: dict[str, Any]) -> list[range]:
    """What of the shots is there in every version; says so if that is not all.

    Raises:
        ConfigError: nothing.
    """
    common = set.intersection(*(set(found) for found in times.values()))
    spans = common_spans(shots, common)
    count = sum(map(len, spans))
    counts = {"the clip": shots[-1].stop, **{role: len(found) for role, found in times.items()}}
    if len(set(counts.values())) > 1 or count < shots[-1].stop:
        told = ", ".join(f"{role} {number}" for role, number in counts.items())
        logger.warning("frames: %s; the %d in common are measured, by number", told, count)
    if not count:
        raise ConfigError("there is no frame that all of these clips have")
    return spans


class _Bars:
    """Bars on a terminal that vanish at the end, and nothing elsewhere."""

    def __init__(self, quiet: bool) -> None:
        shown = sys.stderr.isatty() and not quiet
        self.look = {"disable": not shown, "dynamic_ncols": True, "file": sys.stderr}

    def __call__(self, items: Iterable[Any], name: str, total: int | None = None) -> Iterable[Any]:
        wrapped: Iterable[Any] = tqdm(items, name, total, unit="frame", leave=False, **self.look)
        return wrapped

    def counted(self, name: str, total: int) -> Any:
        """A bar to be moved by hand."""
        return tqdm(desc=name, total=total, unit="frame", leave=False, **self.look)
