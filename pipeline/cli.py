"""The command line: brushflow run · plan · preview · encode · evaluate · config · doctor."""

from __future__ import annotations

import enum
import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from pipeline import __version__
from pipeline.arguments import (
    AgainstOption,
    ConfigArgument,
    EvaluatedArgument,
    FlowOption,
    InputOption,
    JsonOption,
    OriginalOption,
    OutputOption,
    OverwriteOption,
    PaintedOption,
    QuietOption,
    ScorerOption,
    SetOption,
    StyleOption,
    StylesOption,
    VaryOption,
    flow_config,
    frame_range,
    overrides,
    pair_of,
    varied,
)
from pipeline.config import annotated_defaults, load_config
from pipeline.terminal import told
from pipeline.variants import combine


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
        chosen = load_config(config, overrides(settings, clip, style, output))
        part = frame_range(frames)
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
        chosen = load_config(config, overrides(settings, clip, style, output))
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
        chosen = load_config(config, overrides(settings, clip, style, output))
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
        several = varied(styles, vary)
        variants = combine(config, overrides(settings, clip, style, output), several)
        from pipeline.preview import Options, make_preview  # imports torch

        columns = len(several[-1].values) if several else 1
        path = make_preview(variants, Options(sheet, frame, size, columns, quiet))
        _tell([f"preview: {path}"], quiet)


@app.command(short_help="How still it holds: warping error, sharpness, drift.")
def evaluate(
    config: EvaluatedArgument = None,
    settings: SetOption = None,
    clip: InputOption = None,
    style: StyleOption = None,
    output: OutputOption = None,
    original: OriginalOption = None,
    painted: PaintedOption = None,
    against: AgainstOption = None,
    flow: FlowOption = "dis",
    scorer: ScorerOption = None,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Measure what a run has painted, or any clip beside its original (--original, --painted).

    Warping error, sharpness, boiling, drift, style and content distance, as a table. A run's
    numbers are also kept in its work folder, as metrics.json; nothing else is touched there.

    By --flow, never by the run's own: add --set flow.preset=… for DIS, flow.weights=… for RAFT.
    """
    with told(quiet, "an evaluation begins anew each time"):
        given = overrides(settings, clip, style, output)
        pair = pair_of(original, painted, config, clip, output)
        folder = config is not None and config.is_dir()
        chosen = load_config(None if folder else config, given)
        measured_by = flow_config(flow, given)
        from pipeline.evaluate import Request, make_evaluation  # imports torch

        request = Request(chosen, measured_by, given, config, pair, against, scorer, json, quiet)
        make_evaluation(request, _tell)


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


def _tell(lines: Iterable[str], quiet: bool = False) -> None:
    """The result of a command, on stdout."""
    if not quiet:
        sys.stdout.writelines(line + "\n" for line in lines)
