"""How fast this machine paints: one evaluation of the loss, against a plain matrix product.

    python scripts/bench.py [--sizes 320x180,640x360] [--repeat 5] [--json FILE]

On a frame of examples/city.mp4 with the default objective. The matrix product and the evaluations
take turns, so that a passing load falls on both; medians are printed, and the spread, which tells
whether the machine was too busy to say anything.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from pipeline import images, machine, media, vgg
from pipeline.optimize import Evaluation
from pipeline.schedule import Source
from pipeline.sections import InputConfig, RunConfig
from pipeline.stylize import Stylizer
from pipeline.vgg import CHANNELS, NAMES

EXAMPLES = Path(__file__).parent.parent / "examples"
DEEPEST = (5, 1)  # relu5_1


class NoFlow:
    """A first frame needs none."""

    def flow(self, i: int, j: int) -> torch.Tensor:
        raise NotImplementedError

    weight = flow

    def forget(self, start: int, stop: int) -> None:
        raise NotImplementedError


def first_frame(width: int, height: int) -> torch.Tensor:
    """The first frame of the example, at a size."""
    options = InputConfig(path=EXAMPLES / "city.mp4", bars="none", width=width, height=height)
    clip = media.plan_clip(media.probe(EXAMPLES / "city.mp4", options), options)
    with media.read_frames(clip) as reader:
        return images.to_tensor(next(reader).pixels)


def network_flops(width: int, height: int) -> float:
    """Floating-point operations of VGG-19 up to relu5_1, forward and back to the pixels."""
    total, inputs = 0.0, 3
    for block, number in NAMES:
        pixels = -(-width // 2 ** (block - 1)) * -(-height // 2 ** (block - 1))
        total += 2 * 9 * inputs * CHANNELS[block - 1] * pixels
        inputs = CHANNELS[block - 1]
        if (block, number) == DEEPEST:
            break
    return 2 * total


def evaluation(precision: str, width: int, height: int) -> Callable[[], object]:
    """A call that evaluates the default loss and its gradient once."""
    config, device = RunConfig(), machine.choose_device("auto")
    network = vgg.Vgg19(
        vgg.load_weights("oxford"), precision, config.vgg.pooling, config.vgg.padding, device
    )
    frame = first_frame(width, height).to(device)
    painting = images.read_painting(EXAMPLES / "cafe_terrace.jpg")

    def load_painted(source: Source) -> torch.Tensor:
        raise NotImplementedError

    stylizer = Stylizer(config, network, painting, lambda n: frame, load_painted, NoFlow(), device)
    evaluate = Evaluation(stylizer.objective(frame, []))
    return lambda: evaluate(frame)


def product(precision: str, size: int = 2048) -> Callable[[], object]:
    """A call that multiplies two matrices."""
    matrix = torch.rand(size, size).to(machine.choose_device("auto"), vgg.DTYPES[precision])
    return lambda: (matrix @ matrix).sum().item()


def seconds(calls: dict[str, Callable[[], object]], repeat: int) -> dict[str, list[float]]:
    """The times of each call, taken in turn after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeat + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - began)
    return {name: found[1:] for name, found in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sizes", default="320x180,640x360", help="WIDTHxHEIGHT, …")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    threads = machine.set_threads(0)
    precision = machine.choose_precision("auto", machine.choose_device("auto"))
    print(f"{precision}, {threads} threads; medians of {options.repeat}")
    sizes = [tuple(map(int, size.split("x"))) for size in options.sizes.split(",")]
    calls = {f"{w}x{h}": evaluation(precision, w, h) for w, h in sizes}
    times = seconds({"product": product(precision), **calls}, options.repeat)
    rate = 2 * 2048**3 / statistics.median(times["product"])
    print(f"{'matrix product':14} {rate / 1e12:.2f} TFLOP/s")
    figures: dict[str, dict[str, float]] = {}
    for (width, height), name in zip(sizes, calls, strict=True):
        median = statistics.median(times[name])
        figures[name] = {
            "seconds": median,
            "spread": max(times[name]) / min(times[name]),
            "gemm_share": network_flops(width, height) / median / rate,
            "seconds_per_megapixel": median / (width * height / 1e6),
        }
        print(
            f"{name:14} {median:.3f} s an evaluation "
            f"(slowest/quickest {figures[name]['spread']:.2f}), "
            f"{figures[name]['gemm_share']:.0%} of the product's rate, "
            f"{figures[name]['seconds_per_megapixel']:.2f} s a megapixel"
        )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
