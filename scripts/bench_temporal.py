"""Compare temporal methods under one objective: a table, and --json.

    python -m scripts.bench_temporal [--sequences a,b] [--methods a,b] [--side N] [--json FILE]
    python -m scripts.bench_temporal --frames FOLDER --style IMAGE [--methods a,b] [--json FILE]

Without --frames it paints the sequences under --media (folders flow, videos, styles, weights):
pairs with true flow and occlusions, played backwards so that the forward flow that is given is the
backward flow, and parts of real clips, judged by RAFT-small's flow with the published check. All
methods minimise the content, style and total variation of configs/ruder2016.toml and are scored by
it; frames are judged as written, 8 bit and clipped. All go on from one first frame, the published
one (from noise, 2000 iterations), so that only the temporal method differs; "default_own_first"
paints its own. Every painted frame is kept under --cache: a call that was stopped goes on.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flow.atomic import write_atomic
from flow.errors import FlowError
from pipeline import machine
from pipeline.config import parse_override
from pipeline.errors import BrushflowError
from scripts.temporal import methods, sequences
from scripts.temporal.judge import Judge
from scripts.temporal.methods import BASELINES, OURS, Method
from scripts.temporal.painting import Painter
from scripts.temporal.report import table
from scripts.temporal.sequences import Sequence
from scripts.temporal.static import STATIC, load_static


def main(arguments: list[str] | None = None) -> None:
    """Paint what is missing, measure, print."""
    options = parser().parse_args(arguments)
    if options.json and not options.json.resolve().parent.is_dir():
        sys.exit(f"--json {options.json}: there is no such folder")
    machine.set_threads(options.threads)
    results: dict[str, dict[str, Any]] = {}
    halves: dict[str, str] = {}
    for sequence in wanted_sequences(options):
        halves[sequence.name] = sequence.half
        results[sequence.name] = run(sequence, options)
        if options.json and not options.paint_only:
            write_atomic(options.json, (json.dumps(results, indent=1) + "\n").encode())
    if not options.paint_only:
        print(table(results, halves))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(description="temporal methods under one objective")
    add = found.add_argument
    add("--frames", type=Path, help="a folder of frames to paint instead")
    add("--style", type=Path, help="the painting, instead of each sequence's own")
    add("--media", type=Path, default=Path("../shared/media"), help="folder of the sequences")
    add("--sequences", help=f"of {', '.join([*sequences.TRUE, *sequences.CLIPS])}")
    add("--static", action="store_true", help=f"static shots instead: {', '.join(STATIC)}")
    add("--length", type=int, default=100, help="frames of the static shots")
    add(
        "--grain", type=float, default=1.0, help="how strong the held frame's noise is, as a factor"
    )
    add("--methods", help="names or patterns, by default the published ones and ours")
    add("--true-flow", action="store_true", help="also with the true flow as the method's")
    add("--ablations", action="store_true", help="also our default with one option changed each")
    add(
        "--vary",
        action="append",
        default=[],
        metavar="KEY=VALUE[;…]",
        help="also our default with these keys changed",
    )
    add("--own-first", action="store_true", help="rows of --vary paint their own first frame")
    add("--baselines-only", action="store_true", help="only the published methods")
    add("--paint-only", action="store_true", help="fill the cache, measure nothing")
    add("--side", type=int, default=160, help="longer side of the frames")
    add("--cache", type=Path, default=Path(".cache/bench_temporal"), help="where frames are kept")
    add("--raft", type=Path, help="RAFT-small's weights, of --media by default; else DIS judges")
    add("--threads", type=int, default=1)
    add(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="of the network while painting; float32 judges all the same",
    )
    add("--json", type=Path, help="file for the numbers")
    return found


def wanted_sequences(options: argparse.Namespace) -> Iterator[Sequence]:
    """What is to be painted."""
    if options.frames:
        if not options.style:
            sys.exit("--frames needs --style")
        yield sequences.load_folder(options.frames, options.style)
        return
    names = STATIC if options.static else sequences.chosen(None)
    for name in options.sequences.split(",") if options.sequences else names:
        if name in STATIC:
            how = (options.length, options.side, options.grain)
            yield load_static(name, options.media, *how)
        else:
            (known,) = sequences.chosen(name)
            yield sequences.load(known, options.media, options.style)


def wanted_methods(options: argparse.Namespace, sequence: Sequence) -> list[Method]:
    """The rows, in order."""
    rows = [*BASELINES] if options.baselines_only else [*BASELINES, *OURS]
    if options.methods:
        patterns = options.methods.split(",")
        rows = [row for row in rows if any(fnmatch.fnmatchcase(row.name, p) for p in patterns)]
    if options.ablations:
        rows += methods.ablations()
    for text in options.vary:
        changes = [parse_override(part) for part in text.split(";")]
        rows.append(methods.changed(changes, options.own_first))
    if not rows:
        known = ", ".join(row.name for row in (*BASELINES, *OURS))
        sys.exit(f"--methods {options.methods}: there are {known}")
    if options.true_flow and sequence.has_truth:
        rows += methods.with_true_flow(rows)
    return rows


def run(sequence: Sequence, options: argparse.Namespace) -> dict[str, Any]:
    """All rows of a sequence; one that this version cannot paint is told of and left out."""
    painter = Painter(sequence, options.side, options.cache, tell, options.precision)
    rows: dict[str, Any] = {}
    judge = None
    for method in wanted_methods(options, sequence):
        try:
            painted = painter.paint(method)
        except (BrushflowError, FlowError) as error:
            tell(f"{sequence.name} {method.name}: left out: {error}")
            continue
        if not options.paint_only:
            judge = judge or make_judge(sequence, options, painter)
            rows[method.name] = judge.measure(painted)
    return rows


def make_judge(sequence: Sequence, options: argparse.Namespace, painter: Painter) -> Judge:
    """Of real clips by RAFT-small, where its weights are."""
    raft = options.raft or options.media / "weights" / "raft-small.pth"
    weights = raft if raft.is_file() else None
    if weights is None and not sequence.has_truth:
        tell(f"{sequence.name}: no {raft}: judged by DIS, which the methods go by too")
    flows = sequences.metric_flows(sequence, options.side, weights, painter.folder)
    return Judge(sequence, options.side, flows)


def tell(text: str) -> None:
    """A line of what goes on."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
