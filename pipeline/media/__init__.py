"""Video in and video out: the only home of ffmpeg."""

from pipeline.media.clip import Clip
from pipeline.media.decode import (
    Frame,
    FrameReader,
    plan_clip,
    read_frames,
    read_larger,
)
from pipeline.media.encode import write_video
from pipeline.media.geometry import Geometry, alike, larger
from pipeline.media.info import Track, VideoInfo
from pipeline.media.moments import run_frames
from pipeline.media.output import Target, check_output, output_exists, replaced
from pipeline.media.probe import probe
from pipeline.media.process import executable, ffmpeg_version
from pipeline.media.source import source_files
from pipeline.media.timing import Damage, Timeline, check_range

__all__ = [
    "Clip",
    "Damage",
    "Frame",
    "FrameReader",
    "Geometry",
    "Target",
    "Timeline",
    "Track",
    "VideoInfo",
    "alike",
    "check_output",
    "check_range",
    "executable",
    "ffmpeg_version",
    "larger",
    "output_exists",
    "plan_clip",
    "probe",
    "read_frames",
    "read_larger",
    "replaced",
    "run_frames",
    "source_files",
    "write_video",
]
