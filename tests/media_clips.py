"""Clips that the media tests make for themselves, and a plain way to look at a video."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np

from pipeline import media
from pipeline.sections import InputConfig, OutputConfig

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-pix_fmt", "yuv420p")


def ffmpeg(*arguments: object) -> None:
    """Run ffmpeg; its last argument is the file that it writes."""
    command = [FFMPEG, "-hide_banner", "-nostdin", "-y", "-v", "error", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


def pattern(size: str = "64x48", rate: str = "25", seconds: float = 1) -> tuple[str, ...]:
    """Arguments for a moving test picture."""
    return ("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}")


def noise(seconds: float = 1) -> tuple[str, ...]:
    """Arguments for a sound."""
    return ("-f", "lavfi", "-i", f"anoisesrc=d={seconds}:r=44100:a=0.3:seed=7")


def colour(value: str, size: str = "64x48", frames: int = 5) -> tuple[str, ...]:
    """Arguments for a clip of one colour, in RGB."""
    return ("-f", "lavfi", "-i", f"color={value}:s={size}:r=25:d={frames / 25},format=gbrp")


@dataclass
class Looked:
    """A decoded video: times in seconds, frames (H, W, 3) as PyAV converts them."""

    times: list[Fraction] = field(default_factory=list)
    frames: list[np.ndarray[Any, Any]] = field(default_factory=list)
    tags: tuple[int, int, int, int] = (2, 2, 2, 0)
    streams: list[tuple[str, str]] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    chapters: int = 0
    duration: Fraction = Fraction(0)
    whole: Fraction = Fraction(0)
    rate: Fraction | None = None
    pixels: str = ""


def looked(path: Path) -> Looked:
    """Decode the video stream of a file with PyAV."""
    found = Looked()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        found.streams = [
            (s.type, s.codec_context.name) for s in container.streams if s.codec_context
        ]
        found.metadata, found.chapters = dict(container.metadata), len(container.chapters())
        found.rate = stream.average_rate
        found.whole = Fraction(container.duration or 0, 1_000_000)
        if stream.duration is not None:
            found.duration = stream.duration * stream.time_base
        for frame in container.decode(stream):
            found.times.append(frame.pts * frame.time_base)
            found.frames.append(frame.to_ndarray(format="rgb24"))
            found.tags = (
                frame.colorspace,
                frame.color_primaries,
                frame.color_trc,
                frame.color_range,
            )
            found.pixels = frame.format.name
    return found


def sound_starts(path: Path) -> list[float]:
    """When each audio track begins, in seconds."""
    starts = []
    with av.open(str(path)) as container:
        count = len(container.streams.audio)
    for number in range(count):
        with av.open(str(path)) as container:
            frame = next(container.decode(container.streams.audio[number]))
            starts.append(float(frame.pts * frame.time_base))
    return starts


@dataclass
class Passed:
    """What became of a clip that was read and written unpainted."""

    info: media.VideoInfo
    clip: media.Clip
    frames: list[np.ndarray[Any, Any]]
    timeline: media.Timeline
    notes: tuple[str, ...]


def passed_through(
    path: Path, result: Path, limit: int | None = None, bits: Any = "auto", **keys: dict[str, Any]
) -> Passed:
    """Read a clip, take its timeline through JSON, and write it (its first `limit` frames)."""
    options = InputConfig(path=path, **keys.get("input", {}))
    target = OutputConfig(path=result, **keys.get("output", {}))
    info = media.probe(path, options)
    clip = media.plan_clip(info, options, bits)
    with media.read_frames(clip) as reader:
        frames = [frame.pixels for frame in reader]
        timeline = media.Timeline.from_json(json.loads(json.dumps(reader.timeline.to_json())))
        assert timeline == reader.timeline
    notes = media.write_video(result, frames[:limit], timeline, info, options, target)
    return Passed(info, clip, frames, timeline, (*clip.notes, *notes))
