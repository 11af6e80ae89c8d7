"""The encoder with the real weights."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline import winograd
from pipeline.errors import WeightsError
from pipeline.losses import gram_loss, gram_matrix
from pipeline.vgg import Vgg19
from pipeline.weights import CONVOLUTIONS, MEAN, NAMES, Weights, load_weights

CPU = torch.device("cpu")
STYLE_LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]


@pytest.fixture(scope="module")
def weights() -> Weights:
    return load_weights("oxford")


def image(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


def slow_features(weights: Weights, picture: Tensor, wanted: str) -> Tensor:
    """VGG-19 as its paper's table says it, with max pooling and zero padding."""
    x = picture * 255 - torch.tensor(MEAN).view(1, 3, 1, 1)
    for block, count in enumerate(CONVOLUTIONS, start=1):
        for number in range(1, count + 1):
            x = F.conv2d(x, *weights[block, number], padding=1)
            if wanted == f"conv{block}_{number}":
                return x
            x = x.clamp(min=0)
            if wanted == f"relu{block}_{number}":
                return x
        x = F.max_pool2d(x, 2)
    raise AssertionError(wanted)


def test_first_kernel_is_oxfords(weights: Weights) -> None:
    """The file is in BGR order and begins 0.3406, 0.3406, -0.0457 for blue; ours is RGB."""
    kernel, _ = weights[1, 1]
    expected = torch.tensor([0.3406, 0.3406, -0.0457])
    torch.testing.assert_close(kernel[0, 2].flatten()[:3], expected, atol=5e-5, rtol=0)
    assert not torch.allclose(kernel[0, 0].flatten()[:3], expected, atol=1e-2)


def test_red_and_blue_are_not_confused(weights: Weights) -> None:
    """A pure red image through our network, against the file's BGR kernel by hand."""
    network = Vgg19(weights, "float32", "max", "zeros", CPU)
    kernel, bias = weights[1, 1]
    bgr_kernel = kernel.flip(1)
    for channel in range(3):
        picture = torch.zeros(1, 3, 5, 5)
        picture[:, channel] = 1
        bgr = picture.flip(1) * 255 - torch.tensor(MEAN[::-1]).view(1, 3, 1, 1)
        by_hand = F.conv2d(bgr, bgr_kernel, bias, padding=1)
        found = network.features(picture, ["conv1_1"])["conv1_1"]
        torch.testing.assert_close(found, by_hand, rtol=1e-4, atol=1e-3)
    red, blue = torch.zeros(1, 3, 5, 5), torch.zeros(1, 3, 5, 5)
    red[:, 0], blue[:, 2] = 1, 1
    layers = [network.features(picture, ["relu1_1"])["relu1_1"] for picture in (red, blue)]
    assert (layers[0] - layers[1]).abs().max() > 10


def test_layers_are_the_fields(weights: Weights) -> None:
    network = Vgg19(weights, "float32", "max", "zeros", CPU)
    picture = image(48, 64)
    names = [*STYLE_LAYERS, "relu4_2", "conv3_2"]
    found = network.features(picture, names)
    assert set(found) == set(names)
    shapes = {name: tuple(found[name].shape[1:]) for name in STYLE_LAYERS}
    assert list(shapes.values()) == [
        (64, 48, 64),
        (128, 24, 32),
        (256, 12, 16),
        (512, 6, 8),
        (512, 3, 4),
    ]
    for name in names:
        torch.testing.assert_close(
            found[name], slow_features(weights, picture, name), rtol=1e-3, atol=1e-2
        )


def test_a_layer_before_its_rectifier_stays_so(weights: Weights) -> None:
    network = Vgg19(weights, "float32", "max", "zeros", CPU)
    found = network.features(image(16, 16), ["conv1_1", "relu1_1", "relu2_1"])
    assert found["conv1_1"].min() < 0
    assert found["relu1_1"].min() == 0


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (121, 161)])
def test_any_size(weights: Weights, size: tuple[int, int]) -> None:
    for padding in ("zeros", "replicate"):
        network = Vgg19(weights, "float32", "average", padding, CPU)
        deepest = network.features(image(*size), ["relu5_1"])["relu5_1"]
        assert deepest.shape[-2:] == tuple(-(-side // 16) for side in size)


@pytest.mark.parametrize("padding", ["zeros", "replicate"])
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_gradients_are_autograds(weights: Weights, padding: str, pooling: str) -> None:
    """The lean ways back of convolutions and maxima, against layers that keep everything."""
    gradients = []
    plain = partial(plain_features, weights, pooling, padding)
    for features in (Vgg19(weights, "float32", pooling, padding, CPU).features, plain):
        picture = image(19, 22).requires_grad_()
        found = features(picture, ["relu1_2", "relu2_1"])
        loss = found["relu1_2"].square().mean() + found["relu2_1"].square().mean()
        gradients += torch.autograd.grad(loss, picture)
    assert float(gradients[0].abs().max()) > 1
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-3)


def plain_features(
    weights: Weights, pooling: str, padding: str, picture: Tensor, layers: list[str]
) -> dict[str, Tensor]:
    """The first layers by torch's own functions alone."""
    x, found = picture * 255 - torch.tensor(MEAN).view(1, 3, 1, 1), {}
    for block, number in ((1, 1), (1, 2), (2, 1)):
        if number == 1 and block > 1:
            pool = F.max_pool2d if pooling == "max" else F.avg_pool2d
            x = pool(x, 2, ceil_mode=True)
        x = F.pad(x, (1, 1, 1, 1), mode="constant" if padding == "zeros" else padding)
        x = F.relu(F.conv2d(x, *weights[block, number]))
        found[f"relu{block}_{number}"] = x
    return {name: found[name] for name in layers}


def test_a_walk_tells_each_layer_as_it_is_there(weights: Weights) -> None:
    """So that a loss's gradient is taken where its layer is passed on the way back."""
    network = Vgg19(weights, "float32", "max", "zeros", CPU)
    told, picture = [], image(16, 16).requires_grad_()
    total = torch.zeros(())
    for name, features in network.walk(picture, ["relu2_1", "conv1_1", "relu1_2"]):
        features.register_hook(lambda gradient, name=name: told.append(name))
        told.append(name)
        total = total + features.mean()
    total.backward()
    assert told == ["conv1_1", "relu1_2", "relu2_1", "relu2_1", "relu1_2", "conv1_1"]


def test_layers_behind_the_last_wanted_one_are_never_made(
    weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Tensor] = []
    transform = winograd.filters
    monkeypatch.setattr(
        winograd, "filters", lambda kernel, bias: made.append(kernel) or transform(kernel, bias)
    )
    network = Vgg19(weights, "float32", "max", "replicate", CPU, "winograd")
    assert made == []
    for _ in range(2):
        network.features(image(16, 16), ["relu3_1"])
    assert [tuple(kernel.shape[:2]) for kernel in made] == [(128, 64), (128, 128), (256, 128)]


def test_replicated_borders_of_a_flat_image_are_flat(weights: Weights) -> None:
    network = Vgg19(weights, "float32", "average", "replicate", CPU)
    found = network.features(torch.full((1, 3, 32, 32), 0.4), ["relu3_1"])["relu3_1"]
    spread = found.amax((2, 3)) - found.amin((2, 3))
    assert float(spread.max()) < 1e-2
    zeros = Vgg19(weights, "float32", "average", "zeros", CPU)
    dirty = zeros.features(torch.full((1, 3, 32, 32), 0.4), ["relu3_1"])["relu3_1"]
    assert float((dirty.amax((2, 3)) - dirty.amin((2, 3))).max()) > 100


@pytest.mark.parametrize(("precision", "near"), [("bfloat16", 0.1), ("float16", 0.03)])
def test_low_precision_is_near_float32(weights: Weights, precision: str, near: float) -> None:
    """Features, and the gradient of the style loss in float32 sums, also where it is faint."""
    target = {name: gram_matrix(found) for name, found in styled(weights, image(40, 40)).items()}
    features, gradients = [], []
    for each in ("float32", precision):
        picture = image(32, 48).requires_grad_()
        features.append(styled(weights, picture, each))
        grams = {name: gram_matrix(found) for name, found in features[-1].items()}
        loss = sum(gram_loss(grams[name], target[name]) for name in STYLE_LAYERS) * 0.01
        gradients += torch.autograd.grad(loss, picture)
    for name in STYLE_LAYERS:
        exact, rough = (found[name].detach() for found in features)
        assert rough.dtype == getattr(torch, precision)
        assert float((exact - rough.float()).norm() / exact.norm()) < 0.02, name
    assert float((gradients[0] - gradients[1]).norm() / gradients[0].norm()) < near


def styled(weights: Weights, picture: Tensor, precision: str = "float32") -> dict[str, Tensor]:
    network = Vgg19(weights, precision, "average", "replicate", CPU)
    return network.features(picture, STYLE_LAYERS)


def test_torchvisions_layout_takes_torchvisions_scaling(tmp_path: Path, weights: Weights) -> None:
    """A state dict for (x - mean) / std, against the same network run on such input."""
    state = {}
    index = 0
    for block, number in NAMES:
        kernel, bias = weights[block, number]
        state[f"features.{index}.weight"], state[f"features.{index}.bias"] = kernel, bias
        index += 3 if number == CONVOLUTIONS[block - 1] else 2
    torch.save(state, tmp_path / "vgg19.pth")
    loaded = load_weights(str(tmp_path / "vgg19.pth"))
    picture = image(8, 8)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    # The border is left out: what lies beyond it is zero after another scaling.
    expected = F.conv2d((picture - mean) / std, *weights[1, 1])
    found = Vgg19(loaded, "float32", "max", "zeros", CPU).features(picture, ["conv1_1"])["conv1_1"]
    torch.testing.assert_close(found[..., 1:-1, 1:-1], expected, rtol=1e-4, atol=1e-4)


def test_bad_weights_are_one_line(tmp_path: Path) -> None:
    text, other = tmp_path / "text.pth", tmp_path / "other.pth"
    text.write_text("no weights")
    torch.save({"features.0.weight": torch.zeros(3)}, other)
    for path, reason in [
        (tmp_path / "none.pth", "no such file"),
        (text, "not a file of weights: give a state dict of VGG-19 in torchvision's layout"),
        (other, "not a state dict of VGG-19"),
    ]:
        with pytest.raises(WeightsError, match=reason) as caught:
            load_weights(str(path))
        assert "\n" not in str(caught.value)
