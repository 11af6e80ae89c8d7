"""The stylizer with the real weights, on tiny frames and flow that is known."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline import stylize
from pipeline.errors import OptimizationError
from pipeline.losses import TemporalTarget
from pipeline.optimize import Minimum, Point, minimize
from pipeline.schedule import Source, Step
from pipeline.sections import RunConfig
from pipeline.stylize import Stylizer
from pipeline.vgg import Vgg19
from pipeline.weights import Weights, load_weights

CPU = torch.device("cpu")
HEIGHT, WIDTH = 32, 48
FIRST = Step(0, 0, "content")
LATER = Step(4, 0, "warped", (3,), (3, 2, 0))


@pytest.fixture(scope="module")
def weights() -> Weights:
    return load_weights("oxford")


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


class Still:
    """No motion; the left half is trusted from frame 3, the left three quarters from others."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def flow(self, i: int, j: int) -> Tensor:
        self.asked.append((i, j))
        return torch.zeros(1, 2, HEIGHT, WIDTH)

    def weight(self, i: int, j: int) -> Tensor:
        weight = torch.zeros(1, 1, HEIGHT, WIDTH)
        weight[..., : WIDTH // 2 if j == 3 else WIDTH * 3 // 4] = 1
        return weight

    def forget(self, start: int, stop: int) -> None: ...


@pytest.fixture
def make(weights: Weights) -> Callable[..., Stylizer]:
    def stylizer(load_frame: Callable[[int], Tensor] = picture, **tables: Any) -> Stylizer:
        quick = {"first_iterations": 3, "iterations": 3, "coarsest": 16}
        tables["optimizer"] = quick | tables.get("optimizer", {})
        config = RunConfig.model_validate(tables)
        network = Vgg19(weights, "float32", "average", "replicate", CPU)

        def load_painted(source: Source) -> Tensor:
            return picture(100 + source.frame)

        return Stylizer(config, network, picture(9), load_frame, load_painted, Still(), CPU)

    return stylizer


@pytest.fixture
def scales(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Minimum]]:
    """The start and the result of every call of `minimize`."""
    calls: list[tuple[Tensor, Minimum]] = []

    def spy(optimizer: Any, objective: Any, start: Tensor, *rest: Any) -> Minimum:
        calls.append((start.clone(), minimize(optimizer, objective, start, *rest)))
        return calls[-1][1]

    monkeypatch.setattr(stylize, "minimize", spy)
    return calls


def test_a_first_frame_is_painted_coarse_to_fine(
    make: Callable[..., Stylizer], scales: list[tuple[Tensor, Minimum]]
) -> None:
    stylizer = make()
    told: list[int] = []
    found = stylizer.paint(FIRST, lambda iteration, report: told.append(iteration))
    (coarse_start, coarse), (fine_start, fine) = scales
    assert coarse_start.shape[-2:] == (16, 24)
    assert torch.equal(fine_start, stylize.resize(coarse.image, HEIGHT, WIDTH))
    assert torch.equal(found.image, fine.image)
    assert (found.start, found.end) == (fine.start, fine.end)
    assert found.iterations == 6 == len(told) == stylizer.iterations(FIRST)
    assert found.stopped == "iterations"


def test_without_iterations_a_first_frame_is_the_frame(make: Callable[..., Stylizer]) -> None:
    stylizer = make(optimizer={"first_iterations": 0})
    assert torch.equal(stylizer.paint(FIRST).image, picture(0))


def test_a_later_frame_is_painted_at_its_size_alone(
    make: Callable[..., Stylizer], scales: list[tuple[Tensor, Minimum]]
) -> None:
    stylizer = make(temporal={"light": False})
    assert stylizer.paint(LATER).iterations == 3 == stylizer.iterations(LATER)
    ((start, _),) = scales
    torch.testing.assert_close(start, picture(103), atol=1e-6, rtol=0)


def test_first_frames_and_others_each_have_their_rule(make: Callable[..., Stylizer]) -> None:
    rules = {"first_iterations": 6, "iterations": 6, "coarsest": 0, "window": 2}
    loose, strict = {"first_tolerance": 1, "tolerance": 0}, {"first_tolerance": 0, "tolerance": 1}
    for rule, first, later in ((loose, 2, 6), (strict, 6, 2)):
        stylizer = make(optimizer={**rules, **rule})
        assert (stylizer.paint(FIRST).iterations, stylizer.paint(LATER).iterations) == (
            first,
            later,
        )


def test_coarse_scales_end_by_the_looser_rule(
    make: Callable[..., Stylizer], scales: list[tuple[Tensor, Minimum]]
) -> None:
    rules = {"first_iterations": 6, "window": 2}
    for tolerance, first, wanted in ((1, 0, [2, 6]), (0, 1, [2, 2]), (0, 0, [6, 6])):
        scales.clear()
        make(optimizer={**rules, "tolerance": tolerance, "first_tolerance": first}).paint(FIRST)
        assert [found.iterations for _, found in scales] == wanted


def test_a_coarse_scale_that_stalls_is_told(
    make: Callable[..., Stylizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    stylizer = make()
    usual = stylizer.optimizer

    def stuck_when_small(evaluate: Any, start: Tensor, options: Any) -> Iterator[Point]:
        points = usual(evaluate, start, options)
        yield next(points)
        if start.shape[-1] == WIDTH:
            yield from points

    monkeypatch.setattr(stylizer, "optimizer", stuck_when_small)
    found = stylizer.paint(FIRST)
    assert (found.stopped, found.iterations) == ("stalled", 3)


def test_each_pixel_is_held_to_the_nearest_frame_that_saw_it_and_others_to_none(
    make: Callable[..., Stylizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[TemporalTarget] = []
    usual = Stylizer.objective

    def spy(self: Stylizer, frame: Tensor, targets: list[TemporalTarget], *rest: Any) -> Any:
        held.extend(targets)
        return usual(self, frame, targets, *rest)

    monkeypatch.setattr(Stylizer, "objective", spy)
    make(temporal={"targets": "nearest", "tone": 0.0, "slow": 0.0, "light": False}).paint(LATER)
    half, most = WIDTH // 2, WIDTH * 3 // 4
    for target, frame, (left, right) in zip(
        held, (3, 2, 0), [(0, half), (half, most), (0, 0)], strict=True
    ):
        torch.testing.assert_close(target.image, picture(100 + frame), atol=1e-6, rtol=0)
        expected = torch.zeros(1, 1, HEIGHT, WIDTH)
        expected[..., left:right] = 1
        assert torch.equal(target.weight, expected)


def test_occluded_pixels_are_not_held(make: Callable[..., Stylizer]) -> None:
    """Nothing but the temporal loss: held pixels go to their target, occluded ones stay."""
    only = {"style": {"weight": 0.0}, "content": {"weight": 0.0}, "tv": {"weight": 0.0}}
    step = Step(4, 0, "content", (), (3,))
    temporal = {"tone": 0.0, "slow": 0.0, "light": False}
    optimizer = {"iterations": 20, "smooth": 4.0}  # of first frames alone: it crosses borders
    image = make(**only, temporal=temporal, optimizer=optimizer).paint(step).image
    half = WIDTH // 2
    held, free = image[..., :half], image[..., half:]
    torch.testing.assert_close(held, picture(103)[..., :half], atol=1e-3, rtol=0)
    assert torch.equal(free, picture(4)[..., half:])


def test_a_pair_is_warped_once_a_step(make: Callable[..., Stylizer]) -> None:
    stylizer = make()
    stylizer.paint(LATER)
    assert isinstance(stylizer.flows, Still)
    assert sorted(stylizer.flows.asked) == [(4, 0), (4, 2), (4, 3)]


def test_the_size_is_read_once(make: Callable[..., Stylizer]) -> None:
    loaded: list[int] = []

    def load(number: int) -> Tensor:
        loaded.append(number)
        return picture(number)

    stylizer = make(load)
    assert stylizer.iterations(FIRST) == stylizer.iterations(Step(7, 0, "content")) == 6
    assert loaded == [0]


def test_the_paintings_statistics_are_computed_once_a_size(make: Callable[..., Stylizer]) -> None:
    stylizer = make()
    stylizer.paint(FIRST)
    kept = dict(stylizer.style._targets)
    assert set(kept) == {(16, 24), (HEIGHT, WIDTH)}
    stylizer.paint(LATER)
    stylizer.paint(Step(5, 0, "content"))
    assert set(stylizer.style._targets) == set(kept)
    assert all(stylizer.style._targets[size] is kept[size] for size in kept)


def test_a_random_start_depends_on_seed_frame_and_pass_alone(
    make: Callable[..., Stylizer],
) -> None:
    def start(frame: int, pass_index: int, seed: int = 0, before: int = 0) -> Tensor:
        stylizer = make(run={"seed": seed}, optimizer={"first_iterations": 0, "coarsest": 0})
        torch.manual_seed(before)
        for number in range(before):
            stylizer.paint(Step(number, 0, "random"))
        return stylizer.paint(Step(frame, pass_index, "random")).image

    assert torch.equal(start(3, 0), start(3, 0, before=2))
    different = [start(3, 0), start(4, 0), start(3, 1), start(3, 0, seed=1)]
    assert not any(torch.equal(one, other) for one, other in pairwise(different))


def test_a_content_start_without_style_has_converged(make: Callable[..., Stylizer]) -> None:
    stylizer = make(style={"weight": 0.0}, tv={"weight": 0.0}, optimizer={"coarsest": 0})
    found = stylizer.paint(FIRST)
    assert (found.stopped, found.iterations) == ("converged", 0)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    ],
)
@pytest.mark.parametrize("step", [FIRST, LATER])
def test_too_little_memory_is_one_line(
    make: Callable[..., Stylizer], monkeypatch: pytest.MonkeyPatch, error: Exception, step: Step
) -> None:
    def features(self: Vgg19, image: Tensor, layers: object) -> dict[str, Tensor]:
        raise error

    monkeypatch.setattr(Vgg19, "features", features)
    with pytest.raises(OptimizationError, match=r"out of memory at 48x32; lower input\.max_side"):
        make().paint(step)


def test_other_errors_are_left_alone(
    make: Callable[..., Stylizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def features(self: Vgg19, image: Tensor, layers: object) -> dict[str, Tensor]:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Vgg19, "features", features)
    with pytest.raises(RuntimeError, match="a bug"):
        make().paint(FIRST)


@pytest.mark.parametrize(("black", "most"), [("keep", 2), ("paint", 5)])
def test_black_frames_take_no_longer_than_a_window(
    black: str, most: int, make: Callable[..., Stylizer]
) -> None:
    rule = {"iterations": 5, "window": 2, "tolerance": 0.0}
    dark = make(lambda number: picture(number) / 255, style={"black": black}, optimizer=rule)
    assert dark.paint(LATER).iterations == most
