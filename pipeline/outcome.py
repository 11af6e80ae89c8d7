"""What one call is asked for beside its config, and what is to be told of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What the command line says of one call, and no config keeps.

    `frames` (first, last + 1) and `shot` choose a part of the work, `until` the last stage.
    """

    fresh: bool = False
    overwrite: bool = False
    quiet: bool = False
    frames: tuple[int, int] | None = None
    shot: int | None = None
    until: str = "video"


@dataclass
class Outcome:
    """What a call did, to be told; with several passes each frame counts once in each."""

    work: Path
    output: Path | None = None
    sheet: Path | None = None
    frames: int = 0
    passes: int = 1
    done: int = 0
    painted: int = 0
    encoded: bool = False
    seconds: float = 0.0
    flagged: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The summary, line by line."""
        what = "frames" if self.passes == 1 else f"frames (in {self.passes} passes)"
        if self.output and not self.painted and not self.encoded and self.done == self.frames:
            yield f"nothing to do: all {self.frames} {what} are painted and the video is written"
        elif self.output and not self.painted and not self.encoded:
            yield f"nothing to do: the video has the {self.done} {what} that are painted"
        else:
            minutes, seconds = divmod(round(self.seconds), 60)
            rest = f", {self.done} are done" if self.done > self.painted else ""
            yield f"painted {self.painted} of {self.frames} {what} in {minutes}:{seconds:02d}{rest}"
        yield from self.flagged
        if self.output:
            yield f"video: {self.output}"
        if self.sheet:
            yield f"sheet: {self.sheet}"
        yield f"work:  {self.work} (frames, flow, record.jsonl; may be removed when all is done)"
