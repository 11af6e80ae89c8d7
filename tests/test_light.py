"""How far a painting follows the clip's light: down to black, up no further than the clip."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.light import LIGHTEST, LightChange

LEVELS = st.floats(0, 255)


def followed(painted: float, levels: list[float]) -> float:
    """The mean luminance of a painting after the clip went through these levels."""
    for then, now in pairwise(levels):
        painted *= LightChange(then, now).gain(painted)
    return painted


def fade(first: float, last: float, frames: int) -> list[float]:
    return [first + (last - first) * i / frames for i in range(frames + 1)]


def test_it_falls_in_proportion_down_to_black() -> None:
    assert followed(80, [100, 50]) == pytest.approx(40, rel=1e-2)
    assert followed(117, fade(135, 0, 12)) < 3


def test_a_fade_from_black_ends_as_light_as_the_clip_lets_it() -> None:
    """The painting of a black frame is not black: it must not grow in the clip's proportions."""
    assert followed(57, fade(0, 50, 8)) == pytest.approx(57)
    assert followed(57, fade(0, 135, 12)) == pytest.approx(LIGHTEST * 135, rel=0.03)


@given(LEVELS, st.lists(LEVELS, min_size=2, max_size=20))
def test_it_grows_no_lighter_than_the_clip(painted: float, levels: list[float]) -> None:
    assert followed(painted, levels) <= max(painted, LIGHTEST * max(levels)) * (1 + 1e-6)


def test_up_and_down_again_it_is_as_before() -> None:
    up = fade(100, 160, 6)
    assert followed(80, up) == pytest.approx(128, rel=0.02)
    assert followed(80, [*up, *up[::-1]]) == pytest.approx(80, rel=0.02)


def test_a_slow_fade_is_told_from_noise_over_more_frames() -> None:
    change = LightChange(100, 99)
    assert change.gain(100) == pytest.approx(0.998, abs=1e-4)
    assert change.gain(100, trend=4) == pytest.approx(0.992, abs=1e-4)


def test_a_painting_counts_less_the_more_has_come_out_of_the_dark_since() -> None:
    assert LightChange(100, 100).hold == LightChange(100, 0).hold == 1
    assert LightChange(1, 12).hold < 0.01 < 0.4 < LightChange(20, 22).hold < 0.6
    assert LightChange(134, 201).hold > 0.7  # a flash
    assert LightChange(135, 144).hold > 0.99  # an exposure
    assert LightChange(100, 99).steady == 1 > LightChange(100, 100.5).steady > 0.98
    assert LightChange(100, 110).steady == pytest.approx(1 / 16)
