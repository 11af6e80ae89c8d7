"""Outputs: every container and codec, what travels along, and the file as a whole or not at all."""

import contextlib
import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_clips import X264, ffmpeg, looked, noise, passed_through, pattern

from pipeline import media
from pipeline.errors import MediaError
from pipeline.sections import InputConfig, OutputConfig

CHAPTERS = """;FFMETADATA1
title=A film
artist=Zoë
[CHAPTER]
TIMEBASE=1/1000
START=0
END=400
title=One
[CHAPTER]
TIMEBASE=1/1000
START=400
END=1000
title=Two
"""


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip with two sound tracks, subtitles, chapters and metadata."""
    folder = tmp_path_factory.mktemp("rich")
    (folder / "s.srt").write_text("1\n00:00:00,200 --> 00:00:00,900\nHello\n")
    (folder / "m.txt").write_text(CHAPTERS, encoding="utf-8")
    inputs = (*pattern(), *noise(), "-i", folder / "s.srt", "-i", folder / "m.txt")
    maps = ("-map", "0", "-map", "1", "-map", "1", "-map", "2", "-map_metadata", "3")
    codecs = (*X264, "-c:a:0", "aac", "-c:a:1", "flac", "-c:s", "srt")
    ffmpeg(*inputs, *maps, *codecs, folder / "rich.mkv")
    return folder / "rich.mkv"


@pytest.mark.parametrize(
    ("ending", "sound", "text"),
    [
        ("mp4", ["aac", "flac"], ["mov_text"]),
        ("mov", ["aac", "aac"], ["mov_text"]),
        ("mkv", ["aac", "flac"], ["subrip"]),
        ("webm", ["opus", "opus"], ["webvtt"]),
        ("gif", [], []),
    ],
)
def test_what_travels_along(
    rich: Path, tmp_path: Path, ending: str, sound: list[str], text: list[str]
) -> None:
    passed = passed_through(rich, tmp_path / f"out.{ending}")
    out = looked(tmp_path / f"out.{ending}")
    names = {"srt": "subrip", "libopus": "opus"}
    kinds = [(kind, names.get(name, name)) for kind, name in out.streams]
    assert [name for kind, name in kinds if kind == "audio"] == sound
    assert [name for kind, name in kinds if kind == "subtitle"] == text
    if ending == "gif":
        assert any("left out" in note and "audio" in note for note in passed.notes)
        return
    metadata = {key.lower(): value for key, value in out.metadata.items()}
    assert (metadata["title"], metadata["artist"]) == ("A film", "Zoë")
    assert out.chapters == 2
    converted = [note for note in passed.notes if "converted" in note]
    assert len(converted) == {"mp4": 1, "mov": 2, "mkv": 0, "webm": 3}[ending]


@pytest.mark.parametrize(
    ("ending", "codec", "pixels"),
    [
        ("mp4", "h264", "yuv420p"),
        ("mp4", "h265", "yuv420p10le"),
        ("mp4", "av1", "yuv420p10le"),
        ("mov", "prores_hq", "yuv422p10le"),
        ("mov", "prores_4444", "yuv444p12le"),
        ("mkv", "ffv1", "gbrp16le"),
        ("webm", "vp9", "yuv420p10le"),
        ("webm", "av1", "yuv420p10le"),
    ],
)
def test_every_codec_writes_and_is_the_same_twice(
    tmp_path: Path, ending: str, codec: str, pixels: str
) -> None:
    ffmpeg(*pattern(seconds=0.3), *noise(0.3), *X264, "-c:a", "aac", tmp_path / "in.mp4")
    for name in ("a", "b"):
        path = tmp_path / f"{name}.{ending}"
        keys = {"output": {"codec": codec}}
        passed = passed_through(tmp_path / "in.mp4", path, bits=16, **keys)
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    out = looked(tmp_path / f"a.{ending}")
    assert (out.pixels, len(out.frames)) == (pixels, len(passed.frames))
    first = passed.frames[0].astype(float) / 257
    assert np.abs(out.frames[0] - first).mean() < (1 if codec == "ffv1" else 12)


def test_why_a_track_is_left_out(tmp_path: Path) -> None:
    twice = (*pattern(), *pattern("32x32"), *noise(), "-map", "0", "-map", "1", "-map", "2")
    ffmpeg(*twice, *X264, "-c:a", "aac", tmp_path / "in.mkv")
    silent = {"output": {"audio": "none"}}
    notes = passed_through(tmp_path / "in.mkv", tmp_path / "out.mp4", **silent).notes
    reasons = [note.partition(": left out, ")[2] for note in notes if "left out" in note]
    assert reasons == ["only one video track is painted: track 0", "as output.audio says"]


@pytest.mark.parametrize(("codec", "ending"), [("png", "png"), ("tiff", "tif"), ("jpeg", "jpg")])
@pytest.mark.parametrize("by", ["folder", "pattern"])
def test_folders_of_images_out_and_in(tmp_path: Path, codec: str, ending: str, by: str) -> None:
    ffmpeg(*pattern(seconds=0.2), *X264, tmp_path / "in.mp4")
    folder = tmp_path / "frames 100%"
    path, keys = (folder, {"codec": codec}) if by == "folder" else (folder / f"%06d.{ending}", {})
    passed = passed_through(tmp_path / "in.mp4", path, bits=16, output=keys)
    names = [image.name for image in sorted(folder.iterdir())]
    assert names == [f"{n:06d}.{ending}" for n in range(5)]
    image = cv2.imread(str(folder / names[0]), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert image.dtype == (np.uint8 if codec == "jpeg" else np.uint16)
    (folder / names[2]).unlink()  # a gap in the numbers is no end
    back = passed_through(path, tmp_path / "back.mp4", input={"frame_rate": "24000/1001"})
    assert looked(tmp_path / "back.mp4").rate == Fraction(24000, 1001)
    assert len(back.frames) == 4
    scale = 257 // (257 if back.frames[0].dtype == np.uint16 else 1)
    difference = back.frames[0] * float(scale) - passed.frames[0]
    assert np.abs(difference).mean() < (257 * 6 if codec == "jpeg" else 1)


@pytest.mark.parametrize("ending", ["tga", "bmp", "jxl", "webp", "ppm"])
def test_images_of_rarer_kinds_are_read(tmp_path: Path, ending: str) -> None:
    ffmpeg(*pattern(), "-frames:v", "1", "-update", "1", tmp_path / f"in.{ending}")
    passed = passed_through(tmp_path / f"in.{ending}", tmp_path / "out.png")
    assert passed.info.still
    assert len(passed.frames) == 1


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_an_image_in_gives_an_image_out(tmp_path: Path, ending: str) -> None:
    ffmpeg(*pattern("51x37"), "-frames:v", "1", tmp_path / "in %03d.png", "-update", "1")
    path = tmp_path / f"out.{ending}"
    passed = passed_through(next(tmp_path.glob("in*")), path)
    image = cv2.imread(str(path))
    assert passed.info.still
    assert image is not None
    assert image.shape[:2] == passed.frames[0].shape[:2]


def test_several_frames_do_not_fit_one_image(tmp_path: Path) -> None:
    ffmpeg(*pattern(), *X264, tmp_path / "in.mp4")
    with pytest.raises(MediaError, match="folder"):
        passed_through(tmp_path / "in.mp4", tmp_path / "out.png")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"path": "out.avi"}, r"\.avi cannot be written \(allowed: \.mp4"),
        ({"path": "out.mp4", "codec": "ffv1"}, r"ffv1.*allowed: h264"),
        ({"path": "out.mov", "codec": "prores_hq", "quality": 20}, "no such setting"),
        ({"path": "out.mp4", "quality": 60}, "0 .* to 51"),
        ({"path": "nowhere/deep/out.mp4"}, "does not exist"),
        ({"path": "in.mp4"}, "this is the input"),
        ({"path": "link.mp4"}, "this is the input"),
        ({"path": "hard.mp4"}, "this is the input"),
        ({"path": "folder.mp4"}, "a folder"),
    ],
)
def test_an_impossible_output_is_refused_before_any_work(
    tmp_path: Path, keys: dict[str, object], says: str
) -> None:
    clip = tmp_path / "in.mp4"
    clip.write_bytes(b"x")
    (tmp_path / "link.mp4").symlink_to(clip)
    (tmp_path / "hard.mp4").hardlink_to(clip)
    (tmp_path / "folder.mp4").mkdir()
    keys = {**keys, "path": tmp_path / str(keys["path"])}
    with pytest.raises(MediaError, match=says) as caught:
        media.check_output(InputConfig(path=clip), OutputConfig.model_validate(keys))
    assert "\n" not in str(caught.value)


def test_a_failing_write_leaves_the_old_file(tmp_path: Path) -> None:
    ffmpeg(*pattern(), *X264, tmp_path / "in.mp4")
    passed = passed_through(tmp_path / "in.mp4", tmp_path / "out.mp4")
    before = (tmp_path / "out.mp4").read_bytes()

    def failing() -> object:
        yield passed.frames[0]
        raise KeyboardInterrupt

    keys = InputConfig(path=tmp_path / "in.mp4"), OutputConfig(path=tmp_path / "out.mp4")
    with contextlib.suppress(KeyboardInterrupt):
        media.write_video(tmp_path / "out.mp4", failing(), passed.timeline, passed.info, *keys)
    assert (tmp_path / "out.mp4").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]
    assert media.output_exists(keys[1])


def test_a_sound_that_cannot_be_copied_or_read_is_left_out(tmp_path: Path) -> None:
    ffmpeg(*pattern(), *noise(), *X264, "-c:a", "adpcm_ima_wav", tmp_path / "in.mkv")
    passed = passed_through(tmp_path / "in.mkv", tmp_path / "out.mp4")
    assert any("converted to aac" in note for note in passed.notes)
    assert ("audio", "aac") in looked(tmp_path / "out.mp4").streams


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["out.png", "frames", "frames/a[1] %04d.png", "out.mp4"])
def test_what_a_killed_process_left_is_swept(tmp_path: Path, name: str) -> None:
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from media_clips import passed_through
from pipeline.media import encode, images
def killed(*_): os.kill(os.getpid(), signal.SIGKILL)
images._move = images.replacing = encode.add_tracks = killed
passed_through(Path({str(tmp_path / "in.png")!r}), Path({str(tmp_path / name)!r}))
"""
    ffmpeg(*pattern(), "-frames:v", "1", "-update", "1", tmp_path / "in.png")
    if (tmp_path / name).suffix == ".mp4":
        ffmpeg(*pattern(seconds=0.2), *X264, tmp_path / "in.png.mp4")
        (tmp_path / "in.png.mp4").replace(tmp_path / "in.png")
    ended = subprocess.run([sys.executable, "-c", script], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert list(tmp_path.rglob(".*"))
    passed_through(tmp_path / "in.png", tmp_path / name)
    assert not list(tmp_path.rglob(".*"))
