"""The algorithm as data: whole schedules as literals, no torch."""

from pipeline.schedule import (
    Source,
    Step,
    by_shot,
    multi_pass,
    pairs,
    results,
    schedule,
    single_pass,
)
from pipeline.sections import TemporalConfig
from pipeline.shots import Shot


def test_three_frames() -> None:
    assert single_pass(Shot(0, 0, 3), TemporalConfig()) == [
        Step(0, 0, "content", (), ()),
        Step(1, 0, "warped", (0,), (0,)),
        Step(2, 0, "warped", (1,), (1, 0)),
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


def test_steps_by_their_shot() -> None:
    shots = [Shot(0, 0, 3), Shot(1, 3, 4), Shot(2, 4, 7)]
    steps = schedule(shots, TemporalConfig(passes=2))
    found = by_shot(shots, [step for step in steps if step.frame != 3])
    assert [{step.frame for step in own} for own in found.values()] == [{0, 1, 2}, set(), {4, 5, 6}]
    assert found[shots[2]][-1] == Step(6, 1, "blended", (5,), (5, 4))


def test_starts_that_need_no_neighbour() -> None:
    options = TemporalConfig(init="random", first_init="random", weight=0.0)
    assert single_pass(Shot(0, 0, 2), options) == [Step(0, 0, "random"), Step(1, 0, "random")]
    assert Step(5, 0, "warped", (4,), (4, 3)).needs == (Source(4, 0), Source(3, 0))


def test_pairs_are_the_flows_that_are_read() -> None:
    steps = single_pass(Shot(0, 0, 4), TemporalConfig(offsets=(1, 2)))
    assert pairs(steps) == [(1, 0), (2, 1), (2, 0), (3, 2), (3, 1)]
    assert pairs([Step(1, 0, "previous", (0,))]) == []


def test_three_passes_over_three_frames() -> None:
    """Alone, forwards, backwards; the temporal loss from the last pass on."""
    options = TemporalConfig(passes=3, from_pass=2, offsets=(1, 2))
    steps = multi_pass(Shot(0, 5, 8), options)
    assert steps == [
        Step(5, 0, "content"),
        Step(6, 0, "content"),
        Step(7, 0, "content"),
        Step(5, 1, "blended"),
        Step(6, 1, "blended", (5,)),
        Step(7, 1, "blended", (6,)),
        Step(7, 2, "blended"),
        Step(6, 2, "blended", (7,), (7,)),
        Step(5, 2, "blended", (6,), (6, 7)),
    ]
    assert steps[-1].needs == (Source(5, 1), Source(6, 2), Source(7, 2))
    assert results(steps) == [steps[8], steps[7], steps[6]]
    assert pairs(steps) == [(6, 5), (7, 6), (6, 7), (5, 6), (5, 7)]


def test_each_step_finds_what_it_needs() -> None:
    for options in (TemporalConfig(passes=4, anchor=1.0), TemporalConfig(offsets=(3, 1))):
        done: set[Source] = set()
        for step in schedule([Shot(0, 0, 5), Shot(1, 5, 6), Shot(2, 6, 9)], options):
            assert done.issuperset(step.needs)
            done.add(step.result)


def test_an_anchor_is_the_shots_first_frame() -> None:
    steps = single_pass(Shot(0, 3, 6), TemporalConfig(anchor=10.0))
    assert [step.anchor for step in steps] == [None, 3, 3]
    assert steps[2].needs == (Source(4, 0), Source(3, 0))
    assert pairs(steps) == [(4, 3), (5, 4), (5, 3)]


def test_of_several_passes_those_held_have_an_anchor() -> None:
    steps = multi_pass(Shot(0, 0, 3), TemporalConfig(passes=4, anchor=10.0, from_pass=2))
    assert [(step.frame, step.anchor) for step in steps[6:]] == [
        *[(2, None), (1, 2), (0, 2)],
        *[(0, None), (1, 0), (2, 0)],
    ]
    assert not any(step.anchor is not None for step in steps[:6])
