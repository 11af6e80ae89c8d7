"""Image files as people have them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline import images
from pipeline.errors import MediaError

RED = np.array([255, 0, 0], np.uint8)


def half_red(height: int = 24, width: int = 32) -> np.ndarray:
    """Red on the left, dark grey on the right."""
    pixels = np.full((height, width, 3), 40, np.uint8)
    pixels[:, : width // 2] = RED
    return pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_frames_come_back_exactly(tmp_path: Path, dtype: type) -> None:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, np.iinfo(dtype).max, (7, 9, 3), dtype, endpoint=True)
    images.write_pixels(tmp_path / "frame.png", pixels)
    found = images.read_pixels(tmp_path / "frame.png")
    assert found.dtype == dtype
    assert np.array_equal(found, pixels)
    bits = np.iinfo(dtype).bits
    assert np.array_equal(images.to_pixels(images.to_tensor(pixels), bits), pixels)


def test_tensors_are_rgb_from_zero_to_one() -> None:
    image = images.to_tensor(half_red())
    assert image.shape == (1, 3, 24, 32)
    assert image[0, :, 0, 0].tolist() == [1, 0, 0]


def test_out_of_range_is_clipped() -> None:
    image = torch.tensor([-0.5, 0.5, 1.5]).view(1, 3, 1, 1)
    assert images.to_pixels(image, 8).tolist() == [[[0, 128, 255]]]


def save(path: Path, picture: Image.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


def test_paintings_of_every_mode(tmp_path: Path) -> None:
    rgb = Image.fromarray(half_red())
    grey = rgb.convert("L")
    cases = {
        "rgb.png": rgb,
        "palette.gif": rgb.convert("P", palette=Image.Palette.ADAPTIVE),
        "palette.png": rgb.quantize(4),
        "cmyk.tiff": rgb.convert("CMYK"),
        "cmyk.jpg": rgb.convert("CMYK"),
        "rgb.webp": rgb,
    }
    for name, picture in cases.items():
        options = {"quality": 98} if name.endswith(("jpg", "webp")) else {}
        image = images.read_painting(save(tmp_path / name, picture, **options))
        left, right = image[0, :, 12, 4], image[0, :, 12, 28]
        assert (left - torch.tensor([1.0, 0, 0])).abs().max() < 0.03, name
        assert (right - 40 / 255).abs().max() < 0.03, name
    shares = Image.fromarray(np.asarray(grey, np.float32) / 255)
    for name, picture in {"grey.png": grey, "float.tiff": shares}.items():
        image = images.read_painting(save(tmp_path / name, picture))
        assert (image[0, 0] == image[0, 2]).all()
        assert float(image[0, 0, 12, 28]) == pytest.approx(40 / 255)


def test_alpha_is_laid_on_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (20, 20), (0, 0, 255, 0))
    half = Image.new("LA", (20, 20), (0, 128))
    assert images.read_painting(save(tmp_path / "clear.png", clear)).min() == 1
    image = images.read_painting(save(tmp_path / "half.png", half))
    assert float(image.mean()) == pytest.approx(127 / 255, abs=0.01)
    palette = Image.new("P", (20, 20), 0)
    palette.putpalette([0, 0, 255])
    path = save(tmp_path / "palette.png", palette, transparency=0)
    assert images.read_painting(path).min() == 1


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    path = save(tmp_path / "turned.jpg", Image.fromarray(half_red()), exif=exif, quality=98)
    image = images.read_painting(path)
    assert image.shape == (1, 3, 32, 24)
    assert image[0, 0, 4, 12] > 0.9
    assert image[0, 0, 28, 12] < 0.3


def test_sixteen_bits_stay_sixteen(tmp_path: Path) -> None:
    pixels = np.full((20, 20, 3), 12345, np.uint16)
    images.write_pixels(tmp_path / "colour.png", pixels)
    image = images.read_painting(tmp_path / "colour.png")
    assert float(image[0, 0, 0, 0]) == pytest.approx(12345 / 65535)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    image = images.read_painting(tmp_path / "grey.png")
    assert float(image[0, 1, 0, 0]) == pytest.approx(12345 / 65535)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sixteen_bits_are_turned_as_eight_are(orientation: int, tmp_path: Path) -> None:
    """Pillow turns those of 8 bits; its eXIf chunk is put into a PNG of 16, before the pixels."""
    pixels = np.random.default_rng(0).integers(0, 255, (20, 28, 3), np.uint8, endpoint=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    shallow = save(tmp_path / "8.png", Image.fromarray(pixels), exif=exif)
    images.write_pixels(tmp_path / "16.png", pixels.astype(np.uint16) * 257)
    chunk, deep = shallow.read_bytes(), (tmp_path / "16.png").read_bytes()
    found = chunk.index(b"eXIf") - 4
    chunk = chunk[found : found + 12 + int.from_bytes(chunk[found : found + 4], "big")]
    before = deep.index(b"IDAT") - 4
    (tmp_path / "16.png").write_bytes(deep[:before] + chunk + deep[before:])
    wanted, turned = (images.read_painting(tmp_path / name) for name in ("8.png", "16.png"))
    assert turned.shape == wanted.shape
    torch.testing.assert_close(turned, wanted)


def test_bad_paintings_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "empty.jpg").write_bytes(b"")
    Image.new("RGB", (1, 1)).save(tmp_path / "one.png")
    whole = save(tmp_path / "whole.png", Image.fromarray(half_red())).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    for name, reason in [
        ("none.jpg", "no such image"),
        ("text.jpg", "not an image"),
        ("empty.jpg", "not an image"),
        ("one.png", "1x1 pixels"),
        ("cut.png", "damaged"),
    ]:
        with pytest.raises(MediaError, match=reason) as caught:
            images.read_painting(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)


def test_resize_keeps_a_flat_image_flat() -> None:
    assert torch.allclose(images.resize(torch.full((1, 3, 8, 8), 0.3), 5, 13), torch.tensor(0.3))


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 16)])
def test_the_header_of_a_png_tells_its_bits(tmp_path: Path, dtype: type, bits: int) -> None:
    images.write_pixels(tmp_path / "frame.png", np.zeros((5, 7, 3), dtype))
    assert images.png_bits(tmp_path / "frame.png") == bits
