"""What one call is asked for beside its config, and what is to be told of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.words import many


@dataclass(frozen=True)
class Options:
    """What the command line says of one call, and no config keeps.

    `frames` (first, last + 1) and `shot` choose a part of the work, `until` the last stage.

    Raises:
        ConfigError: they do not go together.
    """

    fresh: bool = False
    overwrite: bool = False
    quiet: bool = False
    frames: tuple[int, int] | None = None
    shot: int | None = None
    until: str = "video"

    def __post_init__(self) -> None:
        if self.frames and self.shot is not None:
            raise ConfigError("--frames and --shot choose a part of the run each: give one of them")
        if self.until == "frames" and self.shot is not None:
            raise ConfigError(
                "--shot: shots are found after --until frames: give --until shots or a later one"
            )


@dataclass
class Outcome:
    """What a call did, to be told; with several passes each frame counts once in each.

    `prepared` says what is there, where no painting was asked for.
    """

    work: Path
    output: Path | None = None
    sheet: Path | None = None
    frames: int = 0
    passes: int = 1
    done: int = 0
    painted: int = 0
    encoded: bool = False
    prepared: str = ""
    seconds: float = 0.0
    flagged: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The summary, line by line."""
        yield self._summary()
        yield from self.flagged
        if self.output:
            yield f"video: {self.output}"
        if self.sheet:
            yield f"sheet: {self.sheet}"
        yield f"work:  {self.work} (frames, flow, record.jsonl; may be removed when all is done)"

    def _summary(self) -> str:
        """What was done, and what was there before."""
        passes = f" (in {self.passes} passes)" if self.passes > 1 else ""
        every, are = many(self.frames, "frame") + passes, "is" if self.done == 1 else "are"
        minutes, seconds = divmod(round(self.seconds), 60)
        took = f"in {minutes}:{seconds:02d}"
        if self.prepared:
            return f"{self.prepared} {took}"
        if self.output and not self.painted:
            if self.encoded:
                return f"video written {took}: {self.done} of {every} {are} painted"
            return f"nothing to do: {self.done} of {every} {are} painted, the video has them"
        rest = f", {self.done} {are} done" if self.done > self.painted else ""
        return f"painted {self.painted} of {every} {took}{rest}"
