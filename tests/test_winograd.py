"""Winograd's convolution against the direct one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from pipeline.vgg import Vgg19
from pipeline.weights import load_weights
from pipeline.winograd import convolve, filters


def direct(x: Tensor, kernel: Tensor, bias: Tensor, replicate: bool) -> Tensor:
    mode = "replicate" if replicate else "constant"
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode=mode), kernel, bias)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 23),
    width=st.integers(1, 23),
    channels=st.integers(1, 5),
    outputs=st.integers(1, 5),
    replicate=st.booleans(),
    seed=st.integers(0, 99),
)
def test_equals_the_direct_convolution_and_its_gradient(
    height: int, width: int, channels: int, outputs: int, replicate: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    x = noise(1, channels, height, width).requires_grad_()
    kernel, bias = noise(outputs, channels, 3, 3), noise(outputs)
    ours = convolve(x, filters(kernel, bias), replicate)
    theirs = direct(x, kernel, bias, replicate)
    torch.testing.assert_close(ours, theirs)
    weights = noise(*ours.shape)
    gradients = [torch.autograd.grad((found * weights).sum(), x)[0] for found in (ours, theirs)]
    torch.testing.assert_close(*gradients)


def test_many_chunks_equal_one(monkeypatch: pytest.MonkeyPatch) -> None:
    x, kernel = torch.randn(1, 4, 37, 29).double(), torch.randn(6, 4, 3, 3).double()
    layer = filters(kernel, torch.randn(6).double())
    whole = convolve(x, layer, replicate=True)
    monkeypatch.setattr("pipeline.winograd.CHUNK", 1)
    torch.testing.assert_close(convolve(x, layer, replicate=True), whole)


def test_the_network_gives_the_same_features_to_the_sixth_digit() -> None:
    """Of the deepest layer, in float32, with the real weights."""
    weights, picture = load_weights("oxford"), torch.rand(1, 3, 45, 70)
    found = [
        Vgg19(weights, "float32", "average", "replicate", torch.device("cpu"), convolution)
        .features(picture, ["relu5_1"])["relu5_1"]
        .double()
        for convolution in ("direct", "winograd")
    ]
    assert float((found[0] - found[1]).norm() / found[0].norm()) < 1e-5
