"""How fast this machine paints, against the published method and an independent program.

    python -m scripts.bench [--quick] [--only PART,…] [--json FILE] [--media FOLDER]
    python -m scripts.bench --baselines-only [--threads 1]

Both sides minimise one objective, that of `configs/ruder2016.toml`, on the same consecutive frames
with the same style; one float32 scorer built from that file judges both on the frames as written,
8 bit and clipped (`scripts/benchmark/sides.py` says what is shared). The published side's frames
take hours: each is computed once and kept in `.cache/bench/`, so that a run that was stopped goes
on; here a few of its own iterations are timed again, in turn with ours, and its time is theirs
times its evaluations. Flow, and what a run does once, is on neither side's clock.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

if not __package__:  # called as a file
    sys.path.insert(0, str(Path(__file__).parent.parent))

from pipeline import arithmetic, images, machine
from pipeline.sections import FlowConfig, RunConfig
from scripts.benchmark import (
    growth,
    independent,
    memory,
    precision,
    report,
    sides,
    versus,
    yardstick,
)
from scripts.benchmark.baselines import baseline, common_ground
from scripts.benchmark.cases import PAINTING, Size, Span, default_clips
from scripts.benchmark.kept import FOLDER, Kept, Result
from scripts.benchmark.plan import PARTS, Plan, quick, whole
from scripts.benchmark.yardstick import Yardstick

logger = logging.getLogger("bench")
Figures = dict[str, Any]


class Bench:
    """One run of the benchmark: its plan, its threads, and what is kept between runs."""

    def __init__(self, plan: Plan, options: argparse.Namespace) -> None:
        self.plan = plan
        self.threads = machine.set_threads(options.threads)
        self.kept = Kept(options.cache)
        self.raft: Path | None = options.raft
        self.yardstick = Yardstick(arithmetic.choose(sides.default().vgg, sides.CPU).precision)
        self.scenes: dict[tuple[Span, Size], sides.Scene] = {}

    def scene(self, span: Span, size: Size) -> sides.Scene:
        """A span at a size, the frames painted that both sides go on from."""
        if (span, size) not in self.scenes:
            scene = sides.Scene(span.frames(size), PAINTING, sides.published())
            common_ground(scene, list(scene.frames)[:-1], self.kept, f"{span.name}-{size}")
            self.scenes[span, size] = scene
        return self.scenes[span, size]

    def versus(self, which: dict[Size, tuple[Span, ...]], later: bool) -> Figures:
        """Both sides' frames, by size: those after a span's first one, or the first ones."""
        found: Figures = {}
        rounds = self.plan.rounds if later else max(1, self.plan.rounds // 2)
        for size, spans in which.items():
            frames = []
            for span in spans:
                scene = self.scene(span, size)
                judge = self.judge(scene)
                for frame, base in self.span_baselines(span, size, later):
                    logger.info("%s, %s: frame %d by both sides", span.name, size, frame)
                    one = versus.compare(scene, frame, base, judge, rounds, self.yardstick)
                    frames.append({"name": f"{span.clip.name} frame {frame}", **one})
            found[str(size)] = versus.summary(frames)
        return found

    def judge(self, scene: sides.Scene) -> sides.Motion:
        """The warping error's flow: RAFT-small's if its weights are there, else the scene's."""
        if self.raft is None:
            return scene.motion
        options = FlowConfig(estimator="raft_small", weights=self.raft, check="published")
        return sides.Motion(RunConfig(flow=options), scene.frames)

    def evaluation(self) -> Figures:
        """Single evaluations against the matrix product, and whole frames per megapixel."""
        usual = next(iter(self.plan.warped.values()))[0]
        found: Figures = {"evaluation": {}, "gemm_share": {}, "seconds_per_megapixel": {}}
        for size in self.plan.evaluation:
            scene = sides.Scene(usual.frames(size), PAINTING, sides.default())
            shares = yardstick.shares(scene, size, 2 * self.plan.rounds, self.yardstick)
            found["evaluation"][str(size)] = shares
            found["gemm_share"][str(size)] = max(shares["share"].values())
        for size in self.plan.megapixel:
            scene = sides.Scene(usual.frames(size), PAINTING, sides.default())
            scene.painted[usual.first] = scene.frames[usual.first]
            took = yardstick.per_megapixel(scene, size, self.plan.rounds, self.yardstick)
            found["seconds_per_megapixel"][str(size)] = took["seconds_per_megapixel"]
        return found

    def precision(self) -> Figures:
        """What low precision costs in loss, by clip and size."""
        return {
            f"{span.name}, {size}": precision.losses(span, size, self.plan.starts)
            for size, spans in self.plan.precision.items()
            for span in spans
        }

    def pastiche(self) -> Figures:
        """The independent program, by size."""
        return {
            str(still.size): independent.compare(still, self.kept, self.yardstick)
            for still in self.stills()
        }

    def stills(self) -> Iterator[independent.Still]:
        """The stills that it paints, written to files."""
        usual = next(iter(self.plan.warped.values()))[0]
        for size in self.plan.stills:
            still = independent.Still(self.kept.folder / "pastiche", size)
            frame = Span(usual.clip, usual.first, 0).frames(size)[usual.first]
            still.write(frame, images.read_painting(PAINTING))
            yield still

    def baselines(self) -> None:
        """All that is kept, what is quick first; what is there already is passed over."""
        jobs: list[tuple[float, Callable[[], object]]] = []
        for later, which, cost in ((True, self.plan.warped, 1.0), (False, self.plan.first, 3.0)):
            for size, spans in which.items():
                jobs += [
                    (cost * size.megapixels, partial(self.span_baselines, span, size, later))
                    for span in spans
                ]
        jobs += [
            (1.5 * still.size.megapixels, partial(independent.reached, still, self.kept))
            for still in self.stills()
        ]
        for _, job in sorted(jobs, key=lambda each: each[0]):
            job()

    def span_baselines(self, span: Span, size: Size, later: bool) -> list[tuple[int, Result]]:
        """The published method's frames of a span: those after its first one, or that."""
        scene, name = self.scene(span, size), f"{span.name}-{size}"
        frames = list(scene.frames)[1:] if later else [span.first]
        return [(frame, baseline(scene, frame, self.kept, name)) for frame in frames]

    def measure(self, parts: list[str]) -> Iterator[Figures]:
        """All figures so far, after each of the parts that are asked for."""
        usual = next(iter(self.plan.warped.values()))[0]
        found: Figures = {}
        run: dict[str, Callable[[], Figures]] = {
            "evaluation": self.evaluation,
            "warped": lambda: {"warped_frame": self.versus(self.plan.warped, True)},
            "first": lambda: {"first_frame": self.versus(self.plan.first, False)},
            "precision": lambda: {"precision": self.precision()},
            "pastiche": lambda: {"pastiche": self.pastiche()},
            "memory": lambda: {"peak_gb": memory.peaks(list(self.plan.memory), self.threads)},
            "growth": lambda: {"growth": growth.growth(usual, self.plan.growth, self.threads)},
        }
        for part in parts:
            logger.info("measuring: %s", part)
            for _ in range(self.plan.rounds):
                self.yardstick()
            found |= run[part]()
            yield {"machine": self.machine(), **found}

    def machine(self) -> Figures:
        """What measured, and how quiet it was."""
        return {
            "threads": self.threads,
            "precision": arithmetic.choose(sides.default().vgg, sides.CPU).precision,
            "torch": torch.__version__,
            "product_tflops": self.yardstick.rate / 1e12,
            "product_spread": self.yardstick.spread,
            "noisy": self.yardstick.noisy,
        }


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="an answer within ten minutes")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--media", type=Path, default=default_clips(), help="real clips")
    parser.add_argument("--raft", type=Path, help="weights of RAFT-small, for the warping error")
    parser.add_argument("--cache", type=Path, default=FOLDER, help="where baselines are kept")
    parser.add_argument("--baselines-only", action="store_true", help="only fill the cache")
    parser.add_argument("--threads", type=int, default=0, help="0: one for each core")
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(PARTS):
        parser.error(f"--only {','.join(unknown)}: allowed are {', '.join(PARTS)}")
    return options


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    bench = Bench((quick if options.quick else whole)(options.media), options)
    if options.baselines_only:
        bench.baselines()
        return
    figures: Figures = {}
    for figures in bench.measure(options.only):
        if options.json:
            options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    print("\n".join(report.lines(figures)))


if __name__ == "__main__":
    main()
