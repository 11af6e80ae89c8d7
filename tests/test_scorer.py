"""The scorer: what the stylizer minimises, in float32 and without its weights."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
import torch
from test_metrics import noise

from pipeline import vgg
from pipeline.measure import measure_sequence
from pipeline.scorer import Scorer
from pipeline.sections import RunConfig
from pipeline.stylize import Stylizer
from pipeline.weights import load_weights

CPU = torch.device("cpu")


@pytest.mark.parametrize("published", [False, True])
def test_it_gives_the_stylizers_own_terms(published: bool) -> None:
    network = {"pooling": "max", "padding": "zeros"} if published else {}
    tables: dict[str, dict[str, Any]] = {"vgg": network, "style": {"weight": 3.0, "scale": 1.5}}
    config = RunConfig.model_validate(tables)
    painting, frame, image = noise(40, 30, seed=1), noise(seed=2), noise(seed=3)
    scorer = Scorer(config, painting)
    options = ("float32", config.vgg.pooling, config.vgg.padding, CPU, "direct")
    encoder = vgg.Vgg19(load_weights("oxford"), *options)
    unused = cast("Any", None)
    stylizer = Stylizer(config, encoder, painting, unused, unused, unused, CPU)
    terms = stylizer.objective(frame, [])(image)
    style, content = scorer.style_distance(image), scorer.content_distance(image, frame)
    assert style * config.style.weight == pytest.approx(float(terms["style"]), rel=1e-5)
    assert content * config.content.weight == pytest.approx(float(terms["content"]), rel=1e-5)
    total = float(terms["style"] + terms["content"])
    assert scorer.total(image, frame) == pytest.approx(total, rel=1e-5)


def test_no_precision_is_scored() -> None:
    rough = RunConfig.model_validate({"vgg": {"precision": "bfloat16"}})
    assert Scorer(rough, None).look(noise()).content["relu4_2"].dtype == torch.float32


def test_without_a_painting_there_is_content_alone() -> None:
    scorer = Scorer(RunConfig(), None)
    assert math.isnan(scorer.style_distance(noise()))
    assert scorer.content_distance(noise(), noise()) == 0


def test_a_sequence_is_scored_beside_its_original() -> None:
    painting = noise(24, 32, seed=9)
    original, painted = [noise(seed=0), noise(seed=1)], [painting, noise(seed=1)]
    zero, one = torch.zeros(1, 2, 24, 32), torch.ones(1, 1, 24, 32)
    scorer = Scorer(RunConfig(), painting)
    found = measure_sequence(
        original, painted, lambda i, j: zero, lambda i, j: one, (1,), scorer=scorer
    )
    assert found.painted.style_distance[0] == pytest.approx(0, abs=1e-6)
    assert found.painted.content_distance == [
        pytest.approx(scorer.content_distance(painting, original[0])),
        0,
    ]
    assert found.style_share == [pytest.approx(0, abs=1e-6), 1]
    assert found.original.content_distance == [0, 0]
