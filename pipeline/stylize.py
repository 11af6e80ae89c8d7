"""The stylizer: one step of the schedule to one painted image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from pipeline import machine
from pipeline.config import pick
from pipeline.errors import OptimizationError
from pipeline.images import resize
from pipeline.losses import TemporalTarget
from pipeline.objective import AGED, FrameLoss
from pipeline.optimize import OPTIMIZERS, LossReport, Minimum, Objective, minimize
from pipeline.schedule import Source, Step
from pipeline.sections import OptimizerConfig, RunConfig
from pipeline.style import Style, acts_on
from pipeline.temporal import Flows, Neighbours
from pipeline.vgg import Vgg19
from pipeline.weights import MEAN

HARDLY = 0.01  # share of style below which a frame is black
Progress = Callable[[int, LossReport], None]


class Stylizer:
    """Paints steps; between steps it keeps only the painting's statistics and the frames' size.

    Args:
        config: the run's config.
        network: the encoder.
        painting: the style image `(1, 3, h, w)`.
        load_frame: the clip's frame of a number, `(1, 3, H, W)`.
        load_painted: the painted image of an earlier step, `(1, 3, H, W)`.
        flows: backward flow and weights between the clip's frames.
        device: where to compute.
    """

    def __init__(
        self,
        config: RunConfig,
        network: Vgg19,
        painting: Tensor,
        load_frame: Callable[[int], Tensor],
        load_painted: Callable[[Source], Tensor],
        flows: Flows,
        device: torch.device,
    ) -> None:
        self.config = config
        self.network = network
        self.style = Style(config.style, painting.to(device), network)
        self.load_frame = load_frame
        self.load_painted = load_painted
        self.flows = flows
        self.device = device
        self.optimizer = pick(OPTIMIZERS, config.optimizer.name, "optimizer.name")
        self._size: tuple[int, int] | None = None  # height, width: all frames have one

    def paint(self, step: Step, progress: Progress = lambda iteration, report: None) -> Minimum:
        """Minimise the loss for one step, from its start.

        A first frame is painted coarse to fine (Gatys et al. 2017, section 6), so that strokes grow
        with the frame; each scale starts from the coarser one's result. The losses told are those
        of the full size, since sizes do not compare; iterations are those of all scales together,
        and it "stalled" if any of them did.

        Raises:
            OptimizationError: the loss or its gradient is NaN or infinite; out of memory.
        """
        frame = self._load(step)
        with _enough_memory(frame):
            given = (self.load_frame, self.load_painted, self.flows)
            around = Neighbours(step, frame, self.config.temporal, *given)
            start = self._start(around)
            if not step.needs:
                return self._coarse_to_fine(frame, start, progress)
            # Smooth steps would leave fine detail behind: frames soften by 3 % over forty.
            options = self.config.optimizer.model_copy(update={"smooth": 0.0})
            held = around.targets()
            return self._minimize(frame, start, options.iterations, options, held, progress)

    def iterations(self, step: Step) -> int:
        """How many iterations a step takes at most, over all its scales."""
        options = self.config.optimizer
        if step.needs:
            return options.iterations
        height, width = self._size or self._load(step).shape[-2:]
        return options.first_iterations * (1 + len(coarser_sizes(height, width, options.coarsest)))

    def _load(self, step: Step) -> Tensor:
        frame = self.load_frame(step.frame).to(self.device)
        self._size = (frame.shape[-2], frame.shape[-1])
        return frame

    def _coarse_to_fine(self, frame: Tensor, start: Tensor, progress: Progress) -> Minimum:
        full, options = (frame.shape[-2], frame.shape[-1]), self.config.optimizer
        last = options.model_copy(update={"tolerance": options.first_tolerance, "remainder": 0.0})
        coarser = coarser_sizes(*full, options.coarsest) if options.first_iterations else []
        scales: list[Minimum] = []
        for (height, width), rule in [*((size, coarse(options)) for size in coarser), (full, last)]:
            small, begin = resize(frame, height, width), resize(start, height, width)
            most = options.first_iterations
            scales.append(self._minimize(small, begin, most, rule, [], progress))
            start = resize(scales[-1].image, *full)
        iterations = sum(scale.iterations for scale in scales)
        stalled = any(scale.stopped == "stalled" for scale in scales)
        stopped = "stalled" if stalled else scales[-1].stopped
        return replace(scales[-1], iterations=iterations, stopped=stopped)

    def _minimize(
        self,
        frame: Tensor,
        start: Tensor,
        iterations: int,
        options: OptimizerConfig,
        held: list[TemporalTarget],
        progress: Progress,
    ) -> Minimum:
        objective = self.objective(frame, held, options.refresh)
        if acts_on(frame, self.config.style) < HARDLY:  # little is painted, of little loss
            iterations = min(iterations, options.window)
        given = (start, iterations, options, progress, self.noise)
        return minimize(self.optimizer, objective, *given)

    @property
    def noise(self) -> float:
        """By which share of itself a loss may be off while it is minimised."""
        return max(self.network.noise, AGED if self.config.optimizer.refresh > 1 else 0.0)

    def objective(self, frame: Tensor, held: list[TemporalTarget], refresh: int = 1) -> Objective:
        """The loss of a frame; exact, unless `refresh` lets small losses age (`FrameLoss`)."""
        machine.settle_memory(frame[0, 0].numel())
        return FrameLoss(self.config, self.network, self.style, frame, held, refresh)

    def _start(self, around: Neighbours) -> Tensor:
        if around.step.init == "content":
            return around.frame
        if around.step.init == "random":
            return self._noise(around.step, around.frame)
        return around.start()

    def _noise(self, step: Step, frame: Tensor) -> Tensor:
        """Faint noise on the network's mean colour, as the published code starts from.

        The seed derives from (seed, frame, pass), never from the order of work.
        """
        text = f"{self.config.run.seed} {step.frame} {step.pass_index}"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
        noise = torch.randn(frame.shape, generator=torch.Generator().manual_seed(seed)) * 0.001
        return ((torch.tensor(MEAN).view(1, 3, 1, 1) + noise) / 255).to(self.device)


@contextmanager
def _enough_memory(frame: Tensor) -> Iterator[None]:
    """Tell of memory that does not do in a line."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        told = "out of memory" in str(error) or "DefaultCPUAllocator" in str(error)
        if not told and not isinstance(error, MemoryError | torch.OutOfMemoryError):
            raise
        height, width = frame.shape[-2:]
        raise OptimizationError(
            f"out of memory at {width}x{height}; lower input.max_side or optimizer.history"
        ) from None


def coarser_sizes(height: int, width: int, coarsest: int) -> list[tuple[int, int]]:
    """The sizes below a frame's own, the coarsest first: halved while no side falls below it."""
    sizes: list[tuple[int, int]] = []
    while coarsest and min(height, width) // 2 >= coarsest:
        height, width = height // 2, width // 2
        sizes.insert(0, (height, width))
    return sizes


def coarse(options: OptimizerConfig) -> OptimizerConfig:
    """Coarser scales end as later frames do: what they leave undone, the next scale does."""
    tolerance = max(options.tolerance, options.first_tolerance)
    return options.model_copy(update={"tolerance": tolerance, "remainder": 0.0})
