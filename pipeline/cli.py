"""The command line: brushflow run · plan · preview · encode · config · doctor."""

from __future__ import annotations

import enum
import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import __version__
from pipeline.config import annotated_defaults, check_name, load_config, parse_override
from pipeline.errors import ConfigError
from pipeline.terminal import told
from pipeline.variants import Varied, combine, parse_vary, vary_style


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
StylesOption = Annotated[
    list[str] | None,
    typer.Option("--style", metavar="IMAGE", help="The painting; may be repeated."),
]
VaryOption = Annotated[
    list[str] | None,
    typer.Option("--vary", metavar="SECTION.KEY=VALUE,VALUE", help="Try these; may be repeated."),
]


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
        str | None, typer.Option("--frames", metavar="A:B", help="Only frames A to B - 1 (from 0).")
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
        if part and shot is not None:
            raise ConfigError("--frames and --shot choose a part of the run each: give one of them")
        from pipeline.outcome import Options
        from pipeline.run import Run  # imports torch: only once it is needed

        options = Options(fresh, overwrite, quiet, part, shot, until.value)
        with Run(chosen, options) as opened:
            _tell(opened.run().lines(), quiet)


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
        from pipeline.outcome import Options
        from pipeline.run import Run

        with Run(chosen, Options(overwrite=overwrite, quiet=quiet)) as opened:
            _tell(opened.encode().lines(), quiet)


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
        from pipeline.outcome import Options
        from pipeline.plan import make_plan
        from pipeline.run import Run

        with Run(chosen, Options(quiet=quiet)) as opened:
            _tell(make_plan(opened).lines())


@app.command(short_help="Variants of single frames on one sheet.")
def preview(
    config: ConfigArgument = None,
    settings: SetOption = None,
    clip: InputOption = None,
    styles: StylesOption = None,
    output: OutputOption = None,
    vary: VaryOption = None,
    frame: Annotated[
        int | None, typer.Option("--frame", min=0, help="This frame (from 0), not one a shot.")
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
        style = styles[0] if styles and len(styles) == 1 else None
        varied = _varied(styles, vary)
        variants = combine(config, _overrides(settings, clip, style, output), varied)
        from pipeline.preview import Options, make_preview  # imports torch

        columns = len(varied[-1].values) if varied else 1
        path = make_preview(variants, Options(sheet, frame, size, columns, quiet))
        _tell([f"preview: {path}"], quiet)


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
        word = "ok  " if finding.works else "FAIL"
        sys.stdout.write(f"{word}  {finding.part:10} {finding.found}\n")
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
    if isinstance(sys.stdout, io.TextIOWrapper):  # files are UTF-8, as we read them again
        encoding = None if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")
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


def _varied(styles: list[str] | None, vary: list[str] | None) -> list[Varied]:
    """Several `--style` and all of `--vary`, as the keys that they vary."""
    varied = [parse_vary(text) for text in vary or ()]
    for each in varied:
        check_name(each.key, "--vary")
    return [vary_style(styles), *varied] if styles and len(styles) > 1 else varied


def _tell(lines: Iterable[str], quiet: bool = False) -> None:
    """The result of a command, on stdout."""
    if not quiet:
        sys.stdout.writelines(line + "\n" for line in lines)
