"""What a user should be told of a clip, one line each."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from pipeline.media.geometry import Bars, Geometry
from pipeline.media.info import VideoInfo
from pipeline.media.look import FrameLog
from pipeline.media.timing import Damage

MOST_PLACES = 8
MUCH = Fraction(1, 2)  # seconds of a file's stated length that may lack without a word


def clip_notes(
    info: VideoInfo, geometry: Geometry, bars: Bars, rate: Fraction | None, seen_through: bool
) -> tuple[str, ...]:
    """What is done to the clip's picture before it is painted."""
    notes = []
    width, height = info.size
    if info.assumed and info.colour.matrix != "gbr":
        colour = info.colour
        notes.append(
            f"no tags for {', '.join(info.assumed)}: assumed matrix {colour.matrix}, range"
            f" {colour.range}, primaries {colour.primaries}, transfer {colour.transfer}"
        )
    if info.colour.hdr:
        notes.append(f"HDR ({info.colour.hdr}) is tone-mapped to BT.709")
    if seen_through:
        notes.append("alpha: what is transparent is composited on black")
    if info.interlaced:
        notes.append("interlaced frames are deinterlaced (bwdif), one frame each")
    if info.turn.transposed:
        notes.append(f"turned upright: stored {_size(info.stored)}, shown {_size(info.size)}")
    elif info.turn:
        notes.append("turned or mirrored as the file says")
    if info.turn.odd is not None:
        notes.append(f"the file asks for a turn by {info.turn.odd} degrees: not done")
    if geometry.input != info.size:
        aspect = info.pixel_aspect
        notes.append(f"pixels of {aspect} made square: {width}x{height} to {_size(geometry.input)}")
    if bars:
        notes.append(
            f"black bars stay as they are: {bars.left} left, {bars.right} right, {bars.top} above,"
            f" {bars.bottom} below; painted is {_size(geometry.painted)}"
        )
    if geometry.canvas != geometry.input:
        notes.append(f"scaled from {_size(geometry.input)} to {_size(geometry.canvas)}")
    if rate is not None and info.rate is not None and rate != info.rate:
        verb = "thinned out" if rate < info.rate else "repeated"
        notes.append(f"frames {verb}: painted at {rate} a second, the clip has {info.rate}")
    return tuple(notes)


def damage_of(log: FrameLog, info: VideoInfo, whole: bool, count: int, length: Fraction) -> Damage:
    """What did not decode, from ffmpeg's log; `whole` if all `count` frames were wanted."""
    near: list[str] = []
    for time in log.trouble:
        text = f"{float(time):.2f} s"
        if text not in near and len(near) < MOST_PLACES:
            near.append(text)
    found = Damage(log.packets, log.failed, tuple(near), stretched=_other_shape(log, info))
    if not whole:
        return found
    expected = info.frames if info.frames is not None and info.frames > count else None
    lacking = (info.duration or length) - length
    missing = f"{float(lacking):.2f}" if lacking > max(MUCH, length / 20) else None
    return replace(found, expected=expected, missing=missing)


def _other_shape(log: FrameLog, info: VideoInfo) -> str | None:
    """The first frame that has another shape than the clip's first one, in words."""
    if log.first is None or log.other is None:
        return None
    number, frame = log.other
    images = info.source.images
    name = images[number].name if images else f"a frame at {float(log.seconds(frame)):.2f} s"
    return f"{name} has {_size(frame.size)}, the first frame {_size(log.first.size)}"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
