"""`brushflow evaluate`, end to end on tiny clips; how it finds and reads what it measures."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from conftest import ffmpeg
from test_cli import one_line

from flow.files import encode_flo
from pipeline import evaluate, images
from pipeline.footage import ClipFootage, ClipFrames, common_spans
from pipeline.sections import InputConfig

Brushflow = Callable[..., Result]
SCENE = np.random.default_rng(0).integers(0, 256, (64, 120, 3), np.uint8)


def frames(folder: Path, *pictures: np.ndarray[Any, Any]) -> Path:
    """A folder of images."""
    folder.mkdir()
    for number, picture in enumerate(pictures):
        images.write_pixels(folder / f"{number:06d}.png", picture.astype(np.uint8))
    return folder


def moving(count: int) -> list[np.ndarray[Any, Any]]:
    """A camera that moves over a scene by two pixels a frame."""
    return [SCENE[:, 2 * n : 2 * n + 64] for n in range(count)]


def numbers(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_measured_and_not_touched(
    paint: Brushflow, brushflow: Brushflow, clip: Path, tmp_path: Path
) -> None:
    assert paint(clip).exit_code == 0
    work = tmp_path / "out.mp4.work"
    before = snapshot(work)
    result = brushflow("evaluate", "--output", tmp_path / "out.mp4", "--json", tmp_path / "n.json")
    assert result.exit_code == 0, result.stderr
    after = snapshot(work)
    assert after.pop(work / "metrics.json") == (tmp_path / "n.json").read_bytes()
    assert after == before
    found = numbers(tmp_path / "n.json")
    for key in ("ewarp_short", "ewarp_original_short", "content_distance", "sharpness", "trusted"):
        assert found[key] > 0, key
    assert 0 < found["style_share"] < 1
    assert found["ewarp"]["10"] is None
    assert found["ewarp_long"] is None  # six frames
    assert len(found["worst"]) == 5
    assert found["per_frame"]["frame"] == list(range(6))
    assert found["per_frame"]["ewarp"]["5"][:5] == [None] * 5
    assert "warping error, 1 frame apart" in result.stdout
    assert "–: nothing to measure" in result.stdout
    assert "measured in" in result.stderr


def test_a_part_of_a_run_and_a_run_against_another(
    paint: Brushflow, brushflow: Brushflow, clip: Path, tmp_path: Path
) -> None:
    assert paint(clip, "--frames", "0:4").exit_code == 0
    other = ("--set", "temporal.weight=0", "--set", "temporal.init=content")
    assert paint(clip, *other, output=tmp_path / "other.mp4").exit_code == 0
    arguments = ("--against", tmp_path / "other.mp4.work", "--json", tmp_path / "n.json")
    result = brushflow("evaluate", tmp_path / "out.mp4.work", *arguments)
    assert result.exit_code == 0, result.stderr
    told = "frames: the clip 6, painted 4, against 6; the 4 in common are measured, by number"
    assert told in result.stderr
    found = numbers(tmp_path / "n.json")
    assert found["shots"] == [[0, 4]]
    theirs = found["against_metrics"]
    assert found["ratio"]["ewarp_short"] == pytest.approx(
        found["ewarp_short"] / theirs["ewarp_short"]
    )
    assert theirs["per_frame"]["frame"] == [0, 1, 2, 3]
    assert theirs["ewarp_original"] == found["ewarp_original"]
    assert "against" in result.stdout


def test_a_config_that_changed_since_is_told(
    paint: Brushflow, brushflow: Brushflow, clip: Path, tmp_path: Path
) -> None:
    run, work = tmp_path / "run.toml", tmp_path / "out.mp4.work"
    run.write_text(f"[run]\nwork = '{work}'\n[style]\nweight = 3\n[flow]\npreset = 'fast'\n")
    assert paint(clip, run, "--frames", "0:2").exit_code == 0

    def told(*arguments: object) -> str:
        result = brushflow("evaluate", *arguments)
        assert result.exit_code == 0, result.stderr
        return result.stderr

    assert "with other values" not in told(work, "--set", "flow.preset=fine")
    assert "with other values" not in told("--output", tmp_path / "out.mp4")
    changed = "as it was painted, with other values: style.weight (3.0 there, 5.0 now)\n"
    assert changed in told(work, "--set", "style.weight=5")
    clip.unlink()
    whole = told(run, "--set", "style.weight=5")
    assert "style.weight (3.0 there, 5.0 now)" in whole
    assert "optimizer.iterations (2 there, 120 now)" in whole  # from the command line, then
    assert "style.path" in whole
    assert "flow." not in whole


def test_any_two_clips_by_true_flow(brushflow: Brushflow, tmp_path: Path) -> None:
    original = frames(tmp_path / "original", *moving(4))
    brighter = [picture // 2 + 10 * n for n, picture in enumerate(moving(4))]
    painted = frames(tmp_path / "painted", *brighter)
    back = torch.tensor([2.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 64, 64)
    for n in (1, 2, 3):
        (tmp_path / f"{n}_{n - 1}.flo").write_bytes(encode_flo(back))
        (tmp_path / f"{n - 1}_{n}.flo").write_bytes(encode_flo(-back))
    arguments = ["--original", original, "--painted", painted, "--flow", tmp_path / "%d_%d.flo"]
    settings = ["--set", "shots.detector=none", "--json", tmp_path / "n.json"]
    result = brushflow("evaluate", *arguments, *settings)
    assert result.exit_code == 0, result.stderr
    found = numbers(tmp_path / "n.json")
    assert found["ewarp_original_short"] == 0
    assert found["ewarp_short"] == pytest.approx((10 / 255) ** 2, rel=1e-5)
    assert found["trusted"] == pytest.approx(62 / 64)
    assert found["style_distance"] is None
    assert "style distance" not in result.stdout
    assert "--style names a painting" in result.stdout


def test_other_sizes_and_lengths_are_told(
    brushflow: Brushflow, painting: Path, tmp_path: Path
) -> None:
    original, painted = tmp_path / "original.mp4", tmp_path / "painted.mp4"
    scene = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=10")
    ffmpeg(*scene, "-frames:v", "8", original)
    ffmpeg(*scene, "-frames:v", "5", "-vf", "scale=48:32,hue=s=0", painted)
    pair = ("--original", original, "--painted", painted)
    result = brushflow("evaluate", *pair, "--style", painting)
    assert result.exit_code == 0, result.stderr
    assert f"{original} has 96x64: it is scaled to the painted clip's 48x32" in result.stderr
    assert "frames: the clip 8, painted 5; the 5 in common are measured" in result.stderr
    assert "5 frames of 48x32 in 1 shot" in result.stdout
    assert "style distance" in result.stdout
    stretched = ("--set", "input.width=60", "--set", "input.height=32")
    result = brushflow("evaluate", *pair, *stretched)
    shape = "has 60x32: it is of another shape, and stretched to the painted clip's 48x32"
    assert shape in result.stderr
    line = one_line(
        brushflow("evaluate", "-q", *pair[2:], "--original", painted, "--against", original)
    )
    assert "it has 96x64" in line
    assert "only clips of one size can be compared" in line


def test_what_cannot_be_measured_is_one_line(
    brushflow: Brushflow, clip: Path, tmp_path: Path
) -> None:
    def refused(*arguments: object) -> str:
        return one_line(brushflow("evaluate", *arguments))

    nowhere = tmp_path / "nowhere.mp4"
    assert "there is no work folder: run it first" in refused("--output", nowhere)
    assert not (tmp_path / "nowhere.mp4.work").exists()
    assert "name a run by its config" in refused()
    assert "go together" in refused("--original", clip)
    pair = ("--original", clip, "--painted", clip)
    assert "stand alone" in refused(*pair, "--output", nowhere)
    assert "no such file" in refused("--original", clip, "--painted", nowhere)
    wrong = refused(*pair, "--flow", "diss")
    assert '--flow diss: not allowed; did you mean "dis"? (allowed: dis, raft_small' in wrong
    assert "flow files like truth/%06d_%06d.flo" in wrong
    assert "--flow: flow.files = " in refused(*pair, "--flow", "%d.flo")
    assert "no file fits" in refused(*pair, "--flow", "%d_%d.flo")
    assert "ends in .json" in refused(*pair, "--json", clip)
    assert "there is no folder" in refused(*pair, "--json", tmp_path / "no" / "n.json")
    too_long = tmp_path / ("long" * 62 + ".json")  # with what is added while it is written
    line = refused(*pair, "--json", too_long)
    assert f"--json {too_long}: no file can be written there" in line
    assert "no such config file" in refused(*pair, "--scorer", tmp_path / "no.toml")


def test_the_table_is_told_even_if_the_numbers_cannot_be_written(
    brushflow: Brushflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = [frames(tmp_path / name, *moving(2)) for name in ("original", "painted")]

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(evaluate, "write_atomic", full)
    named = ("--original", pair[0], "--painted", pair[1], "--json", tmp_path / "n.json")
    result = brushflow("evaluate", "--quiet", "--set", "shots.detector=none", *named)
    assert "no space left to write" in one_line(result)
    assert "warping error, 1 frame apart" in result.stdout


def test_of_several_passes_the_last_is_measured(
    paint: Brushflow, brushflow: Brushflow, clip: Path, tmp_path: Path
) -> None:
    assert paint(clip).exit_code == 0
    work = tmp_path / "out.mp4.work"
    (work / "stylized/pass_01").mkdir()
    for number in range(3):  # as a second pass leaves it that was stopped: here, the clip itself
        clips = (work / f"frames/{number:06d}.png").read_bytes()
        (work / f"stylized/pass_01/{number:06d}.png").write_bytes(clips)
    records = (work / "record.jsonl").read_text().splitlines()
    later = [json.dumps({**json.loads(line), "pass_index": 1}) for line in records[:3]]
    (work / "record.jsonl").write_text("\n".join([*records, *later]) + "\n")
    result = brushflow("evaluate", work, "--json", tmp_path / "n.json")
    assert result.exit_code == 0, result.stderr
    assert "unfinished: its frames are of the passes 0, 1" in result.stderr
    distances = numbers(tmp_path / "n.json")["per_frame"]["content_distance"]
    assert distances[:3] == [0, 0, 0]
    assert min(distances[3:]) > 0


def test_nothing_painted_yet(paint: Brushflow, brushflow: Brushflow, clip: Path) -> None:
    assert paint(clip, "--until", "shots").exit_code == 0
    line = one_line(brushflow("evaluate", "--output", clip.with_name("out.mp4")))
    assert "nothing is painted yet: run it first" in line


def test_spans_are_the_unbroken_parts_of_shots() -> None:
    shots = [range(4), range(4, 7), range(7, 9)]
    assert common_spans(shots, range(9)) == shots
    assert common_spans(shots, {0, 1, 3, 4, 8}) == [range(2), range(3, 4), range(4, 5), range(8, 9)]
    assert common_spans(shots, set()) == []


def test_a_clip_is_read_forward_with_few_frames_in_memory(tmp_path: Path) -> None:
    pictures = moving(8)
    clip = ClipFootage(frames(tmp_path / "clip", *pictures), InputConfig(), kept=3).clip
    with closing(ClipFrames(clip, kept=3)) as read:
        for now in range(2, 8):
            for index in (now, now - 2, now - 1, 0):
                assert (images.to_pixels(read[index], 8) == pictures[index]).all()
        with pytest.raises(IndexError):
            read[3]
