"""Frames of odd sizes whose pixels share their chroma, filled up so that all of it goes into them.

zscale takes no others, ffmpeg's `pad` drops the chroma of an odd last column, and swscale stretches
it over the frame.
"""

from __future__ import annotations

import av

Size = tuple[int, int]
_SAMPLINGS = {(2, 2): "420", (2, 1): "422", (1, 2): "440", (4, 1): "411", (4, 4): "410"}


def grown(size: Size, whole: Size) -> str:
    """Filters from frames of one size to a larger one, by repeating the last column and row.

    Only for frames whose planes are all of that size.
    """
    right, below = whole[0] - size[0], whole[1] - size[1]
    if not (right or below):
        return "null"
    return f"pad={whole[0]}:{whole[1]}:0:0,fillborders=right={right}:bottom={below}:mode=smear"


def filled(pixels: str, size: Size) -> tuple[list[str], list[str]]:
    """Filters that fill frames up, a plane at a time; and those that cut that off in the end."""
    shape = av.VideoFormat(pixels)
    share = (8 // (shape.chroma_width(8) or 8), 8 // (shape.chroma_height(8) or 8))
    whole = (-(-size[0] // share[0]) * share[0], -(-size[1] // share[1]) * share[1])
    if whole == size or share not in _SAMPLINGS:
        return [], []
    planes = "yuva"[: len(shape.components)]
    bits = shape.components[0].bits
    planar = f"{planes}{_SAMPLINGS[share]}p{'' if bits == 8 else f'{bits}le'}"
    steps = [] if pixels.replace("yuvj", "yuv") == planar else [f"format={planar}"]
    steps.append(f"extractplanes={'+'.join(planes)}")
    graph = [",".join(steps) + "".join(f"[in_{plane}]" for plane in planes)]
    for plane in planes:
        one = share if plane in "uv" else (1, 1)
        own, wanted = ((-(-s[0] // one[0]), -(-s[1] // one[1])) for s in (size, whole))
        graph.append(f"[in_{plane}]{grown(own, wanted)}[out_{plane}]")
    sources = ":".join(f"map{number}s={number}" for number in range(len(planes)))
    ends = "".join(f"[out_{plane}]" for plane in planes)
    graph.append(f"{ends}mergeplanes=format={planar}:{sources}")
    return [";".join(graph)], [f"crop={size[0]}:{size[1]}:0:0:exact=1"]
