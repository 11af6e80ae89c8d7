"""What the network computes in, by what the machine is quick at."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch

from pipeline import arithmetic
from pipeline.arithmetic import DIRECT, LOW, MINIMAL, Arithmetic
from pipeline.assemble import kept_arithmetic
from pipeline.sections import RunConfig, VggConfig
from pipeline.workdir import WorkDir

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({DIRECT: 4.0, MINIMAL: 2.1, LOW: 0.9}, LOW),  # AMX
        ({DIRECT: 2.0, MINIMAL: 2.1, LOW: 1.0}, LOW),  # Zen 5
        ({DIRECT: 2.0, MINIMAL: 1.1, LOW: 1.0}, MINIMAL),
        ({DIRECT: 2.0, MINIMAL: 1.1, LOW: 4.0}, MINIMAL),  # Zen 2
        ({DIRECT: 2.0, MINIMAL: 1.9, LOW: 4.0}, DIRECT),  # noise
        ({DIRECT: 2.0, LOW: 1.0}, LOW),  # a GPU: no other way there
        ({DIRECT: 2.0, LOW: 1.9}, DIRECT),
    ],
)
def test_it_is_what_is_quicker_by_more_than_noise(
    seconds: Mapping[Arithmetic, float], chosen: Arithmetic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arithmetic, "seconds", lambda device: seconds)
    assert arithmetic.choose(VggConfig(), CPU) == chosen


def test_what_is_named_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "seconds", lambda device: {DIRECT: 4.0, MINIMAL: 2.0, LOW: 0.5})

    def chosen(**keys: str) -> Arithmetic:
        return arithmetic.choose(VggConfig.model_validate(keys), CPU)

    assert chosen(precision="float32") == MINIMAL
    assert chosen(precision="float32", convolution="direct") == DIRECT
    assert chosen(precision="float16") == ("float16", "direct")
    assert chosen(convolution="winograd") == ("bfloat16", "winograd")


def test_other_work_does_not_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nearly every call is held up by other work, the undisturbed one still tells."""
    ways = 3

    def clock() -> Iterator[float]:
        now = 0.0
        for call in range(1000):
            yield now
            alone = ways * 4 <= call < ways * 5
            now += (7.0, 8.0, 1.0)[call % ways] + (0.0 if alone else 20.0)
            yield now

    ticks = clock()
    monkeypatch.setattr(arithmetic.time, "thread_time", lambda: next(ticks))
    found = arithmetic.seconds.__wrapped__(CPU)
    assert found == {DIRECT: 7.0, MINIMAL: 8.0, LOW: 1.0}


def test_a_run_keeps_what_it_chose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the machine has become quick at something else."""
    first: dict[Arithmetic, float] = {DIRECT: 4.0, MINIMAL: 2.0, LOW: 4.0}
    config, work = RunConfig(), WorkDir(tmp_path)
    monkeypatch.setattr(arithmetic, "seconds", lambda device: first)
    assert kept_arithmetic(config, work, CPU) == MINIMAL
    monkeypatch.setattr(arithmetic, "seconds", lambda device: {**first, LOW: 0.5})
    assert kept_arithmetic(config, work, CPU) == MINIMAL
    assert arithmetic.choose(config.vgg, CPU) == LOW
