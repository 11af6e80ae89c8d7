"""Flow of the next step, computed beside the painting of this one where a core is free."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from pipeline import machine
from pipeline.schedule import Step, pairs
from pipeline.temporal import Flows


class FlowAhead:
    """Computes flow and weights in one thread of its own; the painting waits for what it needs.

    What it computes goes through the store's files like any other, so that results do not depend
    on it. Leaving the context lets a pair that has begun end, and computes no more.

    Args:
        flows: the store that both sides read and fill.
        beside: whether to; without it nothing is computed before it is asked for.
    """

    def __init__(self, flows: Flows, beside: bool) -> None:
        self.flows = flows
        self._pool = ThreadPoolExecutor(1, "flow") if beside else None
        self._begun: dict[Step, list[Future[Tensor]]] = {}

    def __enter__(self) -> FlowAhead:
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def between(self, step: Step, following: Step | None) -> None:
        """Wait for a step's flow, as far as it was begun, and begin that of the following one.

        Raises: what computing the step's flow did.
        """
        for future in self._begun.pop(step, ()):
            future.result()
        if self._pool is not None and following is not None:
            wanted = pairs([following])
            self._begun[following] = [
                self._pool.submit(self.flows.weight, *pair) for pair in wanted
            ]


def core_is_free(device: torch.device) -> bool:
    """Whether painting leaves a core of this machine to other work."""
    return device.type != "cpu" or torch.get_num_threads() < machine.available_cores()
