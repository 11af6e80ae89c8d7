"""The named parts of a config, put together to a stylizer over a work folder."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import torch

from flow.estimators import ESTIMATORS, ON_LARGER
from flow.occlusion import CHECKS
from flow.store import FlowStore, Larger
from pipeline import arithmetic, images, machine, vgg
from pipeline.arithmetic import Arithmetic
from pipeline.config import pick
from pipeline.schedule import Source
from pipeline.sections import RunConfig
from pipeline.stylize import Stylizer
from pipeline.weights import load_weights
from pipeline.words import many
from pipeline.workdir import WorkDir

logger = logging.getLogger("brushflow")


def assemble(config: RunConfig, work: WorkDir, painting: torch.Tensor) -> Stylizer:
    """The stylizer that a config describes; it reads frames and flow from the work folder.

    Raises:
        ConfigError, WeightsError, FlowError: a part that is not there or cannot be used.
    """
    device = machine.choose_device(config.run.device)
    threads = machine.set_threads(config.run.threads)
    precision, convolution = kept_arithmetic(config, work, device)
    before = work.manifest.get("threads", threads)
    if before != threads:
        now = many(threads, "thread")
        logger.info("going on with %s, begun with %d: last digits differ", now, before)
    work.note(threads=threads)
    words = device, many(threads, "thread"), precision, convolution
    logger.info("computing on %s with %s, VGG in %s (%s convolution)", *words)
    options = config.vgg
    network = vgg.Vgg19(
        load_weights(options.weights),
        precision,
        options.pooling,
        options.padding,
        device,
        convolution,
    )
    machine.give_back_memory()  # what the making of filters left: as much as the filters

    def load_frame(number: int) -> torch.Tensor:
        return images.read_image(work.frame(number))

    def load_painted(source: Source) -> torch.Tensor:
        return images.read_image(work.painted(source))

    def load_larger(number: int) -> torch.Tensor | None:
        return images.read_image(work.detail.path(number)) if work.detail.complete else None

    store = flow_store(config, load_frame, work.flow, load_larger)
    return Stylizer(config, network, painting, load_frame, load_painted, store, device)


def kept_arithmetic(config: RunConfig, work: WorkDir, device: torch.device) -> Arithmetic:
    """Measured once for a run: a resumed one keeps what the first chose."""
    kept = {key: work.manifest[key] for key in Arithmetic._fields if key in work.manifest}
    chosen = arithmetic.choose(config.vgg.model_copy(update=kept), device)
    work.note(**chosen._asdict())
    return chosen


def flow_store(
    config: RunConfig,
    load_frame: Callable[[int], torch.Tensor],
    folder: Path,
    load_larger: Callable[[int], torch.Tensor | None] | None = None,
) -> FlowStore:
    """Flow and weights as the config's `[flow]` says, kept in a folder.

    Args:
        config: the run's config.
        load_frame: the frames that flow is for.
        folder: where it is kept.
        load_larger: the same frames larger, for the estimator; None of those that there are not.

    Raises:
        ConfigError, FlowError: an estimator, a check or flow files that cannot be used.
    """
    options = config.flow
    factory = pick(ESTIMATORS, options.estimator, "flow.estimator")
    estimator = larger = factory(options)
    if options.estimator in ON_LARGER:
        larger = ON_LARGER[options.estimator](options)
    check = pick(CHECKS, options.check, "flow.check")
    seen = None if load_larger is None else Larger(load_larger, larger)
    parts = (load_frame, estimator, check, options.files, seen, options.still)
    return FlowStore(folder, *parts)
