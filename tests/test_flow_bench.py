"""The benchmark of flow, on a folder whose truth is known because it was made here."""

from __future__ import annotations

import json
import lzma
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from flow.files import encode_flo
from scripts import bench_flow


def write_sequence(media: Path, occlusions: bool) -> None:
    """Two frames of noise that moves by (3, 0), named as MPI Sintel names them."""
    folder = media / "sintel_made"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (48, 67, 3), np.uint8)
    noise = cv2.GaussianBlur(noise, (0, 0), 1.5)
    cv2.imwrite(str(folder / "frame_0007.png"), noise[:, 3:])
    cv2.imwrite(str(folder / "frame_0008.png"), noise[:, :-3])
    flow = torch.zeros(1, 2, 48, 64)
    flow[:, 0] = 3
    (folder / "flow_0007.flo.xz").write_bytes(lzma.compress(encode_flo(flow)))
    if occlusions:
        cv2.imwrite(str(folder / "occlusions_0007.png"), np.zeros((48, 64), np.uint8))


@pytest.mark.parametrize("occlusions", [True, False])
def test_the_table_of_a_made_sequence(
    occlusions: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    write_sequence(tmp_path / "flow", occlusions)
    numbers = tmp_path / "bench.json"
    command = ["bench_flow", "--media", str(tmp_path / "flow"), "--json", str(numbers)]
    monkeypatch.setattr(sys, "argv", command)
    bench_flow.main()
    rows = {row["estimator"]: row for row in json.loads(numbers.read_text())}
    assert list(rows) == ["dis ultrafast", "dis fast", "dis medium", "dis fine", "dis finest"]
    assert rows["dis fine"]["pair"] == "sintel_made 0007"
    assert rows["dis fine"]["epe"] < 0.5
    if occlusions:  # three columns of 64 moved out of the frame
        assert rows["dis fine"]["published"]["recall"] > 0.6
        assert rows["dis fine"]["soft"]["trusted"] == pytest.approx(61 / 64, abs=0.06)
    else:
        assert "soft" not in rows["dis fine"]
    output = capsys.readouterr()
    assert "| sintel_made 0007 | dis fine | 0." in output.out
    assert "sintel_made 0007 dis fine\n" in output.err
    assert "left out: raft_small" in output.err


def test_an_empty_folder_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bench_flow", "--media", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"no flow_\*\.flo"):
        bench_flow.main()


def test_scores_of_four_pixels() -> None:
    found, truth = torch.tensor([1, 1, 1, 0]).bool(), torch.tensor([1, 0, 0, 1]).bool()
    wanted = {"precision": 1 / 3, "recall": 1 / 2, "f1": 0.4}
    assert bench_flow.scores(found, truth) == pytest.approx(wanted)


def test_the_size_of_a_painting_has_the_larger_frames_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sequence(tmp_path / "flow", occlusions=True)
    numbers = tmp_path / "bench.json"
    command = ["bench_flow", "--media", str(tmp_path / "flow"), "--json", str(numbers)]
    monkeypatch.setattr(sys, "argv", [*command, "--side", "32"])
    bench_flow.main()
    rows = {row["estimator"]: row for row in json.loads(numbers.read_text())}
    assert list(rows)[-2:] == ["dis finest", "dis, larger frames"]
    assert all(rows[name]["epe"] < 0.25 for name in list(rows)[-2:])  # of 1.5 pixels
    assert "soft" not in rows["dis finest"]  # at this size nobody gave what is occluded
