"""Whole clips measured in memory: sequences whose numbers are known."""

from __future__ import annotations

import math

import pytest
import torch
from test_flow_warp import constant_flow
from test_metrics import noise
from torch import Tensor
from torch.nn import functional as F

from pipeline.measure import SequenceMetrics, measure_sequence, measure_versions


def still(i: int, j: int) -> Tensor:
    return constant_flow(0, 0, 24, 32)


def everywhere(i: int, j: int) -> Tensor:
    return torch.ones(1, 1, 24, 32)


def measured(original: list[Tensor], painted: list[Tensor], *spans: range) -> SequenceMetrics:
    given = spans or (range(len(original)),)
    return measure_sequence(original, painted, still, everywhere, (1, 5), given)


def test_a_clip_against_itself_has_nothing_but_its_own() -> None:
    summary = measured([noise()] * 8, [noise()] * 8).summary()
    for name in ("ewarp_short", "ewarp_long", "ewarp_original_short", "boiling", "drift"):
        assert summary[name] == 0, name
    for name in ("sharpness", "sharpness_last", "sharpness_original", "trusted"):
        assert summary[name] == 1, name
    assert math.isnan(summary["style_distance"])  # nobody scored


def test_true_motion_is_no_error() -> None:
    wide = noise(width=60)
    frames = [wide[..., 20 - 2 * i : 52 - 2 * i] for i in range(8)]

    def flow(i: int, j: int) -> Tensor:
        return constant_flow(-2 * (i - j), 0, 24, 32)

    def weight(i: int, j: int) -> Tensor:
        return (torch.arange(32) >= 2 * (i - j)).float().expand(1, 1, 24, 32)

    found = measure_sequence(frames, frames, flow, weight, (1, 5))
    assert found.ewarp_short == found.ewarp_long == 0
    assert found.summary()["boiling"] == 0
    assert found.summary()["trusted_by_offset"] == pytest.approx({1: 30 / 32, 5: 22 / 32})


def test_a_ramp_of_brightness_is_drift_and_error() -> None:
    painted = [torch.full((1, 3, 24, 32), (100.0 + i) / 255) for i in range(12)]
    found = measured([noise()] * 12, painted)
    assert found.ewarp_short == pytest.approx(255**-2, rel=1e-3)
    assert found.ewarp_long == pytest.approx((5 / 255) ** 2, rel=1e-3)
    assert found.summary()["drift"] == pytest.approx(7, rel=1e-3)  # 9 to 2, the ends' middles
    assert found.summary()["drift_colour"] == pytest.approx(7, rel=1e-3)
    assert found.summary()["ewarp_original_short"] == 0


def test_blur_lowers_the_error_and_the_sharpness() -> None:
    frames = [noise(seed=seed) for seed in range(8)]

    def blurred(image: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, stride=1)

    plain = measured(frames, frames)
    found = measured(frames, [frames[0], *map(blurred, frames[1:])])
    assert found.ewarp_short < 0.5 * plain.ewarp_short
    assert found.summary()["sharpness"] < 0.2
    assert plain.summary()["sharpness"] == pytest.approx(1, rel=0.1)


def test_no_pair_crosses_a_shot() -> None:
    frames = [noise()] * 4 + [1 - noise()] * 3
    cut = measured(frames, frames, range(4), range(4, 7))
    assert cut.ewarp_short == 0
    assert [i for i in range(7) if math.isnan(cut.painted.ewarp[1][i])] == [0, 4]
    assert math.isnan(cut.ewarp_long)  # no shot has six frames
    assert cut.summary()["sharpness"] == pytest.approx(1)
    whole = measured(frames, frames)
    assert whole.worst() == sorted(whole.worst(), key=lambda pair: -pair[1])
    assert whole.worst()[0][0] == 4


def test_versions_share_each_flow_and_ask_for_frames_in_order() -> None:
    asked, done, reached = [], [], 0

    class Reader:
        def __getitem__(self, index: int) -> Tensor:
            nonlocal reached
            assert index >= reached - 2
            reached = max(reached, index)
            return noise(seed=index)

    def flow(i: int, j: int) -> Tensor:
        asked.append((i, j))
        return still(i, j)

    versions = {"one": Reader(), "other": Reader()}
    spans = [range(2), range(2, 5)]
    found = measure_versions(
        Reader(), versions, flow, everywhere, (1, 2), spans, progress=done.append
    )
    assert asked == [(1, 0), (3, 2), (4, 3), (4, 2)]
    assert done == found["other"].frames == [0, 1, 2, 3, 4]
    assert found["one"].ewarp_short == found["other"].ewarp_short > 0
