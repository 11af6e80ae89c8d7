"""A decode of a video that shares nothing with `pipeline.media`: what check_media.py judges by."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from scripts.reference_colours import Reference, Sound, colours_of, shrunk, turn_of

AUDIO_RATE = 8000
ACCURATE = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
PLAYLISTS = {"hls", "concat", "sdp", "dash", "rtsp", "imf", "webm_dash_manifest", "tty", "svg_pipe"}
CENTRED = {"mjpeg", "tiff", "h263", "mpeg1video", "svq1"}


def decode(
    path: Path, picture: tuple[int, int] | None = None, by_ffmpeg: bool = False
) -> Reference:
    """Decode everything; what fails is counted, and `error` says why nothing came.

    `picture` is the (width, height) at the upper left that the colours are taken of; `by_ffmpeg`
    takes the frames from ffmpeg's command line, as is done where PyAV gives none.
    """
    found = Reference(picture=picture)
    try:
        with av.open(_url(path), metadata_errors="replace") as container:
            found.playlist = container.format.name in PLAYLISTS
            if not (found.playlist or by_ffmpeg):
                _video(container, found)
        if not found.playlist:
            _sounds(path, found)
    except (av.FFmpegError, OSError, ValueError, UnicodeError) as error:
        found.error = str(error)
    if not found.times and not found.playlist:
        _through_ffmpeg(path, found)
    return found


def _video(container: Any, found: Reference) -> None:
    streams = [s for s in container.streams.video if not _is_cover(s)]
    found.subtitles = sum(s.codec_context is not None for s in container.streams.subtitles)
    best = container.streams.best("video")
    for stream in sorted(streams, key=lambda stream: stream is not best):
        if stream.metadata.get("alpha_mode") == "1":
            return
        times: list[Fraction | None] = []
        stream.thread_type = "AUTO"
        found.tick = stream.time_base
        for frame in _frames(container, stream, found):
            if not times:
                _describe(frame, stream, found)
            # AVI has no times of display, but counts its packets.
            ticks = frame.dts if container.format.name == "avi" else frame.pts
            times.append(None if ticks is None else ticks * frame.time_base)
            found.grids.append(colours_of(frame, found))
        if times:
            rate = Fraction(stream.guessed_rate or 25)
            found.times = _completed(times, rate)
            if container.format.name == "avi":
                found.times = _closed(found.times, rate)
            return


def _completed(times: list[Fraction | None], rate: Fraction) -> list[Fraction]:
    """Times where some are missing: evenly before the first one that is known, and after others."""
    known = [n for n, time in enumerate(times) if time is not None]
    first = known[0] if known else 0
    zero = times[first] or Fraction(0)
    found = [zero - (first - n) / rate for n in range(first)]
    for time in times[first:]:
        found.append(time if time is not None else found[-1] + 1 / rate if found else Fraction(0))
    return found


def _closed(times: list[Fraction], rate: Fraction) -> list[Fraction]:
    """Times without the hole of one or two frames that ffmpeg leaves after an AVI's first one."""
    steps = [round((b - a) * rate) for a, b in itertools.pairwise(times)]
    if not steps or steps[0] not in (2, 3) or set(steps[1:]) != {1}:
        return times
    return [times[0] + n / rate for n in range(len(times))]


def _frames(container: Any, stream: Any, found: Reference) -> Iterator[Any]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.FFmpegError, OSError):
            found.broken += 1
            return
        try:
            yield from packet.decode()
        except (av.FFmpegError, OSError):
            found.broken += 1


def _describe(frame: Any, stream: Any, found: Reference) -> None:
    found.size = (frame.width, frame.height)
    found.turned = turn_of(frame)
    found.centred = stream.codec_context.name in CENTRED
    aspect = stream.sample_aspect_ratio
    found.aspect = Fraction(aspect) if aspect else Fraction(1)
    found.tags = (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range)
    found.yuv = frame.format.name.startswith(("yuv", "nv", "p0", "uyvy", "yuyv"))


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _sounds(path: Path, found: Reference) -> None:
    with av.open(_url(path), metadata_errors="replace") as container:
        count = len(container.streams.audio)
    for number in range(count):
        pieces: list[npt.NDArray[np.float32]] = []
        start: float | None = None
        resampler = av.AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE)
        failing = contextlib.suppress(av.FFmpegError, OSError)
        with failing, av.open(_url(path), metadata_errors="replace") as container:
            for frame in container.decode(container.streams.audio[number]):
                if start is None and frame.pts is not None:
                    start = float(frame.pts * (frame.time_base or 0))
                pieces += [out.to_ndarray()[0] for out in resampler.resample(frame)]
        samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        found.sounds.append(Sound(start or 0.0, samples))


def _through_ffmpeg(path: Path, found: Reference) -> None:
    """Times and colours by ffmpeg, for what PyAV cannot decode (animated WebP, VP9 alpha)."""
    exe = imageio_ffmpeg.get_ffmpeg_exe()
    alpha: list[str] = []
    with contextlib.suppress(av.FFmpegError, OSError), av.open(_url(path)) as container:
        if container.streams.video and container.streams.video[0].metadata.get("alpha_mode") == "1":
            name = container.streams.video[0].codec_context.name
            alpha = ["-c:v", {"vp9": "libvpx-vp9", "vp8": "libvpx"}.get(name, name)]
    base = [exe, "-v", "error", "-nostdin", "-copyts", *alpha, "-i", _url(path), "-map", "0:V:0"]
    base += ["-fps_mode", "passthrough", "-enc_time_base", "demux"]
    crc = subprocess.run([*base, "-f", "framecrc", "-"], capture_output=True, check=False)
    for line in crc.stdout.decode().splitlines():
        if line.startswith("#tb"):
            found.tick = Fraction(line.split()[2])
        elif line.startswith("#dimensions"):
            width, height = line.split()[2].split("x")
            found.size = (int(width), int(height))
        elif not line.startswith("#"):
            found.times.append(int(line.split(",")[2]) * found.tick)
    found.yuv = bool(alpha)
    raw = subprocess.run(
        [*base, "-sws_flags", ACCURATE, "-pix_fmt", "rgba", "-f", "rawvideo", "-"],
        capture_output=True,
        check=False,
    )
    if found.times and raw.stdout:
        shape = (-1, found.size[1], found.size[0], 4)
        for rgba in np.frombuffer(raw.stdout, np.uint8).reshape(shape).astype(np.float32):
            found.grids.append([shrunk(rgba[..., :3] * rgba[..., 3:] / 255, found)])


def _url(path: Path) -> str:
    return f"file:{os.path.abspath(path)}"  # noqa: PTH100
