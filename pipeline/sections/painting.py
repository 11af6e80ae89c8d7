"""The keys of how a frame is painted (Gatys et al. 2016): losses, network, descent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.keytypes import AnyPath, Layers, PathKey, Weight, Weights, named
from pipeline.sections.section import Section


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
    black: Literal["keep", "paint"] = "keep"
    """"keep": frames that are black all over stay so (behind a fade); "paint": style fills them."""

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


class OptimizerConfig(Section):
    """How the loss is minimised."""

    name: named("lbfgs", "adam") = "lbfgs"  # type: ignore[valid-type]
    """"lbfgs", "adam", or your own "module:function"."""
    first_iterations: int = Field(default=500, ge=0)
    """Iterations for the first frame of a shot, and for any that depends on no other (without
    temporal loss and warped start, or in a first of several passes), at each scale, at most."""
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
    scaling: Literal["newest", "least"] = "least"
    """L-BFGS: the curvature where no step remembered went: the "newest" one's (published), or the
    "least" of them all, which takes about a tenth fewer iterations."""
    smooth: float = Field(default=4.0, ge=0, le=100)
    """L-BFGS in first frames: how many times further than by the gradient alone it goes at first
    along changes that are smooth over two pixels; 0: no further (published)."""
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
    """"auto": bfloat16 where this processor is faster at it by half, else float32."""
    convolution: Literal["auto", "direct", "winograd"] = "auto"
    """"winograd": fewer products in wide layers; "auto": that where it is faster, in float32."""
    pooling: Literal["average", "max"] = "max"
    """"max" paints flat areas too; "average" is calmer (give it some ten times style.weight)."""
    padding: Literal["replicate", "zeros"] = "replicate"
    """What lies beyond the borders; "zeros" (the published one) leaves dirty borders."""
