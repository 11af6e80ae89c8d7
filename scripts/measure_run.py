"""Measure a run's painted frames: distance to the painting, and how well they hold still.

    python scripts/measure_run.py WORK_FOLDER [--independent WORK_FOLDER]

Style distance: the run's own style loss of the painted frame against that of the untouched frame.
Warping error: DIS flow of the clip's own frames and their hard forward-backward weights, between
neighbours inside a shot, RGB in [0, 1] (`pipeline.metrics.warping_error`). The independent run is
one of the same clip with `temporal.weight = 0`, `temporal.init = "content"` and a first frame's
iterations for every frame.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import torch

from flow.estimators import ESTIMATORS
from flow.occlusion import CHECKS
from flow.store import FlowStore
from pipeline import images
from pipeline.assemble import assemble
from pipeline.config import load_config
from pipeline.metrics import warping_error
from pipeline.schedule import Source
from pipeline.sections import FlowConfig
from pipeline.stylize import Stylizer
from pipeline.workdir import WorkDir


def open_run(folder: Path) -> tuple[WorkDir, Stylizer]:
    """A finished run's folder, and the stylizer that its kept config describes."""
    config = load_config(folder / "config.toml")
    work = WorkDir(folder)
    work.open()
    work.close()
    assert work.timeline() is not None
    assert config.style.path is not None
    return work, assemble(config, work, images.read_painting(config.style.path))


def style_shares(work: WorkDir, stylizer: Stylizer) -> dict[int, float]:
    """The style distance of each painted frame, as a share of the untouched frame's."""
    shares = {}
    for source in work.records:
        distances = []
        for path in (work.painted(source), work.frame(source.frame)):
            image = images.read_image(path).to(stylizer.device)
            with torch.no_grad():
                features = stylizer.network.features(image, stylizer.config.style.layers)
                targets = stylizer.style_targets(*image.shape[-2:])
                distances.append(float(stylizer.style_distance(features, targets)))
        shares[source.frame] = distances[0] / distances[1]
    return shares


def warping_errors(work: WorkDir, store: FlowStore) -> dict[int, float]:
    """The warping error from each frame's predecessor in its shot, by frame."""
    errors = {}
    for shot in work.shots() or []:
        for frame in range(shot.start + 1, shot.stop):
            now, before = Source(frame, 0), Source(frame - 1, 0)
            if now in work.records and before in work.records:
                painted, earlier = (images.read_image(work.painted(each)) for each in (now, before))
                flow, weight = store.flow(frame, frame - 1), store.weight(frame, frame - 1)
                errors[frame] = warping_error(painted, earlier, flow, weight)
    return errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("work", type=Path, help="the run's work folder")
    parser.add_argument("--independent", type=Path, help="work folder of the independent run")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    work, stylizer = open_run(options.work)
    shares = style_shares(work, stylizer)
    estimator = ESTIMATORS["dis"](FlowConfig(preset="medium"))
    store = FlowStore(
        options.work / "measured_flow",
        lambda number: images.read_image(work.frame(number)),
        estimator,
        CHECKS["published"],
    )
    errors = warping_errors(work, store)
    figures = {
        "frames": len(shares),
        "style_share_worst": max(shares.values()),
        "style_share_median": statistics.median(shares.values()),
        "warping_error": statistics.fmean(errors.values()),
    }
    if options.independent:
        other = WorkDir(options.independent)
        other.open()
        other.close()
        assert other.timeline() is not None
        theirs = warping_errors(other, store)
        common = sorted(set(errors) & set(theirs))
        figures["pairs_compared"] = len(common)
        figures["warping_error_independent"] = statistics.fmean(theirs[frame] for frame in common)
        figures["warping_error_there"] = statistics.fmean(errors[frame] for frame in common)
        figures["share_of_independent"] = (
            figures["warping_error_there"] / figures["warping_error_independent"]
        )
    for name, value in figures.items():
        print(f"{name:26} {value:.4g}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
