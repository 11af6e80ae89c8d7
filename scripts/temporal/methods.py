"""The temporal methods that are compared: a name, and what of the config is its own.

Every method minimises the content, style and total variation terms of `configs/ruder2016.toml`,
through its network (max pooling, zero padding, float32). What differs is [temporal], [flow] and,
for our own rows, [optimizer]. All rows compute in one precision, with the convolution that this
machine is quicker at: their values are equal to 1e-5.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config import load_config
from pipeline.sections import RunConfig

PUBLISHED = Path(__file__).parents[2] / "configs" / "ruder2016.toml"
Overrides = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Method:
    """A row of the comparison.

    Attributes:
        name: the row's.
        overrides: ("section.key", value) over the published config, or over ours.
        ours: start from our defaults of [temporal], [flow] and [optimizer].
        own_first: paint its own first frame; else it goes on from the published one, so that only
            the temporal method differs.
        true_flow: the method gets the true flow and occlusions, where they are known.
    """

    name: str
    overrides: Overrides = ()
    ours: bool = False
    own_first: bool = False
    true_flow: bool = False


UNHELD = ("temporal.weight", 0.0)

# Ruder et al. 2016, table 1 and section 4.4; the numbers of multi-pass are those of their code:
# 15 passes of 100 iterations, γ 500, from noise, temporal loss from the 8th pass.
BASELINES = (
    Method("random", (UNHELD, ("temporal.init", "random"))),
    Method("content", (UNHELD, ("temporal.init", "content"))),
    Method("previous", (UNHELD, ("temporal.init", "previous"))),
    Method("warped", (UNHELD,)),
    Method("ruder2016"),
    Method("ruder2016_long", (("temporal.offsets", [1, 2, 4]),)),
    Method(
        "multipass",
        (
            ("temporal.passes", 15),
            ("temporal.blend", 0.5),
            ("temporal.from_pass", 7),
            ("temporal.weight", 500.0),
            ("optimizer.first_iterations", 100),
            ("optimizer.iterations", 100),
            ("optimizer.tolerance", 0.0),
            ("optimizer.first_tolerance", 0.0),
        ),
        own_first=True,
    ),
)
OURS = (Method("default", ours=True), Method("default_own_first", ours=True, own_first=True))

# Our default with one option changed at a time; what equals the default is left out.
CHANGES: dict[str, Sequence[Any]] = {
    "temporal.loss": ("squared", "smooth_l1"),
    "temporal.mean": ("all", "trusted"),
    "temporal.offsets": ([1], [1, 2], [1, 2, 4], [1, 5, 10]),
    "temporal.targets": ("nearest", "mean", "sharp"),
    "temporal.disoccluded": ("warped", "content", "moved"),
    "temporal.anchor": (0.0, 200.0),
    "temporal.flat": (0.0, 4.0),
    "temporal.slow": (0.0, 1.0),
    "temporal.tone": (0.0, 30.0, 300.0, 1000.0),
    "temporal.light": (True, False),
    "temporal.interpolation": ("bilinear", "bicubic", "spline"),
    "temporal.weight": (500.0, 1000.0, 2000.0, 4000.0),
    "flow.check": ("soft", "published"),
    "flow.still": (True, False),
    "flow.detail": (1.0, 2.0),
    "flow.preset": ("medium", "fine", "finest"),
    "optimizer.iterations": (10, 20, 40, 60),
    "optimizer.tolerance": (0.0, 0.01),
    "optimizer.remainder": (0.0, 0.01),
    "optimizer.scaling": ("newest", "least"),
    "optimizer.bounded": (True, False),
}
# Pairs that only act together.
TOGETHER: tuple[Overrides, ...] = (
    (("temporal.offsets", [1, 2, 4]), ("temporal.targets", "mean")),
    (("temporal.offsets", [1, 5, 10]), ("temporal.targets", "mean")),
)

# Only first frames depend on these: without a first frame of its own a row has the published.
FIRST = (
    "temporal.first_init",
    "optimizer.first_iterations",
    "optimizer.first_tolerance",
    "optimizer.coarsest",
    "optimizer.smooth",
)
# Keys younger than the first kept results, with the value under which those were painted: where
# they have it, results of before are the same.
YOUNGER: dict[str, Any] = {
    "style.black": "paint",
    "temporal.loss": "squared",
    "temporal.mean": "all",
    "temporal.targets": "nearest",
    "temporal.disoccluded": "warped",
    "temporal.anchor": 0.0,
    "temporal.flat": 0.0,
    "temporal.slow": 0.0,
    "temporal.tone": 0.0,
    "temporal.light": False,
    "temporal.passes": 1,
    "temporal.blend": 0.5,
    "temporal.from_pass": 1,
    "optimizer.first_tolerance": 1e-4,
    "optimizer.refresh": 1,
    "optimizer.remainder": 0.0,
    "optimizer.scaling": "newest",
    "optimizer.smooth": 0.0,
    "flow.still": False,
    "flow.detail": 1.0,
}


def resolve(method: Method, precision: str = "float32") -> RunConfig:
    """The whole config of a method, its network in a precision.

    Raises:
        ConfigError: an override that this version does not know.
    """
    published = flat(load_config(PUBLISHED))
    overrides: list[tuple[str, Any]] = []
    if method.ours:
        ours = flat(RunConfig())
        kept = ("temporal", "flow", "optimizer")
        overrides += [(key, ours[key]) for key in ours if key.partition(".")[0] in kept]
        if not method.own_first:
            overrides += [(key, published[key]) for key in FIRST]
    network = [("vgg.precision", precision), ("vgg.convolution", "auto")]
    return load_config(PUBLISHED, [*overrides, *method.overrides, *network, ("run.threads", 1)])


def flat(config: RunConfig) -> dict[str, Any]:
    """Every key, "section.key", as JSON holds its value."""
    tables = config.model_dump(mode="json")
    return {
        f"{name}.{key}": value for name, table in tables.items() for key, value in table.items()
    }


def identity(config: RunConfig, *more: str) -> str:
    """A short hash of all that a painted frame depends on: a change gives another folder."""
    sections = ("style", "content", "tv", "temporal", "flow", "optimizer", "vgg")
    found = {
        key: Path(value).name if key == "flow.weights" and value else value
        for key, value in flat(config).items()
        if key.partition(".")[0] in sections and key not in ("style.path", "vgg.convolution")
        if YOUNGER.get(key, ...) != value
    }
    text = json.dumps([found, config.run.seed, *more], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def first_frames(config: RunConfig) -> RunConfig:
    """A config as far as first frames depend on it, for their identity."""
    blank = RunConfig()
    temporal = blank.temporal.model_copy(update={"first_init": config.temporal.first_init})
    optimizer = config.optimizer.model_copy(update={"iterations": 0})
    plain = {**YOUNGER, "temporal.weight": 0.0, "temporal.offsets": (1,)}
    plain |= {"temporal.interpolation": "bilinear", "temporal.init": "warped"}
    known = {key.partition(".")[2]: value for key, value in plain.items()}
    fields = type(temporal).model_fields
    temporal = temporal.model_copy(update={k: v for k, v in known.items() if k in fields})
    flow = load_config(PUBLISHED).flow
    return config.model_copy(update={"temporal": temporal, "optimizer": optimizer, "flow": flow})


def ablations() -> list[Method]:
    """Our default with one option changed, each named after the change."""
    default = flat(resolve(OURS[0]))
    single: list[Overrides] = [
        ((key, value),)
        for key, values in CHANGES.items()
        for value in values
        if default.get(key, ...) != value
    ]
    return [changed(change) for change in (*single, *TOGETHER)]


def changed(overrides: Iterable[tuple[str, Any]], own_first: bool = False) -> Method:
    """Our default with these keys changed."""
    found = tuple(overrides)
    name = "default_own_first" if own_first else "default"
    parts = (f"{key.partition('.')[2]}={_short(value)}" for key, value in found)
    return Method(f"{name} {' '.join(parts)}", found, ours=True, own_first=own_first)


def with_true_flow(methods: Iterable[Method]) -> list[Method]:
    """The same methods with the true flow as theirs; none that needs it both ways or not at all."""
    plain = ("random", "content", "previous", "multipass")
    return [
        replace(method, name=f"{method.name} @truth", true_flow=True)
        for method in methods
        if method.name not in plain
    ]


def _short(value: Any) -> str:
    return json.dumps(value, separators=(",", ":")).strip('"')
