"""What `brushflow plan` says, and that its estimate moves with what a run costs."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import Result

from pipeline.plan import USUAL_SHARE, Calibration, duration, estimate, usual_iterations
from pipeline.records import Record
from pipeline.schedule import Step
from pipeline.sections import OptimizerConfig, RunConfig

STEPS = [Step(0, 0, "content")] + [Step(n, 0, "warped", (n - 1,), (n - 1,)) for n in range(1, 5)]
SPEED = Calibration(evaluation=2.0, first=3.0, later=5.0)


def seconds(size: tuple[int, int] = (320, 180), **keys: float) -> float:
    all_of_them = {"tolerance": 0.0, "first_tolerance": 0.0}
    config = RunConfig(optimizer=OptimizerConfig.model_validate({**all_of_them, **keys}))
    return estimate(config, STEPS, size, SPEED, usual_iterations(config, []))


def test_the_estimate_in_closed_form() -> None:
    found = seconds(first_iterations=9, iterations=4, coarsest=0)
    assert found == (10 * 2.0 + 3.0) + 4 * (5 * 2.0 + 5.0)
    # 640x360 has one coarser scale, of a quarter of the pixels.
    coarse = seconds((640, 360), first_iterations=9, iterations=4, coarsest=128)
    assert coarse == (10 * 1.25 * 2.0 + 3.0) + 4 * (5 * 2.0 + 5.0)
    assert estimate(RunConfig(), [], (320, 180), SPEED, 20) == 0


def test_it_grows_with_the_iterations() -> None:
    assert seconds(iterations=40) - seconds(iterations=20) == 4 * 20 * 2.0
    assert seconds(first_iterations=400) > seconds(first_iterations=100)


def test_iterations_are_those_of_the_frames_that_are_painted() -> None:
    def record(init: str, iterations: int) -> Record:
        loss = {"style": 1.0} if iterations else {}
        return Record(0, 0, init, iterations, "converged", 1.0, loss, loss, "", "")

    config = RunConfig(optimizer=OptimizerConfig(iterations=40))
    records = [record("content", 100), record("repeated", 0)]
    assert usual_iterations(config, records) == USUAL_SHARE * 40
    records += [record("warped", 10), record("warped", 14)]
    assert usual_iterations(config, records) == 12


def test_durations_as_people_say_them() -> None:
    assert [duration(s) for s in (7.4, 89, 600, 12000)] == ["7 s", "89 s", "10 min", "3 h 20 min"]


def plan(brushflow: Callable[..., Result], clip: Path, painting: Path, output: Path) -> Result:
    return brushflow("plan", "--input", clip, "--style", painting, "--output", output)


def test_a_plan_of_a_clip(
    brushflow: Callable[..., Result],
    paint: Callable[..., Result],
    clip: Path,
    painting: Path,
    tmp_path: Path,
) -> None:
    quick = [f"--set=optimizer.{key}" for key in ("first_iterations=3", "iterations=2")]
    quick.append("--set=optimizer.coarsest=0")
    named = ("--input", clip, "--style", painting, "--output", tmp_path / "out.mp4")
    result = brushflow("plan", *named, *quick)
    assert result.exit_code == 0, result.stderr
    for words in ("1, with 6 frames of 64x48", "0 of 6 steps", "time:   about", "GB are free"):
        assert words in result.stdout
    assert (tmp_path / "out.shots.png").exists()
    assert not (tmp_path / "out.mp4").exists()
    extracted = sorted((tmp_path / "out.mp4.work" / "frames").glob("*.png"))
    assert paint(clip, "--frames", "0:2").exit_code == 0
    assert "2 of 6 steps" in brushflow("plan", *named, *quick).stdout
    assert extracted == sorted((tmp_path / "out.mp4.work" / "frames").glob("*.png"))


def test_a_sheet_of_somebody_elses_is_refused_before_any_work(
    brushflow: Callable[..., Result], clip: Path, painting: Path, tmp_path: Path
) -> None:
    (tmp_path / "out.shots.png").write_bytes(b"precious")
    result = plan(brushflow, clip, painting, tmp_path / "out.mp4")
    assert result.exit_code == 2
    assert "out.shots.png exists and is not of this run" in result.stderr
    assert not (tmp_path / "out.mp4.work" / "frames").exists()


def test_a_plan_refuses_what_the_disk_cannot_hold(
    brushflow: Callable[..., Result],
    clip: Path,
    painting: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for free, code in [(1e7, 2), (1e10, 0), (1e7, 2)]:  # also once the frames are extracted
        monkeypatch.setattr(
            shutil, "disk_usage", lambda path, free=free: SimpleNamespace(free=free)
        )
        result = plan(brushflow, clip, painting, tmp_path / "out.mp4")
        assert result.exit_code == code
        assert ("GB free" in result.stderr) == (code == 2)
