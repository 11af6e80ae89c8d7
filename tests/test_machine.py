"""What the machine computes with."""

import mmap
import platform
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import torch

from pipeline import machine

CPU = torch.device("cpu")


def test_threads_are_those_of_opencv_too() -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    try:
        for threads in (1, 2):
            assert machine.set_threads(threads) == threads
            assert (torch.get_num_threads(), cv2.getNumThreads()) == (threads, threads)
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def resident() -> int:
    """Bytes of this process that lie in memory (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * mmap.PAGESIZE


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc, which can be told")
@pytest.mark.parametrize(("pixels", "kept"), [(640 * 360, True), (1920 * 1080, False)])
def test_freed_memory_is_kept_for_the_next_evaluation_of_a_small_frame(
    pixels: int, kept: bool
) -> None:
    size = 1 << 26
    try:
        machine.settle_memory(pixels)
        features = torch.ones(size, dtype=torch.uint8)
        held = resident()
        del features
        assert (held - resident() < size / 4) == kept
    finally:
        machine.settle_memory(machine.LARGE)


def test_other_work_does_not_choose_the_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nearly every call is held up by other work, the undisturbed one still tells."""

    def clock() -> Iterator[float]:
        now = 0.0
        for call in range(1000):
            yield now
            now += (7.0, 1.0)[call % 2] + (0.0 if call in (10, 11) else 20.0)
            yield now

    ticks = clock()
    monkeypatch.setattr(machine.time, "perf_counter", lambda: next(ticks))
    assert machine.choose_precision("auto", CPU) == "bfloat16"


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_a_precision_that_is_named_is_not_measured(name: str) -> None:
    assert machine.choose_precision(name, CPU) == name
