"""Shots between cuts."""

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.images import Pixels
from pipeline.sections import ShotsConfig
from pipeline.shots import DETECTORS, Shot, find_shots


def clip(*lengths: int, dtype: type = np.uint8) -> list[Pixels]:
    """Shots of noise of different colours."""
    generator = np.random.default_rng(0)
    peak = np.iinfo(dtype).max
    frames = []
    for index, length in enumerate(lengths):
        colour = np.array([(40, 90, 200), (210, 120, 30), (90, 220, 60)][index % 3]) / 255
        for _ in range(length):
            noise = generator.normal(0, 0.02, (36, 64, 3))
            frames.append(((colour + noise).clip(0, 1) * peak).astype(dtype))
    return frames


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_content_finds_the_cuts(dtype: type) -> None:
    found = find_shots(DETECTORS["content"], clip(20, 15, 25, dtype=dtype), ShotsConfig())
    assert found == [Shot(0, 0, 20), Shot(1, 20, 35), Shot(2, 35, 60)]


def test_none_is_one_shot() -> None:
    assert find_shots(DETECTORS["none"], clip(20, 15), ShotsConfig()) == [Shot(0, 0, 35)]


def test_one_frame_is_one_shot() -> None:
    for name in DETECTORS:
        assert find_shots(DETECTORS[name], clip(1), ShotsConfig()) == [Shot(0, 0, 1)]


def test_the_users_own_detector() -> None:
    assert find_shots(lambda frames, options: [3, 0, 3], clip(5), ShotsConfig()) == [
        Shot(0, 0, 3),
        Shot(1, 3, 5),
    ]
    with pytest.raises(ConfigError, match="frame 5, but the clip has 5"):
        find_shots(lambda frames, options: [5], clip(5), ShotsConfig())
