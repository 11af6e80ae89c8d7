"""Measure the shot detectors on clips with known cuts: precision and recall.

    python -m scripts.bench_shots --media FOLDER [--rounds 6] [--json FILE]

FOLDER holds the clips of PIECES, by these names. The pieces, of which each is one shot (looked at,
frame by frame), are joined in random order and length by hard cuts, or by dissolves and fades, or
with flashes in them. A found cut counts as right at the true frame alone; a cut in a dissolve, a
fade or a flash is wrong, since those belong to one shot. "as filmed" are the clips as they are.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scenedetect import FrameTimecode
from scenedetect.detector import SceneDetector
from scenedetect.detectors import AdaptiveDetector, ContentDetector

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline import media
from pipeline.images import Pixels
from pipeline.sections import InputConfig, ShotsConfig
from pipeline.shots import DETECTORS, Detector, find_shots
from scripts.joined_shots import JOINTS, Case

SIZE = (320, 180)
# Of each clip the frames [start, stop) of its shots, of those that are long enough to be used.
PIECES = {
    "city.mp4": [(0, 24), (24, 48)],
    "airplane_bad_audio.mp4": [(0, 75), (110, 200)],
    "bigbuckbunny.mp4": [(0, 132)],
    "car-turn.mp4": [(0, 81)],
    "chaplin.mp4": [(0, 241)],
    "nasa_13013.mp4": [(0, 145), (175, 240), (240, 390)],
    "paragliding-launch.mp4": [(0, 80)],
    "roadtrip_vp9_10bit.webm": [(0, 42), (42, 69)],
    "unsupported_vvc.mp4": [(30, 120)],
    "walk_sign.mkv": [(0, 89)],
    "desks_vfr.3gp": [(0, 71)],
    "person-bicycle-car.gif": [(0, 41)],
}
# The true cuts of the clips as they are; the others have none.
FILMED = {"city.mp4": [24], "nasa_13013.mp4": [240], "roadtrip_vp9_10bit.webm": [42, 69]}


def plain(detector: SceneDetector, frames: Iterable[Pixels]) -> list[int]:
    """PySceneDetect's own answer, without our second look."""
    codes = ((FrameTimecode(number, 25.0), frame) for number, frame in enumerate(frames))
    found = (cut for code, f in codes for cut in detector.process_frame(code, f[..., ::-1].copy()))
    return [cut.frame_num for cut in found]


DETECTED: dict[str, Detector] = {
    "adaptive": DETECTORS["adaptive"],
    "content": DETECTORS["content"],
    "PySceneDetect's adaptive alone": lambda frames, options: plain(
        AdaptiveDetector(min_scene_len=options.min_length), frames
    ),
    "PySceneDetect's content alone": lambda frames, options: plain(
        ContentDetector(min_scene_len=options.min_length), frames
    ),
}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="shot detectors against known cuts")
    parser.add_argument("--media", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--rounds", type=int, default=6, help="joined clips of each kind")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    clips = dict(read_clips(arguments.media))
    if not clips:
        sys.exit(f"none of {', '.join(PIECES)} under {arguments.media}")
    rows = measure(cases(clips, arguments.rounds))
    print(table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def read_clips(folder: Path) -> Iterator[tuple[str, list[Pixels]]]:
    """The frames of the clips that are there, all of one size."""
    for name in PIECES:
        path = next(iter(sorted(folder.rglob(name))), None)
        if path is None:
            print(f"left out: {name}, not under {folder}", file=sys.stderr)
            continue
        options = InputConfig(path=path, bars="none", width=SIZE[0], height=SIZE[1])
        clip = media.plan_clip(media.probe(path, options), options, 8)
        with media.read_frames(clip) as reader:
            yield name, [frame.pixels for frame in reader]


def cases(clips: dict[str, list[Pixels]], rounds: int) -> Iterator[Case]:
    """Every clip with known cuts."""
    for name, frames in clips.items():
        yield Case("as filmed", frames, FILMED.get(name, []))
    pieces = [clips[name][a:b] for name in clips for a, b in PIECES[name]]
    for kind, joined in JOINTS.items():
        for number in range(rounds):
            yield joined(kind, pieces, random.Random(f"{kind} {number}"))


def measure(known: Iterable[Case]) -> list[dict[str, Any]]:
    """Right, wrong and missed cuts by kind and detector."""
    counts: dict[tuple[str, str], list[int]] = {}
    for case in known:
        for name, detector in DETECTED.items():
            shots = find_shots(detector, case.frames, ShotsConfig())
            found = {shot.start for shot in shots[1:]}
            count = counts.setdefault((case.kind, name), [0, 0, 0])
            for index, cuts in enumerate(
                (found & {*case.cuts}, found - {*case.cuts}, {*case.cuts} - found)
            ):
                count[index] += len(cuts)
            print(f"{case.kind}: {name}", sorted(found ^ {*case.cuts}), file=sys.stderr)
    return [
        {"kind": kind, "detector": name, "right": right, "wrong": wrong, "missed": missed}
        for (kind, name), (right, wrong, missed) in counts.items()
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| clips | detector | cuts | right | wrong | precision | recall |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        right, wrong, cuts = row["right"], row["wrong"], row["right"] + row["missed"]
        precision, recall = _share(right, right + wrong), _share(right, cuts)
        name = f"{row['kind']} | {row['detector']}"
        lines.append(f"| {name} | {cuts} | {right} | {wrong} | {precision} | {recall} |")
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "–"


if __name__ == "__main__":
    main()
