"""The terminal: the log on stderr, signals, and one line with the right exit code for an error."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from flow.errors import FlowError
from pipeline.errors import NO_SPACE, BrushflowError

GO_ON = "the same command again goes on from here"


class Terminated(BaseException):
    """SIGTERM, as an exception, so that every `finally` runs."""


@contextmanager
def told(quiet: bool, after: str = GO_ON) -> Iterator[None]:
    """Show the log, and end with one line and the right code on what users can cause.

    `after` is what a user may do once it was stopped. Codes: 2 for an error, 130 for Ctrl-C, 143
    for SIGTERM. A second signal ends at once.
    """
    logger = logging.getLogger("brushflow")
    handler = _BarSafeHandler()
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except (BrushflowError, FlowError) as error:
        _end(str(error), 2)
    except OSError as error:
        if error.errno not in NO_SPACE and error.filename is None:
            raise
        _end(_trouble(error), 2)
    except KeyboardInterrupt:
        _end(f"stopped; {after}", 130)
    except Terminated:
        _end(f"terminated; {after}", 143)
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
        logger.removeHandler(handler)


def _trouble(error: OSError) -> str:
    """What is wrong with a file, or with its disk."""
    if error.errno not in NO_SPACE:
        return f"{error.filename}: {error.strerror}"
    what = error.filename or "a file"
    return f"no space left to write {what}: make space; what is done is kept, {GO_ON}"


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """End in good order; but at once if asked a second time."""
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, _stop_at_once)
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated


def _stop_at_once(number: int, frame: FrameType | None) -> NoReturn:
    os._exit(128 + number)


class _BarSafeHandler(logging.Handler):
    """Writes log lines to stderr, above any progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        tqdm.write(prefix + record.getMessage(), file=sys.stderr)


def _end(line: str, code: int) -> NoReturn:
    sys.stderr.write(f"brushflow: {line}\n".replace("\n", " ").rstrip() + "\n")
    raise SystemExit(code)
