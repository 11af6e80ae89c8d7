"""FlowStore: kept, resumed, repaired, forgotten; the user's own flow files."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from flow.errors import FlowError
from flow.files import encode_flo
from flow.given import file_of, given_files
from flow.store import FlowStore, Larger

HEIGHT, WIDTH = 6, 8
SHAPE = (1, 2, HEIGHT, WIDTH)


class Counting:
    """An estimator and a check that count their calls; frame n is grey, at n/10."""

    def __init__(self) -> None:
        self.estimated = 0
        self.checked = 0

    def frame(self, number: int) -> torch.Tensor:
        return torch.full((1, 3, HEIGHT, WIDTH), number / 10)

    def estimate(self, image_i: torch.Tensor, image_j: torch.Tensor) -> torch.Tensor:
        self.estimated += 1
        return (10 * (image_i - image_j))[:, :2].contiguous()

    def check(
        self, flow_ij: torch.Tensor, flow_ji: torch.Tensor, image_i: torch.Tensor, _: torch.Tensor
    ) -> torch.Tensor:
        self.checked += 1
        assert (flow_ij + flow_ji).abs().max() < 1e-5
        return image_i[:, :1] / 3

    def store(self, folder: Path, files: str | None = None) -> FlowStore:
        return FlowStore(folder / "flow", self.frame, self.estimate, self.check, files)


def write_flo(path: Path, value: float, height: int = HEIGHT, width: int = WIDTH) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_flo(torch.full((1, 2, height, width), value)))


def test_computed_once_and_kept(tmp_path: Path) -> None:
    parts = Counting()
    store = parts.store(tmp_path)
    flow, weight = store.flow(3, 2), store.weight(3, 2)
    assert flow.shape == SHAPE
    torch.testing.assert_close(flow, torch.ones(SHAPE))
    assert weight.shape == (1, 1, HEIGHT, WIDTH)
    assert torch.equal(weight, torch.full_like(weight, round(255 * 0.1) / 255))
    names = {path.name for path in (tmp_path / "flow").iterdir()}
    assert names == {"000003_000002.flo", "000002_000003.flo", "000003_000002.weight.png"}
    assert torch.equal(store.flow(3, 2), flow)
    assert torch.equal(store.weight(3, 2), weight)
    assert (parts.estimated, parts.checked) == (2, 1)


def test_a_resumed_run_sees_the_same(tmp_path: Path) -> None:
    first = Counting().store(tmp_path)
    wanted = first.weight(5, 4), first.flow(5, 4)
    again = Counting()
    store = again.store(tmp_path)
    assert torch.equal(store.weight(5, 4), wanted[0])
    assert torch.equal(store.flow(5, 4), wanted[1])
    assert (again.estimated, again.checked) == (0, 0)


def test_what_is_returned_is_the_caller_s_own(tmp_path: Path) -> None:
    store = Counting().store(tmp_path)
    store.flow(1, 0).zero_()
    assert store.flow(1, 0).min() > 0.9


@pytest.mark.parametrize("name", ["000002_000001.flo", "000002_000001.weight.png"])
@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "size"])
def test_a_damaged_file_is_computed_again(
    name: str, damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parts = Counting()
    store = parts.store(tmp_path)
    wanted = store.flow(2, 1), store.weight(2, 1)
    path = tmp_path / "flow" / name
    whole = path.read_bytes()
    if damage == "size":
        other = FlowStore(
            tmp_path / "other",
            lambda _: torch.zeros(1, 3, 4, 5),
            lambda i, _: torch.zeros(1, 2, *i.shape[-2:]),
            lambda i, *_: torch.zeros(1, 1, *i.shape[-2:]),
        )
        other.weight(2, 1)
        path.write_bytes((tmp_path / "other" / name).read_bytes())
    else:
        path.write_bytes({"cut": whole[:-5], "empty": b"", "noise": b"x" * len(whole)}[damage])
    with caplog.at_level(logging.WARNING, logger="brushflow"):
        assert torch.equal(store.flow(2, 1), wanted[0])
        assert torch.equal(store.weight(2, 1), wanted[1])
    assert path.read_bytes() == whole
    assert f"{name}: " in caplog.text


def test_forget_removes_the_pairs_of_a_range(tmp_path: Path) -> None:
    store = Counting().store(tmp_path)
    for i in (1, 2, 3, 4):
        store.weight(i, i - 1)
    (tmp_path / "flow" / "notes.txt").write_text("mine")
    store.forget(2, 4)
    left = {path.name for path in (tmp_path / "flow").iterdir()}
    pair = {"000001_000000.flo", "000000_000001.flo", "000001_000000.weight.png"}
    assert left == pair | {"notes.txt"}


@pytest.mark.parametrize(
    "broken",
    [
        lambda i, j: torch.zeros(1, 2, 3, 3),
        lambda i, j: torch.full(SHAPE, torch.nan),
        lambda i, j: torch.zeros(2, HEIGHT, WIDTH),
    ],
)
def test_an_estimator_that_breaks_its_promise_is_named(broken: object, tmp_path: Path) -> None:
    parts = Counting()
    store = FlowStore(tmp_path, parts.frame, broken, parts.check)  # type: ignore[arg-type]
    with pytest.raises(FlowError, match=r"flow\.estimator: for frames 1 and 0"):
        store.flow(1, 0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("found", [None, [[1.0]], torch.ones(1, 1, 3, 3)])
def test_what_is_no_flow_and_no_weight_is_named(found: object, tmp_path: Path) -> None:
    def broken(*images: torch.Tensor) -> object:
        return found

    parts = Counting()
    for key, estimator, check in (
        ("estimator", broken, parts.check),
        ("check", parts.estimate, broken),
    ):
        store = FlowStore(tmp_path, parts.frame, estimator, check)  # type: ignore[arg-type]
        with pytest.raises(FlowError, match=rf"flow\.{key}: .*it gave .*wanted"):
            store.weight(1, 0)


def test_the_user_s_flow_is_taken(tmp_path: Path) -> None:
    write_flo(tmp_path / "own" / "2_1.flo", 7)
    write_flo(tmp_path / "own" / "1_2.flo", -7)
    parts = Counting()
    store = parts.store(tmp_path, str(tmp_path / "own" / "%d_%d.flo"))
    assert (store.flow(2, 1) == 7).all()
    store.weight(2, 1)
    assert parts.estimated == 0


def test_the_missing_reverse_is_estimated_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_flo(tmp_path / "50% done" / "f000002_000001.flo", 1)
    parts = Counting()
    store = parts.store(tmp_path, str(tmp_path / "50% done" / "f%06d_%06d.flo"))
    with caplog.at_level(logging.WARNING, logger="brushflow"):
        store.weight(2, 1)
        store.flow(3, 2)
    assert parts.estimated == 2
    assert caplog.text.count("it is estimated") == 1


def test_pixels_that_the_user_left_out_are_estimated(tmp_path: Path) -> None:
    pixels = np.full((HEIGHT, WIDTH, 3), 2**15 + 64 * 5, np.uint16)  # known, y and x alike: 5
    pixels[0, 0, 0] = 0
    (tmp_path / "1_0.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    flow = Counting().store(tmp_path, str(tmp_path / "%d_%d.png")).flow(1, 0)
    torch.testing.assert_close(flow[0, :, 0, 0], torch.ones(2))
    assert (flow.flatten(2)[..., 1:] == 5).all()


def test_flow_that_was_kept_can_be_given(tmp_path: Path) -> None:
    kept = Counting().store(tmp_path).flow(3, 2)
    parts = Counting()
    again = parts.store(tmp_path / "again", str(tmp_path / "flow" / "%06d_%06d.flo"))
    assert torch.equal(again.flow(3, 2), kept)
    assert parts.estimated == 0


def test_the_user_s_flow_of_another_size_is_refused(tmp_path: Path) -> None:
    write_flo(tmp_path / "1_0.flo", 1, height=5)
    store = Counting().store(tmp_path, str(tmp_path / "%d_%d.flo"))
    with pytest.raises(FlowError, match=r"1_0\.flo: a flow of 8x5, but the frames have 8x6"):
        store.flow(1, 0)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("flow.flo", "must hold two numbers"),
        ("%06d.flo", "must hold two numbers"),
        ("%06d_%06d.flo", "no file fits"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_at_once(
    pattern: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(FlowError, match=message):
        Counting().store(tmp_path, str(tmp_path / pattern))


@pytest.mark.parametrize("pattern", ["of_%d/%03d.flo", "%d-%d.flo", "%6d_%6d.flo", "%06d%06d.flo"])
def test_files_of_every_pattern_are_found(pattern: str, tmp_path: Path) -> None:
    own = str(tmp_path / pattern)
    for path in (file_of(own, 12, 11), file_of(own, 13, 12)):
        path.parent.mkdir(exist_ok=True)
        write_flo(path, 1.0)
    (tmp_path / "of_x").mkdir()
    for other in ("of_x/012.flo", "12-x.flo", "x_     1.flo"):
        (tmp_path / other).touch()
    assert given_files(own) == [file_of(own, 12, 11), file_of(own, 13, 12)]


def test_files_that_are_never_read_do_not_fit(tmp_path: Path) -> None:
    write_flo(tmp_path / "000001_000000.flo", 1.0)
    for pattern in ("%d_%d.flo", "%6d_%06d.flo", "%08d_%06d.flo"):
        assert given_files(str(tmp_path / pattern)) == []


def test_larger_frames_are_estimated_by_where_there_are_any(tmp_path: Path) -> None:
    """Two pixels of a frame of twice the size are one; weights are of the frames' own size."""
    parts, there = Counting(), {3, 2}

    def load(number: int) -> torch.Tensor | None:
        wide = torch.full((1, 3, 2 * HEIGHT, 2 * WIDTH), number / 10)
        return wide if number in there else None

    def estimate(image_i: torch.Tensor, image_j: torch.Tensor) -> torch.Tensor:
        return (40 * (image_i - image_j))[:, :2].contiguous()

    larger = Larger(load, estimate)
    store = FlowStore(
        tmp_path / "flow", parts.frame, parts.estimate, parts.check, larger=larger
    ).kept_in(tmp_path / "other")
    torch.testing.assert_close(store.flow(3, 2), torch.full(SHAPE, 2.0))
    assert parts.estimated == 0
    assert store.weight(3, 2).shape == (1, 1, HEIGHT, WIDTH)
    torch.testing.assert_close(store.flow(5, 4), torch.ones(SHAPE))
    assert parts.estimated == 1
    assert not (tmp_path / "flow").exists()
