"""A frame's loss with the real weights, and the deepest layers' losses to first order."""

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import ConfigError
from pipeline.objective import FrameLoss
from pipeline.optimize import Evaluation, lbfgs, minimize
from pipeline.sections import RunConfig
from pipeline.style import Style, acts_on
from pipeline.vgg import Vgg19
from pipeline.weights import load_weights

HEIGHT, WIDTH = 40, 56
Make = Callable[..., FrameLoss]


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    small = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)


@pytest.fixture(scope="module")
def network() -> Vgg19:
    return Vgg19(load_weights("oxford"), "float32", "max", "zeros", torch.device("cpu"), "direct")


@pytest.fixture
def make(network: Vgg19) -> Make:
    def frame_loss(refresh: int = 1, **tables: Any) -> FrameLoss:
        config = RunConfig.model_validate(tables)
        style = Style(config.style, picture(9), network)
        return FrameLoss(config, network, style, picture(1), [], refresh)

    return frame_loss


def lit(area: int, level: float, noise: float = 0.0) -> Tensor:
    """A black frame with a square of a level of 255, and noise."""
    frame = torch.randn(1, 3, 90, 160, generator=torch.Generator().manual_seed(0)) * noise
    frame[..., 40 : 40 + area, 60 : 60 + area] = level
    return (frame / 255).clamp(0, 1)


@pytest.mark.parametrize(
    ("frame", "low", "high"),
    [
        (lit(0, 0), 0.0, 0.0),
        (lit(0, 0, noise=2), 0.0, 1e-4),
        (lit(0, 0, noise=8), 0.0, 0.02),
        (lit(3, 24), 0.03, 0.1),
        (lit(3, 100), 0.999, 1.0),  # a title, a lamp: style acts on all of the frame
        (picture(1), 1.0, 1.0),
    ],
)
def test_style_acts_on_all_but_black_frames(frame: Tensor, low: float, high: float) -> None:
    assert low <= acts_on(frame, RunConfig().style) <= high


@pytest.mark.parametrize(("black", "darkest"), [("keep", True), ("paint", False)])
def test_a_black_frame_stays_black(black: str, darkest: bool, network: Vgg19) -> None:
    config = RunConfig.model_validate({"style": {"black": black}})
    frame = lit(0, 0, noise=2)[..., :HEIGHT, :WIDTH]
    assert acts_on(frame, config.style) < 1 or black == "paint"
    loss = FrameLoss(config, network, Style(config.style, picture(9), network), frame, [], 8)
    found = minimize(lbfgs, loss, frame, 20, config.optimizer)
    assert (255 * float(found.image.mean()) < 3) == darkest


@pytest.mark.parametrize("loss", ["math:sqrt", "math:pi"])
def test_what_is_no_style_loss_is_named(loss: str, network: Vgg19) -> None:
    options = RunConfig.model_validate({"style": {"loss": loss}}).style
    with pytest.raises(ConfigError, match=rf"style\.loss = {loss}: it must have two functions"):
        Style(options, picture(9), network)


def walked(network: Vgg19, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The convolutions that are computed from now on."""
    found: list[tuple[int, int]] = []
    usual = network._layer

    def spy(block: int, number: int) -> Any:
        found.append((block, number))
        return usual(block, number)

    monkeypatch.setattr(network, "_layer", spy)
    return found


def test_walking_on_from_a_layer_is_walking_there(network: Vgg19) -> None:
    whole = network.features(picture(2), ["relu2_1", "conv2_2", "relu3_1", "relu5_1"])
    for behind in ("relu2_1", "conv2_2"):
        rest = dict(network.walk_on(whole[behind], behind, ["relu3_1", "relu5_1"]))
        assert all(torch.equal(rest[name], whole[name]) for name in rest)
        assert list(rest) == ["relu3_1", "relu5_1"]
    assert (network.depth("relu1_1"), network.depth("conv2_1"), network.depth("relu5_1")) == (
        (1, 3, 13)
    )


def test_deepest_losses_are_exact_when_computed_and_first_order_between(
    make: Make, network: Vgg19, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact, aging = Evaluation(make()), Evaluation(make(refresh=3))
    start, way = picture(2), picture(3) - 0.5
    (here, slope), (report, gradient) = exact(start), aging(start)
    assert report.terms == pytest.approx(here.terms, rel=1e-6)
    torch.testing.assert_close(gradient, slope, rtol=1e-4, atol=1e-6 * float(slope.abs().max()))
    layers = walked(network, monkeypatch)
    errors = []
    for length in (1e-2, 1e-3):
        moved = start + length * way
        errors.append(abs(aging(moved)[0].terms["style"] - exact(moved)[0].terms["style"]))
    assert layers.count((4, 3)) == 2  # of the exact ones alone
    deepest = make(style={"layers": ["relu5_1"], "layer_weights": [1.0]})
    change = [float(deepest(start + length * way)["style"]) for length in (1e-2, 0.0)]
    assert errors[0] < 0.2 * abs(change[0] - change[1])
    assert errors[1] < 0.05 * errors[0]
    assert aging(moved)[0].terms == pytest.approx(exact(moved)[0].terms, rel=1e-6)


def test_losses_that_are_not_small_are_always_computed(
    make: Make, network: Vgg19, monkeypatch: pytest.MonkeyPatch
) -> None:
    heavy = {"layer_weights": [1.0, 1.0, 1.0, 1.0, 1e4]}
    exact, aging = make(style=heavy), make(refresh=8, style=heavy)
    layers = walked(network, monkeypatch)
    for seed in (2, 3, 4):
        assert float(aging(picture(seed))["style"]) == pytest.approx(
            float(exact(picture(seed))["style"]), rel=1e-6
        )
    assert layers.count((5, 1)) == 6


def test_a_style_of_the_deepest_layer_alone(make: Make) -> None:
    only = {"layers": ["relu5_1"], "layer_weights": [1.0]}
    exact, aging = Evaluation(make(style=only)), Evaluation(make(refresh=8, style=only))
    for seed in (2, 3):
        (here, slope), (report, gradient) = exact(picture(seed)), aging(picture(seed))
        assert report.terms == pytest.approx(here.terms, rel=1e-5)
        torch.testing.assert_close(gradient, slope, rtol=1e-3, atol=1e-5 * float(slope.abs().max()))


@pytest.mark.parametrize("content", ["relu5_1", "relu5_2"])
def test_nothing_ages_where_no_style_lies_behind_the_content(
    make: Make, network: Vgg19, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    loss = make(refresh=8, content={"layers": [content]})
    layers = walked(network, monkeypatch)
    for seed in (2, 3):
        loss(picture(seed))
    assert layers.count((5, 1)) == 2


def test_a_frames_losses_are_freed_with_it(make: Make) -> None:
    loss = make(refresh=8)
    loss(picture(2))
    gone = weakref.ref(loss)
    del loss
    assert gone() is None


def test_a_painting_ends_where_the_exact_losses_lead(make: Make) -> None:
    exact, ends = make(), []
    for loss in (exact, make(refresh=8)):
        points = lbfgs(Evaluation(loss), picture(1), RunConfig().optimizer)
        last = [next(points) for _ in range(40)][-1]
        ends.append(float(torch.stack(list(exact(last.image).values())).sum()))
        assert last.report.total == pytest.approx(ends[-1], rel=1e-3)
    assert ends[1] < 1.05 * ends[0]
