"""The colours of decoded frames, by our own arithmetic, and how the frames are turned."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

GRID = (16, 9)
LUMA = {1: (0.2126, 0.0722), 4: (0.3, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
PLANAR = {"uyvy422": "yuv422p", "yuyv422": "yuv422p", "nv12": "yuv420p", "p010le": "yuv420p10le"}
BT601 = (0.299, 0.114)
Grid = npt.NDArray[np.float64]
Image = npt.NDArray[np.floating]


@dataclass
class Sound:
    """An audio track as 8 kHz mono: `samples`, the first of which sounds at `start` seconds."""

    start: float
    samples: npt.NDArray[np.float32]


@dataclass
class Reference:
    """A decoded video: all times, the mean colours of every frame on a grid, tags, sound."""

    times: list[Fraction] = field(default_factory=list)
    grids: list[list[Grid]] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)
    turned: str = "no"
    aspect: Fraction = Fraction(1)
    tags: tuple[int, int, int, int] = (2, 2, 2, 0)
    tick: Fraction = Fraction(1)
    yuv: bool = True
    sounds: list[Sound] = field(default_factory=list)
    subtitles: int = 0
    broken: int = 0
    playlist: bool = False
    error: str = ""
    picture: tuple[int, int] | None = None
    centred: bool = False

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height as a player shows them, in square pixels."""
        width, height = round(self.size[0] * self.aspect), self.size[1]
        return (height, width) if self.turned in TURNS else (width, height)

    @property
    def grid(self) -> tuple[int, int]:
        """How many colours are taken across and down the stored picture, of twelve pixels at least.

        Less would be what pixels that share their chroma, or a codec's block, cannot show.
        """
        width, height = self.picture or self.shown_size
        across, down = (
            max(1, min(n, side // 12)) for n, side in zip(GRID, (width, height), strict=True)
        )
        return (down, across) if self.turned in TURNS else (across, down)


def colours_of(frame: Any, found: Reference) -> list[Grid]:
    """The mean colours (9, 16, 3) of a frame, upright, full-range RGB of 255.

    Of an interlaced one also those of either field: whoever joins them keeps one.
    """
    image = _image(frame, found)
    images = [image, image[::2], image[1::2]] if frame.interlaced_frame else [image]
    return [np.clip(_upright(shrunk(part, found), found.turned), 0, 255) for part in images]


def _image(frame: Any, found: Reference) -> Image:
    """A frame (H, W, 3), as it is stored, in full-range RGB of 255."""
    name = frame.format.name
    if name in PLANAR:
        frame, name = frame.reformat(format=PLANAR[name]), PLANAR[name]
    if name.startswith(("yuv4", "yuva4", "yuvj4")):
        return _from_planes(frame, found)
    rgba = _part(frame.to_ndarray(format="rgba"), found.picture)
    return rgba[..., :3] * rgba[..., 3:] / 255


def _from_planes(frame: Any, found: Reference) -> Image:
    """By the matrix of the tags, or by height where there is none; chroma sited as usual.

    What is beyond black and white is cut off in a clip, as there it cannot be painted; but not in
    an output, where it only makes up for chroma that several pixels share.
    """
    bits = frame.format.components[0].bits
    full = frame.color_range == 2 or frame.format.name.startswith("yuvj")
    luma, blue, red = (_plane(frame, number, found) for number in range(3))
    high = max(frame.width, frame.height) >= 1280 or min(frame.width, frame.height) > 576
    guess = LUMA[1] if high else BT601
    kr, kb = guess if frame.colorspace == 2 else LUMA.get(frame.colorspace, BT601)
    top, black, swing = (255.0, 0.0, 255.0) if full else (219.0, 16.0, 224.0)
    luma = (luma - black) * (255 / top)
    blue, red = (blue - 128) * (255 / swing), (red - 128) * (255 / swing)
    r = luma + 2 * (1 - kr) * red
    b = luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    rgb = np.stack([r, g, b], axis=-1)
    if found.picture is None:
        rgb = np.clip(rgb, 0, 255)
    if len(frame.planes) == 4:
        rgb *= _plane(frame, 3, found)[..., None] / (256 - 2 ** (8 - bits))
    return rgb


def _plane(frame: Any, number: int, found: Reference) -> Grid:
    """A plane of a frame at its full size, in levels of 8 bits."""
    plane, bits = frame.planes[number], frame.format.components[0].bits
    data = np.frombuffer(plane, np.uint8 if bits == 8 else np.uint16)
    small = data.reshape(plane.height, -1)[:, : plane.width].astype(np.float32)
    whole = _full_size(small, frame.width, frame.height, found.centred)
    part: Grid = _part(whole, found.picture) / 2 ** (bits - 8)
    return part


def _full_size(plane: npt.NDArray[Any], width: int, height: int, centred: bool) -> Grid:
    """Chroma at luma's size: sited at the left (or centred), in the middle from top to bottom."""
    across, down = -(-width // plane.shape[1]), -(-height // plane.shape[0])
    if centred:
        return plane.repeat(down, 0).repeat(across, 1)[:height, :width].astype(np.float64)
    left, share = np.divmod(np.arange(width), across)
    right = np.minimum(left + 1, plane.shape[1] - 1)
    wide = plane[:, left] + (plane[:, right] - plane[:, left]) * (share / across)
    tall: Grid = wide.repeat(down, 0)[:height]
    return tall


def _part(image: npt.NDArray[Any], size: tuple[int, int] | None) -> npt.NDArray[np.floating]:
    part = image if size is None else image[: size[1], : size[0]]
    return part.astype(np.float32)


def shrunk(image: Image, found: Reference) -> Grid:
    """The mean colours of an image on the grid."""
    small: Grid = cv2.resize(image, found.grid, interpolation=cv2.INTER_AREA).astype(np.float64)
    return small


# A display matrix (a b; c d) maps x to a·x + c·y and y to b·x + d·y.
TURNS = ("right", "left", "transposed", "anti")
_SIGNS = {
    (1, 0, 0, 1): "no", (-1, 0, 0, -1): "half", (-1, 0, 0, 1): "hflip", (1, 0, 0, -1): "vflip",
    (0, 1, -1, 0): "right", (0, -1, 1, 0): "left",
    (0, 1, 1, 0): "transposed", (0, -1, -1, 0): "anti",
}  # fmt: skip


def turn_of(frame: Any) -> str:
    """How a frame is to be turned."""
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # beside data of a kind that PyAV does not know: only the angle is left
        return {90: "left", -90: "right", 180: "half", -180: "half"}.get(frame.rotation, "no")
    if data is None:
        return "no"
    matrix = np.frombuffer(bytes(data), "<i4")[[0, 1, 3, 4]]
    a, b, c, d = (int(np.sign(round(value / 65536))) for value in matrix)
    return _SIGNS.get((a, b, c, d), "no")


def _upright(grid: Grid, turned: str) -> Grid:
    steps = {
        "half": (False, True, True), "hflip": (False, True, False), "vflip": (False, False, True),
        "right": (True, True, False), "left": (True, False, True),
        "transposed": (True, False, False), "anti": (True, True, True),
    }  # fmt: skip
    transpose, mirror, flip = steps.get(turned, (False, False, False))
    if transpose:
        grid = grid.transpose(1, 0, 2)
    grid = grid[:, ::-1] if mirror else grid
    return grid[::-1] if flip else grid
