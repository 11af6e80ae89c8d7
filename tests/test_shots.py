"""Shots between cuts."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import ffmpeg

from pipeline import images, media, sheets
from pipeline.errors import ConfigError
from pipeline.images import Pixels
from pipeline.sections import InputConfig, ShotsConfig
from pipeline.shots import DETECTORS, Shot, find_shots

CITY = Path(__file__).parent.parent / "examples" / "city.mp4"
FOUND = ("adaptive", "content")


def clip(*lengths: int, dtype: type = np.uint8) -> list[Pixels]:
    """Shots of noise of different colours."""
    generator = np.random.default_rng(0)
    peak = np.iinfo(dtype).max
    frames = []
    for index, length in enumerate(lengths):
        colour = np.array([(40, 90, 200), (210, 120, 30), (90, 220, 60)][index % 3]) / 255
        for _ in range(length):
            noise = generator.normal(0, 0.02, (36, 64, 3))
            frames.append(((colour + noise).clip(0, 1) * peak).astype(dtype))
    return frames


def starts(frames: list[Pixels], **keys: Any) -> list[int]:
    """Where the found shots begin, with the default detector if none is named."""
    options = ShotsConfig(**keys)
    return [shot.start for shot in find_shots(DETECTORS[options.detector], frames, options)]


def test_the_example_is_cut_at_its_cut() -> None:
    options = InputConfig(path=CITY, bars="none")
    plan = media.plan_clip(media.probe(CITY, options), options)
    with media.read_frames(plan) as reader:
        frames = [frame.pixels for frame in reader]
    assert starts(frames) == [0, 24]
    assert starts(frames[20:30]) == [0, 4]


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_cuts_are_found(name: str, dtype: type) -> None:
    found = find_shots(DETECTORS[name], clip(20, 15, 25, dtype=dtype), ShotsConfig())
    assert found == [Shot(0, 0, 20), Shot(1, 20, 35), Shot(2, 35, 60)]


@pytest.mark.parametrize("name", FOUND)
def test_cuts_near_the_ends_are_found(name: str) -> None:
    for first in range(1, 12):
        assert starts(clip(first, 12 - first), detector=name) == [0, first]


@pytest.mark.parametrize(("pixels", "length"), [(8, 30), (24, 12), (24, 5), (24, 3), (24, 2)])
def test_steady_motion_is_not_cut_near_the_ends(pixels: int, length: int) -> None:
    picture = cv2.resize(images.read_pixels(CITY.parent / "cafe_terrace.jpg"), (640, 800))
    places = (pixels * number for number in range(length))
    pan = [np.ascontiguousarray(picture[300:480, x : x + 320]) for x in places]
    assert starts(pan) == [0]


def test_black_and_white_is_cut_too() -> None:
    grey = [np.repeat(frame[..., 1:2], 3, axis=2) for frame in clip(20, 20)]
    assert starts(grey) == [0, 20]


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_flash_is_no_cut(name: str, length: int) -> None:
    frames = clip(40, 20)
    for number in range(15, 15 + length):
        frames[number] = np.full_like(frames[number], 250)
    assert starts(frames, detector=name) == [0, 40]


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize("length", [8, 12, 25])
def test_a_dissolve_and_a_fade_are_no_cuts(name: str, length: int) -> None:
    frames = clip(40, 40)
    before, after = frames[:40], frames[40:]
    black = [np.zeros_like(before[0])] * 3
    shares = [(number + 1) / (length + 1) for number in range(length)]
    both = [cv2.addWeighted(before[-1], 1 - s, after[0], s, 0) for s in shares]
    assert starts([*before, *both, *after], detector=name) == [0]
    out = [cv2.convertScaleAbs(before[-1], alpha=1 - s) for s in shares]
    into = [cv2.convertScaleAbs(after[0], alpha=s) for s in shares]
    assert starts([*before, *out, *black, *into, *after], detector=name) == [0]


@pytest.mark.parametrize("name", FOUND)
def test_of_cuts_too_close_the_last_is_taken(name: str) -> None:
    assert starts(clip(20, 4, 20), detector=name) == [0, 24]
    assert starts(clip(20, 4, 20), detector=name, min_length=4) == [0, 20, 24]


def test_a_detector_that_gives_no_list_is_named() -> None:
    with pytest.raises(ConfigError, match=r"shots\.detector: it gave NoneType; wanted is a list"):
        find_shots(lambda frames, options: None, clip(4), ShotsConfig())  # type: ignore[arg-type, return-value]


def test_the_threshold_is_the_detectors_own() -> None:
    dim = [frame // 4 + 90 for frame in clip(20, 20)]
    assert starts(dim, detector="content") == [0, 20]
    assert starts(dim, detector="content", threshold=200.0) == [0]
    assert starts(dim, detector="adaptive", threshold=256.0) == [0]


def test_none_is_one_shot() -> None:
    assert find_shots(DETECTORS["none"], clip(20, 15), ShotsConfig()) == [Shot(0, 0, 35)]


def test_one_frame_is_one_shot() -> None:
    for name in DETECTORS:
        assert find_shots(DETECTORS[name], clip(1), ShotsConfig()) == [Shot(0, 0, 1)]


def test_the_users_own_detector() -> None:
    assert find_shots(lambda frames, options: [3, 0, 3], clip(5), ShotsConfig()) == [
        Shot(0, 0, 3),
        Shot(1, 3, 5),
    ]
    with pytest.raises(ConfigError, match="frame 5, but the clip has 5"):
        find_shots(lambda frames, options: [5], clip(5), ShotsConfig())


def test_cuts_by_hand_stand_and_replace_near_ones() -> None:
    def cut(*by_hand: int | None, name: str = "adaptive") -> list[int]:
        found = find_shots(DETECTORS[name], clip(20, 20), ShotsConfig(), by_hand)
        return [shot.start for shot in found]

    assert cut(5, 7, None) == [0, 5, 7, 20]
    assert cut(19) == [0, 19]
    assert cut(0, 30, name="none") == [0, 30]


# Input frames 0 to 29 at 24000/1001; a cut at frame 13, that is after 0.542 s.
@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, [13, 13, 14, None]),
        ({"start": "10f"}, [3, 3, 4, None]),
        ({"start": "00:00:00.3", "end": "0:00.9"}, [5, 5, 6, None]),
        ({"start": "13f"}, [0, 0, 1, None]),
        ({"start": "14f"}, [None, None, None, None]),
        ({"end": "13f"}, [None, None, None, None]),
    ],
)
def test_moments_of_the_clip_are_frames_of_the_run(
    two_colours: Path, keys: dict[str, Any], expected: list[int | None]
) -> None:
    colours, frames = read(two_colours, ["13f", "00:00:00.542", 0.55, "30f"], **keys)
    assert frames == expected
    if frames[0]:
        assert colours.index("blue") == frames[0]


@pytest.mark.parametrize("rate", [7, 10, 12, "24000/2002", 15, 23.9, 30, 50])
@pytest.mark.parametrize("start", [None, "3f", 0.2])
def test_frames_of_the_clip_are_counted_before_its_rate_changes(
    two_colours: Path, rate: Any, start: Any
) -> None:
    colours, frames = read(two_colours, ["13f"], frame_rate=rate, start=start)
    assert frames == [colours.index("blue")]


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".avi", ".gif"])
@pytest.mark.parametrize("keys", [{}, {"start": "6f"}, {"frame_rate": 10}])
def test_frames_of_every_container(two_colours: Path, suffix: str, keys: dict[str, Any]) -> None:
    path = two_colours.with_suffix(suffix)
    ffmpeg("-i", two_colours, *(("-c:v", "libx264", "-bf", "3") if suffix != ".gif" else ()), path)
    colours, frames = read(path, ["13f"], **keys)
    assert frames == [colours.index("blue")]


@pytest.fixture
def two_colours(tmp_path: Path) -> Path:
    path = tmp_path / "two.mp4"
    lavfi = ("-f", "lavfi", "-i")
    ffmpeg(
        *(*lavfi, "color=red:s=32x32:r=24000/1001", *lavfi, "color=blue:s=32x32:r=24000/1001"),
        *("-filter_complex", "[0]trim=end_frame=13[a];[1]trim=end_frame=17[b];[a][b]concat", path),
    )
    return path


def read(path: Path, moments: list[Any], **keys: Any) -> tuple[list[str], list[int | None]]:
    """The colour of each frame of a run, and the frames that the moments are."""
    options = InputConfig(path=path, bars="none", **keys)
    info = media.probe(path, options)
    with media.read_frames(media.plan_clip(info, options)) as reader:
        colours = ["red" if frame.pixels[..., 0].mean() > 128 else "blue" for frame in reader]
    return colours, media.run_frames(moments, info, options, reader.timeline)


def test_a_run_cuts_where_the_config_says(
    paint: Callable[..., Any], clip: Path, tmp_path: Path
) -> None:
    keys = ('shots.cuts=["4f", "00:00:00.05"]', "shots.detector=none", "input.start=1f")
    result = paint(clip, "--until", "shots", *(word for key in keys for word in ("--set", key)))
    assert result.exit_code == 0, result.stderr
    kept = json.loads((tmp_path / "out.mp4.work" / "shots.json").read_text())
    assert [shot["start"] for shot in kept] == [0, 1, 3]
    assert "shots.cuts" in paint(clip, "--set", 'shots.cuts=["4x"]').stderr


def test_the_sheet_shows_first_middle_and_last_frames(two_colours: Path) -> None:
    options = InputConfig(path=two_colours, bars="none")
    with media.read_frames(media.plan_clip(media.probe(two_colours, options), options)) as reader:
        frames = [frame.pixels for frame in reader]
    asked: list[int] = []

    def load(number: int) -> Pixels:
        asked.append(number)
        return frames[number]

    shots = [Shot(0, 0, 13), Shot(1, 13, 30)]
    sheet = sheets.shots_sheet(shots, load, reader.timeline)
    assert asked == [0, 6, 12, 13, 21, 29]
    assert sheet.shape[1] == 3 * (240 + sheets.GAP) + sheets.GAP
    top, bottom = sheet[: len(sheet) // 2], sheet[len(sheet) // 2 :]
    assert top[100, 100, 0] > 200 > 50 > top[100, 100, 2]
    assert bottom[100, 700, 2] > 200 > 50 > bottom[100, 700, 0]


def test_a_sheet_of_many_shots_stays_readable(two_colours: Path) -> None:
    options = InputConfig(path=two_colours, bars="none")
    with media.read_frames(media.plan_clip(media.probe(two_colours, options), options)) as reader:
        frames = [frame.pixels for frame in reader]
    shots = [Shot(index, index % 29, index % 29 + 1) for index in range(400)]
    sheet = sheets.shots_sheet(shots, lambda number: frames[number], reader.timeline)
    assert sheet.shape[1] < 1600
    assert sheet.shape[0] < 300 / 4 * 200


def test_timecodes_are_read_back_as_the_same_moment() -> None:
    for frame in range(2000):
        time = Fraction(frame * 1001, 24000)
        read_back = media.timing.as_moment(sheets.timecode(time)).seconds
        assert read_back is not None
        assert abs(read_back - time) <= Fraction(1, 2000)
    assert sheets.timecode(Fraction(7384)) == "02:03:04.000"


def test_words_are_wrapped_into_the_cell() -> None:
    cell = sheets.Cell(np.zeros((30, 60, 3), np.uint8), ("--style /a/very/long/path/" + 80 * "x",))
    sheet = sheets.labelled_sheet([[cell]], 120)
    assert sheet.shape[1] == 120 + 2 * sheets.GAP
    assert (sheet[70:, -sheets.GAP :] == sheets.GROUND[0]).all()
    assert images.thumbnail(sheet, 50).shape[1] == 50
