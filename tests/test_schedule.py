"""The algorithm as data: whole schedules as literals, no torch."""

from pipeline.schedule import Source, Step, pairs, schedule, single_pass
from pipeline.sections import TemporalConfig
from pipeline.shots import Shot


def test_three_frames() -> None:
    assert single_pass(Shot(0, 0, 3), TemporalConfig()) == [
        Step(0, 0, "content", (), ()),
        Step(1, 0, "warped", (0,), (0,)),
        Step(2, 0, "warped", (1,), (1,)),
    ]


def test_long_term_is_clipped_at_the_shots_first_frame() -> None:
    steps = single_pass(Shot(0, 40, 46), TemporalConfig(offsets=(1, 2, 4)))
    assert [step.temporal_from for step in steps] == [
        (),
        (40,),
        (41, 40),
        (42, 41),
        (43, 42, 40),
        (44, 43, 41),
    ]


def test_no_shot_sees_another() -> None:
    shots = [Shot(0, 0, 3), Shot(1, 3, 4), Shot(2, 4, 7)]
    steps = schedule(shots, TemporalConfig(offsets=(1, 2, 4)))
    assert [step.frame for step in steps] == list(range(7))
    for shot in shots:
        for step in steps[shot.start : shot.stop]:
            assert all(need.frame >= shot.start for need in step.needs)
    assert steps[3] == Step(3, 0, "content", (), ())


def test_starts_that_need_no_neighbour() -> None:
    options = TemporalConfig(init="random", first_init="random", weight=0.0)
    assert single_pass(Shot(0, 0, 2), options) == [Step(0, 0, "random"), Step(1, 0, "random")]
    assert Step(5, 0, "warped", (4,), (4, 3)).needs == (Source(4, 0), Source(3, 0))


def test_pairs_are_the_flows_that_are_read() -> None:
    steps = single_pass(Shot(0, 0, 4), TemporalConfig(offsets=(1, 2)))
    assert pairs(steps) == [(1, 0), (2, 1), (2, 0), (3, 2), (3, 1)]
    assert pairs([Step(1, 0, "previous", (0,))]) == []
