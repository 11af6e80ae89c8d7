"""Turned, mirrored and stretched clips come out upright, with every pixel as it was."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media_clips import X264, ffmpeg, looked, passed_through, pattern

# Four corners of different colours: any wrong turn shows.
CORNERS = (
    *("-f", "lavfi", "-i", "color=red:s=32x24:r=25:d=0.2"),
    *("-f", "lavfi", "-i", "color=lime:s=32x24:r=25:d=0.2"),
    *("-f", "lavfi", "-i", "color=blue:s=32x24:r=25:d=0.2"),
    *("-f", "lavfi", "-i", "color=white:s=32x24:r=25:d=0.2"),
    *("-filter_complex", "[0][1]hstack[a];[2][3]hstack[b];[a][b]vstack"),
)
Upright = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]
RED, LIME, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners(pixels: np.ndarray[Any, Any]) -> list[tuple[int, ...]]:
    """The colours of the four corners, to the nearest of 0 and 255."""
    spots = (pixels[4, 4], pixels[4, -5], pixels[-5, 4], pixels[-5, -5])
    return [tuple(int(value > 127) * 255 for value in spot) for spot in spots]


@pytest.mark.parametrize(
    ("turn", "wanted"),
    [
        (("-display_rotation", "90"), [LIME, WHITE, RED, BLUE]),
        (("-display_rotation", "180"), [WHITE, BLUE, LIME, RED]),
        (("-display_rotation", "270"), [BLUE, RED, WHITE, LIME]),
        (("-display_hflip",), [LIME, RED, WHITE, BLUE]),
        (("-display_vflip",), [BLUE, WHITE, RED, LIME]),
        (("-display_rotation", "90", "-display_hflip"), [WHITE, LIME, BLUE, RED]),
    ],
)
def test_turned_and_mirrored_clips_come_out_upright(
    tmp_path: Path, turn: tuple[str, ...], wanted: list[tuple[int, ...]]
) -> None:
    ffmpeg(*CORNERS, *X264, tmp_path / "plain.mp4")
    ffmpeg(*turn, "-i", tmp_path / "plain.mp4", "-c", "copy", tmp_path / "turned.mp4")
    passed = passed_through(tmp_path / "turned.mp4", tmp_path / "out.mp4")
    out = looked(tmp_path / "out.mp4").frames[0]
    assert corners(passed.frames[0]) == corners(out) == wanted
    assert passed.clip.size == ((48, 64) if len(turn) > 1 and turn[1] != "180" else (64, 48))
    assert any("turned" in note for note in passed.notes)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p"])
@pytest.mark.parametrize(
    ("turn", "upright"),
    [
        (("-display_rotation", "90"), lambda frame: np.rot90(frame, 1)),
        (("-display_rotation", "180"), lambda frame: np.rot90(frame, 2)),
        (("-display_rotation", "270"), lambda frame: np.rot90(frame, 3)),
        (("-display_hflip",), np.fliplr),
        (("-display_vflip",), np.flipud),
        (("-display_rotation", "90", "-display_hflip"), lambda frame: np.rot90(frame, 1)[:, ::-1]),
        (("-display_rotation", "270", "-display_hflip"), lambda frame: np.rot90(frame, 3)[:, ::-1]),
    ],
)
def test_a_turn_changes_no_pixel(
    tmp_path: Path, turn: tuple[str, ...], upright: Upright, pixels: str
) -> None:
    coloured = ("-vf", "hue=h=360*t", "-c:v", "libx264", "-crf", "9", "-pix_fmt", pixels)
    ffmpeg(*pattern("80x48", seconds=0.2), *coloured, tmp_path / "plain.mp4")
    ffmpeg(*turn, "-i", tmp_path / "plain.mp4", "-c", "copy", tmp_path / "turned.mp4")
    plain = passed_through(tmp_path / "plain.mp4", tmp_path / "a.mp4")
    turned = passed_through(tmp_path / "turned.mp4", tmp_path / "b.mp4")
    for before, after in zip(plain.frames, turned.frames, strict=True):
        assert np.array_equal(upright(before), after)


def test_interlaced_lines_are_joined_before_turning(tmp_path: Path) -> None:
    fields = ("-vf", "interlace=lowpass=0", "-flags", "+ilme+ildct", "-x264-params", "tff=1")
    ffmpeg(*pattern("80x48", "50", 0.2), *fields, *X264, tmp_path / "plain.mp4")
    path = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", "90", "-i", tmp_path / "plain.mp4", "-c", "copy", path)
    plain = passed_through(tmp_path / "plain.mp4", tmp_path / "a.mp4")
    turned = passed_through(path, tmp_path / "b.mp4")
    assert plain.info.interlaced
    assert np.array_equal(np.rot90(plain.frames[2]), turned.frames[2])


def test_an_odd_angle_is_not_heeded_and_said(tmp_path: Path) -> None:
    ffmpeg(*CORNERS, *X264, tmp_path / "plain.mp4")
    path = tmp_path / "in.mp4"
    ffmpeg("-display_rotation", "45", "-i", tmp_path / "plain.mp4", "-c", "copy", path)
    passed = passed_through(path, tmp_path / "out.mp4")
    assert corners(passed.frames[0]) == [RED, LIME, BLUE, WHITE]
    assert any("45 degrees: not done" in note for note in passed.notes)


@pytest.mark.parametrize(
    ("orientation", "wanted"),
    [
        (2, [LIME, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, LIME, RED]),
        (5, [RED, BLUE, LIME, WHITE]),
        (6, [BLUE, RED, WHITE, LIME]),
        (8, [LIME, WHITE, RED, BLUE]),
    ],
)
def test_a_photograph_stands_upright(
    tmp_path: Path, orientation: int, wanted: list[tuple[int, ...]]
) -> None:
    ffmpeg(*CORNERS, "-frames:v", "1", "-q:v", "2", "-update", "1", tmp_path / "plain.jpg")
    tag = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + tag + bytes(4)
    marker = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    data = (tmp_path / "plain.jpg").read_bytes()
    (tmp_path / "in.jpg").write_bytes(data[:2] + marker + data[2:])
    passed = passed_through(tmp_path / "in.jpg", tmp_path / "out.png")
    assert corners(passed.frames[0]) == wanted
    assert passed.clip.size == ((48, 64) if orientation > 4 else (64, 48))


def test_pixels_become_square_before_turning(tmp_path: Path) -> None:
    ffmpeg(*pattern("64x48"), "-vf", "setsar=4/3", *X264, tmp_path / "wide.mp4")
    ffmpeg(
        "-display_rotation", "90", "-i", tmp_path / "wide.mp4", "-c", "copy", tmp_path / "in.mp4"
    )
    assert passed_through(tmp_path / "wide.mp4", tmp_path / "a.mp4").clip.size == (86, 48)
    assert passed_through(tmp_path / "in.mp4", tmp_path / "b.mp4").clip.size == (48, 86)
