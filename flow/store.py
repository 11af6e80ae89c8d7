"""Backward flows and their weights as files: computed on a miss, read ever after."""

from __future__ import annotations

import logging
import re
import threading
import zlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from flow.atomic import write_atomic
from flow.errors import FlowError
from flow.estimating import Estimator
from flow.files import (
    CHECKSUM_BYTES,
    decode_flo,
    decode_weight,
    encode_flo,
    encode_weight,
    read_flow,
    require_size,
)
from flow.given import file_of, require_files
from flow.occlusion import Check
from flow.still import settled
from flow.warp import resized

logger = logging.getLogger("brushflow")

_KEPT = re.compile(r"(\d{6,})_(\d{6,})\.(flo|weight\.png)")


class Larger(NamedTuple):
    """The clip's frames larger than those that flow is for, and what estimates flow between them.

    `load_frame` answers None where there are none.
    """

    load_frame: Callable[[int], Tensor | None]
    estimator: Estimator


class FlowStore:
    """Flow and weight between frames of one clip, kept in one folder.

    What it returns is always what the file holds, so that a run that was stopped and started again
    sees the same numbers as one that was not. A damaged file is computed again. Tensors are on the
    CPU, and the caller's own: nothing is cached in memory. Several threads may ask at once; one of
    them computes at a time.

    Args:
        folder: where the files are kept; made when the first is written.
        load_frame: frame number -> (1, 3, H, W) RGB in [0, 1]; all frames have one size.
        estimator: what computes a flow that is not there.
        check: what computes a weight that is not there.
        files: pattern of the user's own flow files, such as "flow/%06d_%06d.flo" (first i, then
            j, counted from 0; .flo or KITTI .png). They are taken instead of the estimator's.
            Whatever pair or pixel they leave out is estimated: so is the reverse flow that a
            weight needs, where only one direction is given.
        larger: the same frames with more to see, where there are any: flow is then estimated
            between those, and brought to the size of the others.
        still: flow that a still camera's noise makes counts as none (`flow.still`).

    Raises:
        FlowError: a pattern without two numbers, or one that no file fits.
    """

    def __init__(
        self,
        folder: Path,
        load_frame: Callable[[int], Tensor],
        estimator: Estimator,
        check: Check,
        files: str | None = None,
        larger: Larger | None = None,
        still: bool = False,
    ) -> None:
        self._folder = folder
        self._load_frame = load_frame
        self._estimator = estimator
        self._check = check
        self._files = files
        self._larger = larger
        self._still = still
        self._missing_told = False
        self._computing = threading.RLock()  # estimators keep buffers; a weight needs flows
        if files is not None:
            require_files(files)

    def kept_in(self, folder: Path) -> FlowStore:
        """The same flow and weights, kept in another folder."""
        parts = (self._load_frame, self._estimator, self._check, self._files, self._larger)
        return FlowStore(folder, *parts, self._still)

    def flow(self, i: int, j: int) -> Tensor:
        """Backward flow: where each pixel of frame i came from in frame j.

        Shapes: -> (1, 2, H, W) float32, pixels.

        Raises:
            FlowError: a user's file of another size or kind; an estimator that breaks its promise.
            OSError: the disk is full.
        """
        path = self._folder / f"{i:06d}_{j:06d}.flo"
        return self._kept(path, decode_flo, lambda: encode_flo(self._compute_flow(i, j)))

    def weight(self, i: int, j: int) -> Tensor:
        """How far flow(i, j) can be trusted, at each pixel of frame i.

        Shapes: -> (1, 1, H, W) float32 in [0, 1], in steps of 1/255. Raises as `flow` does.
        """
        path = self._folder / f"{i:06d}_{j:06d}.weight.png"
        return self._kept(path, decode_weight, lambda: encode_weight(self._compute_weight(i, j)))

    def forget(self, start: int, stop: int) -> None:
        """Remove the files of every pair that has a frame in [start, stop)."""
        for path in self._folder.glob("*_*.*"):
            name = _KEPT.fullmatch(path.name)
            if name and any(start <= int(name[side]) < stop for side in (1, 2)):
                path.unlink(missing_ok=True)

    @cached_property
    def _size(self) -> tuple[int, int]:
        """Height and width of the frames."""
        height, width = self._load_frame(0).shape[-2:]
        return height, width

    def _kept(
        self, path: Path, decode: Callable[[bytes], Tensor], encode: Callable[[], bytes]
    ) -> Tensor:
        try:
            return self._whole(decode(_checked(path.name, path.read_bytes())))
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
        except FlowError as error:
            logger.warning("%s: %s: computed again", path, error)
        with self._computing:
            data = encode()
            write_atomic(path, data + _checksum(path.name, data))
        return decode(data)

    def _whole(self, found: Tensor) -> Tensor:
        if found.shape[-2:] != self._size or not found.isfinite().all():
            raise FlowError("not of this clip's size, or with holes")
        return found

    def _compute_weight(self, i: int, j: int) -> Tensor:
        frames = [self._load_frame(frame).cpu() for frame in (i, j)]
        found = self._check(self.flow(i, j), self.flow(j, i), *frames)
        _require_tensor("flow.check", found)
        if found.shape != (1, 1, *self._size):
            raise FlowError(
                f"flow.check: for frames {i} and {j} it gave {tuple(found.shape)}; wanted are "
                f"weights of shape (1, 1, {self._size[0]}, {self._size[1]})"
            )
        return found

    def _compute_flow(self, i: int, j: int) -> Tensor:
        given = self._given(i, j)
        if given is not None and given.isfinite().all():
            return given
        estimated = self._estimate(i, j)
        return estimated if given is None else torch.where(given.isfinite(), given, estimated)

    def _estimate(self, i: int, j: int) -> Tensor:
        estimator, image_i, image_j = self._seen(i, j)
        found = estimator(image_i, image_j)
        _require_tensor("flow.estimator", found)
        flow = found.detach().cpu().float()
        height, width = image_i.shape[-2:]
        if flow.shape != (1, 2, height, width) or not flow.isfinite().all():
            raise FlowError(
                f"flow.estimator: for frames {i} and {j} it gave {tuple(flow.shape)}; wanted are "
                f"finite numbers of shape (1, 2, {height}, {width})"
            )
        flow = flow if (height, width) == self._size else resized(flow, *self._size)
        return settled(flow, self._load_frame(i), self._load_frame(j)) if self._still else flow

    def _seen(self, i: int, j: int) -> tuple[Estimator, Tensor, Tensor]:
        """What flow is estimated by, and between which images."""
        if self._larger is not None:
            image_i, image_j = self._larger.load_frame(i), self._larger.load_frame(j)
            if image_i is not None and image_j is not None:
                return self._larger.estimator, image_i, image_j
        return self._estimator, self._load_frame(i), self._load_frame(j)

    def _given(self, i: int, j: int) -> Tensor | None:
        """The user's own flow, NaN where it is not known; None where there is no file."""
        if self._files is None:
            return None
        path = file_of(self._files, i, j)
        if not path.is_file():
            if not self._missing_told:
                logger.warning("no %s: it is estimated, as is all that flow.files leaves out", path)
                self._missing_told = True
            return None
        require_size(path, *self._size)
        return read_flow(path)


def _require_tensor(key: str, found: object) -> None:
    if not isinstance(found, Tensor):
        raise FlowError(f"{key}: it gave {type(found).__name__}; wanted is a torch.Tensor")


def _checksum(name: str, data: bytes) -> bytes:
    """Four bytes that follow a kept file's own, which other readers of the format pass over.

    Of the name too, so that a file under another's name is found.
    """
    return zlib.crc32(name.encode() + data).to_bytes(CHECKSUM_BYTES, "little")


def _checked(name: str, kept: bytes) -> bytes:
    """A kept file's bytes without their checksum.

    Raises:
        FlowError: they are not what was written under this name.
    """
    data, checksum = kept[:-CHECKSUM_BYTES], kept[-CHECKSUM_BYTES:]
    if _checksum(name, data) != checksum:
        raise FlowError("damaged")
    return data
