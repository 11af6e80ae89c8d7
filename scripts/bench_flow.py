"""Measure optical flow and its weights against the truth: a table, and --json.

    python -m scripts.bench_flow --media FOLDER [--side N] [--weights FOLDER] [--json FILE]

FOLDER holds one folder for each sequence: frame_NNNN.png, flow_NNNN.flo or .flo.xz (frame N to
N + 1) and, where known, occlusions_NNNN.png and invalid_NNNN.png (255 = so), as MPI Sintel and
Middlebury name theirs. A pair is played backwards (i = N, j = N + 1), which makes the given flow
the backward flow. The weights of RAFT are looked for as raft-small.pth and raft-large.pth; what is
not there is left out.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from flow.estimating import Estimator
from flow.estimators import ESTIMATORS, ON_LARGER
from flow.occlusion import CHECKS, Check, inconsistency
from flow.warp import backward_warp, inside, resized
from pipeline import images
from pipeline.sections import FlowConfig
from scripts.temporal.sequences import shrunk
from scripts.temporal.truth import known, shrink
from scripts.truth_files import read_frame, read_occluded, read_truth

PRESETS = ("ultrafast", "fast", "medium", "fine", "finest")
HARM = 8 / 255
"""A warp is harmful where it shows another colour than the true one by more than this (mean over
the channels)."""


@dataclass(frozen=True)
class Options:
    """What the estimators' factories read."""

    preset: str = "finest"
    weights: Path | None = None


@dataclass(frozen=True)
class Pair:
    """Two frames with the true backward flow, NaN where unknown; `occluded` if that is known."""

    name: str
    image_i: Tensor
    image_j: Tensor
    flow: Tensor
    occluded: Tensor | None
    larger: tuple[Tensor, Tensor] | None = None  # both frames, larger than those of the flow


def main() -> None:
    """Measure all that is there, and print it."""
    parser = argparse.ArgumentParser(description="flow and weights against the truth")
    parser.add_argument("--media", type=Path, required=True, help="folder of the sequences")
    parser.add_argument("--side", type=int, help="longer side of the frames that flow is for")
    parser.add_argument("--weights", type=Path, help="folder of RAFT's weights")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    estimators = dict(available(arguments.weights or arguments.media.parent / "weights"))
    rows = []
    for whole in find_pairs(arguments.media):
        pair = painted(whole, arguments.side) if arguments.side else whole
        for name, estimator in estimators.items():
            rows.append(measure(pair, name, estimator))
            print(f"{pair.name} {name}", file=sys.stderr)
        if pair.larger:
            rows.append(measure(pair, "dis, larger frames", by_larger(pair.larger)))
    if not rows:
        sys.exit(f"no flow_*.flo with its frames under {arguments.media}")
    print(table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def available(weights: Path) -> Iterator[tuple[str, Estimator]]:
    """DIS in each preset, and RAFT where its weights are in the folder."""
    for preset in PRESETS:
        yield f"dis {preset}", ESTIMATORS["dis"](Options(preset=preset))
    for name in ("raft_small", "raft_large"):
        path = weights / (name.replace("_", "-") + ".pth")
        if path.is_file():
            yield name, ESTIMATORS[name](Options(weights=path))
        else:
            print(f"left out: {name}, no {path}", file=sys.stderr)


def find_pairs(media: Path) -> Iterator[Pair]:
    """Every true flow under a folder whose two frames lie beside it."""
    for path in sorted(media.glob("*/flow*.flo*")):
        name = re.fullmatch(r"flow(_?)(\d+)\.flo(\.xz)?", path.name)
        if name is None:
            continue
        separator, digits = name[1], name[2]
        following = f"{int(digits) + 1:0{len(digits)}d}"
        frames = [path.parent / f"frame{separator}{number}.png" for number in (digits, following)]
        if not all(frame.is_file() for frame in frames):
            print(f"left out: {path}, no frames beside it", file=sys.stderr)
            continue
        flow = read_truth(path)
        occluded = read_occluded(path.parent, f"{separator}{digits}.png", flow)
        image_i, image_j = (read_frame(frame) for frame in frames)
        yield Pair(f"{path.parent.name} {digits}", image_i, image_j, flow, occluded)


def painted(pair: Pair, side: int) -> Pair:
    """A pair as it is painted, its longer side at most this, with the larger frames beside it."""
    images_ = (pair.image_i, pair.image_j)
    small, larger = (
        [images.to_tensor(shrunk(images.to_pixels(image, 8), wanted)) for image in images_]
        for wanted in (side, round(side * FlowConfig().detail))
    )
    truth = known(pair.flow, pair.occluded, *images_)
    found = shrink(truth, *small[0].shape[-2:])
    flow = found.flow.masked_fill(found.visible == 0, float("nan"))
    return Pair(pair.name, small[0], small[1], flow, None, (larger[0], larger[1]))


def by_larger(larger: tuple[Tensor, Tensor]) -> Estimator:
    """The default's estimator on the larger frames, its flow brought to the size of the small."""
    estimate = ON_LARGER["dis"](Options())

    def estimator(image_i: Tensor, image_j: Tensor) -> Tensor:
        return resized(estimate(*larger), *image_i.shape[-2:])

    return estimator


def measure(pair: Pair, name: str, estimator: Estimator) -> dict[str, Any]:
    """One row: end-point error (mean over pixels of known flow) and the score of every check."""
    start = time.perf_counter()
    flow_ij = estimator(pair.image_i, pair.image_j)
    seconds = time.perf_counter() - start
    error = (flow_ij - pair.flow).square().sum(dim=1, keepdim=True).sqrt()  # (1, 1, H, W)
    row: dict[str, Any] = {"pair": pair.name, "estimator": name, "seconds": seconds}
    row["epe"] = error.nanmean().item()
    if pair.occluded is None:
        return row
    row["epe_visible"] = error[~pair.occluded].nanmean().item()
    flow_ji = estimator(pair.image_j, pair.image_i)
    harmful = pair.occluded | wrong_colour(pair, flow_ij, error)
    for check_name, check in checks().items():
        weight = check(flow_ij, flow_ji, pair.image_i, pair.image_j)
        row[check_name] = {
            **scores(weight < 0.5, pair.occluded),
            "harm_f1": scores(weight < 0.5, harmful)["f1"],
            "trusted": weight.mean().item(),
        }
    return row


def checks() -> dict[str, Check]:
    """The checks of the project, and the published one without its motion boundaries."""

    def no_boundaries(flow_ij: Tensor, flow_ji: Tensor, image_i: Tensor, image_j: Tensor) -> Tensor:
        return (inconsistency(flow_ij, flow_ji) <= 1) * inside(flow_ij)

    return {**CHECKS, "no boundaries": no_boundaries}


def wrong_colour(pair: Pair, flow: Tensor, error: Tensor) -> Tensor:
    """Where an estimated flow brings another colour than the true one, by more than HARM."""
    shown, wanted = (backward_warp(pair.image_j, each) for each in (flow, pair.flow.nan_to_num()))
    different = (shown - wanted).abs().mean(dim=1, keepdim=True) > HARM
    return different & (error > 0.5)


def scores(found: Tensor, truth: Tensor) -> dict[str, float]:
    """Precision, recall and F1 of untrusted pixels."""
    right = (found & truth).sum().item()
    precision = right / max(found.sum().item(), 1)
    recall = right / max(truth.sum().item(), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return {"precision": precision, "recall": recall, "f1": f1}


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown; a check's cell reads precision / recall / F1 (F1 against harmful warps)."""
    names = list(checks())
    lines = ["| pair | estimator | EPE | s | " + " | ".join(names) + " |"]
    lines.append("|---|---|---|---|" + "---|" * len(names))
    for row in rows:
        cells = [row["pair"], row["estimator"], f"{row['epe']:.3f}", f"{row['seconds']:.2f}"]
        for name in names:
            score = row.get(name)
            text = "{precision:.2f} / {recall:.2f} / {f1:.2f} ({harm_f1:.2f})"
            cells.append(text.format(**score) if score else "–")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
