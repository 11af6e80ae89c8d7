"""What is told of a call: what it did, in the words of what was asked for."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.outcome import Outcome
from pipeline.words import many

OUT = Path("out.mp4")


def test_what_is_counted_is_one_or_many() -> None:
    assert [many(n, "thread") for n in (0, 1, 2)] == ["0 threads", "1 thread", "2 threads"]
    assert [many(n, "cut lies", "cuts lie") for n in (1, 2)] == ["1 cut lies", "2 cuts lie"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"frames": 1, "done": 1, "painted": 1}, "painted 1 of 1 frame in 0:10"),
        ({"frames": 8, "done": 1, "painted": 0}, "painted 0 of 8 frames in 0:10, 1 is done"),
        ({"frames": 8, "done": 6, "painted": 2}, "painted 2 of 8 frames in 0:10, 6 are done"),
        (
            {"frames": 9, "done": 9, "painted": 9, "passes": 3, "encoded": True, "output": OUT},
            "painted 9 of 9 frames (in 3 passes) in 0:10",
        ),
        (
            {"frames": 8, "done": 6, "encoded": True, "output": OUT},
            "video written in 0:10: 6 of 8 frames are painted",
        ),
        (
            {"frames": 8, "done": 8, "output": OUT},
            "nothing to do: 8 of 8 frames are painted, the video has them",
        ),
        ({"prepared": "8 frames extracted"}, "8 frames extracted in 0:10"),
    ],
)
def test_the_first_line_says_what_was_done(given: dict[str, Any], told: str) -> None:
    assert next(Outcome(Path("work"), seconds=10.0, **given).lines()) == told
