"""Every key that a config file can hold: its type, its default and one line of meaning.

The names that a key allows stand here as literals, so that a wrong one is answered without
importing torch; tests hold them equal to the registries' keys.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.keytypes import (
    AnyPath,
    Layers,
    Moment,
    Moments,
    Offsets,
    PathKey,
    Rate,
    Weight,
    Weights,
    named,
)


class Section(BaseModel):
    """One table of the config file: strict types, no unknown keys, frozen."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
    )


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


class StyleConfig(Section):
    """The painting, and how strongly it acts."""

    path: AnyPath | None = None
    """The painting: any image file."""
    weight: Weight = 100.0
    """β: weight of the style loss."""
    scale: float = Field(default=1.0, gt=0, le=16, allow_inf_nan=False)
    """The painting's size against the frame's, as a ratio of sides: larger, larger strokes."""
    loss: named("gram") = "gram"  # type: ignore[valid-type]
    """What of the painting is matched: "gram" (Gatys et al. 2016), or your "module:function"."""
    layers: Layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    """The VGG-19 layers whose Gram matrices are matched."""
    layer_weights: Weights = (1.0, 1.0, 1.0, 1.0, 1.0)
    """w_l: one weight for each of these layers."""

    @model_validator(mode="after")
    def _one_weight_a_layer(self) -> StyleConfig:
        if len(self.layers) != len(self.layer_weights):
            words = (
                "style.layer_weights has {weights}, style.layers {layers}: give one weight a layer"
            )
            counts = {"weights": len(self.layer_weights), "layers": len(self.layers)}
            keys = ("style.layers", "style.layer_weights")
            raise PydanticCustomError("layers", words, {**counts, "keys": keys})
        return self


class ContentConfig(Section):
    """How strongly the clip's own shapes are kept."""

    weight: Weight = 2.5
    """α: weight of the content loss."""
    layers: Layers = ("relu4_2",)
    """The VGG-19 layers whose features are matched."""


class TvConfig(Section):
    """Total variation: smooths single pixels."""

    weight: Weight = 20000.0
    """τ: weight of the total variation."""
    norm: Literal["l1", "l2"] = "l1"
    """"l1": mean absolute difference, spares edges; "l2": half the sum of squares (published)."""


class TemporalConfig(Section):
    """What holds the painting still from frame to frame."""

    weight: Weight = 750.0
    """γ: weight of the temporal consistency loss."""
    offsets: Offsets = (1, 2, 4)
    """Which earlier frames each frame is held to: [1], or [1, 2, 4] for long-term consistency."""
    targets: Literal["nearest", "mean"] = "mean"
    """With several: to the "nearest" that saw a pixel (published), or to the "mean" of all."""
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
    """What the others start from: the previous painted frame, warped by the flow or as it is, …"""
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


class OptimizerConfig(Section):
    """How the loss is minimised."""

    name: named("lbfgs", "adam") = "lbfgs"  # type: ignore[valid-type]
    """"lbfgs", "adam", or your own "module:function"."""
    first_iterations: int = Field(default=500, ge=0)
    """Iterations for the first frame of a shot, at each of its scales, at most."""
    first_tolerance: Weight = 0.0005
    """`tolerance` for first frames: what they leave undone, the others would go on with."""
    coarsest: int = Field(default=128, ge=0)
    """First frames: coarse to fine (by `tolerance`), from halves of at least this side; 0: no."""
    iterations: int = Field(default=120, ge=0)
    """Iterations for each other frame, at most: `tolerance` mostly stops them before."""
    tolerance: Weight = 0.0045
    """Stop when the whole loss changes by less than this share over `window` iterations; 0: no."""
    window: int = Field(default=8, ge=1)
    """Iterations over which `tolerance` looks."""
    remainder: Weight = 0.0175
    """Go on all the same while more than this share of the loss seems left to gain, except in
    first frames; 0: do not ask."""
    history: int = Field(default=24, ge=1, le=1000)
    """L-BFGS: how many past steps it remembers; each costs memory for two images."""
    refresh: int = Field(default=8, ge=1)
    """Style losses behind all content layers are computed every so many times, if they are below
    1 % of all, and in between to first order; 1: always."""
    bounded: bool = True
    """Keep every pixel in [0, 1] on the way; false: only clip the result, as was published."""
    learning_rate: float = Field(default=0.01, gt=0, le=1)
    """Adam: step size, for an image in [0, 1]."""


class VggConfig(Section):
    """The network whose features are compared."""

    weights: Annotated[str, PathKey(names=("oxford", "torchvision"))] = "oxford"
    """"oxford" (the published ones, installed with us), "torchvision", or a state dict's file."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """"auto": bfloat16 where this processor is much faster at it, else float32."""
    convolution: Literal["auto", "direct", "winograd"] = "auto"
    """"winograd": fewer products in wide layers; "auto": that, in float32 on a CPU."""
    pooling: Literal["average", "max"] = "max"
    """"max" paints flat areas too; "average" is calmer (give it some ten times style.weight)."""
    padding: Literal["replicate", "zeros"] = "replicate"
    """What lies beyond the borders; "zeros" (the published one) leaves dirty borders."""


class RunSection(Section):
    """Where and with what to work."""

    work: AnyPath | None = None
    """The work folder; by default `<output>.work` beside the output."""
    keep: Literal["result", "all"] = "result"
    """"result": remove the flow of a shot that is finished; "all": keep it."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    """"auto" (cuda, mps, cpu: the first there is), "cpu", "cuda", "cuda:1", "mps"."""
    threads: int = Field(default=0, ge=0, le=1024)
    """Threads for the computation; 0: one for each core."""
    seed: int = Field(default=0, ge=0)
    """Seed of all that is random."""
    frame_bits: Literal["auto", 8, 16] = "auto"
    """Bits of the PNG frames in the work folder; "auto": 16 where the clip has more than 8."""


class RunConfig(Section):
    """One run, as its config file says it."""

    input: InputConfig = InputConfig()
    output: OutputConfig = OutputConfig()
    style: StyleConfig = StyleConfig()
    content: ContentConfig = ContentConfig()
    tv: TvConfig = TvConfig()
    temporal: TemporalConfig = TemporalConfig()
    flow: FlowConfig = FlowConfig()
    shots: ShotsConfig = ShotsConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    vgg: VggConfig = VggConfig()
    run: RunSection = RunSection()
