"""The command line itself: its help, its words for what is wrong, what it writes where."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from pipeline import cli
from pipeline.config import annotated_defaults
from pipeline.terminal import told

Brushflow = Callable[..., Result]
ROOT = Path(__file__).parent.parent


def one_line(result: Result) -> str:
    """The error of a refused command, which must be one line and nothing else."""
    assert result.exit_code == 2, (result.stdout, result.stderr)
    (line,) = result.stderr.splitlines()
    assert line.startswith("brushflow: ")
    return line


def test_help_names_every_command(brushflow: Brushflow) -> None:
    text = brushflow("--help").stdout
    for command in ("run", "encode", "plan", "preview", "evaluate", "config", "doctor"):
        assert f"  {command} " in text
        assert brushflow(command, "--help").exit_code == 0
    assert len(cli.app.registered_commands) == 7


def test_a_part_of_a_run_is_chosen_in_one_way(brushflow: Brushflow) -> None:
    line = one_line(brushflow("run", "--frames", "0:2", "--shot", 0))
    assert "--frames and --shot" in line
    assert "give one of them" in line
    line = one_line(brushflow("run", "--shot", 0, "--until", "frames"))
    assert "give --until shots or a later one" in line
    assert "give a range like 40:60" in one_line(brushflow("run", "--frames", "4"))


def test_a_wrong_key_is_told_of_the_option_it_came_with(brushflow: Brushflow) -> None:
    for option, command in [("--set", "run"), ("--vary", "preview")]:
        for given, words in [
            ("style.weigth=1", f'{option}: style.weigth is unknown; did you mean "weight"?'),
            ("stile.weight=1", f"{option}: [stile] is unknown"),
            ("weight=1", f"{option} weight: give it as section.key=value; there is style.weight"),
            ("style=1", f"{option} style: give it as section.key=value; [style] has the keys"),
        ]:
            assert words in one_line(brushflow(command, option, given))


def test_an_output_without_a_name_is_one_line(brushflow: Brushflow) -> None:
    for command in ("run", "plan", "preview", "encode", "evaluate"):
        root = Path.cwd().anchor
        assert "it has no name of its own" in one_line(brushflow(command, "--output", root))
        assert "output.path: an empty path" in one_line(brushflow(command, "--output", ""))


def test_a_part_of_ones_own_beside_the_config(
    paint: Brushflow, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "own_cuts.py").write_text("def halves(frames, options):\n    return [3]\n")
    (folder / "run.toml").write_text('[shots]\ndetector = "own_cuts:halves"\nmin_length = 1\n')
    result = paint(clip, folder / "run.toml", "--until", "shots")
    assert result.exit_code == 0, result.stderr
    assert '"start": 3' in (tmp_path / "out.mp4.work/shots.json").read_text()


def test_a_file_that_cannot_be_used_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as ended, told(quiet=False):
        (tmp_path / "file" / "frames").mkdir()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"brushflow: {tmp_path / 'file' / 'frames'}: ")
    with pytest.raises(OSError, match="nobody knows where"), told(quiet=False):
        raise OSError("nobody knows where")


def test_what_is_redirected_is_utf8() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "config"],
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        cwd=ROOT,
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode("utf-8").splitlines() == annotated_defaults().splitlines()


class Terminal(io.TextIOWrapper):
    """A terminal that has not every letter."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_without_a_letter_gets_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(shown, "cp1252"))
    monkeypatch.setattr(sys, "argv", ["brushflow", "config"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    sys.stdout.flush()
    assert "\\u03b2: weight of the style loss" in shown.getvalue().decode("cp1252")
