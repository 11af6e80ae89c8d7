"""Starts and targets of a step, where motion, weights and colours are known."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.losses import TemporalTarget, temporal_loss
from pipeline.schedule import Source, Step
from pipeline.sections import TemporalConfig
from pipeline.targets import flatness, with_detail
from pipeline.temporal import Neighbours

HEIGHT, WIDTH = 24, 36


def flat_picture(level: float) -> Tensor:
    return torch.full((1, 3, HEIGHT, WIDTH), level)


class Still:
    """No motion; frame 3 is trusted on the left half, others on the left three quarters."""

    def flow(self, i: int, j: int) -> Tensor:
        return torch.zeros(1, 2, HEIGHT, WIDTH)

    def weight(self, i: int, j: int) -> Tensor:
        weight = torch.zeros(1, 1, HEIGHT, WIDTH)
        weight[..., : WIDTH // 2 if j == 3 else WIDTH * 3 // 4] = 1
        return weight

    def forget(self, start: int, stop: int) -> None: ...


def around(step: Step, frame: Tensor | None = None, **options: Any) -> Neighbours:
    """Painted frame n is grey n / 10, of the pass before 0.05 darker; the clip is one frame."""

    def painted(source: Source) -> Tensor:
        return flat_picture(source.frame / 10 - (step.pass_index - source.pass_index) / 20)

    content = flat_picture(0.5) if frame is None else frame
    chosen = TemporalConfig(**{"tone": 0.0, "slow": 0.0, **options})
    return Neighbours(step, content, chosen, lambda _: content, painted, Still())


def columns(image: Tensor) -> list[float]:
    """The values in the first, the middle and the last quarter."""
    return [round(float(image[0, 0, 0, x]), 4) for x in (0, WIDTH * 5 // 8, WIDTH - 1)]


@pytest.mark.parametrize(
    ("disoccluded", "expected"),
    [("warped", [0.3, 0.3, 0.3]), ("content", [0.3, 0.5, 0.5]), ("moved", [0.3, 0.3, 0.3])],
)
def test_disoccluded_pixels_start_from(disoccluded: str, expected: list[float]) -> None:
    """Painting made this clip 0.2 darker: so are the pixels that are moved."""
    start = around(Step(4, 0, "warped", (3,)), disoccluded=disoccluded).start()
    assert columns(start) == pytest.approx(expected, abs=2e-3)


def test_moved_pixels_keep_the_clips_own_texture() -> None:
    frame = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) / 4 + 0.4
    start = around(Step(4, 0, "warped", (3,)), frame, disoccluded="moved").start()
    change = (start - frame)[..., WIDTH * 5 // 8 :]
    assert float(change.std()) < 0.02 < 0.1 < -float(change.mean())


def test_a_later_pass_starts_from_the_normalised_blend() -> None:
    start = around(Step(4, 1, "blended", (3,)), blend=0.5).start()
    assert columns(start) == pytest.approx([0.325, 0.35, 0.35])  # own: 0.4 - 0.05
    assert columns(around(Step(4, 1, "blended")).start()) == pytest.approx([0.35] * 3)


def test_nearest_holds_each_pixel_once() -> None:
    near, far = around(Step(4, 0, "warped", (3,), (3, 2)), targets="nearest").targets()
    assert columns(near.image) == pytest.approx([0.3] * 3)
    assert columns(near.weight) == [1, 0, 0]
    assert columns(far.weight) == [0, 1, 0]


def test_mean_holds_to_the_average_of_those_that_saw_a_pixel() -> None:
    (target,) = around(Step(4, 0, "warped", (3,), (3, 2)), targets="mean").targets()
    assert columns(target.image)[:2] == pytest.approx([0.25, 0.2])
    assert columns(target.weight) == [1, 1, 0]


def test_a_sharp_target_is_the_mean_with_the_nearest_ones_detail() -> None:
    """Of the nearer frame a colour, which the mean has half of, and a checkerboard, which it has.

    In the middle, away from the borders of what the nearest saw.
    """
    mean, nearest = flat_picture(0.4), flat_picture(0.6)
    checkers = 0.1 * (-1.0) ** (torch.arange(HEIGHT).view(-1, 1) + torch.arange(WIDTH))
    weight = torch.ones(1, 1, HEIGHT, WIDTH)
    weight[..., WIDTH // 2 :] = 0
    found = with_detail(TemporalTarget(mean, weight * 2), nearest + checkers, weight)
    expected = (mean + checkers)[..., 4:-4, 4 : WIDTH // 2 - 4]
    assert torch.allclose(found.image[..., 4:-4, 4 : WIDTH // 2 - 4], expected, atol=2e-3)
    assert torch.equal(found.image[..., WIDTH // 2 + 4 :], mean[..., WIDTH // 2 + 4 :])
    assert torch.equal(found.weight, weight * 2)


def test_the_trusted_mean_does_not_weaken_with_occlusion() -> None:
    step, image = Step(4, 0, "warped", (3,), (3,)), flat_picture(0.4)
    (all_pixels,) = around(step).targets()
    (trusted,) = around(step, mean="trusted").targets()
    squared = (0.1 * 255) ** 2
    assert float(temporal_loss(image, all_pixels)) == pytest.approx(squared / 2, rel=1e-5)
    assert float(temporal_loss(image, trusted)) == pytest.approx(squared, rel=1e-5)


def test_the_anchor_is_held_by_its_own_weight() -> None:
    step = Step(4, 0, "warped", (3,), (3,), anchor=0)
    _, anchor = around(step, anchor=500.0, weight=2000.0).targets()
    assert columns(anchor.image) == [0, 0, 0]
    assert columns(anchor.weight) == [0.25, 0.25, 0]


def test_the_anchor_holds_alone_too() -> None:
    """Without a weight no frame before it is held to."""
    for step in (Step(4, 0, "warped", (3,), (), 0), Step(4, 1, "blended", (3,), (), 0)):
        (anchor,) = around(step, anchor=500.0, weight=1000.0, slow=1.0, tone=300.0).targets()
        assert columns(anchor.weight) == [0.5, 0.5, 0]


def test_flat_areas_are_held_more() -> None:
    frame = flat_picture(0.5)
    frame[..., WIDTH // 2 :] = torch.rand(1, 3, HEIGHT, WIDTH // 2)
    found = flatness(frame)
    assert float(found[..., : WIDTH // 2 - 5].min()) == pytest.approx(1)
    assert float(found[..., WIDTH // 2 + 5 :].max()) < 1e-3
    (target,) = around(Step(4, 0, "warped", (3,), (3,)), frame, flat=2.0).targets()
    assert columns(target.weight)[0] == pytest.approx(3)


@pytest.mark.parametrize(("moved", "held"), [(0.0, 3.0), (0.5, 1 + 2 / 7.389), (4.0, 1.0)])
def test_what_moves_slowly_is_held_more(
    moved: float, held: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the frame moves, as the camera does: 1 + 2 exp(−2 (moved / 0.5)²)."""
    flow = torch.zeros(1, 2, HEIGHT, WIDTH)
    flow[:, 0] = moved
    monkeypatch.setattr(Still, "flow", lambda *_: flow)
    frame = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    (target,) = around(Step(4, 0, "warped", (3,), (3,)), frame, slow=2.0).targets()
    assert columns(target.weight)[0] == pytest.approx(held, abs=0.01)


def test_tone_is_held_to_the_frame_before() -> None:
    step = Step(4, 0, "warped", (3,), (3, 2))
    pixels, tone = around(step, tone=50.0, targets="mean").targets()
    assert columns(tone.image) == pytest.approx([0.3] * 3)
    assert columns(tone.weight) == [50, 0, 0]
    assert (pixels.area, tone.area) == (0, 2)


def test_the_painting_fades_with_the_clip_and_does_not_flicker_with_it() -> None:
    """The clip grows darker by d levels from frame 3, painted 0.3, to frame 4."""
    for d, followed in ((60.0, 60.0), (5.0, 4.3), (0.5, 0.03), (0.0, 0.0)):
        step = Step(4, 0, "warped", (3,))
        clip = {3: flat_picture(0.5), 4: flat_picture(0.5 - d / 255)}
        options = TemporalConfig(light=True)
        given = (clip.__getitem__, lambda source: flat_picture(0.3), Still())
        start = Neighbours(step, clip[4], options, *given).start()
        expected = 0.3 * (1 - followed / 127.5)
        assert columns(start) == pytest.approx([expected] * 3, abs=1e-3)


def test_what_comes_out_of_the_dark_is_painted_anew() -> None:
    """Painted 0.3 from black, while the clip comes up to 0.25: style's own, and no guide."""
    clip = {2: flat_picture(0.0), 3: flat_picture(0.05), 4: flat_picture(0.25)}
    step = Step(4, 0, "warped", (3,), (3, 2))
    given = (clip.__getitem__, lambda source: flat_picture(0.3), Still())
    for mean in ("all", "trusted"):
        options = TemporalConfig(light=True, tone=50.0, slow=0.0, mean=mean)
        found = Neighbours(step, clip[4], options, *given)
        assert columns(found.start()) == pytest.approx([0.25] * 3, abs=1e-3)
        assert max(float(target.weight.max()) for target in found.targets()) < 4e-3
        assert columns(found.warped(3)) == pytest.approx([0.3] * 3, abs=1e-3)


def test_behind_a_flash_the_painting_goes_on_from_before_it() -> None:
    """Frames 2 and 3 are lit by a flash, in which the painting lost its lightest colours."""
    clip = {0: flat_picture(0.5), 2: flat_picture(0.8), 3: flat_picture(0.7), 4: flat_picture(0.5)}
    painted = {0: 0.8, 2: 1.0, 3: 1.0}
    step = Step(4, 0, "warped", (3,), (3, 2, 0))
    for targets in ("nearest", "mean", "sharp"):
        options = TemporalConfig(light=True, tone=50.0, slow=0.0, targets=targets)
        given = (clip.__getitem__, lambda source: flat_picture(painted[source.frame]), Still())
        around = Neighbours(step, clip[4], options, *given)
        assert columns(around.start()) == pytest.approx([0.8] * 3, abs=1e-3)
        *held, tone = around.targets()
        assert max(float(target.weight.max()) for target in held) > 0.99
        for target in held:
            strong = target.weight[0, 0, 0] > 1e-3
            assert target.image[0, 0, 0][strong].tolist() == pytest.approx(
                [0.8] * int(strong.sum()), abs=1e-3
            )
        assert columns(tone.image) == pytest.approx([0.8] * 3, abs=1e-3)


def test_tone_is_held_only_where_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    def sliding(self: Still, i: int, j: int) -> Tensor:
        flow = torch.zeros(1, 2, HEIGHT, WIDTH)
        flow[:, 0, :, 1:9] = 2.0  # pixels, within the trusted half
        return flow

    monkeypatch.setattr(Still, "flow", sliding)
    tone = around(Step(4, 0, "warped", (3,), (3,)), tone=50.0).targets()[-1]
    assert tone.weight[0, 0, 0, 1:9].max() < 1e-6
    assert columns(tone.weight) == [50, 0, 0]


def test_tone_is_let_go_while_the_camera_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a pixel, before hills too far to move."""

    def panning(self: Still, i: int, j: int) -> Tensor:
        flow = torch.zeros(1, 2, HEIGHT, WIDTH)
        flow[:, 0, :, WIDTH // 4 :] = 0.5
        return flow

    monkeypatch.setattr(Still, "flow", panning)
    frame = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    tone = around(Step(4, 0, "warped", (3,), (3,)), frame, tone=50.0).targets()[-1]
    assert columns(tone.weight)[0] < 50 * 0.05


def test_tone_is_of_areas_not_of_pixels() -> None:
    """A checkerboard has nearly the tone of its mean; a shift by d levels costs d² a held pixel."""
    board = torch.tensor([[0.25, 0.75], [0.75, 0.25]]).repeat(HEIGHT // 2, WIDTH // 2)
    weight = torch.full((1, 1, HEIGHT, WIDTH), 4.0)
    target = TemporalTarget(flat_picture(0.5), weight, area=4)
    checks = float(temporal_loss(board.expand(1, 3, HEIGHT, WIDTH), target))
    assert checks < 1e-3 * 4 * (0.25 * 255) ** 2
    shifted = flat_picture(0.5 + 3 / 255)
    assert float(temporal_loss(shifted, target)) == pytest.approx(4 * 9, rel=1e-4)


def test_tone_leaves_no_squares() -> None:
    """What it does to a smooth difference is smooth: no step from pixel to pixel."""
    target = TemporalTarget(flat_picture(0.5), torch.ones(1, 1, HEIGHT, WIDTH), area=6)
    ramp = (0.5 + torch.arange(WIDTH) / 255).expand(1, 3, HEIGHT, WIDTH).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(temporal_loss(ramp, target), ramp)
    along = gradient[0, 0, HEIGHT // 2, 9:-9]
    rise = (along[-1] - along[0]) / (len(along) - 1)  # a pixel, if it were a line
    torch.testing.assert_close(along.diff(), rise.expand(len(along) - 1), rtol=0.1, atol=0)
