"""The work folder: what counts as done, and what is refused."""

import hashlib
import os
import platform
import shutil
from pathlib import Path

import pytest

from pipeline.claims import claims, differences, identity
from pipeline.config import load_config
from pipeline.errors import WorkDirError
from pipeline.records import Record
from pipeline.schedule import Step
from pipeline.sections import RunConfig
from pipeline.shots import Shot
from pipeline.workdir import WorkDir

FIRST, SECOND = Step(0, 0, "content"), Step(1, 0, "warped", (0,), (0,))


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    (tmp_path / "clip.mp4").write_bytes(b"clip")
    (tmp_path / "style.jpg").write_bytes(b"style")
    return load_config(
        None, [("input.path", tmp_path / "clip.mp4"), ("style.path", tmp_path / "style.jpg")]
    )


def opened(root: Path, config: RunConfig, **options: bool) -> WorkDir:
    work = WorkDir(root / "work")
    work.open()
    try:
        work.claim(config, **options)
        work.begin()
    finally:
        work.close()  # so that it can be opened again; what it knows stays
    return work


def keep(work: WorkDir, step: Step, png: bytes) -> None:
    record = Record(
        frame=step.frame,
        pass_index=0,
        init=step.init,
        iterations=1,
        stopped="iterations",
        seconds=0.1,
        start={"style": 2.0},
        end={"style": 1.0},
        made_from=work.made_from(step),
        sha256=hashlib.sha256(png).hexdigest(),
    )
    work.finish(png, record)


def painted(root: Path, config: RunConfig) -> WorkDir:
    """A folder with two frames extracted and painted."""
    work = opened(root, config)
    work.start_frames()
    for number in range(2):
        work.frame(number).write_bytes(b"frame %d" % number)
    hashes = [hashlib.sha256(b"frame %d" % number).hexdigest() for number in range(2)]
    work.finish_frames({"ticks": [0, 1]}, hashes)
    keep(work, FIRST, b"painted 0")
    keep(work, SECOND, b"painted 1")
    return work


def reopened(root: Path, config: RunConfig) -> WorkDir:
    work = opened(root, config)
    work.timeline()
    return work


def test_what_was_done_is_done_after_opening_again(tmp_path: Path, config: RunConfig) -> None:
    painted(tmp_path, config)
    work = reopened(tmp_path, config)
    assert work.is_done(FIRST)
    assert work.is_done(SECOND)
    assert work.timeline() == {"ticks": [0, 1]}
    work.finish_shots([Shot(0, 0, 2)])
    assert work.shots() == [Shot(0, 0, 2)]


def test_a_damaged_frame_is_not_done(tmp_path: Path, config: RunConfig) -> None:
    painted(tmp_path, config).painted(FIRST.result).write_bytes(b"painted")
    assert not reopened(tmp_path, config).is_done(FIRST)


def test_what_follows_from_another_painting_is_not_done(tmp_path: Path, config: RunConfig) -> None:
    painted(tmp_path, config)
    work = reopened(tmp_path, config)
    keep(work, FIRST, b"painted differently")
    assert not work.is_done(SECOND)
    keep(work, FIRST, b"painted 0")
    assert work.is_done(SECOND)


def test_a_damaged_frame_of_the_clip_is_found(tmp_path: Path, config: RunConfig) -> None:
    painted(tmp_path, config).frame(1).write_bytes(b"frame 0")
    assert opened(tmp_path, config).timeline() is None


def test_a_line_cut_short_is_passed_over(tmp_path: Path, config: RunConfig) -> None:
    work = painted(tmp_path, config)
    record = work.root / "record.jsonl"
    record.write_bytes(record.read_bytes()[:-20])
    work = reopened(tmp_path, config)
    assert work.is_done(FIRST)
    assert not work.is_done(SECOND)
    keep(work, SECOND, b"painted 1")
    assert reopened(tmp_path, config).is_done(SECOND)


@pytest.mark.parametrize(
    "changed", ["style.weight=7", "tv.norm=l2", "shots.threshold=9", "input.max_side=64"]
)
def test_another_config_is_refused_by_key(tmp_path: Path, config: RunConfig, changed: str) -> None:
    painted(tmp_path, config)
    key, _, value = changed.partition("=")
    section, _, name = key.partition(".")
    given = int(value) if value.isdigit() else value
    part = getattr(config, section).model_copy(update={name: given})
    other = config.model_copy(update={section: part})
    with pytest.raises(WorkDirError, match=key.replace(".", r"\.")) as caught:
        opened(tmp_path, other)
    assert "--fresh" in str(caught.value)
    assert opened(tmp_path, other, fresh=True).records == {}


def test_another_painting_under_the_same_name_is_refused(tmp_path: Path, config: RunConfig) -> None:
    painted(tmp_path, config)
    (tmp_path / "style.jpg").write_bytes(b"another")
    with pytest.raises(WorkDirError, match=r"style\.path"):
        opened(tmp_path, config)


def test_encoder_settings_and_names_may_change(tmp_path: Path, config: RunConfig) -> None:
    painted(tmp_path, config)
    (tmp_path / "style.jpg").rename(tmp_path / "moved.jpg")
    style = config.style.model_copy(update={"path": tmp_path / "moved.jpg"})
    output = config.output.model_copy(update={"quality": 30})
    work = opened(tmp_path, config.model_copy(update={"style": style, "output": output}))
    work.timeline()
    assert work.is_done(SECOND)


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path, config: RunConfig) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("precious")
    for fresh in (False, True):
        with pytest.raises(WorkDirError, match="not empty"):
            opened(tmp_path, config, fresh=fresh)
    assert (tmp_path / "work" / "thesis.txt").exists()


def test_a_folder_in_use_is_refused_naming_the_holder(tmp_path: Path, config: RunConfig) -> None:
    holder = WorkDir(tmp_path / "work")
    holder.open()
    with pytest.raises(WorkDirError, match=f"process {os.getpid()} on {platform.node()}"):
        WorkDir(tmp_path / "work").open()
    holder.close()
    opened(tmp_path, config)


def test_a_refused_folder_is_let_go_of(tmp_path: Path, config: RunConfig) -> None:
    painted(tmp_path, config)
    style = config.style.model_copy(update={"weight": 7.0})
    for _ in range(2):
        with pytest.raises(WorkDirError, match=r"style\.weight"):
            opened(tmp_path, config.model_copy(update={"style": style}))


def test_what_a_killed_process_was_writing_is_removed(tmp_path: Path, config: RunConfig) -> None:
    part = painted(tmp_path, config).painted(FIRST.result).with_name(".000001.png.x.part")
    part.write_bytes(b"half")
    opened(tmp_path, config)
    assert not part.exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path, config: RunConfig) -> None:
    (tmp_path / "work").write_text("a file")
    with pytest.raises(WorkDirError, match=r"run\.work"):
        opened(tmp_path, config)


def test_fresh_removes_only_what_is_ours(tmp_path: Path, config: RunConfig) -> None:
    theirs = painted(tmp_path, config).root / "my notes.txt"
    theirs.write_text("precious")
    work = opened(tmp_path, config, fresh=True)
    assert theirs.exists()
    assert not work.records
    assert not work.frame(0).exists()
    assert not work.painted(FIRST.result).exists()


def test_fresh_removes_nothing_before_the_new_run_begins(tmp_path: Path, config: RunConfig) -> None:
    work = painted(tmp_path, config)
    before = {path: path.read_bytes() for path in work.root.rglob("*.*") if path.is_file()}
    style = config.style.model_copy(update={"weight": 7.0})
    other = config.model_copy(update={"style": style})

    def prepared() -> WorkDir:
        work = WorkDir(tmp_path / "work")
        work.open()
        work.claim(other, fresh=True)
        work.start_frames()
        work.frame(0).write_bytes(b"another")
        work.finish_frames({"ticks": [0]}, [hashlib.sha256(b"another").hexdigest()])
        work.finish_shots([Shot(0, 0, 1)])
        return work

    prepared().close()  # refused
    assert before == {path: path.read_bytes() for path in before}
    assert not (work.root / ".fresh").exists()
    prepared()._guard.release()  # killed
    assert reopened(tmp_path, config).is_done(SECOND)
    assert not (work.root / ".fresh").exists()
    work = prepared()
    work.begin()
    work.close()
    assert not (work.root / "stylized").exists()
    work = reopened(tmp_path, other)
    assert work.timeline() == {"ticks": [0]}
    assert work.shots() == [Shot(0, 0, 1)]
    assert work.frame(0) == work.root / "frames" / "000000.png"


def test_only_what_a_change_touches_is_made_again(tmp_path: Path, config: RunConfig) -> None:
    """Without painted frames, another look keeps the clip's frames, the shots and the flow."""

    def prepared() -> WorkDir:
        work = painted(tmp_path, config)
        work.finish_shots([Shot(0, 0, 2)])
        work.flow.mkdir(exist_ok=True)
        (work.flow / "000001_000000.flo").write_bytes(b"flow")
        (work.root / "record.jsonl").unlink()
        return work

    for section, key, value, kept in [
        ("style", "weight", 7.0, {"frames", "shots.json", "flow"}),
        ("shots", "min_length", 3, {"frames", "flow"}),
        ("flow", "check", "published", {"frames", "shots.json"}),
        ("input", "max_side", 64, set()),
    ]:
        opened(tmp_path, config, fresh=True)
        root = prepared().root
        part = getattr(config, section).model_copy(update={key: value})
        opened(tmp_path, config.model_copy(update={section: part}))
        found = {name for name in ("frames", "shots.json", "flow") if (root / name).exists()}
        assert found == kept, key


def test_reading_removes_nothing(tmp_path: Path, config: RunConfig) -> None:
    root = painted(tmp_path, config).root
    (root / "record.jsonl").unlink()
    before = sorted(root.rglob("*"))
    style = config.style.model_copy(update={"weight": 7.0})
    with pytest.raises(WorkDirError, match=r"style\.weight"):
        opened(tmp_path, config.model_copy(update={"style": style}), only_read=True)
    assert sorted(root.rglob("*")) == before


def test_a_damaged_manifest_vouches_for_nothing(tmp_path: Path, config: RunConfig) -> None:
    root = painted(tmp_path, config).root
    (root / "manifest.json").write_bytes(b"")
    with pytest.raises(WorkDirError, match=r"manifest\.json: damaged"):
        opened(tmp_path, config)
    (root / "record.jsonl").unlink()
    with pytest.raises(WorkDirError, match=r"manifest\.json: damaged"):
        opened(tmp_path, config)
    shutil.rmtree(root / "stylized")
    assert opened(tmp_path, config).timeline() is None


def test_shots_of_other_frames_do_not_count(tmp_path: Path, config: RunConfig) -> None:
    work = painted(tmp_path, config)
    work.finish_shots([Shot(0, 0, 5)])
    assert reopened(tmp_path, config).shots() is None


def test_what_names_a_file_counts_by_content(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number:04d}.png").write_bytes(b"%d" % number)
    by_folder, by_pattern = identity(folder), identity(folder / "%04d.png")
    for stranger in (".DS_Store", "out.mp4", "notes.txt"):
        (folder / stranger).write_bytes(b"")
    os.utime(folder / "0000.png", (0, 0))
    assert identity(folder) == by_folder
    assert identity(folder / "%04d.png") == by_pattern
    (folder / "0001.png").write_bytes(b"other")
    assert identity(folder) != by_folder
    assert identity(folder / "%04d.png") != by_pattern
    assert identity(tmp_path / "none.png") == "missing"
    pair = tmp_path / "%06d_%06d.flo"
    (tmp_path / "000001_000000.flo").write_bytes(b"flow")
    assert identity(pair) != "missing"


def test_what_differs_is_told_with_both_values_where_they_say_something(config: RunConfig) -> None:
    given = (("input.path", config.style.path), ("input.end", "9f"), ("temporal.light", False))
    changed = load_config(None, [*given, ("style.path", config.style.path), ("shots.cuts", ["2f"])])
    assert list(differences(claims(config), claims(changed)).values()) == [
        "input.path",
        "input.end (not set there, 9f now)",
        "shots.cuts",
        "temporal.light (true there, false now)",
    ]
