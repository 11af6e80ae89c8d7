"""The painted picture back in its frame: the bars that the clip has around it, as they are."""

from __future__ import annotations

from collections.abc import Generator, Iterable

import cv2

from pipeline.media.decode import read_whole
from pipeline.media.geometry import Pixels, Size, placed
from pipeline.media.info import VideoInfo
from pipeline.media.timing import Timeline
from pipeline.sections import InputConfig


def framed(
    frames: Iterable[Pixels],
    timeline: Timeline,
    info: VideoInfo,
    options: InputConfig,
    size: Size,
) -> Generator[Pixels]:
    """Painted frames (H, W, 3); where the clip has bars, scaled to `size` with its bars around.

    For that the clip is read once more, beside the painted frames. Close it when it is not read to
    its end.

    Raises:
        MediaError: the clip does not decode any more.
    """
    crop = timeline.geometry.crop
    if crop is None:
        yield from frames
        return
    x, y, wide, high = placed(crop, info.size, size)
    with read_whole(info, options, timeline, size) as reader:
        whole = None
        for painted in frames:
            read = next(reader, None)
            whole = whole if read is None else read.pixels
            assert whole is not None, "the reader has raised"
            if painted.shape[:2] != (high, wide):
                scaled = cv2.resize(painted, (wide, high), interpolation=cv2.INTER_LANCZOS4)
                whole[y : y + high, x : x + wide] = scaled
            else:
                whole[y : y + high, x : x + wide] = painted
            yield whole
