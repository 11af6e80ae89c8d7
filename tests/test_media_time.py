"""Time: every frame at its own moment, exactly where the container can."""

import itertools
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_clips import X264, ffmpeg, looked, noise, passed_through, pattern, sound_starts

from pipeline import media
from pipeline.errors import MediaError
from pipeline.media.timing import as_moment, as_rate, evened, exact_grid, increasing
from pipeline.sections import InputConfig


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of 24000/1001 with sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    ffmpeg(*pattern(rate="24000/1001"), *noise(), *X264, "-c:a", "aac", path)
    return path


@pytest.mark.parametrize("rate", ["24000/1001", "25", "30000/1001", "60", "1000/37"])
def test_constant_rates_stay_exact(tmp_path: Path, rate: str) -> None:
    ffmpeg(*pattern(rate=rate), *X264, tmp_path / "in.mp4")
    passed = passed_through(tmp_path / "in.mp4", tmp_path / "out.mp4")
    out = looked(tmp_path / "out.mp4")
    assert out.times == looked(tmp_path / "in.mp4").times
    assert out.rate == passed.timeline.constant_rate == Fraction(rate)
    assert out.duration == len(out.times) / Fraction(rate)


def test_a_rate_that_matroska_has_rounded_becomes_exact_again(tmp_path: Path) -> None:
    ffmpeg(*pattern(rate="24000/1001"), *X264, tmp_path / "in.mkv")
    passed_through(tmp_path / "in.mkv", tmp_path / "out.mp4")
    assert looked(tmp_path / "out.mp4").times == [Fraction(1001 * n, 24000) for n in range(24)]


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "webm", "gif"])
def test_variable_rates_keep_their_times(tmp_path: Path, ending: str) -> None:
    wobble = "settb=1/90000,select='not(eq(mod(n,3),1))',setpts='PTS+617*mod(N,3)'"
    rates = ("-fps_mode", "passthrough", "-enc_time_base", "1:90000")
    ffmpeg(*pattern(), "-vf", wobble, *rates, *X264, tmp_path / "in.mov")
    passed = passed_through(tmp_path / "in.mov", tmp_path / f"out.{ending}")
    given_times, kept = looked(tmp_path / "in.mov").times, looked(tmp_path / f"out.{ending}").times
    tick = {"mkv": 1000, "webm": 1000, "gif": 100}.get(ending)
    error = max(abs(a - b) for a, b in zip(given_times, kept, strict=True))
    assert error <= (Fraction(1, 2 * tick) if tick else 0)
    assert any("keeps times to" in note for note in passed.notes) == bool(tick)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("late", ["picture", "sound"])
def test_offsets_of_sound_against_picture_survive(tmp_path: Path, ending: str, late: str) -> None:
    shift = ("-itsoffset", "0.4")
    picture, sound = pattern(), noise()
    sources = (*shift, *picture, *sound) if late == "picture" else (*picture, *shift, *sound)
    ffmpeg(
        *sources, *X264, "-c:a", "mp2" if ending == "ts" else "libopus", tmp_path / f"in.{ending}"
    )
    passed_through(tmp_path / f"in.{ending}", tmp_path / "out.mkv")
    before, after = tmp_path / f"in.{ending}", tmp_path / "out.mkv"
    offset = sound_starts(before)[0] - float(looked(before).times[0])
    kept = sound_starts(after)[0] - float(looked(after).times[0])
    assert kept == pytest.approx(offset, abs=0.03 if ending == "ts" else 0.002)  # mp2 to aac


@pytest.mark.parametrize("ending", ["mkv", "ts"])
@pytest.mark.parametrize("early", ["sound", "picture", "both"])
def test_what_comes_before_zero_is_kept(tmp_path: Path, ending: str, early: str) -> None:
    path, before = tmp_path / f"in.{ending}", ("-itsoffset", "-0.261")
    ffmpeg(*pattern(rate="24"), *noise(), *X264, "-c:a", "flac", tmp_path / "plain.mkv")
    inputs = [(before if early in (name, "both") else ()) for name in ("picture", "sound")]
    sources = [word for shift in inputs for word in (*shift, "-i", tmp_path / "plain.mkv")]
    codec = ("-c:a", "mp2") if ending == "ts" else ("-c:a", "copy")
    maps = ("-map", "0:v", "-map", "1:a", "-c:v", "copy", *codec)
    ffmpeg(*sources, *maps, "-avoid_negative_ts", "disabled", path)
    passed = passed_through(path, tmp_path / "out.mkv")
    out = looked(tmp_path / "out.mkv")
    steps = [b - a for a, b in itertools.pairwise(out.times)]
    assert len(passed.frames) == len(out.times) == 24
    assert max(abs(step - Fraction(1, 24)) for step in steps) <= Fraction(1, 1000)
    late = {"sound": 0.261, "picture": -0.261, "both": 0}[early]
    offset = float(out.times[0]) - sound_starts(tmp_path / "out.mkv")[0]
    assert offset == pytest.approx(late, abs=0.04 if ending == "ts" else 0.004)  # as flac's guessed
    assert min(out.times[0], *sound_starts(tmp_path / "out.mkv")) >= 0
    moments = media.run_frames(["3f"], passed.info, InputConfig(path=path), passed.timeline)
    assert moments == [3]


@settings(deadline=None, max_examples=20, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_start_and_end_choose_the_frames_between(
    clip: Path, tmp_path: Path, data: st.DataObject
) -> None:
    step = Fraction(1001, 24000)
    first = data.draw(st.integers(0, 20), "first")
    last = data.draw(st.integers(first + 1, 24), "last")
    by_frame = data.draw(st.booleans(), "by frame")
    start = f"{first}f" if by_frame else round(float(first * step), 3)
    end = f"{last}f" if by_frame else f"00:{float(last * step):06.3f}"
    passed = passed_through(clip, tmp_path / "out.mp4", input={"start": start, "end": end})
    assert len(passed.frames) == last - first
    out = looked(tmp_path / "out.mp4")
    assert len(out.times) == len(passed.frames)
    assert 0 <= out.times[0] < Fraction(1, 1000)
    assert sound_starts(tmp_path / "out.mp4")[0] == pytest.approx(0, abs=0.03)
    assert out.whole < (last - first) * step + Fraction(5, 100)


def test_frames_thinned_out_keep_sound_and_length(clip: Path, tmp_path: Path) -> None:
    passed = passed_through(clip, tmp_path / "out.mp4", input={"frame_rate": 12})
    out = looked(tmp_path / "out.mp4")
    assert out.rate == 12
    assert len(out.times) == 12
    assert ("audio", "aac") in out.streams
    assert any("12" in note for note in passed.notes)


def test_a_preview_ends_with_its_frames(clip: Path, tmp_path: Path) -> None:
    passed_through(clip, tmp_path / "out.mp4", limit=6)
    out = looked(tmp_path / "out.mp4")
    assert len(out.times) == 6
    assert out.duration == 6 * Fraction(1001, 24000)
    assert abs(out.whole - out.duration) < Fraction(3, 100)  # the sound ends with it


def test_nothing_between_start_and_end_is_refused(clip: Path) -> None:
    for keys in ({"start": 5.0}, {"start": "12f", "end": "3f"}, {"start": 0.5, "end": 0.5}):
        with pytest.raises(MediaError, match=r"input\.(start|end)"):
            _read_all(clip, InputConfig(path=clip, **keys))


def test_how_long_a_clip_is_where_none_of_it_is_asked_for(clip: Path, tmp_path: Path) -> None:
    folder, image = tmp_path / "frames", tmp_path / "image.png"
    folder.mkdir()
    ffmpeg(*pattern(), "-frames:v", "5", folder / "%d.png")
    ffmpeg(*pattern(), "-frames:v", "1", "-update", "1", image)
    for path, length in [
        (clip, "the clip has 24 frames (0f to 23f), 1.00 s"),
        (folder, "the clip has 5 frames (0f to 4f), 0.20 s"),
        (image, "it is a single image"),
    ]:
        with pytest.raises(MediaError) as caught:
            _read_all(path, InputConfig(path=path, start="99f"))
        assert str(caught.value).endswith(f"input.start and input.end: {length}")


def _read_all(path: Path, options: InputConfig) -> None:
    list(media.read_frames(media.plan_clip(media.probe(path, options), options)))


def test_moments_and_rates() -> None:
    assert as_moment(4.64).seconds == as_moment("00:00:04.64").seconds == Fraction(464, 100)
    assert as_moment("1:02:03").seconds == 3723
    assert as_moment("120f").frame == 120
    assert as_rate("24000/1001") == as_rate(23.976) == Fraction(24000, 1001)
    assert as_rate(12) == 12


@given(rate=st.sampled_from([Fraction(24), Fraction(30000, 1001)]), count=st.integers(2, 200))
def test_the_grid_behind_rounded_times_is_found(rate: Fraction, count: int) -> None:
    rounded = [Fraction(round(n / rate * 1000), 1000) for n in range(count)]
    found = exact_grid(rounded, Fraction(1, 1000), [rate])
    assert found == (1 / rate, list(range(count)))
    assert exact_grid([*rounded, rounded[-1] + 2], Fraction(1, 1000), [rate]) is None


def test_avi_times_are_evened() -> None:
    step = Fraction(1, 25)
    assert evened([0 * step, 2 * step, 3 * step]) == [0 * step, 1 * step, 2 * step]
    assert evened([0 * step, 2 * step, 5 * step]) == [0 * step, 2 * step, 5 * step]


@given(st.lists(st.integers(0, 30), min_size=1))
def test_repeated_times_become_increasing(ticks: list[int]) -> None:
    found = increasing(ticks)
    assert all(a < b for a, b in itertools.pairwise(found))
    assert all(a >= b for a, b in zip(found, ticks, strict=True))
    assert increasing(sorted(set(ticks))) == sorted(set(ticks))
