"""Files of true flow as MPI Sintel and Middlebury have them: flow, occlusions, frames."""

from __future__ import annotations

import lzma
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from flow.errors import FlowError
from flow.files import decode_flo
from flow.warp import inside


def read_truth(path: Path) -> Tensor:
    """The true flow (1, 2, H, W), from a .flo or a .flo.xz."""
    data = path.read_bytes()
    try:
        return decode_flo(lzma.decompress(data) if path.suffix == ".xz" else data)
    except (lzma.LZMAError, FlowError) as error:
        sys.exit(f"{path}: {error}")


def read_occluded(folder: Path, ending: str, flow: Tensor) -> Tensor | None:
    """Pixels that the next frame does not show: occluded or moved out; (1, 1, H, W) bool.

    Pixels whose truth is unreliable count as what the occlusion file says of them.
    """
    path = folder / f"occlusions{ending}"
    if not path.is_file():
        return None
    given = torch.from_numpy(read_pixels(path, cv2.IMREAD_GRAYSCALE) > 127)[None, None]
    return given | (inside(flow) == 0)


def read_frame(path: Path) -> Tensor:
    """(1, 3, H, W) RGB in [0, 1]."""
    pixels = read_pixels(path, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32) / 255
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]


def read_pixels(path: Path, flags: int) -> np.ndarray:
    """What OpenCV makes of an image file."""
    pixels = cv2.imread(str(path), flags)
    if pixels is None:
        sys.exit(f"{path}: cannot be read")
    return pixels
