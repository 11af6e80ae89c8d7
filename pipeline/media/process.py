"""One ffmpeg that we own: started apart from the terminal, watched, and ended in every exit."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import imageio_ffmpeg

from pipeline.errors import MediaError

STALL_SECONDS = 60.0
LINE_BYTES = 4096
_LINE = re.compile(r"^((?:\[[^\]]*\] )*?)\[(panic|fatal|error|warning|info|verbose)\] (.*)$")
_CONSEQUENCES = (
    "[out#",
    "[in#",
    "[vf#",
    "[af#",
    "[vost#",
    "[aost#",
    "[vist#",
    "Error ",
    "Conversion",
)
_ADDRESS = re.compile(r" @ 0x[0-9a-f]+")


class Ffmpeg:
    """A running ffmpeg; a context manager whose exit always ends it.

    `on_line(level, text)` is called for each line of its log, from a thread of ours. Where `stall`
    is given, it is killed when we wait that many seconds for its output and neither a byte nor a
    line of log arrives.

    Raises:
        MediaError: ffmpeg cannot be started.
    """

    def __init__(
        self,
        command: list[str],
        *,
        on_line: Callable[[str, str], None] | None = None,
        stall: float | None = None,
    ) -> None:
        self.errors: deque[str] = deque(maxlen=20)
        self.stalled = False
        self._on_line = on_line
        self._stall = stall
        self._waiting = False
        self._alive_at = time.monotonic()
        self._done = threading.Event()
        group: dict[str, Any] = (  # Ctrl-C must not reach it: its end is ours
            {"creationflags": 0x00000200} if os.name == "nt" else {"start_new_session": True}
        )
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                **group,
            )
        except OSError as error:
            raise MediaError(f"ffmpeg cannot be started: {command[0]}: {error}") from None
        self._threads = [threading.Thread(target=self._drain, daemon=True)]
        if stall is not None:
            self._threads.append(threading.Thread(target=self._watch, daemon=True))
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Ffmpeg:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of its output; empty at the end (or after a stall)."""
        self._alive_at, self._waiting = time.monotonic(), True
        try:
            return _pipe(self._process.stdout).read(size)
        finally:
            self._waiting = False

    def write(self, data: bytes) -> int:
        """Hand `data` to its input; raises BrokenPipeError when it has ended."""
        return _pipe(self._process.stdin).write(data)

    def close_input(self) -> None:
        """Tell it that no more input comes."""
        with contextlib.suppress(OSError):
            _pipe(self._process.stdin).close()

    def finish(self) -> int:
        """Wait until it ends by itself and its log is read; its exit code."""
        self.close_input()
        self._alive_at, self._waiting = time.monotonic(), True
        code = self._process.wait()
        self._join()
        return code

    def end(self) -> None:
        """End it now, if it still runs, and free its pipes."""
        for signal in (self._process.terminate, self._process.kill):
            if self._process.poll() is None:
                signal()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=2)
        self._join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                _pipe(pipe).close()

    def reason(self) -> str:
        """Why it failed, on one line: its first error that is no mere consequence, or a stall."""
        if self.stalled:
            return f"the decoder gave nothing for {self._stall:g} s and was ended"
        own = [line for line in self.errors if not line.startswith(_CONSEQUENCES)]
        return next(iter([*own, *self.errors]), "ffmpeg gave no reason")

    def _join(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(timeout=5)

    def _drain(self) -> None:
        stderr = _pipe(self._process.stderr)
        with contextlib.suppress(ValueError, OSError):  # the pipe was closed under us
            while raw := stderr.readline(LINE_BYTES):
                self._alive_at = time.monotonic()
                found = _LINE.match(raw.decode("utf-8", "replace").rstrip())
                if found is None:
                    continue
                if found[2] in ("panic", "fatal", "error"):
                    self.errors.append(one_line(_ADDRESS.sub("", found[1]) + found[3]))
                if self._on_line is not None:
                    self._on_line(found[2], found[3])

    def _watch(self) -> None:
        assert self._stall is not None
        while not self._done.wait(min(0.5, self._stall / 4)):
            if self._waiting and time.monotonic() - self._alive_at > self._stall:
                self.stalled = True
                self._process.kill()
                return


def executable() -> str:
    """The ffmpeg to run: IMAGEIO_FFMPEG_EXE, or the one that imageio-ffmpeg brings.

    Raises:
        MediaError: there is none for this machine.
    """
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise MediaError(f"no ffmpeg: {one_line(str(error))}; set IMAGEIO_FFMPEG_EXE") from None


def ffmpeg_version() -> str:
    """The version that `executable` says it has.

    Raises:
        MediaError: there is none, or it does not run.
    """
    try:
        done = subprocess.run(
            [executable(), "-version"], capture_output=True, text=True, timeout=60
        )
        return done.stdout.split()[2]
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        raise MediaError(f"{executable()}: does not run as ffmpeg ({error})") from None


def one_line(text: str) -> str:
    """Text for a one-line message: control characters escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shown(path: Path) -> str:
    """A path for a one-line message."""
    return one_line(str(path))


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
