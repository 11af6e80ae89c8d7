"""The keys of what is read and written: the clip, its shots, the painted clip."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.keytypes import AnyPath, Moment, Moments, Rate, named
from pipeline.sections.section import Section


class InputConfig(Section):
    """The clip."""

    path: AnyPath | None = None
    """The clip to paint: a video, an image, a folder of images or a pattern (frames/%06d.png)."""
    start: Moment | None = Field(default=None, examples=["00:00:04.64"])
    """Where to begin: seconds, a timecode "00:00:04.64" or a frame "120f" (counted from 0)."""
    end: Moment | None = Field(default=None, examples=["240f"])
    """Where to stop: the first moment or frame that is not painted."""
    frame_rate: Rate | None = Field(default=None, examples=[12])
    """Frames per second to paint at: 12, "24000/1001"; of an image sequence, its own (else 25)."""
    max_side: int | None = Field(default=None, ge=16, le=16384, examples=[640])
    """Scale down, keeping the shape, until the longer side has at most this many pixels."""
    width: int | None = Field(default=None, ge=16, le=16384, examples=[640])
    """Scale to this width; the height follows the shape, unless it is given too."""
    height: int | None = Field(default=None, ge=16, le=16384, examples=[360])
    """Scale to this height; the width follows the shape, unless it is given too."""
    bars: Literal["auto", "none"] = "auto"
    """"auto": find black bars (letterbox, pillarbox) and leave them as they are; "none": do not."""


class OutputConfig(Section):
    """The painted clip."""

    path: AnyPath | None = None
    """The file to write (its ending chooses the container), or a folder or pattern for frames."""
    codec: Literal[
        "auto", "h264", "h265", "av1", "vp9", "prores_hq", "prores_4444", "ffv1", "gif",
        "png", "tiff", "jpeg",
    ] = "auto"  # fmt: skip
    """How the picture is stored; "auto": the usual one of the container, png in a folder."""
    quality: int | None = Field(default=None, ge=0, le=63, examples=[17])
    """h264, h265, av1, vp9: the constant rate factor (CRF), lower is finer; by default fine."""
    size: Literal["painted", "input"] = "painted"
    """"input": scale the painted frames to the input's size at the end."""
    audio: Literal["keep", "none"] = "keep"
    """"keep": all sound tracks, copied where the container takes them, else converted."""
    sheet: bool = True
    """Write a contact sheet beside it: a row of the clip's frames, a row of the painted ones."""


class ShotsConfig(Section):
    """Where the clip is cut; no shot sees the painting of another."""

    detector: named("adaptive", "content", "none") = "adaptive"  # type: ignore[valid-type]
    """"adaptive", "content" (both PySceneDetect), "none", or your own "module:function"."""
    threshold: float | None = Field(default=None, gt=0, allow_inf_nan=False, examples=[2.0])
    """A cut's least change: for "adaptive" against the frames around it (by default twice
    theirs), for "content" of 255 (by default 27)."""
    min_length: int = Field(default=8, ge=1)
    """The fewest frames between two cuts that are found; of closer ones the last is taken."""
    cuts: Moments = Field(default=(), examples=[["00:00:04.64", "212f"]])
    """Cuts by hand, besides those found: moments or frames of the clip, like `input.start`."""
