"""Previews: which pictures, painted how, and where they are told and kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from conftest import ffmpeg

from pipeline import images, preview
from pipeline.errors import ConfigError
from pipeline.images import Pixels
from pipeline.sheets import Cell
from pipeline.variants import combine, parse_vary, vary_style

Brushflow = Callable[..., Result]


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> list[list[Cell]]:
    """The cells of the sheet that is drawn next."""
    seen: list[list[Cell]] = []
    draw = preview.labelled_sheet

    def drawn(rows: Any, width: int) -> Pixels:
        seen[:] = rows
        return draw(rows, width)

    monkeypatch.setattr(preview, "labelled_sheet", drawn)
    return seen


@pytest.fixture
def look(brushflow: Brushflow, painting: Path, tmp_path: Path) -> Brushflow:
    """`brushflow preview` with the real weights, quickly."""

    def call(clip: Path, *arguments: object, style: bool = True) -> Result:
        quick = ("--set", "optimizer.first_iterations=2", "--size", 48)
        named = ("--input", clip, "--output", tmp_path / "out.mp4")
        styles = ("--style", painting) if style else ()
        return brushflow("preview", *named, *styles, *quick, *arguments)

    return call


@pytest.fixture
def two_shots(tmp_path: Path) -> Path:
    """Twelve frames of a test picture, then twelve of a fractal."""
    path = tmp_path / "cut.mp4"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=1.2"),
        *("-f", "lavfi", "-i", "mandelbrot=s=96x64:r=10"),
        *("-filter_complex", "[0:v][1:v]concat=n=2:v=1", "-frames:v", "24", path),
    )
    return path


def test_each_shot_with_each_combination(
    look: Brushflow, two_shots: Path, tmp_path: Path, cells: list[list[Cell]]
) -> None:
    vary = ("--vary", "style.weight=0,100,1e5", "--vary", "style.scale=0.5,1")
    result = look(two_shots, *vary)
    assert result.exit_code == 0, result.stderr
    sheet = tmp_path / "out.preview.png"
    assert f"preview: {sheet}" in result.stdout
    assert images.read_pixels(sheet).shape[1] == 4 * 206 + 6
    assert [cell.lines for cell in cells[0]] == [
        ("shot 0, frame 6, 00:00:00.600",),
        ("shot 1, frame 18, 00:00:01.800",),
    ]
    assert [cell.lines for cell in cells[2]] == [
        *[("--set style.weight=100", "--set style.scale=0.5")] * 2,
        *[("--set style.weight=100", "--set style.scale=1")] * 2,
    ]
    pictures = [cell.pixels for row in cells for cell in row]
    assert len(pictures) == 2 + 12
    assert all(pixels is not None and pixels.shape == (32, 48, 3) for pixels in pictures)
    assert not np.array_equal(cells[1][0].pixels, cells[2][0].pixels)
    assert "picture 12 of 12: frame 18, --set style.weight=1e5" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if "out" in path.name) == [sheet.name]


def test_a_picture_is_the_first_frame_of_a_run_of_that_size(
    look: Brushflow, paint: Brushflow, clip: Path, tmp_path: Path, cells: list[list[Cell]]
) -> None:
    quick = ("--set", "optimizer.first_iterations=3", "--set", "optimizer.coarsest=0")
    assert paint(clip, *quick, "--frames", "0:1").exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    result = look(clip, *quick, "--size", 64, "--frame", 0, "--sheet", tmp_path / "new.png")
    assert result.exit_code == 0, result.stderr
    painted = images.read_pixels(tmp_path / "out.mp4.work/stylized/pass_00/000000.png")
    assert cells[1][0].pixels is not None
    assert np.array_equal(cells[1][0].pixels, painted)
    assert cells[1][0].lines == ("as configured",)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert {path for path in after if after[path] != before.get(path)} == {tmp_path / "new.png"}


def test_several_paintings(
    look: Brushflow, clip: Path, painting: Path, tmp_path: Path, cells: list[list[Cell]]
) -> None:
    other = tmp_path / "other.png"
    images.write_pixels(other, 255 - images.read_pixels(painting))
    result = look(clip, "--style", other, "--frame", 2)
    assert result.exit_code == 0, result.stderr
    assert [cell.lines for cell in cells[1]] == [(f"--style {painting}",), (f"--style {other}",)]
    assert not np.array_equal(cells[1][0].pixels, cells[1][1].pixels)
    assert cells[0][0].lines == ("frame 2, 00:00:00.083",)


def test_each_way_to_compute_is_its_own(
    look: Brushflow, clip: Path, cells: list[list[Cell]]
) -> None:
    result = look(clip, "--frame", 0, "--vary", "vgg.pooling=average,max", "--set", "run.seed=3")
    assert result.exit_code == 0, result.stderr
    assert not np.array_equal(cells[1][0].pixels, cells[1][1].pixels)


def test_quiet_is_quiet(look: Brushflow, clip: Path) -> None:
    result = look(clip, "--quiet", "--frame", 0)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_what_cannot_be_is_refused_in_one_line(look: Brushflow, clip: Path, tmp_path: Path) -> None:
    many = "style.weight=" + ",".join(map(str, range(9)))
    for arguments, words in [
        (("--vary", "style.weigth=1,2"), 'did you mean "weight"'),
        (
            ("--vary", "style.weight=1,heavy"),
            "--vary: style.weight = 'heavy': input should be a valid number",
        ),
        (("--vary", "style.weight"), "--vary style.weight: give it as"),
        (("--vary", "temporal.weight=1,2"), "does not show in single frames"),
        (("--vary", "input.max_side=64,128"), "does not show in single frames"),
        (("--vary", many, "--vary", many.replace("weight", "scale")), "9 x 9 = 81 combinations"),
        (("--vary", "tv.weight=1", "--vary", "tv.weight=2"), "given twice"),
        (("--frame", 6), "the run has 6 frames"),
        (("--sheet", tmp_path / "sheet.jpg"), "ends in .png"),
        (("--sheet", tmp_path / "no" / "such" / "sheet.png"), "no file can be written there"),
        (("--sheet", tmp_path / ("long" * 62 + ".png")), "g.png: no file can be written there"),
        (("--sheet", tmp_path / "painting.png"), "this file is read, as style.path"),
        (("--style", tmp_path / "none.jpg"), "no such image"),
    ]:
        result = look(clip, *arguments)
        assert result.exit_code == 2, (arguments, result.stdout, result.stderr)
        (line,) = result.stderr.splitlines()
        assert words in line
    assert "style.path is not set" in look(clip, style=False).stderr
    assert not list(tmp_path.glob("*.preview.png"))


def test_many_shots_are_spread(
    look: Brushflow, clip: Path, cells: list[list[Cell]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "MOST_SHOTS", 2)
    cuts = 'shots.cuts=["1f","2f","3f","4f","5f"]'
    result = look(clip, "--set", cuts, "--set", "shots.detector=none")
    assert result.exit_code == 0, result.stderr
    assert [cell.lines[0][:15] for cell in cells[0]] == ["shot 1, frame 1", "shot 4, frame 4"]
    assert "2 of 6 shots are shown (1, 4)" in result.stderr


def test_values_are_read_as_set_reads_them() -> None:
    assert parse_vary("style.weight=1, 2e3").values == (1, 2000.0)
    assert parse_vary("style.weight=1, 2e3").words == (
        "--set style.weight=1",
        "--set style.weight=2e3",
    )
    assert parse_vary("tv.norm=l1,l2").values == ("l1", "l2")
    lists = parse_vary('content.layers=["relu3_1", "relu4_2"],["relu4_2"]')
    assert lists.values == (["relu3_1", "relu4_2"], ["relu4_2"])
    assert lists.words[1] == "--set content.layers=['relu4_2']"
    found = combine(None, [], [vary_style(["a.jpg"]), parse_vary("tv.weight=1,2")])
    assert [variant.label for variant in found] == [
        "--style a.jpg --set tv.weight=1",
        "--style a.jpg --set tv.weight=2",
    ]
    assert [variant.config.tv.weight for variant in found] == [1, 2]
    with pytest.raises(ConfigError, match=r"optimizer\.iterations"):
        parse_vary("optimizer.iterations=1,2")
