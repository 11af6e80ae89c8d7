"""Send clips through a null stylisation and judge what comes out.

    scripts/check_media.py FOLDER… [--json FILE] [--to .mp4] [--codec NAME] [--keep FOLDER]

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
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline import media
from pipeline.errors import MediaError
from pipeline.sections import InputConfig, OutputConfig
from scripts.judge_media import Row, judge_picture, judge_sound, judge_times, special
from scripts.reference_decode import decode

SKIPPED = {".md", ".txt", ".json", ".toml", ".py", ".srt"}


def check(path: Path, suffix: str, folder: Path, codec: str = "auto") -> Row:
    """Send one clip through, and judge."""
    row = Row(path.name)
    output = folder / f"{path.name}{suffix}"
    before = decode(path)
    try:
        info, notes = _null_stylisation(path, output, codec)
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
    row.special = special(before, info)
    after = decode(output, picture=before.shown_size)
    if len(before.times) != len(after.times):
        before = decode(path, by_ffmpeg=True)  # which may save more of a damaged clip
    judge_times(row, before, after, suffix)
    judge_picture(row, before, after)
    judge_sound(row, before, after, suffix)
    return row


def _null_stylisation(
    path: Path, output: Path, codec: str
) -> tuple[media.VideoInfo, tuple[str, ...]]:
    options = InputConfig(path=path)
    target = OutputConfig.model_validate({"path": output, "codec": codec})
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
    parser.add_argument("--codec", default="auto", metavar="NAME", help="the outputs' codec")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the outputs there")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="check-media-") as scratch:
        folder: Path = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for path in _clips(options.folders):
            print(f"… {path.name}", file=sys.stderr)
            rows.append(check(path, options.to, folder, options.codec))
    _show(rows)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), "utf-8")
    return 1 if any(row.verdict == "wrong" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
