"""Estimators: a shifted texture, any size, any number of threads, RAFT's files of weights."""

from __future__ import annotations

import re
import urllib.error
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.models import optical_flow

from flow.dis import dis, dis_on_larger
from flow.errors import FlowError
from flow.estimators import ESTIMATORS
from flow.raft import torchvision_layout

PRESETS = ("ultrafast", "fast", "medium", "fine", "finest")
RAFTS = ("raft_small", "raft_large")


@dataclass(frozen=True)
class Options:
    preset: str = "fine"
    weights: Path | None = None


def texture(height: int, width: int) -> torch.Tensor:
    """Smooth coloured noise in [0, 1]."""
    noise = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    image = F.avg_pool2d(noise, 5, stride=1, padding=2, count_include_pad=False)
    return (image - image.min()) / (image.max() - image.min())


def random_raft(name: str) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network: torch.nn.Module = getattr(optical_flow, name)(weights=None)
    return network.eval()


def original_name(key: str) -> str:
    """A layer of torchvision's RAFT as princeton-vl/RAFT's core calls it."""
    for encoder, short in (("feature_encoder", "fnet"), ("context_encoder", "cnet")):
        key = key.replace(f"{encoder}.convnormrelu.0", f"{short}.conv1")
        key = key.replace(f"{encoder}.convnormrelu.1", f"{short}.norm1")
        key = key.replace(f"{encoder}.conv.", f"{short}.conv2.").replace(encoder, short)
    key = re.sub(r"convnormrelu(\d)\.0", r"conv\1", key)
    key = re.sub(r"convnormrelu(\d)\.1", r"norm\1", key)
    key = re.sub(r"motion_encoder\.conv\.0", "encoder.conv", key)
    key = re.sub(r"motion_encoder\.convcorr(\d)\.0", r"encoder.convc\1", key)
    key = re.sub(r"motion_encoder\.convflow(\d)\.0", r"encoder.convf\1", key)
    key = key.replace("mask_predictor.convrelu.0", "update_block.mask.0")
    key = key.replace("mask_predictor.conv.", "update_block.mask.2.")
    return re.sub(r"recurrent_block\.convgru(\d)\.conv([zrq])", r"gru.conv\2\1", key)


def original_layout(name: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    renamed = OrderedDict()
    for key, value in state.items():
        old = original_name(key)
        if name == "raft_small":  # one GRU only, and its name has no number
            old = re.sub(r"gru\.conv([zrq])1", r"gru.conv\1", old)
        renamed[f"module.{old}"] = value
        twice = re.fullmatch(r"(.net\.layer\d\.0\.)downsample\.1(\..*)", old)
        if twice:
            renamed[f"module.{twice[1]}norm3{twice[2]}"] = value
    return renamed


@pytest.mark.parametrize("preset", PRESETS)
def test_dis_finds_the_shift_of_a_texture(preset: str) -> None:
    image_j = texture(80, 112)
    image_i = image_j.roll((3, -2), dims=(2, 3))  # content moves by (-2, 3): it came from (2, -3)
    flow = ESTIMATORS["dis"](Options(preset=preset))(image_i, image_j)
    assert flow.shape == (1, 2, 80, 112)
    assert flow.dtype == torch.float32
    inner = flow[..., 12:-12, 12:-12]
    error = (inner - torch.tensor([2.0, -3.0]).view(1, 2, 1, 1)).square().sum(1).sqrt()
    assert error.mean() < 0.15


def test_the_finest_preset_sees_small_things_and_is_fine_in_large_frames() -> None:
    def patch_moves_by_two(preset: str, height: int, width: int) -> torch.Tensor:
        before = texture(height, width)
        after, patch = before.clone(), 1 - before[..., 40:50, 40:50]
        before[..., 40:50, 40:50] = after[..., 40:50, 42:52] = patch
        return ESTIMATORS["dis"](Options(preset=preset))(after, before)[:, 0]

    errors = [
        (patch_moves_by_two(preset, 90, 120)[:, 40:50, 42:52] + 2).abs().mean()
        for preset in ("fine", "finest")
    ]
    assert errors[1] < 0.8 * errors[0]
    large = [patch_moves_by_two(preset, 500, 640) for preset in ("fine", "finest")]
    assert torch.equal(*large)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 9), (15, 64), (33, 200), (61, 35)])
@pytest.mark.parametrize("preset", PRESETS)
def test_dis_takes_any_size(preset: str, size: tuple[int, int]) -> None:
    image = texture(*size).nan_to_num()
    flow = ESTIMATORS["dis"](Options(preset=preset))(image, image)
    assert flow.shape == (1, 2, *size)
    assert flow.abs().max() < 0.1


def test_dis_forgets_the_frames_before() -> None:
    estimate = ESTIMATORS["dis"](Options(preset="medium"))
    large = texture(160, 240), texture(160, 240).roll(2, dims=3)
    first = estimate(*large)
    estimate(texture(16, 16), texture(16, 16))
    assert torch.equal(estimate(*large), first)


def test_dis_is_the_same_on_any_number_of_threads() -> None:
    image = texture(200, 320)
    before = cv2.getNumThreads()
    found = []
    try:
        for threads in (1, 2, 3):
            cv2.setNumThreads(threads)
            found.append(ESTIMATORS["dis"](Options())(image, image.roll(3, dims=3)))
    finally:
        cv2.setNumThreads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("name", RAFTS)
@pytest.mark.parametrize("layout", ["torchvision", "original"])
def test_raft_reads_both_layouts(name: str, layout: str, tmp_path: Path) -> None:
    network = random_raft(name)
    state: dict[str, Any] = network.state_dict()
    path = tmp_path / "weights.pth"
    torch.save(state if layout == "torchvision" else original_layout(name, state), path)
    image_i, image_j = texture(128, 136), texture(128, 136).roll(2, dims=3)
    flow = ESTIMATORS[name](Options(weights=path))(image_i, image_j)
    with torch.inference_mode():
        wanted = network(image_i * 2 - 1, image_j * 2 - 1, num_flow_updates=20)[-1]
    assert torch.equal(flow, wanted)


def test_the_original_layout_has_the_repository_s_names() -> None:
    large = original_layout("raft_large", random_raft("raft_large").state_dict())
    small = original_layout("raft_small", random_raft("raft_small").state_dict())
    for key in ("fnet.conv1.weight", "cnet.norm1.running_mean", "cnet.layer2.0.norm3.weight"):
        assert f"module.{key}" in large
    for key in ("cnet.layer2.0.downsample.1.weight", "cnet.layer3.1.conv2.bias"):
        assert f"module.{key}" in large
    for key in ("gru.convz1.weight", "gru.convq2.bias", "mask.2.bias", "encoder.convc2.weight"):
        assert f"module.update_block.{key}" in large
    for key in ("fnet.layer2.0.conv3.weight", "update_block.gru.convq.weight", "cnet.conv2.bias"):
        assert f"module.{key}" in small
    for name, state in (("raft_small", small), ("raft_large", large)):
        assert torchvision_layout(state).keys() == random_raft(name).state_dict().keys()


def test_raft_pads_and_does_not_crop(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(random_raft("raft_small").state_dict(), path)
    estimate = ESTIMATORS["raft_small"](Options(weights=path))
    for size in ((1, 1), (50, 131)):
        flow = estimate(torch.rand(1, 3, *size), torch.rand(1, 3, *size))
        assert flow.shape == (1, 2, *size)
        assert not flow.requires_grad
        flow.add_(1)  # an inference tensor would refuse


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match=r"none\.pth: no such file .*flow\.weights"):
        ESTIMATORS["raft_small"](Options(weights=tmp_path / "none.pth"))


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 half a zip"])
def test_a_file_that_holds_no_weights_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(FlowError, match=r"weights\.pth: not a file of weights: ") as caught:
        ESTIMATORS["raft_small"](Options(weights=path))
    assert "in torchvision's or the original's layout" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("state", [{}, {"a": 1}, {1: 2}, [1, 2], "raft_large"])
def test_weights_of_another_network_are_refused(state: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(random_raft(state).state_dict() if isinstance(state, str) else state, path)
    with pytest.raises(FlowError, match="not the weights of raft_small") as caught:
        ESTIMATORS["raft_small"](Options(weights=path))
    assert "\n" not in str(caught.value)


def test_torchvision_s_cache_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    url = optical_flow.Raft_Small_Weights.DEFAULT.url
    path = tmp_path / "checkpoints" / url.rpartition("/")[2]
    path.parent.mkdir()
    torch.save(random_raft("raft_small").state_dict(), path)
    assert callable(ESTIMATORS["raft_small"](Options()))


def test_a_failed_download_says_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(FlowError) as caught:
        ESTIMATORS["raft_large"](Options())
    message = str(caught.value)
    assert "no network" in message
    assert optical_flow.Raft_Large_Weights.DEFAULT.url in message
    assert str(tmp_path / "checkpoints") in message
    assert "flow.weights" in message
    assert "\n" not in message


def test_on_larger_frames_grain_moves_less_and_motion_is_found() -> None:
    """Still frames of little contrast under noise; a picture moved by three pixels."""
    noise = torch.rand(1, 3, 104, 136, generator=torch.Generator().manual_seed(0))
    smooth = F.avg_pool2d(noise, 9, stride=1)
    picture = (smooth - smooth.min()) / (smooth.max() - smooth.min())

    def grained(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return 0.45 + 0.1 * picture + torch.randn(picture.shape, generator=generator) * 3 / 255

    fine, calmer = dis(Options(preset="fine")), dis_on_larger(Options(preset="finest"))
    lengths = [float(e(grained(1), grained(2)).square().mean()) for e in (fine, calmer)]
    assert lengths[1] < 0.9 * lengths[0]
    found = calmer(picture, picture.roll(3, dims=3))
    assert found[:, 0, 10:-10, 10:-10].median() == pytest.approx(3, abs=0.05)
