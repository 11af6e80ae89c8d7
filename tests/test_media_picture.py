"""Geometry and colour: upright, square, unscaled unless asked, and the colours that went in."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_clips import X264, colour, ffmpeg, looked, passed_through, pattern

from pipeline import media
from pipeline.media.geometry import Geometry, whole
from pipeline.media.look import FrameLog
from pipeline.media.timing import Timeline
from pipeline.sections import InputConfig

LUMA = np.array([0.299, 0.587, 0.114])


@pytest.mark.parametrize(
    ("ending", "wanted"), [("mp4", (50, 38)), ("webm", (49, 37)), ("mkv", (50, 38))]
)
def test_odd_sizes_are_neither_scaled_nor_cropped(
    tmp_path: Path, ending: str, wanted: tuple[int, int]
) -> None:
    size = ("-vf", "scale=49:37")
    ffmpeg(*pattern(), *size, "-c:v", "ffv1", "-pix_fmt", "yuv444p", tmp_path / "in.mkv")
    passed = passed_through(tmp_path / "in.mkv", tmp_path / f"out.{ending}")
    frame = looked(tmp_path / f"out.{ending}").frames[0]
    assert passed.clip.size == (49, 37)
    assert frame.shape[1::-1] == wanted
    difference = np.abs(frame[:37, :49] @ LUMA - passed.frames[0] @ LUMA)
    assert difference.mean() < 4
    assert any("even sizes" in note for note in passed.notes) == (wanted != (49, 37))


@pytest.mark.parametrize("size", [(49, 37), (51, 36), (50, 39)])
@pytest.mark.parametrize(
    "pixels", ["yuv420p", "yuv422p", "yuv440p", "yuv411p", "yuv410p", "yuv420p10le", "yuva420p"]
)
def test_chroma_of_odd_sizes_lies_where_it_did(
    tmp_path: Path, pixels: str, size: tuple[int, int]
) -> None:
    width, height = size
    whole = (-(-width // 4) * 4, -(-height // 4) * 4)  # the same pixels in a size that is even
    crop = f"crop={width}:{height}:0:0:exact=1"
    source = (*pattern(f"{whole[0]}x{whole[1]}", seconds=0.08), "-c:v", "ffv1", "-pix_fmt", pixels)
    ffmpeg(*source, tmp_path / "even.mkv")
    ffmpeg("-i", tmp_path / "even.mkv", "-vf", crop, "-c:v", "ffv1", tmp_path / "odd.mkv")
    even = passed_through(tmp_path / "even.mkv", tmp_path / "a.mkv", bits=8).frames[0].astype(int)
    odd = passed_through(tmp_path / "odd.mkv", tmp_path / "b.mkv", bits=8).frames[0].astype(int)
    assert odd.shape == (height, width, 3)
    inside = np.abs(odd - even[:height, :width])[: height // 4 * 4 - 4, : width // 4 * 4 - 4]
    assert inside.max() <= 1


def test_chroma_of_a_tiff_lies_between_its_pixels(tmp_path: Path) -> None:
    planes = [np.full((48, 64), 128, np.uint8)]
    for low, high in ((90, 160), (150, 100)):  # stripes that are the same seen from either side
        chroma = np.full((24, 32), low, np.uint8)
        chroma[:, 10:22] = high
        planes.append(chroma)
    (tmp_path / "in.yuv").write_bytes(b"".join(plane.tobytes() for plane in planes))
    raw = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "64x48", "-i", tmp_path / "in.yuv")
    ffmpeg(*raw, "-update", "1", tmp_path / "in.tif")
    frame = passed_through(tmp_path / "in.tif", tmp_path / "out.png").frames[0].astype(int)
    assert np.ptp(frame) > 30
    assert np.abs(frame - frame[:, ::-1]).max() <= 1


@settings(deadline=None, max_examples=100)
@given(
    size=st.tuples(st.integers(16, 400), st.integers(16, 400)),
    keys=st.fixed_dictionaries(
        {}, optional={key: st.integers(16, 500) for key in ("max_side", "width", "height")}
    ),
)
def test_asked_sizes_are_met_and_shapes_kept(size: tuple[int, int], keys: dict[str, int]) -> None:
    from pipeline.media.geometry import _wanted

    width, height = _wanted(size, InputConfig(**keys))
    limit = keys.get("max_side")
    assert limit is None or max(width, height) <= limit or set(keys) >= {"width", "height"}
    if not keys or (limit and set(keys) == {"max_side"} and max(size) <= limit):
        assert (width, height) == size
    elif {"width", "height"} <= set(keys):
        assert (width, height) == (keys["width"], keys["height"])
    else:
        assert abs(width * size[1] - height * size[0]) <= 2 * max(size)


@pytest.mark.parametrize(
    ("factor", "wanted"),
    [(1.0, None), (1.2, None), (1.5, (480, 240)), (2.0, (640, 320)), (4.0, (1280, 640))],
)
def test_larger_frames_are_as_large_as_the_clip_has_them(
    factor: float, wanted: tuple[int, int] | None
) -> None:
    """A clip of 1280x720 with bars above and below of 40 each, painted at 320x160."""
    geometry = Geometry((1280, 720), (320, 180), (320, 160), (0, 10), (0, 40, 1280, 640))
    assert media.larger(geometry, factor) == wanted
    assert media.larger(whole((320, 180), (320, 180)), factor) is None
    assert media.larger(whole((360, 180), (640, 320)), factor) is None


def test_the_input_size_comes_back_when_asked(tmp_path: Path) -> None:
    ffmpeg(*pattern("128x96"), *X264, tmp_path / "in.mp4")
    keys = {"input": {"max_side": 64}, "output": {"size": "input"}}
    passed = passed_through(tmp_path / "in.mp4", tmp_path / "out.mp4", **keys)
    assert passed.clip.size == (64, 48)
    assert looked(tmp_path / "out.mp4").frames[0].shape == (96, 128, 3)


def test_interlaced_frames_are_deinterlaced_one_for_one(tmp_path: Path) -> None:
    flags = ("-vf", "interlace=lowpass=0", "-flags", "+ilme+ildct")
    ffmpeg(*pattern("64x64", "50"), *flags, "-c:v", "mpeg2video", "-q:v", "2", tmp_path / "in.mpg")
    passed = passed_through(tmp_path / "in.mpg", tmp_path / "out.mp4")
    assert len(passed.frames) == len(looked(tmp_path / "in.mpg").times)
    assert any("deinterlaced" in note for note in passed.notes)


@pytest.mark.parametrize("glued", ["", "Terminating thread with return code 0", "[out#0] x"])
def test_a_line_of_another_thread_is_no_part_of_the_colour(glued: str) -> None:
    """ffmpeg's threads share one log, and one may write into another's line."""
    log = FrameLog()
    frame = "n:   0 pts:      0 pts_time:0 duration:     40 fmt:gray cl:left sar:1/1 s:8x6 i:P"
    colour_line = "color_range:tv color_space:bt709 color_primaries:unknown color_trc:iec61966-2-1"
    for line in (frame, colour_line + glued):
        log("info", line)
    assert log.colour.transfer == "iec61966-2-1"


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt470bg", "bt2020nc"])
@pytest.mark.parametrize("extent", ["tv", "pc"])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p10le"])
def test_colours_and_tags_come_back(tmp_path: Path, matrix: str, extent: str, pixels: str) -> None:
    name = "bt2020" if matrix == "bt2020nc" else matrix
    convert = f"scale=out_color_matrix={name}:out_range={extent},format={pixels}"
    tags = f"setparams=colorspace={matrix}:range={extent}:color_primaries={name}:color_trc=bt709"
    ffmpeg(*colour("0x4080C0"), "-vf", f"{convert},{tags}", "-c:v", "ffv1", tmp_path / "in.mkv")
    passed = passed_through(tmp_path / "in.mkv", tmp_path / "out.mp4")
    scale = 257 if pixels.endswith("10le") else 1
    assert np.abs(passed.frames[0].mean((0, 1)) / scale - (0x40, 0x80, 0xC0)).max() <= 1.5
    before, out = looked(tmp_path / "in.mkv"), looked(tmp_path / "out.mp4")
    assert out.tags == before.tags
    assert np.abs(out.frames[0].mean((0, 1)) - before.frames[0].mean((0, 1))).max() <= 2


@pytest.mark.parametrize("value", ["gray", "0x101010", "white", "black", "red"])
@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "webm", "gif"])
def test_cards_come_back_within_two_levels(tmp_path: Path, value: str, ending: str) -> None:
    ffmpeg(*colour(value), "-c:v", "ffv1", "-pix_fmt", "bgr0", tmp_path / "in.mkv")
    passed_through(tmp_path / "in.mkv", tmp_path / f"out.{ending}")
    before, after = looked(tmp_path / "in.mkv"), looked(tmp_path / f"out.{ending}")
    assert np.abs(before.frames[0].astype(int) - after.frames[0].astype(int)).max() <= 3
    assert np.abs(before.frames[0].mean((0, 1)) - after.frames[0].mean((0, 1))).max() <= 2


@pytest.mark.parametrize(("size", "matrix"), [("64x48", 6), ("1280x720", 1), ("768x576", 5)])
def test_untagged_clips_are_tagged_by_height(tmp_path: Path, size: str, matrix: int) -> None:
    ffmpeg(*pattern(size, seconds=0.08), *X264, tmp_path / "in.mp4")
    passed = passed_through(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert looked(tmp_path / "out.mp4").tags[0] == matrix
    assert any("assumed" in note for note in passed.notes)


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_is_tone_mapped(tmp_path: Path, transfer: str) -> None:
    to_hdr = (
        "format=gbrpf32le,zscale=tin=bt709:pin=bt709:min=gbr:rin=full"
        f":t={transfer}:p=bt2020:m=bt2020nc:r=limited:npl=203,format=yuv420p10le"
    )
    x265 = ("-c:v", "libx265", "-x265-params", f"log-level=error:transfer={transfer}")
    ffmpeg(*colour("gray"), "-vf", to_hdr, *x265, tmp_path / "in.mp4")
    passed = passed_through(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert passed.frames[0].dtype == np.uint16
    assert looked(tmp_path / "out.mp4").tags[:3] == (1, 1, 1)
    grey = passed.frames[0].mean((0, 1)) / 257
    assert np.ptp(grey) < 3
    assert 90 < grey.mean() < 165
    assert any("tone-mapped" in note for note in passed.notes)


@pytest.mark.parametrize(
    "codec", [("png", "rgba", "mov"), ("qtrle", "argb", "mov"), ("libvpx-vp9", "yuva420p", "webm")]
)
def test_alpha_is_composited_on_black(tmp_path: Path, codec: tuple[str, str, str]) -> None:
    half = f"format=rgba,colorchannelmixer=aa=0.5,format={codec[1]}"
    path = tmp_path / f"in.{codec[2]}"
    ffmpeg(*colour("0x80C8FF"), "-vf", half, "-c:v", codec[0], path)
    passed = passed_through(path, tmp_path / "out.mp4")
    assert np.abs(passed.frames[0].mean((0, 1)) - (0x40, 0x64, 0x7F)).max() <= 2.5
    assert any("black" in note for note in passed.notes)


@pytest.mark.parametrize(("ending", "pixels"), [("gif", "rgb8"), ("png", "pal8"), ("png", "rgba")])
def test_an_opaque_picture_has_nothing_to_composite(
    tmp_path: Path, ending: str, pixels: str
) -> None:
    path = tmp_path / f"in.{ending}"
    palette = "split[a][b];[a]palettegen=reserve_transparent=0[p];[b][p]paletteuse"
    made = palette if pixels == "pal8" else f"format={pixels}"
    ffmpeg(*pattern(), "-frames:v", "1", "-vf", made, path)
    passed = passed_through(path, tmp_path / "out.png")
    assert passed.info.alpha
    assert not any("alpha" in note for note in passed.notes)


def test_a_timeline_survives_json(tmp_path: Path) -> None:
    ffmpeg(*pattern(), *X264, tmp_path / "in.mp4")
    options = InputConfig(path=tmp_path / "in.mp4")
    with media.read_frames(media.plan_clip(media.probe(options.path, options), options)) as reader:
        assert {frame.pixels.flags.writeable for frame in reader} == {True}
        timeline = reader.timeline
    assert Timeline.from_json(timeline.to_json()) == timeline
    assert timeline.first(3).end * timeline.time_base == Fraction(3, 25)
