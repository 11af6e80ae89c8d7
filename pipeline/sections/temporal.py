"""The keys of what holds frames still (Ruder et al. 2016): the temporal method and its flow."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.keytypes import AnyPath, Offsets, PathKey, Weight, named
from pipeline.sections.section import Section


class TemporalConfig(Section):
    """What holds the painting still from frame to frame."""

    weight: Weight = 850.0
    """γ: weight of the temporal consistency loss."""
    offsets: Offsets = (1, 2, 3, 4)
    """Which earlier frames each frame is held to: [1], or more for long-term consistency."""
    targets: Literal["nearest", "mean", "sharp"] = "sharp"
    """With several: to the "nearest" that saw a pixel (published), to the "mean" of all, or to that
    with the nearest's fine detail ("sharp")."""
    loss: Literal["squared", "smooth_l1"] = "squared"
    """How the difference counts; "smooth_l1": beyond one level of 255 only linearly."""
    mean: Literal["all", "trusted"] = "all"
    """Over "all" pixels (published: weakens as occlusion grows), or the "trusted" ones."""
    flat: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Hold flat areas of the clip (skies, shadows) so much more strongly, as a factor."""
    slow: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """Hold what moves by less than half a pixel so much more strongly, if the camera does too."""
    tone: Weight = 300.0
    """Where nothing moves, hold mean colours of areas so much more strongly than pixels."""
    light: bool = True
    """Follow the clip where all of it grows lighter or darker (fades), frame by frame."""
    anchor: Weight = 0.0
    """Weight of holding each frame to its shot's first one (of several passes to the one that a
    sweep begins with), where that is seen: against drift."""
    interpolation: Literal["bilinear", "bicubic", "spline"] = "spline"
    """How painted frames are warped; "bilinear" (the published one) blurs a little every time,
    "spline" least."""
    first_init: Literal["content", "random"] = "content"
    """What the first frame of a shot starts from."""
    init: Literal["warped", "previous", "content", "random"] = "warped"
    """What the others start from: the previous painted frame, warped by the flow or as it is, …
    (Of several passes the first starts each frame as a shot's first one.)"""
    disoccluded: Literal["warped", "content", "moved"] = "warped"
    """A warped start's untrusted pixels: smeared by the warp (published), the clip's own, or
    the clip's own moved to the colours painted around them."""
    passes: int = Field(default=1, ge=1, le=100)
    """Sweeps over each shot: the first paints each frame alone, then forwards, backwards, …"""
    blend: float = Field(default=0.5, gt=0, le=1)
    """Several passes: how far a start is the neighbour's warped frame, the rest is its own last."""
    from_pass: int = Field(default=1, ge=1)
    """Several passes: the first (from 0) that has the temporal loss; published: 8 of 15."""

    @model_validator(mode="after")
    def _some_pass_is_held(self) -> TemporalConfig:
        if 1 < self.passes <= self.from_pass:
            words = (
                "temporal.from_pass = {first}: with temporal.passes = {all} at most {last}, else "
                "none is held"
            )
            counts = {"first": self.from_pass, "all": self.passes, "last": self.passes - 1}
            keys = ("temporal.passes", "temporal.from_pass")
            raise PydanticCustomError("passes", words, {**counts, "keys": keys})
        return self


class FlowConfig(Section):
    """Optical flow between the clip's frames."""

    estimator: named("dis", "raft_small", "raft_large") = "dis"  # type: ignore[valid-type]
    """"dis" (no weights needed), "raft_small", "raft_large", or your own "module:function"."""
    preset: Literal["ultrafast", "fast", "medium", "fine", "finest"] = "finest"
    """DIS: how much work it does; "fine" goes down to single pixels, "finest" to half ones where
    `detail` finds none to see (enlarging frames of up to 640x480: beyond it is "fine")."""
    detail: float = Field(default=2.0, ge=1, le=4, allow_inf_nan=False)
    """Where the clip is larger than the painting, flow is seen on frames so many times its size
    (as far as the clip goes): up to a third less error, for four times the disk. 1: do not."""
    weights: AnyPath | None = Field(default=None, examples=["raft-small.pth"])
    """RAFT: its weights, in torchvision's or the original's layout; else torchvision's own."""
    files: Annotated[str, Field(pattern=r"%0?\d*d.*%0?\d*d"), PathKey()] | None = Field(
        default=None, examples=["flow/%06d_%06d.flo"]
    )
    """Your own backward flow, i to j (the run's frames, from 0), .flo or KITTI .png; what is
    missing is estimated."""
    still: bool = True
    """Where the camera stands still, flow that explains no more than none counts as none."""
    check: named("soft", "published") = "soft"  # type: ignore[valid-type]
    """Where flow is trusted: "soft" (colour too), "published" (hard), or "module:function"."""
