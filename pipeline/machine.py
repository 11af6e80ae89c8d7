"""What this machine computes with: device, threads, memory."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable

import torch

from pipeline.errors import ConfigError

LARGE = 1 << 20  # pixels of a frame from which memory counts for more than time
# Options of glibc's `mallopt`, by their numbers in malloc.h, and blocks that lie for themselves.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
MAPPED = 32 << 20  # bytes: what glibc comes to by itself


def choose_device(name: str) -> torch.device:
    """The device that `run.device` names; "auto" is the first there is of cuda, mps, cpu.

    Raises:
        ConfigError: a device that is not there.
    """
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there[:0] = ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    name = there[0] if name == "auto" else name
    if name not in there:
        raise ConfigError(
            f'run.device = "{name}": not on this machine (there is: {", ".join(there)})'
        )
    return torch.device(name)


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usual_threads() -> int:
    """OMP_NUM_THREADS (its first level), by which torch goes too, or else one for each core."""
    given = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(given) if given.isdecimal() and int(given) > 0 else available_cores()


def set_threads(threads: int) -> int:
    """Let torch and OpenCV compute with so many threads, 0 being `usual_threads`: how many."""
    import cv2  # here, so that the doctor can tell of the device where OpenCV is broken

    torch.set_num_threads(threads or usual_threads())
    cv2.setNumThreads(torch.get_num_threads())
    return torch.get_num_threads()


def settle_memory(pixels: int) -> None:
    """Let the C library keep what is freed, or return it to the system (glibc), by a frame's size.

    By itself it returns large blocks at once, and the pages of each evaluation's features are
    cleared anew: an eighth of the time at 640x360. But what it keeps it does not always find fit
    for what comes next: at 1920x1080 that would take half as much again.
    """
    if tell := _of_c("mallopt"):
        keep = pixels < LARGE
        tell(M_MMAP_THRESHOLD, MAPPED)
        tell(M_MMAP_MAX, 0 if keep else 1 << 16)
        tell(M_TRIM_THRESHOLD, 2**31 - 1 if keep else 2 * MAPPED)
    if pixels >= LARGE:
        give_back_memory()


def give_back_memory() -> None:
    """Let the C library return what was freed to the system, where it keeps it (glibc)."""
    if trim := _of_c("malloc_trim"):
        trim(0)


def _of_c(name: str) -> Callable[..., int] | None:
    """A function of the C library, if this is Linux and its library has it."""
    found: Callable[..., int] | None = None
    if sys.platform == "linux":
        found = getattr(ctypes.CDLL(None), name, None)
    return found
