"""What is painted in the benchmark: real consecutive frames, and one painting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline import images, media
from pipeline.sections import InputConfig

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
PAINTING = EXAMPLES / "cafe_terrace.jpg"
SEVERAL = ("car-turn.mp4", "chaplin.mp4", "paragliding-launch.mp4")


@dataclass(frozen=True)
class Size:
    """Width and height of a frame, in pixels."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read "320x180"."""
        width, _, height = text.partition("x")
        return cls(int(width), int(height))

    @property
    def megapixels(self) -> float:
        """Of one frame."""
        return self.width * self.height / 1e6

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Span:
    """Consecutive frames of a clip: one that is painted as a shot's first, and those after it."""

    clip: Path
    first: int
    warped: int

    @property
    def name(self) -> str:
        """As it is printed, and begins the names of kept files."""
        return f"{self.clip.stem}-{self.first}"

    def frames(self, size: Size) -> dict[int, torch.Tensor]:
        """The frames `(1, 3, H, W)` by their numbers in the clip."""
        options = InputConfig(
            path=self.clip,
            end=f"{self.first + self.warped + 1}f",
            bars="none",
            width=size.width,
            height=size.height,
        )
        clip = media.plan_clip(media.probe(self.clip, options), options)
        found: dict[int, torch.Tensor] = {}
        with media.read_frames(clip) as reader:
            for number, frame in enumerate(reader):
                if number >= self.first:
                    found[number] = images.to_tensor(frame.pixels)
        return found


def spans(clips: Path | None) -> tuple[Span, ...]:
    """The benchmark's frames: a common one, then two that follow each other in quick motion.

    Of real footage where it is there (in 21 the published check distrusts 5 % of the pixels, in 69
    24 % and in 70 36 %, the most of the clip), else of the example (9, 14 and 32 %).
    """
    car = None if clips is None else clips / "car-turn.mp4"
    if car is not None and car.is_file():
        return (Span(car, 20, 1), Span(car, 68, 2))
    city = EXAMPLES / "city.mp4"
    return (Span(city, 10, 1), Span(city, 36, 2))


def several(clips: Path | None) -> tuple[Span, ...]:
    """Two frames each of three clips, or of three places of the example."""
    real = [] if clips is None else [clips / name for name in SEVERAL]
    if real and all(path.is_file() for path in real):
        return tuple(Span(path, 20, 1) for path in real)
    return tuple(Span(EXAMPLES / "city.mp4", first, 1) for first in (10, 26, 36))


def default_clips() -> Path | None:
    """The folder of real clips that lies beside the project, if there is one."""
    folder = ROOT.parent / "shared" / "media" / "videos"
    return folder if folder.is_dir() else None
