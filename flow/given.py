"""The user's own flow files: which a pattern such as "flow/%06d_%06d.flo" names."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from flow.errors import FlowError


def file_of(pattern: str, i: int, j: int) -> Path:
    """The file that a pattern names for the flow from frame i to frame j."""
    before, first, between, second, after = _split(pattern)
    return Path(f"{before}{first % i}{between}{second % j}{after}")


def given_files(pattern: str) -> list[Path]:
    """The files that fit a pattern of the user's own flow, "flow/%06d_%06d.flo", in order.

    Raises:
        FlowError: the pattern has fewer than two numbers.
    """
    before, _, between, _, after = _split(str(Path(pattern)))
    root = Path(pattern).anchor
    parts = (before, between, after) if between else (before, after)  # "**" would be folders
    found = Path(root).glob("*".join(map(glob.escape, parts)).removeprefix(root))
    return sorted(path for path in found if _fits(path, str(Path(pattern))))


def require_files(pattern: str) -> None:
    """Raises FlowError: no file fits the pattern."""
    if not given_files(pattern):
        raise FlowError(f"flow.files: no file fits {pattern}")


def _fits(path: Path, pattern: str) -> bool:
    """Whether it is the file that the pattern names for some two frames."""
    before, first, between, second, after = _split(pattern)
    parts = re.escape(before), _digits(first), re.escape(between), _digits(second), re.escape(after)
    found = re.fullmatch("".join(parts), str(path))
    return found is not None and file_of(pattern, int(found[1]), int(found[2])) == path


def _digits(form: str) -> str:
    """A group for what a form such as "%06d" writes."""
    least = form[2:-1] if form.startswith("%0") else ""
    return rf"( *\d{{{least or 1},}})"


def _split(pattern: str) -> tuple[str, str, str, str, str]:
    """Before, first number, between, second number, after: of the last two numbers in a pattern.

    The last two, because a folder's own name may well hold a percent sign.

    Raises:
        FlowError: fewer than two numbers.
    """
    numbers = list(re.finditer(r"%(0?\d*)d", pattern))[-2:]
    if len(numbers) < 2:
        raise FlowError(
            f'flow.files = "{pattern}": it must hold two numbers, as in "flow/%06d_%06d.flo"'
        )
    first, second = numbers
    between = pattern[first.end() : second.start()]
    return (
        pattern[: first.start()],
        first.group(),
        between,
        second.group(),
        pattern[second.end() :],
    )
