"""Damage, safety and processes: what is broken or hostile ends in frames or in one line."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_clips import X264, ffmpeg, looked, noise, passed_through, pattern

from pipeline import media
from pipeline.errors import MediaError
from pipeline.media import look, process
from pipeline.media.source import find_source
from pipeline.sections import InputConfig, OutputConfig

CLIPS = ("mp4", "mkv", "ts", "avi", "webm", "flv")


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Every ffmpeg that media starts in a test; all must have ended when it is over."""
    processes: list[subprocess.Popen[bytes]] = []

    class Popen(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **keys: Any) -> None:
            super().__init__(*arguments, **keys)
            if keys.get("start_new_session") or keys.get("creationflags"):
                processes.append(self)

    monkeypatch.setattr(process.subprocess, "Popen", Popen)
    yield processes
    assert [each.args for each in processes if each.poll() is None] == []


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same picture in several containers."""
    folder = tmp_path_factory.mktemp("clips")
    for ending in CLIPS:
        faststart = ("-movflags", "+faststart") if ending == "mp4" else ()
        codecs = ("-c:v", "libvpx-vp9", "-deadline", "realtime") if ending == "webm" else X264
        sound = ("-c:a", "libopus" if ending == "webm" else "libmp3lame")
        ffmpeg(
            *pattern(), *noise(), *codecs, "-g", "5", *sound, *faststart, folder / f"clip.{ending}"
        )
    return folder


def read(path: Path) -> tuple[list[np.ndarray[Any, Any]], media.Timeline]:
    """All frames of a clip, and its timeline."""
    options = InputConfig(path=path)
    with media.read_frames(media.plan_clip(media.probe(path, options), options)) as reader:
        return [frame.pixels for frame in reader], reader.timeline


@settings(deadline=None, max_examples=20, suppress_health_check=list(HealthCheck))
@given(ending=st.sampled_from(CLIPS), share=st.floats(0, 0.99))
def test_truncated_files_give_what_they_have_or_one_line(
    clips: Path, tmp_path: Path, ending: str, share: float
) -> None:
    whole = (clips / f"clip.{ending}").read_bytes()
    path = tmp_path / f"in.{ending}"
    path.write_bytes(whole[: int(len(whole) * share)])
    refusal, passed = "", None
    try:
        passed = passed_through(path, tmp_path / "out.mp4")
    except MediaError as error:
        refusal = str(error)
    if passed is not None:
        assert len(looked(tmp_path / "out.mp4").times) == len(passed.frames) <= 25
    else:
        assert len(refusal.splitlines()) == 1
        assert str(path) in refusal


def test_broken_packets_are_reported(clips: Path, tmp_path: Path) -> None:
    data = bytearray((clips / "clip.mp4").read_bytes())
    for place in range(len(data) * 4 // 10, len(data) * 7 // 10, 7):
        data[place] ^= 0xFF
    (tmp_path / "in.mp4").write_bytes(data)
    frames, timeline = read(tmp_path / "in.mp4")
    assert 10 < len(frames) <= 25
    assert timeline.damage.near
    assert any("damaged near" in note for note in timeline.notes)


@pytest.mark.parametrize(
    "name",
    ["-movie.mp4", "file:with:colons.mp4", "concat:clip.mp4|x.mp4", "it's \"a\" – ünï.mp4",
     "two\nlines.mp4", "%06d.mp4", "http:clip.mp4", "noending", "[0]{1}.mp4", "a,b;c=d.mp4"],
)  # fmt: skip
def test_odd_names_are_only_names(clips: Path, tmp_path: Path, name: str) -> None:
    path, output = tmp_path / name, tmp_path / f"out {name}.mkv"
    shutil.copy(clips / "clip.mp4", path)
    passed = passed_through(path, output)
    assert len(looked(output).times) == len(passed.frames) == 25
    path.unlink()
    with pytest.raises(MediaError) as caught:
        media.probe(path, InputConfig(path=path))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("ending", ["mp4", "m3u8", "ffconcat", "sdp", "ts", "mkv", "txt", "jpg"])
@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile clip.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nclip.ts\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
        "<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>clip.mp4</BaseURL></MPD>",
    ],
    ids=["concat", "hls", "sdp", "dash"],
)
def test_a_playlist_cannot_make_us_read_other_files(clips: Path, text: str, ending: str) -> None:
    path = clips / f"list.{ending}"
    path.write_text(text)
    with pytest.raises(MediaError) as caught:
        media.probe(path, InputConfig(path=path))
    assert len(str(caught.value).splitlines()) == 1
    path.unlink()


def test_what_is_no_clip_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "random.mp4").write_bytes(np.random.default_rng(0).bytes(50_000))
    ffmpeg(*noise(), tmp_path / "sound.m4a")
    names = ["empty.mp4", "folder", "random.mp4", "sound.m4a", "missing.mp4", "missing%03d.png"]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp4")
        names.append("pipe.mp4")
    for name in names:
        with pytest.raises(MediaError, match=name.replace("%", ".")) as caught:
            media.probe(tmp_path / name, InputConfig(path=tmp_path / name))
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("names", "pattern", "taken"),
    [
        (("a7_1.jpg", "a7_2.jpg", "a7_10.jpg", "b.png"), "a7_%d.jpg", 3),
        (("cover1.jpg", "plan2.jpg", "front.jpg", "1.jp2", "2.jp2"), "%d.jp2", 2),
    ],
)
def test_of_several_kinds_of_images_a_pattern_takes_one(
    tmp_path: Path, names: tuple[str, ...], pattern: str, taken: int
) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"an image")
    with pytest.raises(MediaError, match="images of several kinds") as caught:
        find_source(tmp_path, None)
    assert str(caught.value).endswith(f": name one, as {tmp_path / pattern}")
    assert len(find_source(tmp_path / pattern, None).images or ()) == taken


def test_several_kinds_of_images_without_numbers(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.png"):
        (tmp_path / name).write_bytes(b"an image")
    with pytest.raises(MediaError, match=r"\(\.jpg, \.png\): leave those of one kind there"):
        find_source(tmp_path, None)


def test_a_picture_of_another_shape_is_told_by_name(tmp_path: Path) -> None:
    sizes = {"1.png": "96x72", "2.png": "48x36", "3.png": "98x74", "4.png": "96x54"}
    for name, size in sizes.items():
        ffmpeg(*pattern(size), "-frames:v", "1", "-update", "1", tmp_path / name)
    frames, timeline = read(tmp_path)
    assert {frame.shape for frame in frames} == {(72, 96, 3)}
    (note,) = timeline.notes
    assert note.startswith("4.png has 96x54, the first frame 96x72: all frames are stretched")
    (tmp_path / "4.png").unlink()
    assert read(tmp_path)[1].notes == ()


def test_closing_the_reader_ends_its_ffmpeg(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    ffmpeg(*pattern("320x240", seconds=20), *X264, tmp_path / "in.mp4")
    options = InputConfig(path=tmp_path / "in.mp4", bars="none")
    clip = media.plan_clip(media.probe(tmp_path / "in.mp4", options), options)
    reader = media.read_frames(clip)
    next(reader)
    assert started[-1].poll() is None
    reader.close()
    assert started[-1].poll() is not None
    with media.read_frames(clip) as second:
        next(second)
    assert started[-1].poll() is not None
    assert len(started) == 3


def hanging(folder: Path, monkeypatch: pytest.MonkeyPatch, when: str = "*") -> None:
    """From now on, where its arguments fit `when`, ffmpeg takes and gives nothing, nor ends."""
    program = folder / "ffmpeg"
    hang = "trap '' TERM; while true; do sleep 0.1; done"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in {when}) {hang};; esac\nexec "{process.executable()}" "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(process, "STALL_SECONDS", 0.4)
    monkeypatch.setattr(look, "executable", lambda: str(program))


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_a_decoder_that_gives_nothing_is_ended(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clips / "clip.mp4"
    options = InputConfig(path=path, bars="none")
    clip = media.plan_clip(media.probe(path, options), options)
    hanging(tmp_path, monkeypatch)
    with pytest.raises(MediaError, match=r"gave nothing for 0\.4 s"):
        list(media.read_frames(clip))
    with pytest.raises(MediaError, match=r"gave nothing for 0\.4 s"):
        media.probe(path, options)


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
@pytest.mark.parametrize(
    ("name", "when"),
    [
        ("out.mp4", "*libx264*"),
        ("out.mp4", "*copy*"),
        ("out.gif", "*palettegen*"),
        ("out.png", "*image2*"),
        ("folder", "*image2*"),
    ],
)
@pytest.mark.parametrize("size", ["32x32", "640x480"])  # within what a pipe holds, and beyond
def test_an_encoder_that_takes_nothing_is_ended(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, when: str, size: str
) -> None:
    path, output = clips / "clip.mp4", OutputConfig(path=tmp_path / "there" / name)
    width, height = map(int, size.split("x"))
    options = InputConfig(path=path, bars="none", width=width, height=height)
    info = media.probe(path, options)
    with media.read_frames(media.plan_clip(info, options)) as reader:
        frames = [frame.pixels for frame in reader]
    (tmp_path / "there").mkdir()
    hanging(tmp_path, monkeypatch, when)
    with pytest.raises(MediaError, match=r"took and wrote nothing for 0\.4 s") as caught:
        media.write_video(output.path, frames, reader.timeline, info, options, output)
    assert str(output.path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not [path for path in (tmp_path / "there").rglob("*") if path.is_file()]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_no_ffmpeg_outlives_a_signal(tmp_path: Path, kind: signal.Signals) -> None:
    ffmpeg(*pattern("320x240", seconds=20), *X264, tmp_path / "in.mp4")
    script = f"""
import signal, sys, time
from pathlib import Path
from pipeline import media
from pipeline.media import process
from pipeline.sections import InputConfig
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
path = Path({str(tmp_path / "in.mp4")!r})
options = InputConfig(path=path, bars="none")
with media.read_frames(media.plan_clip(media.probe(path, options), options)) as reader:
    next(reader)
    print(*[each.pid for each in __import__("gc").get_objects()
            if isinstance(each, process.subprocess.Popen) and each.poll() is None], flush=True)
    time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        pids = [int(pid) for pid in child.stdout.readline().split()]
        assert len(pids) == 1
        child.send_signal(kind)
        child.wait()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
