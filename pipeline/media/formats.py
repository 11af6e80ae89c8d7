"""Tables: what we let ffmpeg open, and what each output container holds."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

# Demuxers that read one file and nothing else: no playlists, no patterns, no network descriptions,
# no text or vector art. A protocol whitelist alone would still let a playlist open other files.
DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "asf",
    "ogg", "gif", "apng", "webp_anim", "nut", "ivf", "h261", "h263", "h264", "hevc", "vvc", "evc",
    "obu", "av1", "m4v", "mjpeg", "mpjpeg", "mjpeg_2000", "dv", "mxf", "gxf", "rm", "wtv", "vc1",
    "vc1test", "cavsvideo", "avs2", "avs3", "dirac", "dnxhd", "yuv4mpegpipe", "y4m", "lxf", "nuv",
    "nsv", "swf", "flic", "smk", "bink", "film_cpk", "filmstrip", "roq", "4xm", "ivr", "viv",
    "vividas", "vivo", "dhav", "cine", "mlv", "ser", "apv", "amv", "live_flv", "jpegxl_anim", "pva",
    "ty", "xmv", "thp", "mods", "moflex", "ea", "ipmovie", "mtv", "mv", "rl2", "smush", "tmv",
    "vmd",
    "wc3movie", "bethsoftvid", "bfi", "c93", "cdxl", "dsicin", "dxa", "hnm", "idcin", "iff", "jv",
    "kux", "lmlm4", "paf", "psxstr", "str", "rpl", "siff", "tiertexseq", "usm", "yop", "mpegtsraw",
    "ogv", "frm", "ingenient", "argo_brp", "anm", "avr", "alias_pix", "mm", "mvi", "nistsphere",
    "png_pipe", "jpeg_pipe", "jpegls_pipe", "jpegxl_pipe", "jpegxs_pipe", "tiff_pipe", "bmp_pipe",
    "webp_pipe", "gif_pipe", "j2k_pipe", "qoi_pipe", "exr_pipe", "dpx_pipe", "hdr_pipe", "pam_pipe",
    "pbm_pipe", "pgm_pipe", "pgmyuv_pipe", "ppm_pipe", "pfm_pipe", "phm_pipe", "psd_pipe",
    "pcx_pipe", "sgi_pipe", "sunrast_pipe", "cri_pipe", "dds_pipe", "gem_pipe", "photocd_pipe",
    "pictor_pipe", "qdraw_pipe", "vbn_pipe", "xbm_pipe", "xpm_pipe", "xwd_pipe", "ico", "fits",
)  # fmt: skip
FORMAT_WHITELIST = ",".join(DEMUXERS)
PROTOCOL_WHITELIST = "file,pipe"
IMAGE_DEMUXERS = tuple(name for name in DEMUXERS if name.endswith("_pipe") and "yuv4" not in name)
IMAGE_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".jp2", ".j2k", ".jxl", ".exr",
    ".dpx",
    ".ppm", ".pgm", ".pbm", ".pam", ".tga", ".qoi", ".hdr", ".sgi", ".psd", ".pcx",
)  # fmt: skip


@dataclass(frozen=True)
class Codec:
    """How a codec is asked for: ffmpeg's encoder and its options.

    `pixels8` and `pixels16` are what frames of 8 and of more bits are stored as; `quality` is the
    default of the option `crf`, None where there is none; `align` is what width and height must be
    multiples of; `full_range` says whether a full-range clip may stay one.
    """

    encoder: str
    pixels8: str
    pixels16: str
    options: MappingProxyType[str, str]
    quality: int | None = None
    worst: int = 51
    align: tuple[int, int] = (1, 1)
    full_range: bool = True

    @property
    def keeps_depth(self) -> bool:
        """Whether more than 8 bits of a channel survive."""
        return self.pixels8 != self.pixels16 or self.pixels8.endswith("10le")


@dataclass(frozen=True)
class Container:
    """What a kind of file takes: `codecs` and `audio` by preference, the first is the default.

    Audio and subtitles of a codec in `audio` and `subtitles` are copied, others converted to
    `audio_encoder` and `text_encoder`; empty: left out. `tick` is the coarsest step of its times in
    seconds as a denominator, 0 where they are exact.
    """

    muxer: str
    codecs: tuple[str, ...]
    audio: frozenset[str] = frozenset()
    audio_encoder: str = ""
    subtitles: frozenset[str] = frozenset()
    text_encoder: str = ""
    attachments: bool = False
    tick: int = 0


def _options(**options: str) -> MappingProxyType[str, str]:
    return MappingProxyType(options)


# Painted texture is detail everywhere: the defaults are finer than the encoders' own.
CODECS = MappingProxyType(
    {
        "h264": Codec("libx264", "yuv420p", "yuv420p", _options(preset="medium"), 17, 51, (2, 2)),
        "h265": Codec(
            "libx265", "yuv420p", "yuv420p10le",
            _options(preset="medium", **{"x265-params": "log-level=error"}), 19, 51, (2, 2),
        ),
        "av1": Codec("libsvtav1", "yuv420p", "yuv420p10le", _options(preset="6"), 24, 63, (2, 2)),
        "vp9": Codec(
            "libvpx-vp9", "yuv420p", "yuv420p10le",
            _options(deadline="good", **{"b:v": "0", "cpu-used": "3", "row-mt": "1"}), 24, 63,
        ),
        "prores_hq": Codec(
            "prores_ks", "yuv422p10le", "yuv422p10le",
            _options(vendor="apl0", **{"profile:v": "hq"}), align=(2, 1), full_range=False,
        ),
        "prores_4444": Codec(
            "prores_ks", "yuv444p10le", "yuv444p10le",
            _options(vendor="apl0", **{"profile:v": "4444"}), full_range=False,
        ),
        "ffv1": Codec("ffv1", "bgr0", "gbrp16le", _options(level="3", g="1", slicecrc="1")),
        "gif": Codec("gif", "pal8", "pal8", _options()),
        "png": Codec("png", "rgb24", "rgb48be", _options()),
        "tiff": Codec("tiff", "rgb24", "rgb48le", _options(compression_algo="deflate")),
        "jpeg": Codec("mjpeg", "yuv444p", "yuv444p", _options(**{"q:v": "2"})),
    }
)  # fmt: skip

_MP4_AUDIO = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})
_PCM = frozenset(
    f"pcm_{kind}" for kind in ("s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "u8")
)
_TEXT = frozenset({"subrip", "srt", "ass", "ssa", "webvtt"})
_MP4 = Container(
    "mp4", ("h264", "h265", "av1", "vp9"),
    _MP4_AUDIO, "aac", frozenset({"mov_text"}), "mov_text",
)  # fmt: skip
CONTAINERS = MappingProxyType(
    {
        ".mp4": _MP4,
        ".m4v": _MP4,
        ".mov": Container(
            "mov", ("h264", "h265", "prores_hq", "prores_4444"),
            frozenset({"aac", "mp3", "ac3", "eac3", "alac"}) | _PCM, "aac",
            frozenset({"mov_text"}), "mov_text",
        ),
        ".mkv": Container(
            "matroska", ("h264", "h265", "av1", "vp9", "ffv1", "prores_hq", "prores_4444"),
            _MP4_AUDIO | _PCM | {"vorbis", "dts", "truehd", "mp2", "wavpack", "tta"}, "aac",
            _TEXT | {"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"}, "srt",
            attachments=True, tick=1000,
        ),
        ".webm": Container(
            "webm", ("vp9", "av1"), frozenset({"opus", "vorbis"}), "libopus",
            frozenset({"webvtt"}), "webvtt", tick=1000,
        ),
        ".gif": Container("gif", ("gif",), tick=100),
    }
)  # fmt: skip
STILLS = MappingProxyType(
    {".png": "png", ".tif": "tiff", ".tiff": "tiff", ".jpg": "jpeg", ".jpeg": "jpeg"}
)
TEXT_SUBTITLES = _TEXT | {"mov_text", "text", "subviewer", "subviewer1", "microdvd", "sami", "ttml"}
