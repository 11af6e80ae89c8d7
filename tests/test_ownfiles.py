"""What a config names to be read is never written over, whatever is allowed and wherever it is."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from conftest import ffmpeg
from test_cli import one_line

from pipeline import images
from pipeline.errors import ConfigError
from pipeline.ownfiles import refuse_writing
from pipeline.sections import FlowConfig, RunConfig, StyleConfig, VggConfig

Brushflow = Callable[..., Result]


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    """A folder of three images, and a link to it."""
    folder = tmp_path / "sequence"
    folder.mkdir()
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=48x32", "-frames:v", 3, folder / "%06d.png")
    (tmp_path / "link").symlink_to(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize(
    ("clip", "output"),
    [
        ("sequence/%06d.png", "sequence/%06d.png"),
        ("sequence/%06d.png", "sequence/%03d.png"),
        ("sequence/%06d.png", "sequence"),
        ("sequence/%06d.png", "link"),
        ("link/%06d.png", "sequence"),
        ("sequence/000001.png", "sequence"),
        ("sequence/000001.png", "link/000001.png"),
        ("linked/a.png", "sequence"),
    ],
)
def test_the_clips_own_frames_are_not_replaced(
    paint: Brushflow,
    sequence: Path,
    tmp_path: Path,
    clip: str,
    output: str,
    overwrite: tuple[str, ...],
) -> None:
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "a.png").symlink_to(sequence / "000002.png")
    if "%03d" in output:
        for path in sorted(sequence.iterdir()):
            path.rename(path.with_name(path.name[3:]))
    before = contents(sequence)
    line = one_line(paint(tmp_path / clip, *overwrite, output=tmp_path / output))
    assert "input" in line
    assert contents(sequence) == before
    assert not list(tmp_path.glob("*.work"))


def test_no_sheet_replaces_what_is_read(
    paint: Brushflow, brushflow: Brushflow, sequence: Path, tmp_path: Path
) -> None:
    clip = tmp_path / "out.sheet.png"
    (sequence / "000001.png").rename(clip)
    before = clip.read_bytes()
    assert "the contact sheet" in one_line(paint(clip, "--overwrite"))
    assert clip.read_bytes() == before
    before_all = contents(sequence)
    named = ("--input", sequence, "--style", clip, "--sheet", tmp_path / "link" / "000002.png")
    assert "read, as input.path" in one_line(brushflow("preview", *named))
    assert contents(sequence) == before_all


def test_every_key_that_names_files_is_watched(tmp_path: Path) -> None:
    names = ("style.png", "vgg.png", "raft.png", "000001_000000.png")
    for name in names:
        images.write_pixels(tmp_path / name, np.zeros((2, 2, 3), np.uint8))
    config = RunConfig(
        style=StyleConfig(path=tmp_path / "style.png"),
        vgg=VggConfig(weights=str(tmp_path / "vgg.png")),
        flow=FlowConfig(weights=tmp_path / "raft.png", files=str(tmp_path / "%06d_%06d.png")),
    )
    for name, key in zip(names, ("style.path", "vgg.w", "flow.w", "flow.files"), strict=True):
        os.link(tmp_path / name, tmp_path / "other.png")
        with pytest.raises(ConfigError, match=key):
            refuse_writing(config, [tmp_path / "none.png", tmp_path / "other.png"], "--sheet")
        (tmp_path / "other.png").unlink()
    refuse_writing(config, [tmp_path / "none.png"], "--sheet")


def test_files_that_are_read_do_not_lie_in_the_work_folder(
    paint: Brushflow, painting: Path, clip: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "out.mp4.work" / "weights.pth"
    weights.parent.mkdir()
    weights.write_bytes(b"")
    line = one_line(paint(clip, "--set", f"vgg.weights={weights}"))
    assert f"vgg.weights = {weights} lies in the work folder" in line
