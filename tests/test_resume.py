"""Killed anywhere and started again, a run gives the same bytes as one that was left alone.

The real program with the real weights is what is killed, on a tiny clip, in a process of its own.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ffmpeg

ROOT = Path(__file__).parent.parent
QUICK = ["first_iterations=2", "iterations=1", "coarsest=0"]

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL and no SIGTERM")


# With a thread for each core none is left to compute flow ahead, and writes come in one order.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}


class Case:
    """A tiny clip with a cut, a painting, and the command that paints it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clip = folder / "clip.mp4"
        self.painting = folder / "painting.png"
        ffmpeg(
            *("-f", "lavfi", "-i", "testsrc2=s=48x32:r=10:d=0.4"),
            *("-f", "lavfi", "-i", "mandelbrot=s=48x32:r=10"),
            *(
                "-filter_complex",
                "[0:v][1:v]concat=n=2:v=1",
                "-frames:v",
                "7",
                "-qp",
                "0",
                self.clip,
            ),
        )
        ffmpeg("-f", "lavfi", "-i", "mandelbrot=s=64x48", "-frames:v", "1", self.painting)

    def command(self, output: Path, *arguments: str) -> list[str]:
        settings = [word for key in QUICK for word in ("--set", f"optimizer.{key}")]
        settings += ["--set", "shots.min_length=2", "--set", "temporal.offsets=[1,2]"]
        # Runs of their own may choose differently; one that goes on keeps what it chose.
        settings += ["--set", "vgg.precision=float32", "--set", "vgg.convolution=direct"]
        named = ["--input", self.clip, "--style", self.painting, "--output", output]
        return [sys.executable, "-m", "pipeline", "run", *settings, *map(str, named), *arguments]

    def run(
        self, output: Path, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(output, *arguments),
            env={**ENVIRONMENT, **environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )


def results(output: Path) -> dict[str, bytes]:
    """The painted frames and the video, by name."""
    painted = sorted(Path(f"{output}.work").glob("stylized/*/*.png"))
    return {path.name: path.read_bytes() for path in painted} | {"video": output.read_bytes()}


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob("*.part"))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="module")
def whole(case: Case) -> dict[str, bytes]:
    """What a run gives that is left alone."""
    done = case.run(case.folder / "whole.mp4")
    assert done.returncode == 0, done.stderr
    return results(case.folder / "whole.mp4")


@pytest.fixture
def output(case: Case, tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "out.mp4"
    assert not leftovers(tmp_path)


# Each chain kills one run at these points in turn, starting the same command again after each: 30
# places in all. A name with a number is the Nth time that a process of its own comes by there.
CHAINS = [
    # While frames are extracted, flow is written, the manifest, the shots, painted frames.
    ["written:1", "renamed:1", "written:2", "renamed:2", "written:7", "renamed:12"],
    ["written:10", "renamed:10", "written:11", "renamed:11", "written:13", "renamed:14"],
    ["frame:1", "frame:1", "recorded:1", "written:5", "renamed:6", "frame:1"],
    ["frame:4", "recorded:2", "renamed:3", "written:6", "recorded:1", "encoded:1"],
    ["written:12", "renamed:13", "frame:1", "frame:1", "recorded:1", "encoded:1"],
]


@posix
@pytest.mark.parametrize("points", CHAINS, ids=lambda points: points[0])
def test_killed_at_fault_points(
    case: Case, whole: dict[str, bytes], output: Path, points: list[str]
) -> None:
    for point in points:
        killed = case.run(output, BRUSHFLOW_FAULT=point)
        assert killed.returncode == -signal.SIGKILL, (point, killed.stdout, killed.stderr)
    resumed = case.run(output)
    assert resumed.returncode == 0, resumed.stderr
    assert results(output) == whole


@posix
def test_killed_at_random_times(case: Case, whole: dict[str, bytes], output: Path) -> None:
    generator = random.Random(0)
    for _ in range(3):
        process = subprocess.Popen(
            case.command(output),
            cwd=ROOT,
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        # From some line of its log on, which is some time after torch has been imported.
        for _ in range(generator.randrange(2, 7)):
            process.stderr.readline()
        time.sleep(generator.random() * 0.3)
        process.kill()
        process.communicate()
    assert case.run(output).returncode == 0
    assert results(output) == whole


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_by_a_signal(
    case: Case, whole: dict[str, bytes], output: Path, number: signal.Signals, code: int
) -> None:
    # More iterations than it will do, so that it is stopped within a frame.
    command = [*case.command(output), "--set", "optimizer.first_iterations=100000"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    log = ""
    while "shots, beginning" not in log:
        log += process.stderr.readline()
    process.send_signal(number)
    rest = process.communicate()[1]
    assert process.returncode == code
    assert "the same command again goes on from here" in rest.splitlines()[-1]
    assert "Traceback" not in rest
    assert not leftovers(output.parent)
    assert case.run(output).returncode == 0
    assert results(output) == whole


def test_a_damaged_painted_frame_is_painted_again(
    case: Case, whole: dict[str, bytes], output: Path
) -> None:
    assert case.run(output).returncode == 0
    frames = sorted(Path(f"{output}.work").glob("stylized/pass_00/*.png"))
    for damage in (
        lambda: frames[2].write_bytes(frames[2].read_bytes()[:-100]),
        lambda: frames[5].unlink(),
        lambda: shutil.copyfile(frames[1], frames[3]),
    ):
        damage()
        again = case.run(output)
        assert again.returncode == 0, again.stderr
        assert "painted 1 of 7" in again.stdout
        assert results(output) == whole


def test_damage_in_the_clips_frames_and_lost_flow_are_mended(
    case: Case, whole: dict[str, bytes], output: Path
) -> None:
    assert case.run(output, "--set", "run.keep=all", "--frames", "0:3").returncode == 0
    work = Path(f"{output}.work")
    flows = sorted(work.glob("flow/*.flo"))
    assert flows
    flows[0].unlink()
    flows[1].write_bytes(flows[1].read_bytes()[:50])
    flows[2].write_bytes(flows[3].read_bytes())
    (work / "frames" / "000005.png").write_bytes(b"")
    assert case.run(output, "--set", "run.keep=all").returncode == 0
    assert results(output) == whole


@posix
def test_a_full_disk_is_one_line_and_the_run_goes_on_later(
    case: Case, whole: dict[str, bytes], output: Path
) -> None:
    """A limit on the size of a file stands in for a full disk: writing fails in the same place."""
    limits = sorted(len(data) for name, data in whole.items() if name.endswith(".png"))
    limit = "import resource, sys, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"
    script = limit.format(limits[3]) + "; runpy.run_module('pipeline', run_name='__main__')"
    command = case.command(output)
    full = subprocess.run(
        [sys.executable, "-c", script, *command[3:]], cwd=ROOT, capture_output=True, text=True
    )
    assert full.returncode == 2, full.stderr
    assert "no space left" in full.stderr.splitlines()[-1]
    assert "Traceback" not in full.stderr
    assert not output.exists()
    assert not leftovers(output.parent)
    assert case.run(output).returncode == 0
    assert results(output) == whole


@posix
def test_a_second_process_is_refused(case: Case, output: Path) -> None:
    command = [*case.command(output), "--set", "optimizer.first_iterations=100000"]
    first = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    assert first.stderr is not None
    while "shots, beginning" not in first.stderr.readline():
        pass
    second = case.run(output)
    first.kill()
    first.communicate()
    assert second.returncode == 2
    assert f"in use by process {first.pid} on " in second.stderr
    after = case.run(output)  # the guard of the killed one is stale
    assert after.returncode == 0, after.stderr


CHANGES = {
    "input.max_side": "40",
    "shots.threshold": "9.0",
    "style.scale": "0.5",
    "content.weight": "1.0",
    "tv.weight": "1.0",
    "temporal.weight": "7.0",
    "flow.check": "published",
    "optimizer.iterations": "2",
    "vgg.pooling": "average",
    "run.seed": "3",
}


def test_a_change_in_each_section_is_refused_by_name(case: Case, output: Path) -> None:
    from typer.testing import CliRunner

    from pipeline.cli import app

    assert case.run(output).returncode == 0
    arguments = case.command(output)[3:]
    record = Path(f"{output}.work") / "record.jsonl"
    before = record.read_bytes()
    for key, value in CHANGES.items():
        result = CliRunner().invoke(app, [*arguments, "--set", f"{key}={value}"])
        assert result.exit_code == 2, key
        assert f"differs in {key} (" in result.stderr
        assert f" there, {value} now): run --fresh" in result.stderr
    assert record.read_bytes() == before
    for key in ("run.threads=2", "run.keep=all", "output.quality=30"):
        result = CliRunner().invoke(app, [*arguments, "--set", key])
        assert result.exit_code == 0, result.stderr
        assert record.read_bytes() == before


def test_parts_are_used_by_later_runs(case: Case, whole: dict[str, bytes], output: Path) -> None:
    work = Path(f"{output}.work")

    def painted() -> list[int]:
        lines = (work / "record.jsonl").read_text().splitlines()
        return [json.loads(line)["frame"] for line in lines]

    assert case.run(output, "--until", "frames").returncode == 0
    assert len(list(work.glob("frames/*.png"))) == 7
    assert not (work / "shots.json").exists()
    assert case.run(output, "--until", "flow").returncode == 0
    assert list(work.glob("flow/*.flo"))
    assert not (work / "record.jsonl").exists()
    assert case.run(output, "--frames", "2:3").returncode == 0
    assert painted() == [0, 1, 2]  # what it builds on first
    assert not output.exists()
    assert case.run(output, "--shot", "1").returncode == 0
    assert painted() == [0, 1, 2, 4, 5, 6]
    encoded = subprocess.run(
        [word if word != "run" else "encode" for word in case.command(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert encoded.returncode == 0, encoded.stderr
    assert "7 of 7 frames, 1 of them as in the clip" in encoded.stderr
    assert output.exists()
    assert case.run(output).returncode == 0
    assert results(output) == whole
    for wrong, words in [("9:3", "0:7"), ("3", "40:60")]:
        refused = case.run(output, "--frames", wrong)
        assert refused.returncode == 2
        assert words in refused.stderr
    assert "shots 0 to 1" in case.run(output, "--shot", "5").stderr
