"""Flow of a still camera: none where nothing moves, left alone where something does."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from flow.still import settled

HEIGHT, WIDTH = 60, 80


def texture(seed: int = 0) -> Tensor:
    noise = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))
    return F.avg_pool2d(noise, 5, stride=1, padding=2, count_include_pad=False)


def grain(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 3, HEIGHT, WIDTH, generator=generator) * 3 / 255


def trembling(x: float) -> Tensor:
    """Flow as an estimator makes it of noise, around (x, 0)."""
    flow = 0.05 * torch.randn(1, 2, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(3))
    flow[:, 0] += x
    return flow


def test_noise_does_not_move_a_still_picture() -> None:
    found = settled(trembling(0.0), texture() + grain(1), texture() + grain(2))
    assert (found == 0).all(dim=1).float().mean() > 0.99


def test_what_moves_keeps_its_flow() -> None:
    before = texture()
    after = before.clone()
    after[..., 20:40, 30:50] = before[..., 20:40, 28:48]  # it moves by two pixels
    flow = trembling(0.0)
    flow[:, 0, 20:40, 30:50] = -2
    found = settled(flow, after + grain(1), before + grain(2))
    assert torch.equal(found[..., 20:40, 30:50], flow[..., 20:40, 30:50])
    assert (found[..., :10, :] == 0).all()


def test_slow_motion_that_shows_is_kept() -> None:
    """A third of a pixel, in a part of the frame: the picture tells it from noise."""
    before = texture()
    slow = before.lerp(before.roll(1, dims=3), 1 / 3)
    after = torch.cat([before[..., :50], slow[..., 50:]], dim=3)
    flow = trembling(0.0)
    flow[:, 0, :, 50:] = -1 / 3
    found = settled(flow, after, before)
    assert (found[:, 0, :, 54:] != 0).float().mean() > 0.9
    assert (found[..., :46] == 0).all()


def test_who_moves_before_a_still_camera_does_not_move_it() -> None:
    """A quarter of the frame drags the flow around it along."""
    before = texture()
    after = before.clone()
    after[..., 10:50, 30:60] = before[..., 10:50, 29:59]
    flow = trembling(0.0)
    flow[:, 0] -= 0.06
    flow[:, 0, 10:50, 30:60] = -1
    found = settled(flow, after + grain(1), before + grain(2))
    assert (found[..., :24] == 0).float().mean() > 0.9


@pytest.mark.parametrize("pixels", [0.06, 0.3])
def test_a_slow_pan_is_left_alone(pixels: float) -> None:
    """A camera that creeps, by less than its flow trembles: half of the frame shows none of it."""
    before = texture()
    before[..., WIDTH // 2 :] = 0.5
    after = before.lerp(before.roll(1, dims=3), pixels)
    flow = trembling(-pixels)
    assert torch.equal(settled(flow, after, before), flow)
