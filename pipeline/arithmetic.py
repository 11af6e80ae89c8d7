"""What the network computes in: the precision and the convolution that this machine is quick at."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

import torch

from pipeline import direct, winograd
from pipeline.sections import VggConfig

# So many times less time it must take. Noise shall not decide: Winograd's convolution was seen at
# 0.5 to 1 times the rate of the direct one (Zen 5) and at 1.9 times (Zen 2, and Xeons with AMX);
# bfloat16 at 2 times that of float32 (Zen 5), at 3 and more with AMX, else below one.
WORTH_BFLOAT16 = 1.5  # it loses digits too
WORTH_WINOGRAD = 1.25

WIDTH, SIDE, CALLS = 256, 64, 9  # of what is measured: a layer in the middle of VGG


class Arithmetic(NamedTuple):
    """What `vgg.precision` and `vgg.convolution` come to."""

    precision: str
    convolution: str


DIRECT, MINIMAL, LOW = (
    Arithmetic("float32", "direct"),
    Arithmetic("float32", "winograd"),
    Arithmetic("bfloat16", "direct"),
)


def choose(options: VggConfig, device: torch.device) -> Arithmetic:
    """The config's arithmetic; what is "auto" is what this machine is quick at."""
    precision, convolution = options.precision, options.convolution
    if "auto" not in (precision, convolution):
        return Arithmetic(precision, convolution)
    if precision == "auto":
        precision = "bfloat16" if bfloat16_speedup(device) >= WORTH_BFLOAT16 else "float32"
    if convolution == "auto":
        worth = precision == "float32" and winograd_speedup(device) >= WORTH_WINOGRAD
        convolution = "winograd" if worth else "direct"
    return Arithmetic(precision, convolution)


def bfloat16_speedup(device: torch.device) -> float:
    """How many times faster the network is in bfloat16 than in float32, by the latter's best way.

    Measured, because a processor may have the instructions and yet be slower with them: one with
    AVX512-BF16 but without AMX was seen at half of its float32 rate.
    """
    took = seconds(device)
    return min(took.get(way, took[DIRECT]) for way in (DIRECT, MINIMAL)) / took[LOW]


def winograd_speedup(device: torch.device) -> float:
    """How many times faster Winograd's convolution is than the direct one, on a CPU; else 0."""
    took = seconds(device)
    return took[DIRECT] / took[MINIMAL] if MINIMAL in took else 0.0


@cache
def seconds(device: torch.device) -> Mapping[Arithmetic, float]:
    """What one of VGG's convolutions takes in each arithmetic, measured once.

    Other work on the machine, even all of the time, must not change what a run computes in: so it
    is by the quickest of several calls in turn, and on a CPU by what one thread computes, not by
    the clock, for threads that wait for each other are held up the more.
    """
    calls = {way: _call(way, device) for way in (DIRECT, MINIMAL, LOW) if _fits(way, device)}
    found: dict[Arithmetic, list[float]] = {way: [] for way in calls}
    clock = time.thread_time if device.type == "cpu" else time.perf_counter
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            for _ in range(CALLS):
                for way, call in calls.items():
                    began = clock()
                    call()
                    found[way].append(clock() - began)
    finally:
        torch.set_num_threads(threads)
    return {way: min(took[1:]) for way, took in found.items()}


def _fits(way: Arithmetic, device: torch.device) -> bool:
    return way != MINIMAL or device.type == "cpu"


def _call(way: Arithmetic, device: torch.device) -> Callable[[], object]:
    dtype = torch.float32 if way.precision == "float32" else torch.bfloat16
    bias = torch.zeros(WIDTH, device=device, dtype=dtype)
    kernel = bias.new_zeros(WIDTH, WIDTH, 3, 3)
    image = bias.new_zeros(1, WIDTH, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    if way.convolution == "winograd":
        minimal = winograd.filters(kernel, bias)
        return lambda: winograd.convolve(image, minimal, replicate=False).sum().item()
    plain = direct.filters(kernel, bias)
    return lambda: direct.convolve(image, plain, replicate=False, rectified=False).sum().item()
