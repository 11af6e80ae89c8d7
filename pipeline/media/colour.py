"""Colour: what a clip's tags say, what is assumed where they are silent, and ffmpeg's filters."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.media.chroma import filled, grown

HDR_TRANSFERS = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
MATRICES = ("bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc")
UNKNOWN = ("unknown", "unspecified", "reserved", "")
SCALER = "lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"
TO_RGB = "zscale=matrix=gbr:range=full"
HDR_WHITE = 203  # nits of diffuse white (ITU-R BT.2408)


@dataclass(frozen=True)
class Colour:
    """Colour tags under ffmpeg's names; `range` is "tv" (limited) or "pc" (full)."""

    matrix: str
    range: str
    primaries: str
    transfer: str

    @property
    def hdr(self) -> str | None:
        """ "PQ" or "HLG" where the picture is HDR."""
        return HDR_TRANSFERS.get(self.transfer)


def complete(tags: Colour, size: tuple[int, int], pixels: str) -> tuple[Colour, tuple[str, ...]]:
    """Fill in what a clip's tags leave open, as players do; and the names of what was filled in.

    High definition is BT.709, standard definition BT.601 of 525 or 625 lines; `size` is that of
    the stored picture, `pixels` ffmpeg's name of the pixel format.
    """
    wide, high = max(size), min(size)
    if wide >= 1280 or high > 576:
        system = "bt709"
    else:
        system = "bt470bg" if size[1] in (288, 576) else "smpte170m"
    if is_rgb(pixels):
        guess = Colour("gbr", "pc", "bt709", "iec61966-2-1")
    else:
        matrix = system if tags.matrix in UNKNOWN else tags.matrix
        family = _FAMILIES.get(matrix, system)
        full = pixels.startswith("yuvj") or (is_grey(pixels) and tags.range in UNKNOWN)
        guess = Colour(matrix, "pc" if full else "tv", family, _TRANSFERS.get(family, family))
    if tags.transfer in HDR_TRANSFERS and not is_rgb(pixels):
        guess = replace(guess, primaries="bt2020")
        if tags.matrix in UNKNOWN:
            guess = replace(guess, matrix="bt2020nc")
    found = Colour(
        *(
            assumed if given in UNKNOWN else given
            for given, assumed in zip(_fields(tags), _fields(guess), strict=True)
        )
    )
    if pixels.startswith("yuvj"):
        found = replace(found, range="pc")
    if is_rgb(pixels):
        found = replace(found, matrix="gbr", range="pc")
    names = ("matrix", "range", "primaries", "transfer")
    filled = tuple(
        name for name, given in zip(names, _fields(tags), strict=True) if given in UNKNOWN
    )
    return found, filled


def stored(colour: Colour, size: tuple[int, int], *, full_range: bool) -> Colour:
    """The tags of the painted clip: the clip's own, where a YUV file can carry them.

    HDR comes out as BT.709, RGB sources get the matrix of their size; `size` is the output's.
    """
    if colour.hdr:
        return Colour("bt709", "tv", "bt709", "bt709")
    matrix, extent = colour.matrix, colour.range
    if matrix == "gbr":
        matrix, extent = complete(Colour("", "", "", ""), size, "yuv420p")[0].matrix, "tv"
    elif matrix not in MATRICES:
        matrix = "bt709"
    if not full_range:
        extent = "tv"
    return Colour(matrix, extent, colour.primaries, colour.transfer)


def to_rgb(
    colour: Colour, pixels: str, size: tuple[int, int], *, alpha: bool, deep: bool
) -> list[str]:
    """Filters from decoded frames to full-range planar RGB of 8 (or `deep`, 16) bits.

    HDR is tone-mapped to BT.709; alpha is composited on black. zscale converts, because swscale's
    rounding darkens by up to half a level of 255; it takes no odd sizes with subsampled chroma.
    """
    fill, cut = filled(pixels, size)
    chain = [*fill, *_plain_rgb(pixels, alpha=alpha), _known(colour, pixels)]
    if colour.hdr:
        chain += [
            f"zscale=transfer=linear:npl={HDR_WHITE}",
            "format=gbrpf32le",
            "zscale=primaries=bt709",
            "tonemap=mobius:param=0.5:desat=0",
            "zscale=transfer=bt709:range=full",
        ]
    elif alpha:  # in 16 bits, as multiplying 8 bits by an opaque alpha loses a level
        chain += [TO_RGB, "format=gbrap16le", "premultiply=inplace=1", TO_RGB]
    else:
        chain.append(TO_RGB)
    return [*chain, "format=gbrp16le" if deep else "format=gbrp", *cut]


def from_rgb(colour: Colour, pixels: str, size: tuple[int, int], *, deep: bool) -> list[str]:
    """Filters from full-range RGB frames to the stored pixel format with its tags."""
    full = replace(colour, matrix="gbr", range="pc")
    if is_rgb(pixels):
        return [f"format={pixels}", tagged(full)]
    even = (size[0] + size[0] % 2, size[1] + size[1] % 2)
    return [
        "format=gbrp16le" if deep else "format=gbrp",
        grown(size, even),
        tagged(full),
        f"zscale=matrix={colour.matrix}:range={colour.range}:filter=lanczos",
        f"format={pixels}",
        f"crop={size[0]}:{size[1]}:0:0:exact=1",
        tagged(colour),
    ]


def resized(size: tuple[int, int]) -> str:
    """The filter that scales planar RGB to (width, height)."""
    return f"zscale=w={size[0]}:h={size[1]}:filter=lanczos"


def _known(colour: Colour, pixels: str) -> str:
    """The filter that tags frames with what zscale knows.

    Primaries and transfer are named only where they are converted.
    """
    if colour.hdr:
        return tagged(colour)
    matrix = "gbr" if is_rgb(pixels) else _convertible(colour.matrix)
    return tagged(Colour(matrix, colour.range, "unknown", "unknown"))


def _plain_rgb(pixels: str, *, alpha: bool) -> list[str]:
    """The filter that unpacks palettes and odd RGB layouts, exactly."""
    if not is_rgb(pixels) or pixels.startswith("gbr"):
        return []
    deep = any(depth in pixels for depth in ("48", "64", "x2", "f32", "f16", "96", "128"))
    formats = {(False, False): "rgb24", (False, True): "rgb48le", (True, False): "rgba"}
    return [f"format={formats.get((alpha, deep), 'rgba64le')}"]


def _convertible(matrix: str) -> str:
    return (
        matrix if matrix in (*MATRICES, "ycgco") else "bt2020nc" if "bt2020" in matrix else "bt709"
    )


def tagged(colour: Colour) -> str:
    """The filter that writes these tags on every frame."""
    return (
        f"setparams=range={colour.range}:color_primaries={colour.primaries}"
        f":color_trc={colour.transfer}:colorspace={colour.matrix}"
    )


def is_rgb(pixels: str) -> bool:
    """Whether a pixel format holds RGB (or a palette of it)."""
    return pixels.startswith(
        ("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal", "x2", "mono")
    )


def is_grey(pixels: str) -> bool:
    """Whether a pixel format holds luma alone."""
    return pixels.startswith(("gray", "ya8", "ya16", "yaf"))


def _fields(colour: Colour) -> tuple[str, str, str, str]:
    return colour.matrix, colour.range, colour.primaries, colour.transfer


_FAMILIES = {
    "bt709": "bt709",
    "bt470bg": "bt470bg",
    "smpte170m": "smpte170m",
    "smpte240m": "smpte240m",
    "bt2020nc": "bt2020",
    "bt2020c": "bt2020",
    "fcc": "bt470m",
}
_TRANSFERS = {"bt470bg": "smpte170m", "bt2020": "bt2020-10"}
