"""The table: a row a method, a block a sequence; ratios against the published method."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]
Results = Mapping[str, Mapping[str, Row]]  # sequence -> method -> row

BASE = "ruder2016"
# Heading, key, and how it is told.
COLUMNS = (
    ("short", "ewarp_short", "{:.2e}"),
    ("long", "ewarp_long", "{:.2e}"),
    ("style", "style_distance", "{:.4g}"),
    ("content", "content_distance", "{:.4g}"),
    ("sharp", "sharpness", "{:.3f}"),
    ("drift", "drift", "{:+.2f}"),
    ("… of still pixels", "drift_still", "{:+.2f}"),
    ("boiling", "boiling", "{:.2f}"),
    ("iterations", "iterations", "{:.0f}"),
    ("s/frame", "seconds", "{:.1f}"),
)
RATIOS = ("ewarp_short", "ewarp_long", "style_distance", "content_distance", "sharpness", "boiling")


def table(results: Results, halves: Mapping[str, str]) -> str:
    """Markdown: every sequence, then the means of ratios, the halves apart."""
    lines: list[str] = []
    for name, rows in results.items():
        first = next(iter(rows.values()), None)
        if first is None:
            continue
        shares = f"{_told(first, 'trusted', '{:.0%}')} / {_told(first, 'trusted_long', '{:.0%}')}"
        lines += ["", f"**{name}** ({halves[name] or 'frames given'}, {first['frames']} frames, "]
        lines[-1] += f"trusted short / long {shares}; E_warp of the clip itself "
        lines[-1] += f"{_told(first, 'ewarp_original_short', '{:.1e}')} / "
        lines[-1] += f"{_told(first, 'ewarp_original_long', '{:.1e}')})"
        lines += ["", *head(["method", *(heading for heading, _, _ in COLUMNS)])]
        for method, row in rows.items():
            cells = (_told(row, key, form) for _, key, form in COLUMNS)
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
    for half in dict.fromkeys(halves[name] for name in results):
        lines += ["", *ratios({k: v for k, v in results.items() if halves[k] == half}, half)]
    return "\n".join(lines).strip() + "\n"


def ratios(results: Results, half: str) -> list[str]:
    """Means over sequences of each method's numbers divided by the published method's."""
    methods = dict.fromkeys(method for rows in results.values() for method in rows)
    if not any(BASE in rows for rows in results.values()):
        return []
    told = f"**Mean ratios to {BASE}**" + (f" (the {half} half)" if half else "")
    short = [key.removesuffix("_distance").removeprefix("ewarp_") for key in RATIOS]
    lines = [told, "", *head(["method", *short, "sequences"])]
    for method in methods:
        means = mean_ratios(results, method)
        count = sum(1 for rows in results.values() if method in rows and BASE in rows)
        cells = [f"{means[key]:.3f}" if key in means else "–" for key in RATIOS]
        lines.append(f"| {method} | " + " | ".join(cells) + f" | {count} |")
    return lines


def mean_ratios(results: Results, method: str) -> dict[str, float]:
    """By key; a sequence where either side has no number is left out."""
    found = {}
    for key in RATIOS:
        values = [
            rows[method][key] / rows[BASE][key]
            for rows in results.values()
            if method in rows and BASE in rows
            if rows[method].get(key) is not None and rows[BASE].get(key)
        ]
        if values:
            found[key] = statistics.fmean(values)
    return found


def head(names: Iterable[str]) -> list[str]:
    """A table's first two lines."""
    cells = list(names)
    return ["| " + " | ".join(cells) + " |", "|" + "---|" * len(cells)]


def _told(row: Row, key: str, form: str) -> str:
    value = row.get(key)
    return "–" if value is None else form.format(value)
