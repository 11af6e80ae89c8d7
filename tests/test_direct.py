"""The direct convolution, with its rectifier, against torch's own functions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from pipeline.direct import convolve, filters, split_image, split_kernel


def plain(x: Tensor, kernel: Tensor, bias: Tensor, replicate: bool, rectified: bool) -> Tensor:
    mode = "replicate" if replicate else "constant"
    found = F.conv2d(F.pad(x, (1, 1, 1, 1), mode=mode), kernel, bias)
    return F.relu(found) if rectified else found


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.integers(1, 5),
    outputs=st.integers(1, 5),
    replicate=st.booleans(),
    rectified=st.booleans(),
    dtype=st.sampled_from((torch.float64, torch.float32)),
)
def test_equals_torchs_own_and_its_gradient(
    height: int,
    width: int,
    channels: int,
    outputs: int,
    replicate: bool,
    rectified: bool,
    dtype: torch.dtype,
) -> None:
    generator = torch.Generator().manual_seed(height * 10 + width)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    kernel, bias = noise(outputs, channels, 3, 3), noise(outputs)
    picture, back = noise(1, channels, height, width), noise(1, outputs, height, width)
    x = picture.contiguous(memory_format=torch.channels_last).requires_grad_()
    ours = convolve(x, filters(kernel, bias), replicate, rectified)
    theirs = plain(x, kernel, bias, replicate, rectified)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    gradients = [torch.autograd.grad(found, x, back)[0] for found in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_ordered_kernels_give_the_same_values(dtype: torch.dtype) -> None:
    """What oneDNN is given once in its own order is what it would have ordered at each call."""
    generator = torch.Generator().manual_seed(0)
    kernel, bias = (torch.randn(s, generator=generator).to(dtype) for s in ((64, 32, 3, 3), (64,)))
    x = torch.randn(1, 32, 21, 34, generator=generator).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    layer = filters(kernel, bias)
    loose = layer._replace(
        forward=kernel, backward=kernel.flip(2, 3).transpose(0, 1).contiguous(), packed=False
    )
    found, other = (convolve(x, each, True, True) for each in (layer, loose))
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, other, rtol=1e-2, atol=1e-2)
    assert float(found.max()) > 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_first_layer_sees_pixels_and_kernel_as_they_are(dtype: torch.dtype) -> None:
    """In low precision too: only the result is rounded. Pixels in bfloat16 are off by half one."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(1, 3, 12, 17, generator=generator) * 255 - 120).requires_grad_()
    kernel = torch.randn(8, 3, 3, 3, generator=generator) / 10
    bias = torch.randn(8, generator=generator).to(dtype)
    layer = filters(split_kernel(kernel, dtype), bias)
    ours = convolve(split_image(x, dtype), layer, False, False).float()
    exact = F.conv2d(x, kernel, bias.float(), padding=1)
    torch.testing.assert_close(ours, exact, rtol=torch.finfo(dtype).eps / 2, atol=5e-3)
    back = torch.randn(ours.shape, generator=generator)
    gradients = [torch.autograd.grad(found, x, back)[0] for found in (ours, exact)]
    torch.testing.assert_close(*gradients, rtol=0.02, atol=0.02)
