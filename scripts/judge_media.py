"""What check_media.py holds against an output: times, picture, colours, sound."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from pipeline import media
from scripts.reference_colours import Reference, Sound
from scripts.reference_decode import AUDIO_RATE

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


def special(before: Reference, info: media.VideoInfo) -> str:
    """What is special about a clip."""
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


def judge_times(row: Row, before: Reference, after: Reference, suffix: str) -> None:
    """Every frame, at its own time."""
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


def judge_picture(row: Row, before: Reference, after: Reference) -> None:
    """Size, turn, tags and colours."""
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
        likeness = [
            np.corrcoef(a[0].mean(-1).ravel(), b[0].mean(-1).ravel())[0, 1] for a, b in pairs
        ]
        if min(likeness) < 0.9:
            row.wrong(f"the tone-mapped picture is unlike the clip ({min(likeness):.2f})")
        return
    errors = [min(np.abs(a - b[0]).mean() for a in some) for some, b in pairs]
    row.colour_error = round(float(np.mean(errors)), 2)
    if row.colour_error > COLOUR_LIMIT:
        row.wrong(f"colours are off by {row.colour_error} on the average")
    elif max(errors) > 3 * COLOUR_LIMIT:
        row.wrong(f"frame {int(np.argmax(errors))} is off by {max(errors):.1f}")


def judge_sound(row: Row, before: Reference, after: Reference, suffix: str) -> None:
    """Every track, as long as it was and at its place against the picture."""
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
