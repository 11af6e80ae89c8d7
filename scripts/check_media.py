"""Send clips through a null stylisation and judge what comes out.

    scripts/check_media.py FOLDER… [--json FILE] [--to .mp4] [--keep FOLDER]

Every clip is read and written with pipeline.media, unpainted; then both the clip and the output are
decoded by another way (reference_decode.py) and compared: every timestamp, the size, the tags, the
colours, the sound. One table; exit code 1 if any verdict is "wrong".
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline import media
from pipeline.errors import MediaError
from pipeline.sections import InputConfig, OutputConfig
from scripts.reference_decode import AUDIO_RATE, Reference, Sound, decode

SKIPPED = {".md", ".txt", ".json", ".toml", ".py", ".srt"}
HDR = {16: "PQ", 18: "HLG"}
COLOUR_LIMIT = 2.0  # of 255, the mean over the frames
SOUND_LIMIT = 0.012  # seconds
CONTAINER_TICK = {".mp4": Fraction(0), ".mov": Fraction(0), ".gif": Fraction(1, 100)}


@dataclass
class Row:
    """One line of the table."""

    clip: str
    special: str = ""
    frames: str = "-"
    time_error_ms: float | None = None
    size: str = "-"
    rotation: str = "-"
    colour: str = "-"
    colour_error: float | None = None
    audio: str = "-"
    audio_offset_ms: float | None = None
    verdict: str = "ok"
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def wrong(self, reason: str) -> None:
        """Record what is wrong."""
        self.verdict = "wrong"
        self.reasons.append(reason)


def check(path: Path, suffix: str, folder: Path) -> Row:
    """Send one clip through, and judge."""
    row = Row(path.name)
    output = folder / f"{path.name}{suffix}"
    before = decode(path)
    try:
        info, notes = _null_stylisation(path, output)
    except MediaError as error:
        row.verdict, row.reasons = "refused", [str(error)]
        if len(str(error).splitlines()) != 1:
            row.wrong("the refusal is not one line")
        if before.times and not before.playlist:
            row.wrong(f"refused, but {len(before.times)} frames decode")
        return row
    except Exception as error:  # whatever it is, it is a finding
        row.wrong(f"{type(error).__name__}: {error}")
        return row
    row.notes = list(notes)
    row.special = _special(before, info)
    after = decode(output, picture=before.shown_size)
    if before.broken and len(before.times) != len(after.times):
        before = decode(path, by_ffmpeg=True)  # which may save more of a damaged clip
    _judge_times(row, before, after, suffix)
    _judge_picture(row, before, after, info)
    _judge_sound(row, before, after, suffix)
    return row


def _null_stylisation(path: Path, output: Path) -> tuple[media.VideoInfo, tuple[str, ...]]:
    options, target = InputConfig(path=path), OutputConfig(path=output)
    media.check_output(options, target)
    info = media.probe(path, options)
    clip = media.plan_clip(info, options)
    with media.read_frames(clip) as reader:
        for _ in reader:
            pass
        timeline = media.Timeline.from_json(json.loads(json.dumps(reader.timeline.to_json())))
    with media.read_frames(clip) as reader:
        pixels = (frame.pixels for frame in reader)
        notes = media.write_video(output, pixels, timeline, info, options, target)
    return info, (*clip.notes, *timeline.notes, *notes)


def _special(before: Reference, info: media.VideoInfo) -> str:
    parts = [info.codec, info.pixels]
    if info.bits > 8:
        parts.append(f"{info.bits} bit")
    if info.colour.hdr:
        parts.append(info.colour.hdr)
    if before.turned != "no":
        parts.append(f"turned {before.turned}")
    if before.aspect != 1:
        parts.append(f"SAR {before.aspect}")
    if info.interlaced:
        parts.append("interlaced")
    steps = {b - a for a, b in zip(before.times, before.times[1:], strict=False)}
    if len(steps) > 1 and max(steps) - min(steps) > max(before.tick, Fraction(1, 1000)):
        parts.append("VFR")
    if before.broken:
        parts.append(f"{before.broken} broken")
    return " ".join(parts)


def _judge_times(row: Row, before: Reference, after: Reference, suffix: str) -> None:
    row.frames = f"{len(before.times)}/{len(after.times)}"
    if not after.times:
        row.wrong(f"the output does not decode: {after.error}")
        return
    if len(before.times) != len(after.times):
        row.wrong("another number of frames")
        return
    errors = _time_errors(before.times, after.times)
    row.time_error_ms = round(float(max(errors)) * 1000, 3)
    rounded_in = before.tick if before.tick >= Fraction(1, 1000) else Fraction(0)
    rounded_out = CONTAINER_TICK.get(suffix, Fraction(1, 1000))
    if max(errors) > max(rounded_in, rounded_out, Fraction(1, 1_000_000)):
        row.wrong(f"times are off by up to {row.time_error_ms} ms")


def _time_errors(before: list[Fraction], after: list[Fraction]) -> list[Fraction]:
    """By how much each frame comes early or late against the first one, in seconds.

    Where the clip's own times jump (back, or by more than ten seconds) the comparison begins anew.
    """
    errors = [Fraction(0)]
    zero_in, zero_out = before[0], after[0]
    for n in range(1, len(before)):
        if not 0 < before[n] - before[n - 1] < 10 and after[n] > after[n - 1]:
            zero_in, zero_out = before[n], after[n]
        errors.append(abs((after[n] - zero_out) - (before[n] - zero_in)))
    return errors


def _judge_picture(row: Row, before: Reference, after: Reference, info: media.VideoInfo) -> None:
    wanted, got = before.shown_size, after.shown_size
    row.size = f"{wanted[0]}x{wanted[1]} → {got[0]}x{got[1]}"
    row.rotation = f"{before.turned} → {after.turned}"
    row.colour = f"{'/'.join(map(str, before.tags))} → {'/'.join(map(str, after.tags))}"
    less = 0 if before.aspect == 1 else -1  # a side that is stretched becomes even
    if any(not less <= b - a <= 1 for a, b in zip(wanted, got, strict=True)) or after.aspect != 1:
        row.wrong(f"the output shows {got[0]}x{got[1]} of pixels {after.aspect}")
    if after.turned != "no":
        row.wrong("the output is turned")
    if 2 in after.tags[:3] and after.yuv:
        row.wrong("the output is not tagged")
    hdr = before.tags[2] in HDR
    if not hdr and before.yuv and after.yuv:
        for given, kept in zip(before.tags, after.tags, strict=True):
            if given not in (2, 0) and given != kept:
                row.wrong("the output has other tags")
                break
    if hdr and after.yuv and after.tags[:3] != (1, 1, 1):
        row.wrong("HDR, and the output is not BT.709")
    if len(before.grids) == len(after.grids) > 0:
        _judge_colours(row, before, after, hdr)


def _judge_colours(row: Row, before: Reference, after: Reference, hdr: bool) -> None:
    pairs = list(zip(before.grids, after.grids, strict=True))
    if hdr:
        likeness = [np.corrcoef(a.mean(-1).ravel(), b.mean(-1).ravel())[0, 1] for a, b in pairs]
        if min(likeness) < 0.9:
            row.wrong(f"the tone-mapped picture is unlike the clip ({min(likeness):.2f})")
        return
    errors = [np.abs(a - b).mean() for a, b in pairs]
    row.colour_error = round(float(np.mean(errors)), 2)
    if row.colour_error > COLOUR_LIMIT:
        row.wrong(f"colours are off by {row.colour_error} on the average")
    elif max(errors) > 3 * COLOUR_LIMIT:
        row.wrong(f"frame {int(np.argmax(errors))} is off by {max(errors):.1f}")


def _judge_sound(row: Row, before: Reference, after: Reference, suffix: str) -> None:
    row.audio = f"{len(before.sounds)}/{len(after.sounds)}"
    if suffix == ".gif" or not before.times or not after.times:
        return
    decodable = [sound for sound in before.sounds if sound.samples.size]
    if len(after.sounds) < len(decodable):
        row.wrong("a sound track is missing")
        return
    offsets = []
    for sound, kept in zip(decodable, (s for s in after.sounds if s.samples.size), strict=False):
        lag = _lag(sound, kept, float(before.times[0]), float(after.times[0]))
        if lag is not None:
            offsets.append(lag)
        if abs(sound.samples.size - kept.samples.size) > 0.25 * AUDIO_RATE:
            row.wrong("the sound is shorter or longer")
    if offsets:
        row.audio_offset_ms = round(max(offsets, key=abs) * 1000, 2)
        if abs(max(offsets, key=abs)) > SOUND_LIMIT:
            row.wrong(f"the sound is {row.audio_offset_ms} ms off the picture")


def _lag(before: Sound, after: Sound, zero_in: float, zero_out: float) -> float | None:
    """Seconds by which the output's sound comes late against its picture; None for silence."""
    length = min(before.samples.size, after.samples.size, 20 * AUDIO_RATE)
    a, b = before.samples[:length], after.samples[:length]
    if length < AUDIO_RATE // 10 or np.abs(a).max() < 1e-3 or np.abs(b).max() < 1e-3:
        return (after.start - zero_out) - (before.start - zero_in)
    size = 1 << (2 * length).bit_length()
    spectrum = np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size))
    found = int(np.argmax(np.fft.irfft(spectrum, size)))
    shift = (found if found < size // 2 else found - size) / AUDIO_RATE
    return shift + (after.start - zero_out) - (before.start - zero_in)


def _show(rows: list[Row]) -> None:
    names = ("clip", "special", "frames", "time ms", "size", "turned", "colour tags", "colour")
    table: list[tuple[str, ...]] = [(*names, "audio", "audio ms", "verdict")]
    for row in rows:
        numbers = [
            "-" if value is None else f"{value:g}"
            for value in (row.time_error_ms, row.colour_error, row.audio_offset_ms)
        ]
        table.append(
            (
                *(row.clip, row.special, row.frames, numbers[0], row.size, row.rotation),
                *(row.colour, numbers[1], row.audio, numbers[2]),
                f"{row.verdict} {'; '.join(row.reasons)}".strip(),
            )
        )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


def _clips(folders: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for folder in folders:
        inside = sorted(folder.iterdir()) if folder.is_dir() else [folder]
        found += [path for path in inside if path.is_file() and path.suffix.lower() not in SKIPPED]
    return found


def main() -> int:
    """Check all clips of the folders given; 1 if any is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument("--to", default=".mp4", metavar="ENDING", help="the outputs' container")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the outputs there")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="check-media-") as scratch:
        folder: Path = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for path in _clips(options.folders):
            print(f"… {path.name}", file=sys.stderr)
            rows.append(check(path, options.to, folder))
    _show(rows)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), "utf-8")
    return 1 if any(row.verdict == "wrong" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
