"""Image files to pixels and tensors and back: the only home of bit depth and colour order."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps
from torch.nn import functional as F

from flow.atomic import write_atomic
from pipeline.errors import MediaError

Pixels = NDArray[Any]  # (H, W, 3) uint8 or uint16, RGB
SMALLEST_PAINTING = 16


def read_pixels(path: Path) -> Pixels:
    """A frame file as it is stored: `(H, W, 3)` uint8 or uint16, RGB.

    Raises:
        MediaError: missing, damaged, or not an image.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from None
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    pixels = cv2.imdecode(data, flags) if data.size else None
    if pixels is None:
        raise MediaError(f"{path}: not an image, or damaged")
    return np.ascontiguousarray(pixels[..., ::-1])


def png_bits(path: Path) -> int:
    """Bits of each sample of a PNG file, from its header alone."""
    with path.open("rb") as file:
        return file.read(25)[-1]


def encode_png(pixels: Pixels) -> bytes:
    """`(H, W, 3)` uint8 or uint16 RGB pixels as the bytes of a PNG file."""
    # Level 1: frames are written once and read a few times; level 6 takes four times as long for
    # a tenth less. imencode, since imwrite answers False on a full disk and raises nothing.
    done, data = cv2.imencode(".png", pixels[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert done
    return data.tobytes()


def write_pixels(path: Path, pixels: Pixels) -> bytes:
    """Write a PNG file atomically; returns its bytes.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    data = encode_png(pixels)
    write_atomic(path, data)
    return data


def to_tensor(pixels: Pixels) -> torch.Tensor:
    """`(H, W, 3)` pixels to an image `(1, 3, H, W)` float32 in [0, 1]."""
    scaled = torch.from_numpy(pixels.astype(np.float32)) / np.iinfo(pixels.dtype).max
    return scaled.permute(2, 0, 1)[None].contiguous()


def to_pixels(image: torch.Tensor, bits: int) -> Pixels:
    """An image `(1, 3, H, W)` to `(H, W, 3)` pixels of 8 or 16 bits, clipped and rounded."""
    peak = 255 if bits == 8 else 65535
    array = image.detach().cpu()[0].permute(1, 2, 0).clamp(0, 1).mul(peak).round().numpy()
    return array.astype(np.uint8 if bits == 8 else np.uint16)


def read_image(path: Path) -> torch.Tensor:
    """A frame file as an image `(1, 3, H, W)`; raises `MediaError` as `read_pixels` does."""
    return to_tensor(read_pixels(path))


def read_painting(path: Path) -> torch.Tensor:
    """An image file as people have them, as an image `(1, 3, H, W)`.

    EXIF rotation is applied, alpha composited on white; grey, palette, CMYK and 16-bit are read.

    Raises:
        MediaError: missing, unreadable, or under 16 pixels at a side.
    """
    try:
        data = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata and of large images
            pixels = _deep_pixels(data)
            if pixels is not None:
                pixels = _upright(pixels, data)
            else:
                with Image.open(io.BytesIO(data)) as picture:
                    pixels = _flatten(ImageOps.exif_transpose(picture))
    except FileNotFoundError:
        raise MediaError(f"{path}: no such image; style.path names the painting") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "not an image that can be read, or damaged"
        raise MediaError(
            f"{path}: {reason}; give a JPEG, PNG, TIFF or WebP as style.path"
        ) from None
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_PAINTING:
        raise MediaError(
            f"{path}: the painting has {width}x{height} pixels; it needs at least "
            f"{SMALLEST_PAINTING} at each side"
        )
    return to_tensor(pixels)


def resize(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resize an image, antialiased (bicubic), values clipped to [0, 1]."""
    if image.shape[-2:] == (height, width):
        return image
    scaled = F.interpolate(image, (height, width), mode="bicubic", antialias=True)
    return scaled.clamp(0, 1)


def thumbnail(pixels: Pixels, width: int) -> Pixels:
    """A picture `(H, W, 3)` of 8 bits, scaled to a width."""
    if pixels.dtype == np.uint16:
        pixels = (pixels / 257).round().astype(np.uint8)
    height = max(1, round(pixels.shape[0] * width / pixels.shape[1]))
    shrinks = width < pixels.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=method), np.uint8)


def _deep_pixels(data: bytes) -> Pixels | None:
    """16-bit colour, which Pillow would cut to 8 bits; None for everything else."""
    if data[:4] not in (b"\x89PNG", b"II*\0", b"MM\0*"):
        return None
    deep = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if deep is None or deep.dtype != np.uint16:
        return None
    if deep.ndim == 2 or deep.shape[2] == 1:
        return np.repeat(deep.reshape(*deep.shape[:2], 1), 3, axis=2)
    rgb = deep[..., 2::-1].astype(np.float64)
    if deep.shape[2] == 4:
        alpha = deep[..., 3:] / 65535
        rgb = rgb * alpha + 65535 * (1 - alpha)
    return rgb.round().astype(np.uint16)


def _upright(pixels: Pixels, data: bytes) -> Pixels:
    """Turned and mirrored as the EXIF data of a PNG says; OpenCV does that for a TIFF by itself."""
    if data[:4] != b"\x89PNG":
        return pixels
    with Image.open(io.BytesIO(data)) as picture:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    down, across = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(pixels[:: -1 if down else 1, :: -1 if across else 1])


def _flatten(picture: Image.Image) -> Pixels:
    """Any of Pillow's modes to `(H, W, 3)` RGB of 8 bits, alpha on white."""
    if picture.mode in ("I", "F", "I;16", "I;16B"):
        grey = np.asarray(picture, np.float64)
        fraction = picture.mode == "F" and grey.max() <= 1
        peak = 1 if fraction else 65535 if grey.max() > 255 else 255
        return np.repeat((grey / peak * 255).clip(0, 255).round().astype(np.uint8)[..., None], 3, 2)
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return np.asarray(Image.alpha_composite(white, rgba).convert("RGB"))
    return np.asarray(picture.convert("RGB"))
