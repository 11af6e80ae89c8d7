"""What this machine computes with: device, threads, precision, memory."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

from pipeline.errors import ConfigError

# bfloat16's convolutions must be this much faster than float32's: those have Winograd's algorithm
# beside them, which makes an evaluation some 1.5 times faster, and lose no digits. Noise does not
# decide: processors with AMX were at four to five, those without below one.
WORTH_IT = 2.0

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


def choose_precision(name: str, device: torch.device) -> str:
    """What `vgg.precision` names; "auto" is bfloat16 where this device is faster at it."""
    if name != "auto":
        return name
    return "bfloat16" if bfloat16_speedup(device) >= WORTH_IT else "float32"


def bfloat16_speedup(device: torch.device) -> float:
    """How many times faster one of VGG's convolutions is in bfloat16 than in float32, measured.

    Measured, because a processor may have the instructions and yet be slower with them: one with
    AVX512-BF16 but without AMX was seen at half of its float32 rate. By the quickest of several
    calls: other work on the machine, even all of the time, must not change what a run computes in.
    """
    image = torch.zeros(1, 128, 96, 96, device=device)
    kernel = torch.zeros(128, 128, 3, 3, device=device)
    seconds: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    with torch.no_grad():
        for _ in range(9):  # in turn, so that a passing load falls on both
            for dtype, times in seconds.items():
                image_, kernel_ = (
                    tensor.to(dtype, memory_format=torch.channels_last)
                    for tensor in (image, kernel)
                )
                start = time.perf_counter()
                F.conv2d(image_, kernel_, padding=1).sum().item()
                times.append(time.perf_counter() - start)
    return min(seconds[torch.float32][1:]) / min(seconds[torch.bfloat16][1:])


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
