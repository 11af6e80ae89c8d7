"""Files of optical flow and of weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor

from flow.errors import FlowError

T = TypeVar("T")
_FLO_TAG = b"PIEH"  # 202021.25 as a little-endian float
CHECKSUM_BYTES = 4  # that a FlowStore writes behind its files
_HEADER = 24  # bytes of a flow file that tell its size
_FLO_UNKNOWN = 1e9  # beyond this a pixel's flow is not known (Baker et al. 2011)
_PNG = b"\x89PNG\r\n\x1a\n"
_LONGEST_SIDE = 99999  # of a .flo that is believed, as in Middlebury's own reader


def read_flow(path: Path) -> Tensor:
    """Read a Middlebury .flo or, where the name ends in .png, a KITTI flow image.

    Shapes: -> (1, 2, H, W) float32, pixels, channel 0 = x; NaN where the flow is not known.

    Raises:
        FlowError: no such file, truncated, or of another format.
    """
    return _understood(path, decode_kitti if path.suffix.lower() == ".png" else decode_flo)


def require_size(path: Path, height: int, width: int) -> None:
    """Look whether a flow file is of frames of this size, by its first bytes alone.

    Raises:
        FlowError: no such file, of another format or another size.
    """
    size = _png_size if path.suffix.lower() == ".png" else _flo_size
    found_height, found_width = _understood(path, size, _HEADER)
    if (found_height, found_width) != (height, width):
        raise FlowError(
            f"{path}: a flow of {found_width}x{found_height}, but the frames have {width}x{height}"
        )


def _understood(path: Path, decode: Callable[[bytes], T], length: int = -1) -> T:
    """What the bytes of a file mean, or the first of them."""
    try:
        with path.open("rb") as file:
            data = file.read(length)
    except OSError as error:
        raise FlowError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return decode(data)
    except FlowError as error:
        raise FlowError(f"{path}: {error}") from None


def decode_flo(data: bytes) -> Tensor:
    """The flow in the bytes of a .flo file (Baker et al. 2011); NaN where it is not known.

    Raises:
        FlowError: not a whole .flo file.
    """
    height, width = _flo_size(data)
    if len(data) not in (12 + 8 * width * height, 12 + 8 * width * height + CHECKSUM_BYTES):
        raise FlowError(f"a damaged .flo file: {len(data)} bytes for {width}x{height} pixels")
    flow = (
        np.frombuffer(data, "<f4", 2 * width * height, offset=12)
        .reshape(height, width, 2)
        .astype(np.float32)
    )
    flow[~(np.abs(flow) <= _FLO_UNKNOWN).all(axis=2)] = np.nan
    return _to_tensor(flow)


def _flo_size(data: bytes) -> tuple[int, int]:
    """Height and width in the first bytes of a .flo file."""
    if data[:4] != _FLO_TAG or len(data) < 12:
        raise FlowError("not a .flo file")
    width, height = (int(side) for side in np.frombuffer(data, "<i4", 2, offset=4))
    if not (0 < width <= _LONGEST_SIDE and 0 < height <= _LONGEST_SIDE):
        raise FlowError(f"not a .flo file: a size of {width}x{height}")
    return height, width


def encode_flo(flow: Tensor) -> bytes:
    """The bytes of a .flo file; unknown pixels (NaN) become 1e10 as in the Middlebury set.

    Shapes: (1, 2, H, W).
    """
    height, width = flow.shape[-2:]
    pixels = torch.nan_to_num(flow[0], nan=10 * _FLO_UNKNOWN).permute(1, 2, 0)  # (H, W, 2)
    size = np.array([width, height], "<i4").tobytes()
    return _FLO_TAG + size + np.ascontiguousarray(pixels.numpy(), "<f4").tobytes()


def decode_kitti(data: bytes) -> Tensor:
    """The flow in the bytes of a KITTI flow PNG; NaN where it is not known.

    Three channels of 16 bits: x and y as 64 · flow + 2^15, and whether the pixel is known (Menze
    and Geiger 2015, development kit).

    Raises:
        FlowError: not a 16-bit RGB PNG, or a damaged one.
    """
    pixels = _decode_png(data)
    if pixels.dtype != np.uint16 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise FlowError("not a KITTI flow file: it must be a PNG of 3 channels of 16 bits")
    flow = (pixels[..., :0:-1].astype(np.float32) - 2**15) / 64  # OpenCV's order is (known, y, x)
    flow[pixels[..., 0] == 0] = np.nan
    return _to_tensor(flow)


def decode_weight(data: bytes) -> Tensor:
    """The weight in the bytes of an 8-bit grey PNG.

    Shapes: -> (1, 1, H, W) float32 in [0, 1].

    Raises:
        FlowError: another kind of file, or a damaged one.
    """
    pixels = _decode_png(data)
    if pixels.dtype != np.uint8 or pixels.ndim != 2:
        raise FlowError("not a weight file: it must be a grey PNG of 8 bits")
    return torch.from_numpy(pixels.astype(np.float32) / 255)[None, None]


def encode_weight(weight: Tensor) -> bytes:
    """The bytes of an 8-bit grey PNG; 0 and 1 are kept exactly, the rest to 1/510.

    Shapes: (1, 1, H, W) in [0, 1].
    """
    pixels = (weight[0, 0] * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    _, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return data.tobytes()


def _decode_png(data: bytes) -> np.ndarray:
    whole = data.startswith(_PNG) and data.endswith(b"IEND\xaeB`\x82")
    # OpenCV fills the rest of a truncated PNG with grey and says nothing to the caller.
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if whole else None
    if pixels is None:
        raise FlowError("a damaged PNG, or none")
    return pixels


def _png_size(data: bytes) -> tuple[int, int]:
    """Height and width in the first bytes of a PNG (its IHDR chunk, which comes first)."""
    if not data.startswith(_PNG) or len(data) < _HEADER:
        raise FlowError("a damaged PNG, or none")
    return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")


def _to_tensor(flow: np.ndarray) -> Tensor:
    """Shapes: (H, W, 2) -> (1, 2, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1)))[None]
