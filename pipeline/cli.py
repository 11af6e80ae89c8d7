"""The command line: brushflow run · plan · preview · encode · config · doctor."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline import __version__
from pipeline.config import annotated_defaults, load_config, parse_override
from pipeline.errors import ConfigError
from pipeline.terminal import told

if TYPE_CHECKING:
    from pipeline.run import Outcome


class Until(enum.StrEnum):
    """The stages of a run, in order."""

    frames = "frames"
    shots = "shots"
    flow = "flow"
    painting = "painting"
    video = "video"


app = typer.Typer(
    name="brushflow",
    help="Video style transfer that holds still: a clip and a painting in, a painted clip out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ConfigArgument = Annotated[
    Path | None, typer.Argument(metavar="CONFIG", help="The run's config file (TOML).")
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
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace an output that another run wrote.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]


@app.command(short_help="Paint a clip; the same command again goes on.")
def run(
    config: ConfigArgument = None,
    settings: SetOption = None,
    clip: InputOption = None,
    style: StyleOption = None,
    output: OutputOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Throw away what an earlier run left and start anew.")
    ] = False,
    overwrite: OverwriteOption = False,
    frames: Annotated[
        str | None,
        typer.Option("--frames", metavar="A:B", help="Only frames A to B - 1 (from 0)."),
    ] = None,
    shot: Annotated[int | None, typer.Option("--shot", help="Only this shot (from 0).")] = None,
    until: Annotated[
        Until, typer.Option("--until", help="The last stage to do.", show_default=False)
    ] = Until.video,
    quiet: QuietOption = False,
) -> None:
    """Paint a clip. The same command again goes on where it was stopped.

    With --frames, --shot or --until only a part of the work is done, and what it builds on; later
    calls use it.
    """
    with told(quiet):
        chosen = load_config(config, _overrides(settings, clip, style, output))
        part = _frame_range(frames)
        from pipeline.run import Options, Run  # imports torch: only once it is needed

        options = Options(fresh, overwrite, quiet, part, shot, until.value)
        with Run(chosen, options) as opened:
            _tell(opened.run(), quiet)


@app.command(short_help="Write the video of what is painted so far.")
def encode(
    config: ConfigArgument = None,
    settings: SetOption = None,
    clip: InputOption = None,
    style: StyleOption = None,
    output: OutputOption = None,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write the video again from what is painted, also of an unfinished run."""
    with told(quiet):
        chosen = load_config(config, _overrides(settings, clip, style, output))
        from pipeline.run import Options, Run

        with Run(chosen, Options(overwrite=overwrite, quiet=quiet)) as opened:
            _tell(opened.encode(), quiet)


@app.command(short_help="What a run will cost: time, memory, disk; its shots.")
def plan(
    config: ConfigArgument = None,
    settings: SetOption = None,
    clip: InputOption = None,
    style: StyleOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> None:
    """Say what a run will cost: shots, frames, time, memory, disk; and write a sheet of shots."""
    with told(quiet):
        chosen = load_config(config, _overrides(settings, clip, style, output))
        from pipeline.plan import make_plan
        from pipeline.run import Options, Run

        with Run(chosen, Options(quiet=quiet)) as opened:
            for line in make_plan(opened).lines():
                sys.stdout.write(line + "\n")


@app.command(short_help="Variants of single frames on one sheet.")
def preview(
    config: ConfigArgument = None,
    settings: SetOption = None,
    clip: InputOption = None,
    styles: Annotated[
        list[str] | None,
        typer.Option("--style", metavar="IMAGE", help="The painting; may be repeated."),
    ] = None,
    output: OutputOption = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary", metavar="SECTION.KEY=VALUE,VALUE", help="Try these; may be repeated."
        ),
    ] = None,
    frame: Annotated[
        int | None,
        typer.Option("--frame", min=0, help="This frame (from 0), not one a shot."),
    ] = None,
    size: Annotated[
        int, typer.Option("--size", min=32, max=4096, help="The longer side, in pixels.")
    ] = 240,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="FILE", help="Where; else <output>.preview.png."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Paint one small frame of each shot with every combination of some values, on one sheet."""
    with told(quiet, "a preview begins anew each time"):
        from pipeline.variants import combine, parse_vary, vary_style

        several = styles if styles and len(styles) > 1 else []
        style = styles[0] if styles and not several else None
        varied = [*([vary_style(several)] if several else []), *map(parse_vary, vary or ())]
        variants = combine(config, _overrides(settings, clip, style, output), varied)
        from pipeline.preview import Options, make_preview  # imports torch

        columns = len(varied[-1].values) if varied else 1
        path = make_preview(variants, Options(sheet, frame, size, columns, quiet))
        if not quiet:
            sys.stdout.write(f"preview: {path}\n")


@app.command("config", short_help="Print every key with its default and meaning.")
def show_config() -> None:
    """Print every key with its default and its meaning: a config file to start from."""
    sys.stdout.write(annotated_defaults())


@app.command(short_help="What would be used here, and whether it works.")
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


def _frame_range(text: str | None) -> tuple[int, int] | None:
    """`--frames 40:60` as numbers.

    Raises:
        ConfigError: not of that form.
    """
    if text is None:
        return None
    first, colon, stop = text.partition(":")
    if not (colon and first.isdecimal() and stop.isdecimal()):
        raise ConfigError(f"--frames {text}: give a range like 40:60, the frames 40 to 59")
    return int(first), int(stop)


def _tell(outcome: Outcome, quiet: bool) -> None:
    """The summary of a run, on stdout."""
    if quiet:
        return
    for line in outcome.lines():
        sys.stdout.write(line + "\n")
