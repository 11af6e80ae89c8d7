"""Variants of a config: every combination of the values that `--vary` gives to keys."""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import load_config, parse_override
from pipeline.errors import ConfigError
from pipeline.sections import RunConfig

MOST = 64
# What a single frame does not show, by section or key, and what of it does show.
UNSEEN = ("input", "output", "shots", "flow", "temporal", "run", "optimizer.iterations")
SEEN = ("temporal.first_init", "run.seed")


@dataclass(frozen=True)
class Varied:
    """A key, its values, and the words of the command line that give each."""

    key: str
    values: tuple[Any, ...]
    words: tuple[str, ...]
    option: str = "--vary"


@dataclass(frozen=True)
class Variant:
    """A config, and the words of the command line that give it, an option each."""

    words: tuple[str, ...]
    config: RunConfig

    @property
    def label(self) -> str:
        return " ".join(self.words) or "as configured"


def parse_vary(text: str) -> Varied:
    """Read the `style.weight=50,100` of `--vary`; values are TOML, or else bare strings.

    Raises:
        ConfigError: not of that form, or a key that shows in no single frame.
    """
    key, equals, listed = (part.strip() for part in text.partition("="))
    if not equals or not listed:
        raise ConfigError(
            f"--vary {text}: give it as section.key=value,value, like style.weight=50,100"
        )
    if key not in SEEN and (key in UNSEEN or key.partition(".")[0] in UNSEEN):
        raise ConfigError(f"--vary {key}: this does not show in single frames, give it with --set")
    pieces = tuple(piece.strip() for piece in listed.split(","))
    try:
        values = tuple(tomllib.loads(f"values = [{listed}]")["values"])
    except tomllib.TOMLDecodeError:
        values = tuple(parse_override(f"{key}={piece}")[1] for piece in pieces)
    if len(values) != len(pieces):  # a list holds commas of its own
        pieces = tuple(str(value) for value in values)
    return Varied(key, values, tuple(f"--set {key}={piece}" for piece in pieces))


def vary_style(paths: Sequence[str]) -> Varied:
    """The `--style` options as a varied key."""
    return Varied("style.path", tuple(paths), tuple(f"--style {path}" for path in paths), "--style")


def combine(
    path: Path | None, overrides: Sequence[tuple[str, Any]], varied: Iterable[Varied]
) -> list[Variant]:
    """The config at `path` with overrides, once for every combination of the varied values.

    Raises:
        ConfigError: as `load_config` does; a key given twice, or too many combinations.
    """
    varied = list(varied)
    for one, other in itertools.combinations(varied, 2):
        if one.key == other.key:
            raise ConfigError(f"--vary {one.key}: given twice, list all its values in one")
    where = {each.key: each.option for each in varied}
    count = math.prod(len(each.values) for each in varied)
    if count > MOST:
        sizes = " x ".join(str(len(each.values)) for each in varied)
        raise ConfigError(f"--vary: {sizes} = {count} combinations, more than {MOST}: vary less")
    variants = []
    for choice in itertools.product(*(range(len(each.values)) for each in varied)):
        chosen = list(zip(varied, choice, strict=True))
        values = [(each.key, each.values[n]) for each, n in chosen]
        words = tuple(each.words[n] for each, n in chosen)
        variants.append(Variant(words, load_config(path, [*overrides, *values], where)))
    return variants
