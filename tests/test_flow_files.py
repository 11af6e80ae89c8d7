"""Flow and weight files: round trips, literal bytes and damage."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flow import files
from flow.errors import FlowError

FLOWS = hnp.arrays(
    np.float32,
    st.tuples(st.just(1), st.just(2), st.integers(1, 6), st.integers(1, 6)),
    elements=st.floats(-1e6, 1e6, width=32),
)


def kitti_bytes(pixels: np.ndarray) -> bytes:
    """pixels (H, W, 3): x, y, known."""
    ok, data = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]))
    assert ok
    return data.tobytes()


@settings(deadline=None)
@given(flow=FLOWS)
def test_flo_round_trip_keeps_every_bit(flow: np.ndarray) -> None:
    kept = files.decode_flo(files.encode_flo(torch.from_numpy(flow)))
    assert kept.dtype == torch.float32
    assert torch.equal(kept, torch.from_numpy(flow))


def test_flo_bytes_are_those_of_the_format() -> None:
    flow = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])[None]  # x: 1 2, y: 3 4; one row of two
    assert files.encode_flo(flow) == b"PIEH" + struct.pack("<ii4f", 2, 1, 1, 3, 2, 4)


def test_unknown_pixels_are_nan_and_stay_unknown() -> None:
    data = b"PIEH" + struct.pack("<ii4f", 2, 1, 1.7e9, 0, 1, 2)
    flow = files.decode_flo(data)
    assert flow.isnan()[0, :, 0, 0].all()
    assert flow[0, :, 0, 1].tolist() == [1, 2]
    assert files.decode_flo(files.encode_flo(flow)).isnan().equal(flow.isnan())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PIEH",
        b"no flow at all, but long enough",
        b"PIEH" + struct.pack("<ii2f", 2, 1, 0, 0),
        b"PIEH" + struct.pack("<ii4f", 1, 1, 0, 0, 0, 0),
        b"PIEH" + struct.pack("<ii", -1, 5),
        b"PIEH" + struct.pack("<ii", 0, 0),
        b"PIEH" + struct.pack("<ii", 2**30, 2**30),
    ],
)
def test_damaged_flo_is_one_line(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.flo"
    path.write_bytes(data)
    with pytest.raises(FlowError, match=r"x\.flo: .*\.flo file") as caught:
        files.read_flow(path)
    assert "\n" not in str(caught.value)


def test_kitti_png(tmp_path: Path) -> None:
    pixels = np.zeros((2, 3, 3), np.uint16)
    pixels[0, 1] = 2**15 + 64, 2**15 - 32, 1
    pixels[1, 2] = 2**15, 2**15, 1
    path = tmp_path / "000000_10.png"
    path.write_bytes(kitti_bytes(pixels))
    flow = files.read_flow(path)
    assert flow.shape == (1, 2, 2, 3)
    assert flow[0, :, 0, 1].tolist() == [1, -0.5]
    assert flow[0, :, 1, 2].tolist() == [0, 0]
    assert flow.isnan().sum() == 2 * 4


def test_other_pngs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    for pixels in (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint16)):
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        with pytest.raises(FlowError, match="not a KITTI flow"):
            files.read_flow(path)


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(0, 200))
def test_a_truncated_png_is_refused(cut: int) -> None:
    generator = np.random.default_rng(0)
    whole = kitti_bytes(generator.integers(0, 2**16, (8, 8, 3), np.uint16))
    with pytest.raises(FlowError):
        files.decode_kitti(whole[:cut])


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match=r"none\.flo: cannot be read"):
        files.read_flow(tmp_path / "none.flo")


@settings(deadline=None)
@given(
    weight=hnp.arrays(np.float32, (1, 1, 3, 4), elements=st.floats(0, 1, width=32)),
)
def test_weight_round_trip(weight: np.ndarray) -> None:
    given_weight = torch.from_numpy(weight)
    kept = files.decode_weight(files.encode_weight(given_weight))
    assert (kept - given_weight).abs().max() <= 1 / 510 + 1e-6
    assert torch.equal(files.decode_weight(files.encode_weight(kept)), kept)
    exact = (given_weight == 0) | (given_weight == 1)
    assert torch.equal(kept[exact], given_weight[exact])


def test_other_images_are_no_weights() -> None:
    with pytest.raises(FlowError, match="not a weight"):
        files.decode_weight(kitti_bytes(np.zeros((2, 2, 3), np.uint16)))
    with pytest.raises(FlowError, match="damaged PNG"):
        files.decode_weight(b"P5 2 2 255 ....")
