"""A decode of a video that shares nothing with `pipeline.media`: what check_media.py judges by."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

GRID = (16, 9)
AUDIO_RATE = 8000
ACCURATE = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
PLAYLISTS = {"hls", "concat", "sdp", "dash", "rtsp", "imf", "webm_dash_manifest", "tty", "svg_pipe"}
LUMA = {1: (0.2126, 0.0722), 4: (0.3, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
CENTRED = {"mjpeg", "tiff", "h263", "mpeg1video", "svq1"}
PLANAR = {"uyvy422": "yuv422p", "yuyv422": "yuv422p", "nv12": "yuv420p", "p010le": "yuv420p10le"}
BT601 = (0.299, 0.114)
Grid = npt.NDArray[np.float64]


@dataclass
class Sound:
    """An audio track as 8 kHz mono: `samples`, the first of which sounds at `start` seconds."""

    start: float
    samples: npt.NDArray[np.float32]


@dataclass
class Reference:
    """A decoded video: all times, the mean colours of every frame on a grid, tags, sound."""

    times: list[Fraction] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)
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
            found.grids.append(grid_of(frame, found))
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
    found.turned = _turn(frame)
    found.centred = stream.codec_context.name in CENTRED
    aspect = stream.sample_aspect_ratio
    found.aspect = Fraction(aspect) if aspect else Fraction(1)
    found.tags = (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range)
    found.yuv = frame.format.name.startswith(("yuv", "nv", "p0", "uyvy", "yuyv"))


def grid_of(frame: Any, found: Reference) -> Grid:
    """The mean colours (9, 16, 3) of a frame, upright, full-range RGB of 255."""
    name = frame.format.name
    if name in PLANAR:
        frame, name = frame.reformat(format=PLANAR[name]), PLANAR[name]
    if name.startswith(("yuv4", "yuva4", "yuvj4")):
        colours = _from_planes(frame, found)
    else:
        rgba = _part(frame.to_ndarray(format="rgba"), found.picture)
        colours = _shrink(rgba[..., :3] * rgba[..., 3:] / 255, found)
    return np.clip(_upright(colours, found.turned), 0, 255)


def _from_planes(frame: Any, found: Reference) -> Grid:
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
    return _shrink(rgb, found)


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


def _shrink(image: npt.NDArray[np.floating], found: Reference) -> Grid:
    small: Grid = cv2.resize(image, found.grid, interpolation=cv2.INTER_AREA).astype(np.float64)
    return small


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


# A display matrix (a b; c d) maps x to a·x + c·y and y to b·x + d·y.
TURNS = ("right", "left", "transposed", "anti")
_SIGNS = {
    (1, 0, 0, 1): "no", (-1, 0, 0, -1): "half", (-1, 0, 0, 1): "hflip", (1, 0, 0, -1): "vflip",
    (0, 1, -1, 0): "right", (0, -1, 1, 0): "left",
    (0, 1, 1, 0): "transposed", (0, -1, -1, 0): "anti",
}  # fmt: skip


def _turn(frame: Any) -> str:
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
            found.grids.append(_shrink(rgba[..., :3] * rgba[..., 3:] / 255, found))


def _url(path: Path) -> str:
    return f"file:{os.path.abspath(path)}"  # noqa: PTH100
