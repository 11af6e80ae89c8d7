"""Whether a frame takes longer the more have been painted: a long run of tiny frames."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipeline import images
from scripts.benchmark.cases import PAINTING, ROOT, Size, Span

TINY = Size(64, 36)


def growth(span: Span, frames: int, threads: int) -> dict[str, Any]:
    """Seconds between painted frames of a run by the command line, at its begin and at its end.

    The clip's frames go forwards and backwards in turn, without a jump. All that a run does
    for a frame counts: flow, painting, records, files.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_frames(span, frames, folder / "clip")
        output = folder / "painted.mkv"
        keys = {
            "shots.detector": "none",
            "optimizer.first_iterations": 2,
            "optimizer.iterations": 2,
            "run.threads": threads,
        }
        settings = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
        named = ["--input", folder / "clip", "--style", PAINTING, "--output", output]
        command = [sys.executable, "-m", "pipeline", "run", "--quiet", *settings, *map(str, named)]
        subprocess.run(command, check=True, cwd=ROOT, env=os.environ)
        painted = sorted(Path(f"{output}.work").glob("stylized/pass_00/*.png"))
        return _compared([path.stat().st_mtime_ns / 1e9 for path in painted])


def _write_frames(span: Span, count: int, folder: Path) -> None:
    folder.mkdir()
    several = list(Span(span.clip, 0, min(count, 40) - 1).frames(TINY).values())
    there_and_back = [*several, *several[-2:0:-1]]
    for number in range(count):
        pixels = images.to_pixels(there_and_back[number % len(there_and_back)], 8)
        images.write_pixels(folder / f"{number:06d}.png", pixels)


def _compared(moments: list[float]) -> dict[str, Any]:
    """The median interval of the last quarter of moments against that of the first."""
    between = [after - before for before, after in pairwise(moments)]
    quarter = len(between) // 4
    first, last = (
        statistics.median(part) for part in (between[:quarter], between[len(between) - quarter :])
    )
    return {
        "frames": len(moments),
        "seconds_first_quarter": first,
        "seconds_last_quarter": last,
        "ratio": last / first,
    }
