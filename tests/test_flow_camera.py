"""The camera's motion: told from flow that trembles, and from what moves by itself."""

import pytest
import torch
from torch import Tensor

from flow.camera import camera_motion

HEIGHT, WIDTH = 90, 160


def affine(pan: tuple[float, float], zoom: float, turn: float) -> Tensor:
    """Pixels: a pan, a share by which the picture grows, and an angle, about the middle."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) - 44.5, torch.arange(WIDTH) - 79.5, indexing="ij")
    across, down = pan[0] + zoom * x - turn * y, pan[1] + zoom * y + turn * x
    return torch.stack([across, down]).unsqueeze(0)  # (1, 2, H, W)


def noise(sigma: float) -> Tensor:
    return sigma * torch.randn(1, 2, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))


TEXTURE = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "motion",
    [affine((0, 0), 0, 0), affine((-0.04, 0.07), 0, 0), affine((3, 1), 0.02, -0.01)],
)
def test_the_camera_is_told_from_what_moves_by_itself(motion: Tensor) -> None:
    flow = motion + noise(0.1)
    flow[..., 20:70, 30:90] += torch.tensor([2.0, -1.0]).view(1, 2, 1, 1)  # a fifth of the frame
    torch.testing.assert_close(camera_motion(flow, TEXTURE), motion, atol=0.015, rtol=0)


def test_areas_without_texture_count_little() -> None:
    """There an estimator guesses that nothing moves."""
    frame, flow = TEXTURE.clone(), affine((0.1, 0), 0, 0).repeat(1, 1, 1, 1)
    frame[..., WIDTH // 3 :] = 0.5
    flow[..., WIDTH // 3 :] = 0
    motion = affine((0.1, 0), 0, 0)[..., : WIDTH // 3]
    found = camera_motion(flow, frame)[..., : WIDTH // 3]
    torch.testing.assert_close(found, motion, atol=0.005, rtol=0)


def test_a_frame_without_any_texture_does_not_move() -> None:
    found = camera_motion(noise(0.1), torch.full((1, 3, HEIGHT, WIDTH), 0.5))
    assert float(found.abs().max()) < 1e-6


def test_a_pixel_has_its_own_motion() -> None:
    found = camera_motion(torch.ones(1, 2, 1, 1), torch.full((1, 3, 1, 1), 0.5))
    assert found.isfinite().all()
    assert found.shape == (1, 2, 1, 1)
