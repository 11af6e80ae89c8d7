"""Flow computed beside the painting: the right pairs, in another thread, waited for."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result
from torch import Tensor

from pipeline import ahead, machine, run
from pipeline.ahead import FlowAhead, core_is_free
from pipeline.schedule import Step

CPU = torch.device("cpu")
STEPS = [Step(n, 0, "warped", (n - 1,), (n - 1, n - 2)) for n in (2, 3, 4)]


class Recorded:
    """Flows that note who asks for what, and go on when they may."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.threads: set[int] = set()
        self.go_on = threading.Event()

    def flow(self, i: int, j: int) -> Tensor:
        raise AssertionError

    def weight(self, i: int, j: int) -> Tensor:
        assert self.go_on.wait(10)
        self.asked.append((i, j))
        self.threads.add(threading.get_ident())
        if i == 4:
            raise OSError("disk full")
        return torch.ones(1)

    def forget(self, start: int, stop: int) -> None: ...


def test_the_next_steps_pairs_are_there_when_it_comes() -> None:
    flows = Recorded()
    with FlowAhead(flows, True) as found:
        found.between(STEPS[0], STEPS[1])  # returns at once, although nothing is computed yet
        assert flows.asked == []
        flows.go_on.set()
        found.between(STEPS[1], STEPS[2])
        assert flows.asked[:2] == [(3, 2), (3, 1)]
        with pytest.raises(OSError, match="disk full"):  # at the step that needs it
            found.between(STEPS[2], None)
    assert threading.get_ident() not in flows.threads


def test_without_a_free_core_nothing_is_computed_ahead() -> None:
    flows = Recorded()
    with FlowAhead(flows, False) as found:
        found.between(STEPS[0], STEPS[1])
        found.between(STEPS[1], None)
    assert flows.asked == []


def test_a_core_is_free_where_painting_leaves_one(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = torch.get_num_threads()
    for cores, free in ((threads, False), (threads + 1, True)):
        monkeypatch.setattr(machine, "available_cores", lambda cores=cores: cores)
        assert core_is_free(CPU) == free
    monkeypatch.setattr(machine, "available_cores", lambda: threads)
    assert core_is_free(torch.device("cuda"))


def test_a_run_is_the_same_with_and_without(
    paint: Callable[..., Result], clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Step] = []
    between = FlowAhead.between

    def spy(self: FlowAhead, step: Step, following: Step | None) -> None:
        begun.extend([following] if following and self._pool else [])
        between(self, step, following)

    monkeypatch.setattr(ahead.FlowAhead, "between", spy)
    frames: list[list[bytes]] = []
    for beside in (False, True):
        monkeypatch.setattr(run, "core_is_free", lambda device, beside=beside: beside)
        output = tmp_path / f"{beside}.mp4"
        assert paint(clip, output=output).exit_code == 0
        work = Path(f"{output}.work")
        frames.append([path.read_bytes() for path in sorted(work.glob("stylized/*/*.png"))])
        records = (work / "record.jsonl").read_text().splitlines()
        assert [json.loads(line)["frame"] for line in records] == list(range(6))
    assert frames[0] == frames[1]
    assert [step.frame for step in begun] == [1, 2, 3, 4, 5]
