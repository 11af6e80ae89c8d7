"""Black bars: found in every guise, left as they are in every frame; and nothing else is one."""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from media_clips import X264, ffmpeg, looked, passed_through, pattern

from pipeline import media
from pipeline.media.bars import Seen, find_bars, watch
from pipeline.media.geometry import Bars
from pipeline.media.timing import Timeline
from pipeline.sections import InputConfig, OutputConfig

Image = np.ndarray[Any, Any]
LOSSLESS = ("-c:v", "ffv1", "-pix_fmt", "gbrp")
# Above a logo and noise, below subtitles for a while: all of it another in every frame.
WRITTEN = (
    "pad=96:96:0:24,noise=alls=8:allf=t:all_seed=3,drawbox=x=8:y=4:w=10:h=12:c=white:t=fill,"
    "drawbox=x=20:y=80:w=40:h=8:c=yellow:t=fill:enable='between(n,5,14)'"
)


@dataclass
class Negative:
    """A clip whose picture was painted as its negative: the whole frames before and after."""

    clip: media.Clip
    before: list[Image]
    after: list[Image]

    def check(self, exact: bool = True) -> None:
        """Within the picture everything is painted, and outside of it nothing."""
        assert len(self.before) == len(self.after)
        crop = self.clip.geometry.crop
        assert crop is not None
        x, y, width, height = crop
        for before, after in zip(self.before, self.after, strict=True):
            wanted = before.copy()
            part = wanted[y : y + height, x : x + width]
            wanted[y : y + height, x : x + width] = 255 - part
            outside = np.ones(before.shape[:2], bool)
            outside[y : y + height, x : x + width] = False
            assert np.array_equal(after[outside], before[outside])
            assert not exact or np.array_equal(after, wanted)


def negative(path: Path, folder: Path, **keys: dict[str, Any]) -> Negative:
    """Paint a clip as its negative; and read it whole, without looking for bars."""
    options = InputConfig(path=path, **keys.get("input", {}))
    output = OutputConfig(path=folder / "out.mkv", codec="ffv1", **keys.get("output", {}))
    info = media.probe(path, options)
    clip = media.plan_clip(info, options)
    with media.read_frames(clip) as reader:
        painted = [255 - frame.pixels for frame in reader]
        timeline = Timeline.from_json(reader.timeline.to_json())
    media.write_video(output.path, painted, timeline, info, options, output)
    plain = options.model_copy(update={"bars": "none", "max_side": None})
    with media.read_frames(media.plan_clip(info, plain)) as reader:
        before = [frame.pixels for frame in reader]
    return Negative(clip, before, looked(output.path).frames)


@pytest.mark.parametrize("pad", ["96:48:16:0", "64:96:0:24", "96:96:16:24", "97:81:17:17"])
def test_bars_stay_as_they_are(tmp_path: Path, pad: str) -> None:
    ffmpeg(*pattern(), "-vf", f"pad={pad}", *LOSSLESS, tmp_path / "in.mkv")
    done = negative(tmp_path / "in.mkv", tmp_path)
    assert done.clip.size == (64, 48)
    done.check()


def test_bars_keep_their_noise_logos_and_subtitles(tmp_path: Path) -> None:
    ffmpeg(*pattern("96x48"), "-vf", WRITTEN, *LOSSLESS, tmp_path / "in.mkv")
    done = negative(tmp_path / "in.mkv", tmp_path)
    assert done.clip.size == (96, 48)
    assert len({frame[:24].tobytes() for frame in done.after}) == 25
    assert done.after[10][84, 40].max() > 200
    assert done.after[20][84, 40].max() < 40
    done.check()


def test_bars_are_those_of_the_frames_that_are_painted(tmp_path: Path) -> None:
    ffmpeg(*pattern("96x48"), "-vf", WRITTEN, *LOSSLESS, tmp_path / "in.mkv")
    keys = {"start": "7f", "end": "19f", "frame_rate": 12.5}
    done = negative(tmp_path / "in.mkv", tmp_path, input=keys)
    assert len(done.after) == 6
    done.check()


def test_bars_are_not_scaled_where_the_output_is_not(tmp_path: Path) -> None:
    ffmpeg(*pattern("96x48"), "-vf", WRITTEN, *LOSSLESS, tmp_path / "in.mkv")
    keys = {"input": {"max_side": 48}, "output": {"size": "input"}}
    done = negative(tmp_path / "in.mkv", tmp_path, **keys)
    assert done.clip.size == (48, 24)
    done.check(exact=False)


def test_bars_of_a_turned_clip_of_16_bits(tmp_path: Path) -> None:
    ffmpeg(*pattern(), "-vf", "pad=64:72:0:12,format=yuv420p10le", *X264[:6], tmp_path / "a.mp4")
    path = tmp_path / "in.mp4"
    ffmpeg("-display_rotation", "90", "-i", tmp_path / "a.mp4", "-c", "copy", path)
    passed = passed_through(path, tmp_path / "out.mkv", output={"codec": "ffv1"})
    whole = passed_through(path, tmp_path / "b.mkv", input={"bars": "none"})
    assert passed.clip.size == (48, 64)
    frame = np.rint(whole.frames[3] / 257)
    assert np.abs(looked(tmp_path / "out.mkv").frames[3] - frame).max() <= 2


def test_single_images_have_their_bars(tmp_path: Path) -> None:
    ffmpeg(*pattern(seconds=0.2), "-vf", "pad=64:72:0:12", *LOSSLESS, tmp_path / "in.mkv")
    passed = passed_through(tmp_path / "in.mkv", tmp_path / "frames")
    image = cv2.imread(str(tmp_path / "frames" / "000002.png"))
    assert image is not None
    assert passed.clip.size == (64, 48)
    assert image.shape == (72, 64, 3)
    assert np.array_equal(image[12:60, :, ::-1], passed.frames[2])


def test_a_part_of_the_clip_ends_the_second_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes: list[subprocess.Popen[bytes]] = []

    class Popen(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **keys: Any) -> None:
            super().__init__(*arguments, **keys)
            processes.append(self)

    monkeypatch.setattr(media.process.subprocess, "Popen", Popen)
    padded = ("-vf", "pad=320:300:0:30", *X264)
    ffmpeg(*pattern("320x240", seconds=4), *padded, tmp_path / "in.mp4")
    passed_through(tmp_path / "in.mp4", tmp_path / "out.mp4", limit=3)
    assert len(looked(tmp_path / "out.mp4").times) == 3
    assert [each.args for each in processes if each.poll() is None] == []


def test_a_timeline_with_what_bars_once_were_is_read(tmp_path: Path) -> None:
    ffmpeg(*pattern(seconds=0.2), *X264, tmp_path / "in.mp4")
    data = passed_through(tmp_path / "in.mp4", tmp_path / "out.mp4").timeline.to_json()
    assert Timeline.from_json({**data, "geometry": {**data["geometry"], "grey": 3}})


# What is a bar, on pictures of 64x96 that are bright and restless between rows 12 and 84.


def film(bars: Iterable[tuple[slice, slice, int]] = (), count: int = 20) -> list[Image]:
    """Frames (96, 64) of noise, in which boxes have a grey of their own."""
    random = np.random.default_rng(1)
    frames = list(random.integers(60, 255, (count, 96, 64), np.uint8))
    for frame in frames:
        for rows, columns, grey in bars:
            frame[rows, columns] = grey
    return frames


def found(frames: Iterable[Image]) -> Bars:
    """The bars of such frames."""
    seen = watch(frames)
    assert seen is not None
    return find_bars(seen)


ALL = slice(None)
ABOVE, BELOW = (slice(0, 12), ALL, 2), (slice(84, 96), ALL, 2)


def test_pairs_of_bars_are_found() -> None:
    assert found(film([ABOVE, BELOW])) == Bars(top=12, bottom=12)
    assert found(film([(ALL, slice(0, 9), 5), (ALL, slice(54, 64), 5)])) == Bars(left=9, right=10)
    box = [ABOVE, BELOW, (ALL, slice(0, 9), 5), (ALL, slice(54, 64), 5)]
    assert found(film(box)) == Bars(9, 12, 10, 12)


def test_soft_edges_belong_to_the_picture() -> None:
    frames = [cv2.blur(frame, (1, 5)) for frame in film([ABOVE, BELOW])]
    bars = found(frames)
    assert 10 <= bars.top <= 12
    assert 10 <= bars.bottom <= 12


def test_writing_in_a_bar_is_of_the_bar() -> None:
    frames = film([ABOVE, BELOW])
    for number, frame in enumerate(frames):
        frame[2:9, 3:13] = 250  # a logo
        if number % 2:
            frame[87:93, 20:50] = 230  # subtitles
    assert found(frames) == Bars(top=12, bottom=12)


def test_a_lone_bar_below_or_aside_is_found_where_it_is_black() -> None:
    assert found(film([BELOW])) == Bars(bottom=12)
    assert found(film([(ALL, slice(0, 6), 0)])) == Bars(left=6)
    assert found(film([ABOVE, (slice(72, 96), ALL, 2)])) == Bars(top=12, bottom=24)
    assert not found(film([(slice(84, 96), ALL, 14)]))


def test_a_dark_sky_is_no_bar() -> None:
    assert not found(film([(slice(0, 30), ALL, 0)]))  # exactly black, and ends at once
    assert not found(film([(slice(0, 30), ALL, 12)]))
    sky = film()
    for frame in sky:
        frame[:40] = np.linspace(2, 60, 40)[:, None]
        frame[-30:] = np.linspace(50, 0, 30)[:, None]
    assert not found(sky)
    roofs = film([(slice(66, 96), ALL, 2)])
    for frame in roofs:
        for column in range(64):
            frame[: 20 + 7 * (column // 8 % 3), column] = 3
    assert not found(roofs).top
    assert not found([np.zeros((96, 64), np.uint8)])


def test_a_bright_moment_shows_that_it_is_no_bar() -> None:
    frames = film([ABOVE, BELOW])
    frames[7] = film()[7]
    assert not found(frames)


def test_without_frames_there_are_none() -> None:
    assert watch([]) is None
    assert not find_bars(Seen(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.float32)))
