"""Every key that a config file can hold: its type, its default and one line of meaning.

The names that a key allows stand here as literals, so that a wrong one is answered without
importing torch; tests hold them equal to the registries' keys.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.keytypes import AnyPath
from pipeline.sections.clip import InputConfig, OutputConfig, ShotsConfig
from pipeline.sections.painting import (
    ContentConfig,
    OptimizerConfig,
    StyleConfig,
    TvConfig,
    VggConfig,
)
from pipeline.sections.section import Section
from pipeline.sections.temporal import FlowConfig, TemporalConfig

__all__ = [
    "ContentConfig",
    "FlowConfig",
    "InputConfig",
    "OptimizerConfig",
    "OutputConfig",
    "RunConfig",
    "RunSection",
    "Section",
    "ShotsConfig",
    "StyleConfig",
    "TemporalConfig",
    "TvConfig",
    "VggConfig",
]


class RunSection(Section):
    """Where and with what to work."""

    work: AnyPath | None = None
    """The work folder; by default `<output>.work` beside the output."""
    keep: Literal["result", "all"] = "result"
    """"result": remove the flow of a shot that is finished; "all": keep it."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    """"auto" (cuda, mps, cpu: the first there is), "cpu", "cuda", "cuda:1", "mps"."""
    threads: int = Field(default=0, ge=0, le=1024)
    """Threads for the computation; 0: what OMP_NUM_THREADS says, else one for each core."""
    seed: int = Field(default=0, ge=0)
    """Seed of all that is random."""
    frame_bits: Literal["auto", 8, 16] = "auto"
    """Bits of the PNG frames in the work folder; "auto": 16 where the clip has more than 8."""


class RunConfig(Section):
    """One run, as its config file says it."""

    input: InputConfig = InputConfig()
    output: OutputConfig = OutputConfig()
    style: StyleConfig = StyleConfig()
    content: ContentConfig = ContentConfig()
    tv: TvConfig = TvConfig()
    temporal: TemporalConfig = TemporalConfig()
    flow: FlowConfig = FlowConfig()
    shots: ShotsConfig = ShotsConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    vgg: VggConfig = VggConfig()
    run: RunSection = RunSection()
