"""What the machine computes with."""

import platform
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch

from pipeline import machine

ROOT = Path(__file__).parent.parent


def test_threads_are_those_of_opencv_too() -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    try:
        for threads in (1, 2):
            assert machine.set_threads(threads) == threads
            assert (torch.get_num_threads(), cv2.getNumThreads()) == (threads, threads)
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


@pytest.mark.parametrize(
    ("given", "threads"), [("3", 3), ("2,4", 2), ("", 5), ("0", 5), ("all", 5)]
)
def test_no_number_of_threads_is_openmps_or_one_a_core(
    given: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "available_cores", lambda: 5)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert machine.usual_threads() == threads


# Of a process of its own: what other tests left free would be taken first.
RETURNED = """
import mmap, sys, torch
from pathlib import Path
from pipeline import machine

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

machine.settle_memory(int(sys.argv[1]))
features = torch.ones(1 << 26, dtype=torch.uint8)
held = resident()
del features
print(held - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc, which can be told")
@pytest.mark.parametrize(("pixels", "kept"), [(640 * 360, True), (1920 * 1080, False)])
def test_freed_memory_is_kept_for_the_next_evaluation_of_a_small_frame(
    pixels: int, kept: bool
) -> None:
    command = [sys.executable, "-c", RETURNED, str(pixels)]
    found = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    assert (int(found.stdout) < 1 << 24) == kept
