"""The options that commands share, and what is read from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.config import load_config, parse_override
from pipeline.errors import ConfigError
from pipeline.keys import check_name, choices, marker
from pipeline.keytypes import OWN_PART, Named
from pipeline.sections import FlowConfig
from pipeline.variants import Varied, parse_vary, vary_style

Override = tuple[str, Any]

ConfigArgument = Annotated[
    Path | None, typer.Argument(metavar="CONFIG", help="The run's config file (TOML).")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override a key; may be repeated."),
]
InputOption = Annotated[
    str | None, typer.Option("--input", metavar="CLIP", help="Short for --set input.path=CLIP.")
]
StyleOption = Annotated[
    str | None, typer.Option("--style", metavar="IMAGE", help="Short for --set style.path=IMAGE.")
]
OutputOption = Annotated[
    str | None, typer.Option("--output", metavar="FILE", help="Short for --set output.path=FILE.")
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace an output that another run wrote.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
StylesOption = Annotated[
    list[str] | None,
    typer.Option("--style", metavar="IMAGE", help="The painting; may be repeated."),
]
VaryOption = Annotated[
    list[str] | None,
    typer.Option("--vary", metavar="SECTION.KEY=VALUE,VALUE", help="Try these; may be repeated."),
]
EvaluatedArgument = Annotated[
    Path | None, typer.Argument(metavar="CONFIG", help="The run's config file, or its work folder.")
]
FlowOption = Annotated[
    str,
    typer.Option(
        "--flow",
        metavar="NAME",
        help="Measure by dis, raft_small, raft_large, or flow files: truth/%06d_%06d.flo.",
    ),
]
OriginalOption = Annotated[
    Path | None,
    typer.Option("--original", metavar="CLIP", help="Instead of a run: any clip, not painted, …"),
]
PaintedOption = Annotated[
    Path | None, typer.Option("--painted", metavar="CLIP", help="… and the same clip, painted.")
]
AgainstOption = Annotated[
    Path | None,
    typer.Option("--against", metavar="RUN", help="Another painted version: a run or a clip."),
]
ScorerOption = Annotated[
    Path | None,
    typer.Option("--scorer", metavar="FILE", help="A config whose losses give the distances."),
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write all numbers to this file.")
]


def overrides(
    settings: list[str] | None, clip: str | None, style: str | None, output: str | None
) -> list[Override]:
    """`--set` and its short forms as (key, value), in order."""
    shortcuts = {"input.path": clip, "style.path": style, "output.path": output}
    given = [(name, value) for name, value in shortcuts.items() if value is not None]
    return [*(parse_override(text) for text in settings or ()), *given]


def frame_range(text: str | None) -> tuple[int, int] | None:
    """`--frames 40:60` as numbers.

    Raises:
        ConfigError: not of that form.
    """
    if text is None:
        return None
    first, colon, stop = text.partition(":")
    if not (colon and first.isdecimal() and stop.isdecimal()):
        raise ConfigError(f"--frames {text}: give a range like 40:60, the frames 40 to 59")
    return int(first), int(stop)


def varied(styles: list[str] | None, vary: list[str] | None) -> list[Varied]:
    """Several `--style` and all of `--vary`, as the keys that they vary."""
    found = [parse_vary(text) for text in vary or ()]
    for each in found:
        check_name(each.key, "--vary")
    return [vary_style(styles), *found] if styles and len(styles) > 1 else found


def flow_config(flow: str, given: Sequence[Override]) -> FlowConfig:
    """`--flow` and the `[flow]` keys of the command line: what to measure by.

    A run's own `[flow]` has no say in it, so that runs compare; nor has its check.

    Raises:
        ConfigError: no such estimator, or a wrong value.
    """
    named = ("flow.files" if "%" in flow else "flow.estimator", flow)
    own = [(name, value) for name, value in given if name.startswith("flow.")]
    mark = marker("flow", "estimator", Named)
    ours = mark.names if mark else ()
    if "%" not in flow and flow not in ours and not OWN_PART.fullmatch(flow):
        allowed = (*ours, "your own module:function", "flow files like truth/%06d_%06d.flo")
        raise ConfigError(f"--flow {flow}: not allowed{choices(flow, allowed)}")
    where = {named[0]: "--flow"}
    return load_config(None, [("flow.check", "published"), *own, named], where).flow


def pair_of(
    original: Path | None, painted: Path | None, *others: object
) -> tuple[Path, Path] | None:
    """`--original` and `--painted`, which go together and stand in for a run; None for a run.

    Raises:
        ConfigError: only one of both, or what names a run beside them.
    """
    if original is None and painted is None:
        return None
    if original is None or painted is None:
        raise ConfigError("--original and --painted go together: give both, or a run's config")
    if any(other is not None for other in others):
        raise ConfigError("--original and --painted stand alone: without CONFIG, --input, --output")
    return original, painted
