"""The doctor finds what is broken: each part is broken in turn."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import pytest
import torch
from typer.testing import CliRunner

from flow import estimators
from pipeline import arithmetic, doctor, losses, weights
from pipeline.cli import app
from pipeline.sections import ShotsConfig
from pipeline.shots import DETECTORS, Detector

ROOT = Path(__file__).parent.parent


def test_all_is_well_here() -> None:
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.stdout
    assert result.stdout.count("ok  ") == len(doctor.CHECKS)
    for word in (
        "torch",
        "cpu",
        "cores",
        "bfloat16",
        "ffmpeg",
        "OpenCV",
        "Oxford",
        "DIS",
        "PySceneDetect",
    ):
        assert word in result.stdout


def no_cuts(frames: object, options: ShotsConfig) -> list[int]:
    return []


def break_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("no-such-package",))


def break_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch, "ones", torch.zeros)


def break_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(cv2, "setNumThreads")


def break_precision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(device: torch.device) -> float:
        raise RuntimeError("no bfloat16 kernel")

    monkeypatch.setattr(arithmetic, "bfloat16_speedup", broken)


def break_ffmpeg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "no-ffmpeg"))


def break_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"not weights")
    monkeypatch.setattr(weights, "oxford_file", lambda: tmp_path / "weights.bin")


def break_flow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_motion(options: object) -> estimators.Estimator:
        return lambda now, before: torch.zeros(1, 2, *now.shape[-2:])

    monkeypatch.setitem(estimators.ESTIMATORS, "dis", no_motion)


def break_shots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blind: Detector = no_cuts
    monkeypatch.setitem(DETECTORS, "content", blind)


def break_optimizer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(losses, "total_variation", lambda image: image.sum() * 0 + 1)


BREAKS = {
    "versions": break_packages,
    "device": break_device,
    "threads": break_threads,
    "precision": break_precision,
    "ffmpeg": break_ffmpeg,
    "weights": break_weights,
    "flow": break_flow,
    "shots": break_shots,
    "optimizer": break_optimizer,
}


def test_every_part_is_broken_below() -> None:
    assert set(BREAKS) == set(doctor.CHECKS)


@pytest.mark.parametrize("part", list(BREAKS))
def test_a_broken_part_is_found(part: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    BREAKS[part](monkeypatch, tmp_path)
    found = doctor.Finding(part, True, "")
    for finding in doctor.examine():
        if finding.part == part:
            found = finding
            break
    assert not found.works, found
    assert found.found


def test_a_broken_part_ends_with_code_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    break_weights(monkeypatch, tmp_path)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "FAIL  weights" in result.stdout
    assert "1 part does not work" in result.stdout


def test_every_dependency_has_its_version_told() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.split("[^a-z0-9-]", line)[0] for line in project["dependencies"]}
    assert set(doctor.PACKAGES) == needed
    told = next(doctor.examine()).found
    assert all(f"{name} {importlib.metadata.version(name)}" in told for name in needed)


@pytest.mark.parametrize(
    ("package", "failing"),
    [
        ("av", {"ffmpeg"}),
        ("cv2", {"threads", "ffmpeg", "flow", "shots"}),
        ("scenedetect", {"shots"}),
        ("torch", {"device", "threads", "precision", "ffmpeg", "weights", "flow", "optimizer"}),
    ],
)
def test_a_package_that_cannot_be_imported_is_a_finding(
    package: str, failing: set[str], tmp_path: Path
) -> None:
    (tmp_path / f"{package}.py").write_text("raise ImportError('no such\\nlibrary')")
    done = subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import main; main()", "doctor"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "")
    *lines, last = done.stdout.splitlines()
    found = dict(line.split(maxsplit=2)[1::-1] for line in lines)
    assert set(found) == set(doctor.CHECKS)
    assert {part for part in found if found[part] == "FAIL"} >= failing
    assert found["versions"] == "ok"
    assert "ImportError: no such library" in done.stdout
    assert "not work" in last
