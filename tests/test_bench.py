"""The benchmark compares what it says it compares: on tiny frames, with a few iterations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline import images
from pipeline.optimize import OPTIMIZERS, Evaluation
from pipeline.sections import OptimizerConfig, RunConfig
from pipeline.vgg import Vgg19
from pipeline.weights import load_weights
from scripts import bench
from scripts.benchmark import baselines, growth, independent, kept, sides
from scripts.benchmark.cases import PAINTING, Size, spans
from scripts.benchmark.kept import Kept, Result
from scripts.benchmark.memory import Filling
from scripts.benchmark.plan import Plan
from scripts.benchmark.rounded import RoundedVgg19
from scripts.benchmark.yardstick import Yardstick

TINY = Size(48, 32)
USUAL, QUICK_MOTION = spans(None)


def short(config: RunConfig) -> RunConfig:
    few = {"iterations": 2, "first_iterations": 2}
    return config.model_copy(update={"optimizer": config.optimizer.model_copy(update=few)})


@pytest.fixture
def few_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two iterations on both sides, and networks that both can use: building them takes long."""
    published, default = (short(each) for each in (sides.published(), RunConfig()))
    default = sides.with_vgg(default, precision="float32", pooling="max", padding="zeros")
    monkeypatch.setattr(sides, "published", lambda: published)
    monkeypatch.setattr(sides, "default", lambda: default)


@pytest.fixture
def scene() -> sides.Scene:
    """Two frames, the first painted: as it is, so that no time goes into it."""
    made = sides.Scene(USUAL.frames(TINY), PAINTING, short(sides.published()))
    made.painted[USUAL.first] = made.frames[USUAL.first].flip(1)
    return made


@pytest.mark.usefixtures("few_iterations")
def test_json_has_the_figures_of_every_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    once = {TINY: (USUAL,)}
    plan = Plan(once, once, once, 2, (), (TINY,), (TINY,), (), 0, 1)
    monkeypatch.setattr(bench, "whole", lambda clips: plan)
    monkeypatch.setattr(bench, "Yardstick", lambda precision: Yardstick(precision, 64))
    numbers = tmp_path / "bench.json"
    parts = "evaluation,warped,first,precision"
    bench.main(
        ["--json", str(numbers), "--cache", str(tmp_path), "--threads", "1", "--only", parts]
    )
    found = json.loads(numbers.read_text(encoding="utf-8"))
    assert found["gemm_share"][str(TINY)] > 0
    assert found["seconds_per_megapixel"][str(TINY)] > 0
    warped, first = (found[part][str(TINY)] for part in ("warped_frame", "first_frame"))
    for one in (warped, first):
        assert one["speedup"] > 0
        assert one["speedup_same_network"] > 0
        assert one["loss_ratio"] > 0
        assert one["loss_ratio_unclipped"] > 0
        assert one["frames"][0]["published"]["iterations"] == 2
    assert warped["ewarp_ratio"] > 0
    assert first["ewarp_ratio"] is None  # there is no frame before it
    (low,) = found["precision"].values()
    assert all(0.5 < low[name] < 2 and low[name] != 1 for name in ("first", "next"))
    assert len({each["float32"] for each in low["first_all"]}) == 2  # each from its own start
    assert low["first_spread"] > 0
    told = capsys.readouterr().out
    assert "as fast as published" in told
    assert "TFLOP/s" in told


def test_sides_differ_in_how_alone() -> None:
    theirs, ours = sides.published(), sides.by_default(sides.published())
    assert ours.optimizer == RunConfig().optimizer
    changed = {
        f"{section}.{key}"
        for section in RunConfig.model_fields
        for key, value in getattr(ours, section)
        if value != getattr(getattr(theirs, section), key) and section != "optimizer"
    }
    assert changed <= {f"{section}.{key}" for section, keys in sides.HOW.items() for key in keys}
    assert "temporal.interpolation" in changed


def test_both_sides_are_held_to_the_published_target(scene: sides.Scene) -> None:
    """The same loss of the same image, although our start is warped otherwise."""
    frame = USUAL.first + 1
    theirs = scene.painter(scene.config)
    ours = scene.painter(sides.with_vgg(sides.by_default(scene.config), precision="float32"))
    theirs.held = ours.held = scene.targets(frame)
    wrong = [each._replace(image=1 - each.image) for each in scene.targets(frame)]
    image = scene.frames[frame]
    found = [painter.objective(image, wrong)(image) for painter in (theirs, ours)]
    scored = scene.score(frame, image).terms
    for name, value in scored.items():
        assert float(found[0][name]) == pytest.approx(value, rel=1e-4, abs=1e-3)
        assert float(found[1][name]) == pytest.approx(value, rel=1e-4, abs=1e-3)
    assert scored["temporal"] > 0


def test_baseline_is_painted_once_and_refused_when_the_objective_has_changed(
    scene: sides.Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = USUAL.first + 1
    first = baselines.baseline(scene, frame, Kept(tmp_path), "tiny")

    def painted_again(*arguments: object) -> Result:
        raise AssertionError

    monkeypatch.setattr(baselines, "_paint", painted_again)
    again = baselines.baseline(scene, frame, Kept(tmp_path), "tiny")
    assert torch.equal(again.image, first.image)
    assert again.figures == first.figures
    scene.painted[USUAL.first] = scene.painted[USUAL.first] * 0.5  # another start and target
    with pytest.raises(AssertionError):
        baselines.baseline(scene, frame, Kept(tmp_path), "tiny")
    scene.painted[USUAL.first] = scene.painted[USUAL.first] * 2
    monkeypatch.setattr(baselines, "AGREES", -1.0)
    with pytest.raises(SystemExit, match="the objective has changed"):
        baselines.baseline(scene, frame, Kept(tmp_path), "tiny")


def test_kept_results_are_whole_or_not_there(tmp_path: Path) -> None:
    computed = []

    def compute() -> Result:
        computed.append(1)
        return Result(torch.rand(1, 3, 2, 2), {"loss": 1.5})

    first = Kept(tmp_path).get("a", {"given": 1}, compute)
    again = Kept(tmp_path).get("a", {"given": 1}, compute)
    assert first is not None
    assert again is not None
    assert torch.equal(first.image, again.image)
    assert len(computed) == 1
    Kept(tmp_path).get("a", {"given": 2}, compute)
    assert len(computed) == 2
    for path in tmp_path.glob("*.json"):
        path.unlink()  # killed between the image and what is told of it
    Kept(tmp_path).get("a", {"given": 1}, compute)
    assert len(computed) == 3


def test_keys_are_those_that_the_file_sets() -> None:
    tables = kept.keys_of(sides.published())
    assert tables["optimizer"]["iterations"] == 1000
    assert "anchor" not in kept.keys_of(RunConfig.model_validate({"temporal": {"weight": 1.0}}))


def test_pastiche_tells_the_loss_that_our_config_has(tmp_path: Path) -> None:
    still = independent.Still(tmp_path, TINY)
    still.write(USUAL.frames(TINY)[USUAL.first], images.read_painting(PAINTING))
    ((step, told, _),) = still.told(0, 1)
    scene = still.scene()
    frame = scene.frames[0]
    ours = sum(scene.painter(scene.config).objective(frame, [])(frame).values())
    assert step == 0
    assert float(ours) == pytest.approx(told, rel=1e-5)


@pytest.mark.parametrize("history", [3, 20])
def test_memory_is_measured_with_the_whole_history(history: int) -> None:
    def real(image: Tensor) -> dict[str, Tensor]:
        return {"real": (image - 0.2).square().sum() * 1e6}

    start = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    options = OptimizerConfig(history=history)
    filling = Filling(real, start, history + 1)
    points = OPTIMIZERS["lbfgs"](Evaluation(filling), start.clone(), options)
    filled = 0
    while filling.done < 2:
        filled += filling.done == 0
        next(points)
    assert filled >= history  # no step was refused: each left its pair


def test_growth_compares_the_ends() -> None:
    moments = [0.0, 1, 2, 3, 4, 6, 8, 10, 12]
    assert growth._compared(moments)["ratio"] == 2


def test_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.parse(["--only", "warped,nothing"])
    assert "nothing" in capsys.readouterr().err


def test_rounded_network_computes_what_bfloat16_does() -> None:
    """Features and gradient, where both round alike: neighbours in bfloat16 are 0.4 % apart."""
    weights, given = load_weights("oxford"), ("bfloat16", "max", "zeros", sides.CPU)
    picture = torch.rand(1, 3, 24, 40, generator=torch.Generator().manual_seed(0))
    found = []
    for kind in (Vgg19, RoundedVgg19):
        x = picture.clone().requires_grad_()
        features = kind(weights, *given).features(x, ["relu4_2"])["relu4_2"]
        (gradient,) = torch.autograd.grad(features.float().square().mean(), x)
        assert features.dtype == torch.bfloat16
        found.append((features.detach().float(), gradient))
    for theirs, ours in zip(*found, strict=True):
        assert float((ours - theirs).norm() / theirs.norm()) < 0.01
