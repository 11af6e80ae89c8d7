"""The program end to end, through its command line, on tiny clips and with the real weights."""

import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from click.testing import Result
from conftest import ffmpeg

from pipeline import images, stylize
from pipeline.schedule import Source

Brushflow = Callable[..., Result]


def painted(work: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(work.glob("stylized/pass_00/*.png"))}


def records(work: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (work / "record.jsonl").read_text().splitlines()]


def test_a_clip_is_painted(paint: Brushflow, clip: Path, tmp_path: Path) -> None:
    result = paint(clip)
    assert result.exit_code == 0, result.stderr
    out, work = tmp_path / "out.mp4", tmp_path / "out.mp4.work"
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert (stream.width, stream.height) == (64, 48)
        assert stream.average_rate == Fraction(24000, 1001)
        assert stream.codec_context.name == "h264"
    assert len(frames) == 6
    assert [frame.time_base * frame.pts for frame in frames] == [
        Fraction(1001 * number, 24000) for number in range(6)
    ]
    for line in records(work):
        assert sum(line["end"].values()) < sum(line["start"].values())
        assert {"content", "style", "tv"} <= set(line["end"])
        assert line["seconds"] > 0
    assert [line["iterations"] for line in records(work)] == [3, 2, 2, 2, 2, 2]
    assert "temporal" in records(work)[1]["end"]
    assert str(out) in result.stdout
    assert str(tmp_path / "out.sheet.png") in result.stdout
    assert (tmp_path / "out.sheet.png").exists()
    assert (work / "config.toml").exists()
    assert "frame 5 (6 of 6)" in result.stderr
    assert not list(tmp_path.rglob("*.part"))


def test_the_sound_stays_where_it_was(paint: Brushflow, tmp_path: Path) -> None:
    clip = tmp_path / "tone.mp4"
    tone = "aevalsrc='if(gt(t,0.5),sin(2*PI*440*t),0)':s=44100:d=1"
    video = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=1")
    ffmpeg(*video, "-f", "lavfi", "-i", tone, "-c:a", "aac", clip)
    result = paint(clip, "--set", "optimizer.iterations=0", "--set", "optimizer.first_iterations=0")
    assert result.exit_code == 0, result.stderr

    def onset(path: Path) -> float:
        with av.open(str(path)) as container:
            for frame in container.decode(container.streams.audio[0]):
                loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.2)
                if loud.size:
                    return float(frame.time + loud[0] / frame.sample_rate)
        raise AssertionError("no sound")

    assert onset(tmp_path / "out.mp4") == pytest.approx(onset(clip), abs=0.002)


def test_no_painted_pixel_crosses_a_cut(paint: Brushflow, tmp_path: Path) -> None:
    """The second shot comes out the same, to the byte, as when the first is not there at all."""
    clip = tmp_path / "cut.mp4"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=1.2"),
        *("-f", "lavfi", "-i", "mandelbrot=s=64x48:r=10"),
        *("-filter_complex", "[0:v][1:v]concat=n=2:v=1", "-frames:v", "24", "-qp", "0", clip),
    )
    assert paint(clip).exit_code == 0
    alone = paint(clip, "--set", "input.start=12f", output=tmp_path / "alone.mp4")
    assert alone.exit_code == 0, alone.stderr
    work = tmp_path / "out.mp4.work"
    assert [shot["start"] for shot in json.loads((work / "shots.json").read_text())] == [0, 12]
    assert records(work)[12]["init"] == "content"
    both = list(painted(work).values())
    assert both[12:] == list(painted(tmp_path / "alone.mp4.work").values())


def test_the_same_command_again_does_nothing_and_says_so(
    paint: Brushflow, clip: Path, tmp_path: Path
) -> None:
    assert paint(clip).exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    written = (tmp_path / "out.mp4").stat().st_mtime_ns
    again = paint(clip)
    assert again.exit_code == 0
    assert "nothing to do" in again.stdout
    assert (tmp_path / "out.mp4").stat().st_mtime_ns == written
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}


def test_other_encoder_settings_only_encode_again(
    paint: Brushflow, clip: Path, tmp_path: Path
) -> None:
    assert paint(clip).exit_code == 0
    size = (tmp_path / "out.mp4").stat().st_size
    again = paint(clip, "--set", "output.quality=45")
    assert again.exit_code == 0, again.stderr
    assert "video written in 0:" in again.stdout
    assert ": 6 of 6 frames are painted" in again.stdout
    assert (tmp_path / "out.mp4").stat().st_size < size
    refused = paint(clip, "--set", "style.weight=1")
    assert refused.exit_code == 2
    assert "style.weight" in refused.stderr


def test_stopped_and_started_again_is_the_same_to_the_byte(
    paint: Brushflow, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paint(clip, output=tmp_path / "whole.mp4").exit_code == 0
    original = stylize.Stylizer.paint

    def interrupted(self: stylize.Stylizer, step: stylize.Step, progress: object) -> object:
        if step.frame == 3:
            raise KeyboardInterrupt
        return original(self, step, progress)

    monkeypatch.setattr(stylize.Stylizer, "paint", interrupted)
    stopped = paint(clip)
    assert stopped.exit_code == 130
    assert "the same command again" in stopped.stderr
    assert not (tmp_path / "out.mp4").exists()
    monkeypatch.undo()
    resumed = paint(clip)
    assert resumed.exit_code == 0
    assert "painted 3 of 6" in resumed.stdout
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert painted(tmp_path / "out.mp4.work") == painted(tmp_path / "whole.mp4.work")


def test_nothing_iterated_gives_the_clip_back(paint: Brushflow, clip: Path, tmp_path: Path) -> None:
    none = ("--set", "optimizer.first_iterations=0", "--set", "optimizer.iterations=0")
    result = paint(clip, *none, "--set", "temporal.init=content")
    assert result.exit_code == 0, result.stderr
    work = tmp_path / "out.mp4.work"
    frames = {path.name: path.read_bytes() for path in work.glob("frames/*.png")}
    assert painted(work) == frames


def test_a_single_image_gives_a_single_image(
    paint: Brushflow, painting: Path, tmp_path: Path
) -> None:
    result = paint(painting, output=tmp_path / "still.png")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "still.png").read_bytes() != painting.read_bytes()


def test_several_frames_do_not_fit_one_image_and_are_not_painted(
    paint: Brushflow, brushflow: Brushflow, clip: Path, painting: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.jpg"
    named = ("--input", clip, "--style", painting, "--output", output)
    for result in (paint(clip, output=output), brushflow("plan", *named)):
        assert "one image, but there are 6 frames: give a folder" in one_line(result)
    assert not (tmp_path / "out.jpg.work" / "record.jsonl").exists()
    assert not (tmp_path / "out.shots.png").exists()
    assert paint(clip, "--frames", "0:1", output=output).exit_code == 0


def test_sixteen_bit_frames(paint: Brushflow, clip: Path, tmp_path: Path) -> None:
    from pipeline import images

    assert paint(clip, "--set", "run.frame_bits=16").exit_code == 0
    work = tmp_path / "out.mp4.work"
    for kind in ("frames", "stylized/pass_00"):
        assert images.read_pixels(work / kind / "000002.png").dtype == np.uint16


@pytest.mark.parametrize(
    "setting",
    [
        "optimizer.name=adam",
        "temporal.offsets=[1,2]",
        "temporal.init=previous",
        "temporal.first_init=random",
        "temporal.weight=0",
        "temporal.disoccluded=moved",
        "temporal.anchor=100",
        "temporal.loss=smooth_l1",
        "tv.norm=l2",
        "vgg.pooling=max",
        "vgg.precision=bfloat16",
        "vgg.precision=float16",
    ],
)
def test_every_way_of_painting(paint: Brushflow, clip: Path, setting: str, tmp_path: Path) -> None:
    result = paint(clip, "--set", setting, "--set", "input.end=3f", "--set", "tv.weight=0.001")
    assert result.exit_code == 0, result.stderr
    assert len(painted(tmp_path / "out.mp4.work")) == 3


def test_several_passes_stopped_and_started_again(
    paint: Brushflow, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone, forwards, backwards; the video shows the last pass of what is done."""
    passes = ("--set", "temporal.passes=3", "--set", "input.end=3f", "--set", "run.keep=all")
    whole = paint(clip, *passes, output=tmp_path / "whole.mp4")
    assert whole.exit_code == 0, whole.stderr
    assert "painted 9 of 9 frames (in 3 passes)" in whole.stdout
    sources = [
        (record["frame"], record["pass_index"]) for record in records(tmp_path / "whole.mp4.work")
    ]
    assert sources == [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (2, 2), (1, 2), (0, 2)]
    original = stylize.Stylizer.paint

    def interrupted(self: stylize.Stylizer, step: stylize.Step, progress: object) -> object:
        if step.result == Source(1, 2):
            raise KeyboardInterrupt
        return original(self, step, progress)

    monkeypatch.setattr(stylize.Stylizer, "paint", interrupted)
    assert paint(clip, *passes).exit_code == 130
    monkeypatch.undo()
    assert paint(clip, *passes).exit_code == 0
    for index in range(3):
        files = [
            [
                path.read_bytes()
                for path in sorted((tmp_path / work).glob(f"stylized/pass_0{index}/*"))
            ]
            for work in ("out.mp4.work", "whole.mp4.work")
        ]
        assert len(files[0]) == 3
        assert files[0] == files[1]
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_a_held_frame_is_painted_once(paint: Brushflow, tmp_path: Path) -> None:
    """Drawn on threes: each picture stands for three frames, and so does its painting."""
    held = tmp_path / "held.mkv"
    source = "mandelbrot=s=64x48:r=8"
    ffmpeg("-f", "lavfi", "-i", source, "-t", "1", "-vf", "fps=24", "-c:v", "ffv1", held)
    result = paint(held, "--set", "input.end=6f", "--set", "shots.detector=none")
    assert result.exit_code == 0, result.stderr
    kept = painted(tmp_path / "out.mp4.work")
    frames = [kept[f"{number:06d}.png"] for number in range(6)]
    assert frames[0] == frames[1] == frames[2] != frames[3] == frames[4] == frames[5]
    done = records(tmp_path / "out.mp4.work")
    assert [record["iterations"] for record in done] == [3, 0, 0, 2, 0, 0]
    assert "frame 1 (2 of 6): as the one before" in result.stderr
    alone = paint(
        held,
        "--set",
        "input.end=3f",
        "--fresh",
        "--set",
        "temporal.init=content",
        "--set",
        "temporal.weight=0",
    )
    assert alone.exit_code == 0, alone.stderr
    assert [record["iterations"] for record in records(tmp_path / "out.mp4.work")] == [3, 3, 3]


def test_quiet_is_quiet(paint: Brushflow, clip: Path) -> None:
    result = paint(clip, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


PARTS = '''
from pipeline.losses import StyleLoss, gram_matrix
from pipeline.optimize import Point

nan = StyleLoss(gram_matrix, lambda gram, target: gram.sum() * float("nan"))

def stuck(evaluate, start, options):
    """Gives up after one iteration."""
    report, gradient = evaluate(start)
    yield Point(start, report)
    yield Point(start, report)
'''


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users_parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("parts")
def test_nan_ends_the_run_with_the_frames_number(paint: Brushflow, clip: Path) -> None:
    result = paint(clip, "--set", "style.loss=users_parts:nan")
    assert result.exit_code == 2
    assert "frame 0" in result.stderr.splitlines()[-1]
    assert "style nan" in result.stderr.splitlines()[-1]


@pytest.mark.usefixtures("parts")
def test_a_stuck_optimisation_is_told_at_once_and_at_the_end(paint: Brushflow, clip: Path) -> None:
    result = paint(clip, "--quiet", "--set", "optimizer.name=users_parts:stuck")
    assert result.exit_code == 0
    assert "warning: frame 0: its optimisation was stuck after 1 iteration" in result.stderr
    result = paint(clip, "--fresh", "--set", "optimizer.name=users_parts:stuck")
    assert "warning: frame 5" in result.stdout


def one_line(result: Result) -> str:
    """The error of a refused command, which must be one line and nothing else."""
    assert result.exit_code == 2, (result.stdout, result.stderr)
    last = result.stderr.splitlines()[-1]
    assert last.startswith("brushflow: ")
    assert "Traceback" not in result.stderr
    return last


def test_bad_clips_are_refused_in_one_line(paint: Brushflow, tmp_path: Path) -> None:
    text, sound = tmp_path / "text.mp4", tmp_path / "sound.mp4"
    (tmp_path / "empty").mkdir()
    text.write_text("this is not a film")
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.3", sound)
    for path, word in [
        (tmp_path / "none.mp4", "no such file"),
        (text, "text.mp4"),
        (sound, "video"),
        (tmp_path / "empty", "no images"),
    ]:
        assert word in one_line(paint(path))
        assert not (tmp_path / "out.mp4").exists()


def test_bad_paintings_are_refused_in_one_line(
    paint: Brushflow, clip: Path, tmp_path: Path
) -> None:
    from PIL import Image

    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    (tmp_path / "text.jpg").write_text("no painting")
    for name, word in [("dot.png", "1x1"), ("text.jpg", "not an image"), ("none.jpg", "no such")]:
        assert word in one_line(paint(clip, "--style", tmp_path / name))
    assert not (tmp_path / "out.mp4.work").exists()


def test_bad_outputs_are_refused_in_one_line(paint: Brushflow, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs.mp4").write_bytes(b"precious")
    for path, word in [
        (tmp_path / "out.xyz", ".xyz cannot be written"),
        (clip, "this is the input"),
        (clip / "out.mp4", "not a folder"),
        (tmp_path / "no" / "such" / "out.mp4", "does not exist"),
        (tmp_path / "theirs.mp4", "--overwrite"),
    ]:
        assert word in one_line(paint(clip, output=path))
    assert (tmp_path / "theirs.mp4").read_bytes() == b"precious"
    assert paint(clip, "--overwrite", output=tmp_path / "theirs.mp4").exit_code == 0


def test_what_is_refused_leaves_nothing_behind(
    paint: Brushflow, brushflow: Brushflow, clip: Path, painting: Path, tmp_path: Path
) -> None:
    (tmp_path / "theirs.mp4").write_bytes(b"precious")
    before = sorted(tmp_path.rglob("*"))
    assert "--overwrite" in one_line(paint(clip, output=tmp_path / "theirs.mp4"))
    for output in (tmp_path / "out.mp4", tmp_path / "new" / "out.mp4", tmp_path / "new"):
        named = ("--input", clip, "--style", painting, "--output", output)
        assert "nothing is painted yet" in one_line(brushflow("encode", *named))
        assert "no such" in one_line(paint(clip, "--style", "none.jpg", output=output))
        assert "the run has 6 frames" in one_line(
            paint(clip, "--fresh", "--frames", "7:9", output=output)
        )
    assert sorted(tmp_path.rglob("*")) == before


def test_bad_keys_are_refused_in_one_line(paint: Brushflow, clip: Path) -> None:
    for setting, words in [
        ("style.weigth=3", 'did you mean "weight"'),
        ("style.weight=-3", "greater than or equal to 0"),
        ("style.weight=heavy", "valid number"),
        ("run.device=cuda:9", "not on this machine"),
        ("vgg.weights=none.pth", "no such file"),
        ("optimizer.name=torch:no_such", "no_such"),
        ("flow.files=none_%06d_%06d.flo", "none_"),
    ]:
        assert words in one_line(paint(clip, "--set", setting))


def test_missing_paths_are_named(brushflow: Brushflow, clip: Path) -> None:
    assert "style.path is not set" in one_line(brushflow("run", "--input", clip))


def test_a_disk_too_small_is_refused_beforehand(
    paint: Brushflow, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10_000_000))
    line = one_line(paint(clip))
    assert "0.01 GB free" in line
    assert "6 frames of 64x48" in line


def test_a_folder_without_the_right_to_write(
    paint: Brushflow, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    assert "cannot be written" in one_line(paint(clip))


def test_folders_and_patterns_of_images_in_and_out(paint: Brushflow, tmp_path: Path) -> None:
    """Twice each: what a run wrote must not look like another's, nor like another input."""
    (tmp_path / "in").mkdir()
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=48x32", "-frames:v", 3, tmp_path / "in" / "%04d.png")
    pattern = tmp_path / "in" / "%04d.png"
    for clip, output in [
        (tmp_path / "in", tmp_path / "folder"),
        (pattern, tmp_path / "pattern" / "%03d.jpg"),
        (pattern, tmp_path / "in" / "out.mp4"),
    ]:
        first, second = paint(clip, output=output), paint(clip, output=output)
        assert first.exit_code == 0, first.stderr
        assert second.exit_code == 0, second.stderr
        assert "nothing to do" in second.stdout
    assert sorted(path.name for path in (tmp_path / "pattern").iterdir()) == [
        "000.jpg",
        "001.jpg",
        "002.jpg",
    ]
    assert "input's own folder" in one_line(
        paint(tmp_path / "in", output=tmp_path / "in" / "2.mp4")
    )


def test_a_shorter_run_leaves_no_frame_of_the_longer(
    paint: Brushflow, clip: Path, tmp_path: Path
) -> None:
    assert paint(clip, output=tmp_path / "out").exit_code == 0
    shorter = paint(clip, "--fresh", "--set", "input.end=2f", output=tmp_path / "out")
    assert shorter.exit_code == 0, shorter.stderr
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_flow_goes_with_its_shot(paint: Brushflow, clip: Path, tmp_path: Path) -> None:
    flow = tmp_path / "out.mp4.work" / "flow"
    assert paint(clip, "--until", "flow").exit_code == 0
    assert list(flow.glob("*.flo"))
    assert paint(clip).exit_code == 0
    assert not list(flow.glob("*"))
    assert paint(clip, "--until", "flow").exit_code == 0
    assert not list(flow.glob("*"))


def test_flow_is_seen_on_larger_frames_where_the_clip_has_them(
    paint: Brushflow, tmp_path: Path
) -> None:
    """They are mended like all else, and the painting depends on them."""
    clip, work = tmp_path / "large.mp4", tmp_path / "out.mp4.work"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=128x96:r=10", "-frames:v", 4, clip)
    small = ("--set", "input.max_side=64")
    assert paint(clip, *small).exit_code == 0
    sizes = {images.read_pixels(path).shape for path in (work / "detail").glob("*.png")}
    assert sizes == {(96, 128, 3)}
    whole = painted(work)

    (work / "detail" / "000002.png").write_bytes(b"")
    (work / "stylized" / "pass_00" / "000002.png").unlink()
    again = paint(clip, *small)
    assert "painted 1 of 4" in again.stdout
    assert painted(work) == whole

    refused = paint(clip, *small, "--set", "flow.detail=1")
    assert refused.exit_code == 2
    assert "flow.detail" in refused.stderr
    other = paint(clip, *small, "--set", "flow.detail=1", output=tmp_path / "other.mp4")
    assert other.exit_code == 0
    assert not (tmp_path / "other.mp4.work" / "detail").exists()
    assert painted(tmp_path / "other.mp4.work")["000003.png"] != whole["000003.png"]


def test_a_sheet_of_somebody_elses_is_left_alone(
    paint: Brushflow, clip: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "out.sheet.png"
    theirs.write_bytes(b"precious")
    assert "out.sheet.png exists and is not of this run" in one_line(paint(clip))
    assert paint(clip, "--set", "output.sheet=false").exit_code == 0
    assert theirs.read_bytes() == b"precious"


def test_encoding_an_unfinished_run_twice(
    paint: Brushflow, brushflow: Brushflow, clip: Path, painting: Path, tmp_path: Path
) -> None:
    assert paint(clip, "--frames", "0:2").exit_code == 0
    quick = ("first_iterations=3", "iterations=2", "coarsest=0")
    settings = [word for key in quick for word in ("--set", f"optimizer.{key}")]
    named = ("--input", clip, "--style", painting, "--output", tmp_path / "out.mp4")
    first, second = (brushflow("encode", *settings, *named) for _ in range(2))
    assert "2 of 6 frames" in first.stderr
    assert ": 2 of 6 frames are painted\n" in first.stdout
    assert "nothing to do: 2 of 6 frames are painted, the video has them" in second.stdout
    shutil.rmtree(tmp_path / "out.mp4.work" / "frames")
    assert "missing or damaged" in one_line(brushflow("encode", *settings, *named))


def test_a_wrong_name_keeps_what_is_there(paint: Brushflow, clip: Path, tmp_path: Path) -> None:
    assert paint(clip, "--until", "flow").exit_code == 0
    before = sorted((tmp_path / "out.mp4.work").rglob("*.png"))
    line = one_line(paint(clip, "--fresh", "--set", f"vgg.weights={tmp_path / 'none.pth'}"))
    assert "none.pth: no such file" in line
    assert sorted((tmp_path / "out.mp4.work").rglob("*.png")) == before


def test_a_refused_fresh_start_keeps_the_finished_run(
    paint: Brushflow, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, work = ("--set", "input.end=2f"), tmp_path / "out.mp4.work"
    assert paint(clip, *short).exit_code == 0

    def kept() -> dict[Path, bytes]:
        files = (path for path in work.rglob("*") if path.is_file() and path.name != ".lock")
        return {path: path.read_bytes() for path in files}

    before = kept()
    (tmp_path / "text.pth").write_text("no weights")
    for arguments, words in [
        (("--set", "input.start=1000f"), "is not after input.start"),
        (("--set", "input.start=90f", "--set", "input.end=99f"), "no frame lies between"),
        (("--frames", "7:9"), "the run has 2 frames"),
        (("--shot", 5), "--shot 5"),
        (("--set", f"vgg.weights={tmp_path / 'text.pth'}"), "text.pth"),
    ]:
        assert words in one_line(paint(clip, *short, "--fresh", *arguments))
        assert kept() == before, arguments
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000))
    assert "GB free" in one_line(paint(clip, *short, "--fresh"))
    assert kept() == before
    monkeypatch.undo()
    assert "nothing to do" in paint(clip, *short).stdout
    assert paint(clip, *short, "--fresh", "--set", "style.weight=7").exit_code == 0
    assert len(records(work)) == 2
    assert not (work / ".fresh").exists()


def test_changed_flow_files_are_refused(paint: Brushflow, clip: Path, tmp_path: Path) -> None:
    import torch

    from flow.files import encode_flo

    for frame in range(1, 6):
        path = tmp_path / f"{frame:06d}_{frame - 1:06d}.flo"
        path.write_bytes(encode_flo(torch.zeros(1, 2, 48, 64)))
    own = ("--set", f"flow.files={tmp_path}/%06d_%06d.flo")
    assert paint(clip, *own, "--frames", "0:2").exit_code == 0
    path.write_bytes(encode_flo(torch.ones(1, 2, 48, 64)))
    assert "differs in flow.files" in one_line(paint(clip, *own))


def test_a_name_too_long_to_be_written_is_refused_at_once(
    paint: Brushflow, clip: Path, tmp_path: Path
) -> None:
    """244 bytes can be a file's name, but not the longer one that it has until it is whole."""
    work = ("--set", f"run.work={tmp_path / 'work'}")
    told = one_line(paint(clip, *work, output=tmp_path / f"{'n' * 240}.mp4"))
    assert "it cannot be written there (File name too long)" in told
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "painting.png"}


@pytest.mark.parametrize("ending", ["flo", "png"])
def test_flow_of_another_size_is_refused_before_any_frame(
    ending: str, paint: Brushflow, clip: Path, tmp_path: Path
) -> None:
    import cv2
    import torch

    from flow.files import encode_flo

    for frame, width in ((1, 64), (5, 62)):  # the last is reached at the end of the clip
        path = tmp_path / f"{frame:06d}_{frame - 1:06d}.{ending}"
        flow = np.zeros((48, width, 3), np.uint16)
        data = cv2.imencode(".png", flow)[1].tobytes()
        path.write_bytes(data if ending == "png" else encode_flo(torch.zeros(1, 2, 48, width)))
    told = one_line(paint(clip, "--set", f"flow.files={tmp_path}/%06d_%06d.{ending}"))
    assert f"{path}: a flow of 62x48, but the frames have 64x48" in told
    assert not painted(tmp_path / "out.mp4.work")


def test_config_prints_the_defaults(brushflow: Brushflow, tmp_path: Path) -> None:
    from pipeline.config import load_config
    from pipeline.sections import RunConfig

    (tmp_path / "run.toml").write_text(brushflow("config").stdout, encoding="utf-8")
    assert load_config(tmp_path / "run.toml") == RunConfig()
