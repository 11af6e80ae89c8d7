"""The command line: brushflow run · config · doctor. The only place that prints."""

from __future__ import annotations

import errno
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from flow.errors import FlowError
from pipeline import __version__
from pipeline.config import annotated_defaults, load_config, parse_override
from pipeline.errors import BrushflowError

if TYPE_CHECKING:
    from pipeline.run import Outcome

# Full disk, quota used up (unknown to Windows), file larger than allowed.
NO_SPACE = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)

app = typer.Typer(
    name="brushflow",
    help="Video style transfer that holds still: a clip and a painting in, a painted clip out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ConfigArgument = Annotated[
    Path | None, typer.Argument(metavar="[CONFIG]", help="The run's config file (TOML).")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override a key; may be repeated."),
]
InputOption = Annotated[
    str | None, typer.Option("--input", metavar="CLIP", help="Short for --set input.path=CLIP.")
]
StyleOption = Annotated[
    str | None, typer.Option("--style", metavar="IMAGE", help="Short for --set style.path=IMAGE.")
]
OutputOption = Annotated[
    str | None, typer.Option("--output", metavar="FILE", help="Short for --set output.path=FILE.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]


@app.command()
def run(
    config: ConfigArgument = None,
    settings: SetOption = None,
    clip: InputOption = None,
    style: StyleOption = None,
    output: OutputOption = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Throw away what an earlier run left in the work folder."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an output that another run wrote.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Paint a clip. The same command again goes on where it was stopped."""
    with _told(quiet):
        chosen = load_config(config, _overrides(settings, clip, style, output))
        from pipeline.run import Options, run_pipeline  # imports torch: only once it is needed

        _tell(run_pipeline(chosen, Options(fresh=fresh, overwrite=overwrite, quiet=quiet)), quiet)


@app.command("config")
def show_config() -> None:
    """Print every key with its default and its meaning: a config file to start from."""
    sys.stdout.write(annotated_defaults())


@app.command()
def doctor() -> None:
    """Say what would be used on this machine, and try whether each part works."""
    from pipeline.doctor import examine

    failed = 0
    for finding in examine():
        failed += not finding.works
        sys.stdout.write(
            f"{'ok  ' if finding.works else 'FAIL'}  {finding.part:10} {finding.found}\n"
        )
        sys.stdout.flush()
    if failed:
        sys.stdout.write(f"{failed} part{'s do' if failed > 1 else ' does'} not work\n")
        raise typer.Exit(1)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if show:
        sys.stdout.write(f"brushflow {__version__}\n")
        raise typer.Exit


def main() -> None:
    """Entry point of the command."""
    app()


def _overrides(
    settings: list[str] | None, clip: str | None, style: str | None, output: str | None
) -> list[tuple[str, Any]]:
    shortcuts = {"input.path": clip, "style.path": style, "output.path": output}
    given = [(name, value) for name, value in shortcuts.items() if value is not None]
    return [*(parse_override(text) for text in settings or ()), *given]


@contextmanager
def _told(quiet: bool) -> Iterator[None]:
    """Show the log, and end with one line and the right code on what users can cause."""
    logger = logging.getLogger("brushflow")
    handler = _BarSafeHandler()
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except (BrushflowError, FlowError) as error:
        _end(f"brushflow: {error}", 2)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        _end(
            f"brushflow: no space left to write {error.filename or 'a file'}: what is done is "
            "kept; make space and run the same command again",
            2,
        )
    except KeyboardInterrupt:
        _end("brushflow: stopped; the same command again goes on from here", 130)
    except _Terminated:
        _end("brushflow: terminated; the same command again goes on from here", 143)
    finally:
        signal.signal(signal.SIGTERM, before)
        logger.removeHandler(handler)


class _Terminated(BaseException):
    """SIGTERM, as an exception, so that every `finally` runs."""


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise _Terminated


class _BarSafeHandler(logging.Handler):
    """Writes log lines to stderr, above any progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        tqdm.write(prefix + record.getMessage(), file=sys.stderr)


def _end(line: str, code: int) -> NoReturn:
    sys.stderr.write(line.replace("\n", " ") + "\n")
    raise typer.Exit(code)


def _tell(outcome: Outcome, quiet: bool) -> None:
    """The summary of a run, on stdout."""
    if quiet:
        return
    for line in outcome.lines():
        sys.stdout.write(line + "\n")
