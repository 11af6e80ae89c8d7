"""The doctor finds what is broken: each part is broken in turn."""

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from flow import estimators
from pipeline import doctor, losses, machine, vgg
from pipeline.cli import app
from pipeline.sections import ShotsConfig
from pipeline.shots import DETECTORS, Detector


def test_all_is_well_here() -> None:
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.stdout
    assert result.stdout.count("ok  ") == len(doctor.CHECKS)
    for word in ("torch", "cpu", "cores", "bfloat16", "ffmpeg", "Oxford", "DIS", "PySceneDetect"):
        assert word in result.stdout


def no_cuts(frames: object, options: ShotsConfig) -> list[int]:
    return []


def break_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("no-such-package",))


def break_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch, "ones", torch.zeros)


def break_precision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(device: torch.device) -> float:
        raise RuntimeError("no bfloat16 kernel")

    monkeypatch.setattr(machine, "bfloat16_speedup", broken)


def break_ffmpeg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "no-ffmpeg"))


def break_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"not weights")
    monkeypatch.setattr(vgg, "oxford_file", lambda: tmp_path / "weights.bin")


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
