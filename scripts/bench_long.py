"""A long run: what ten kills cost, whether the bytes are the same, and whether memory grows.

    python scripts/bench_long.py CLIP --style IMAGE [--frames 400] [--size 96] [--kills 10]

Runs the command line on the clip at a small size, in processes of its own: left alone; killed and
started again; and on its first 20 frames only, for the memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def command(options: argparse.Namespace, output: Path, frames: int) -> list[str]:
    """The call of the command line for a number of frames."""
    keys = {
        "input.end": f"{frames}f",
        "input.max_side": options.size,
        "optimizer.first_iterations": 20,
        "optimizer.iterations": options.iterations,
    }
    settings = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
    named = ["--input", options.clip, "--style", options.style, "--output", output]
    return [sys.executable, "-m", "pipeline", "run", "--quiet", *settings, *map(str, named)]


def measured(arguments: list[str]) -> tuple[float, float]:
    """Seconds and peak memory in MB of a call that is left alone."""
    began = time.monotonic()
    pid = os.spawnv(os.P_NOWAIT, arguments[0], arguments)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(arguments)}")
    return time.monotonic() - began, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def killed(arguments: list[str], times: int, seconds: float) -> float:
    """Seconds in all of a run that is killed so many times, spread over its length."""
    generator = random.Random(0)
    began = time.monotonic()
    for _ in range(times):
        process = subprocess.Popen(arguments)
        try:
            process.wait(generator.uniform(0.5, 1.5) * seconds / (times + 1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    subprocess.run(arguments, check=True)
    return time.monotonic() - began


def results(output: Path) -> list[bytes]:
    """The painted frames and the video."""
    painted = sorted(Path(f"{output}.work").glob("stylized/pass_00/*.png"))
    return [path.read_bytes() for path in [*painted, output]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--style", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--size", type=int, default=96, help="longer side, pixels")
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, short_memory = measured(command(options, folder / "short.mp4", 20))
        seconds, memory = measured(command(options, folder / "whole.mp4", options.frames))
        again = killed(command(options, folder / "out.mp4", options.frames), options.kills, seconds)
        figures = {
            "frames": len(results(folder / "whole.mp4")) - 1,
            "kills": options.kills,
            "seconds_uninterrupted": round(seconds, 1),
            "seconds_killed": round(again, 1),
            "same_bytes": results(folder / "whole.mp4") == results(folder / "out.mp4"),
            "peak_mb_20_frames": round(short_memory),
            "peak_mb_all_frames": round(memory),
        }
    for key, value in figures.items():
        print(f"{key:22} {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
