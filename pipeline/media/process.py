"""One ffmpeg that we own: started apart from the terminal, watched, and ended in every exit."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator
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

    `on_line(level, text)` is called for each line of its log, from a thread of ours. It is killed
    when we wait for it and it shows no sign of life for STALL_SECONDS: no byte that it gives or
    takes, no line of log, no change of `output`, the file (or folder) that it writes.

    Raises:
        MediaError: ffmpeg cannot be started.
    """

    def __init__(
        self,
        command: list[str],
        *,
        on_line: Callable[[str, str], None] | None = None,
        output: Path | None = None,
    ) -> None:
        self.errors: deque[str] = deque(maxlen=20)
        self.stalled = False
        self._on_line = on_line
        self._output = output
        self._stall = STALL_SECONDS
        self._waiting = False
        self._signs = 0
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
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._drain, self._watch)
        ]
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
        with self._awaited():
            return _pipe(self._process.stdout).read(size)

    def write(self, data: bytes) -> int:
        """Hand `data` to its input; raises BrokenPipeError when it has ended (or after a stall)."""
        with self._awaited():
            return _pipe(self._process.stdin).write(data)

    def close_input(self) -> None:
        """Tell it that no more input comes."""
        with contextlib.suppress(OSError):
            _pipe(self._process.stdin).close()

    def finish(self) -> int:
        """Wait until it ends by itself and its log is read; its exit code."""
        with self._awaited():
            self.close_input()
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
            did = "gave" if self._output is None else "took and wrote"
            return f"ffmpeg {did} nothing for {self._stall:g} s and was ended"
        own = [line for line in self.errors if not line.startswith(_CONSEQUENCES)]
        return next(iter([*own, *self.errors]), "ffmpeg gave no reason")

    @contextlib.contextmanager
    def _awaited(self) -> Iterator[None]:
        self._waiting = True
        try:
            yield
        finally:
            self._waiting = False
            self._signs += 1

    def _join(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(timeout=5)

    def _drain(self) -> None:
        stderr = _pipe(self._process.stderr)
        with contextlib.suppress(ValueError, OSError):  # the pipe was closed under us
            while raw := stderr.readline(LINE_BYTES):
                self._signs += 1
                found = _LINE.match(raw.decode("utf-8", "replace").rstrip())
                if found is None:
                    continue
                if found[2] in ("panic", "fatal", "error"):
                    self.errors.append(one_line(_ADDRESS.sub("", found[1]) + found[3]))
                if self._on_line is not None:
                    self._on_line(found[2], found[3])

    def _watch(self) -> None:
        """Count the pauses of ours in which nothing happens.

        The clock would also count the time in which we are stopped ourselves (Ctrl-Z).
        """
        pause, quiet, before = min(0.5, self._stall / 4), 0.0, (0, 0, 0)
        while not self._done.wait(pause):
            now = (self._signs, *_state(self._output))
            quiet = quiet + pause if self._waiting and now == before else 0.0
            before = now
            if quiet >= self._stall:
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


def _state(path: Path | None) -> tuple[int, int]:
    """What changes about a file (or a folder) when something is written to it."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        found = None
    return (found.st_size, found.st_mtime_ns) if found is not None else (0, 0)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
