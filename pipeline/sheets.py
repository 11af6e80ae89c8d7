"""Sheets to look at: pictures in a grid with words below them, and the shots of a clip."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.images import Pixels, thumbnail
from pipeline.media import Timeline
from pipeline.shots import Shot

GROUND, INK = (24, 24, 24), (225, 225, 225)
FONT_SIZE = 13
GAP = 6
MOST_SHOTS = 300
# From how many shots on there are so many columns of shots, with pictures of this width.
DENSITIES = ((60, 4, 112), (24, 3, 136), (8, 2, 160), (0, 1, 240))


@dataclass(frozen=True)
class Cell:
    """A picture `(H, W, 3)` and the lines below it; without a picture, the words alone."""

    pixels: Pixels | None
    lines: tuple[str, ...] = ()


def labelled_sheet(rows: Sequence[Sequence[Cell]], width: int) -> Pixels:
    """Rows of cells on dark grey, every picture `width` pixels across, its words wrapped below."""
    font = _font()
    drawn = [[_draw(cell, width, font) for cell in row] for row in rows]
    columns = max(len(row) for row in drawn)
    heights = [max(cell.shape[0] for cell in row) for row in drawn]
    size = (sum(heights) + GAP * (len(rows) + 1), columns * (width + GAP) + GAP, 3)
    sheet = np.full(size, GROUND[0], np.uint8)
    top = GAP
    for row, height in zip(drawn, heights, strict=True):
        for column, cell in enumerate(row):
            left = GAP + column * (width + GAP)
            sheet[top : top + cell.shape[0], left : left + width] = cell
        top += height + GAP
    return sheet


def shots_sheet(
    shots: Sequence[Shot],
    load_pixels: Callable[[int], Pixels],
    timeline: Timeline,
    zero: Fraction = Fraction(0),
) -> Pixels:
    """The first, middle and last frame of each shot, with the shot's number, frames and times.

    Frames count the run's; times are the clip's own, as `shots.cuts` takes them, if `zero` is the
    clip's `VideoInfo.zero`. It shows at most 300 shots, in columns from top to bottom; for more,
    hand over slices of `shots`.
    """
    shown = shots[:MOST_SHOTS]
    across, width = next((a, w) for least, a, w in DENSITIES if len(shown) > least)

    def time(frame: int) -> str:
        return timecode(timeline.origin - zero + timeline.ticks[frame] * timeline.time_base)

    def triple(shot: Shot) -> list[Cell]:
        frames = (shot.start, (shot.start + shot.stop) // 2, shot.stop - 1)
        cells = [Cell(load_pixels(n), (f"frame {n}", time(n))) for n in frames]
        first = (f"shot {shot.index}, frame {shot.start}", time(shot.start))
        return [Cell(cells[0].pixels, first), *cells[1:]]

    down = -(-len(shown) // across)
    rows = [
        list(itertools.chain.from_iterable(triple(shot) for shot in shown[row::down]))
        for row in range(down)
    ]
    if shots[MOST_SHOTS:]:
        rows.append([Cell(None, (f"… and {len(shots) - MOST_SHOTS} more shots",))])
    return labelled_sheet(rows, width)


def timecode(seconds: Fraction) -> str:
    """A time as the config takes it: hours, minutes, seconds to the millisecond."""
    total = max(0, round(seconds * 1000))
    minutes, milliseconds = divmod(total, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"


def _draw(cell: Cell, width: int, font: ImageFont.FreeTypeFont) -> Pixels:
    lines = [part for line in cell.lines for part in _wrapped(line, width, font)]
    line_height = FONT_SIZE + 4
    words = Image.new("RGB", (width, line_height * len(lines) + (3 if lines else 0)), GROUND)
    pen = ImageDraw.Draw(words)
    for number, line in enumerate(lines):
        pen.text((1, 2 + number * line_height), line, INK, font)
    parts = [] if cell.pixels is None else [thumbnail(cell.pixels, width)]
    return np.concatenate([*parts, np.asarray(words)])


def _wrapped(text: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    """A text in lines that fit, broken between words, or inside of one that is too long."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if font.getlength(longer) <= width - 2:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width - 2:
                lines.append("")
            lines[-1] += letter
    return lines


def _font() -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(FONT_SIZE)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
