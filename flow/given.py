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
    found = Path(root).glob("*".join(map(glob.escape, (before, between, after))).removeprefix(root))
    fits = re.compile(r" *\d+".join(map(re.escape, (before, between, after))))
    return sorted(path for path in found if fits.fullmatch(str(path)))


def require_files(pattern: str) -> None:
    """Raises FlowError: no file fits the pattern."""
    if not given_files(pattern):
        raise FlowError(f"flow.files: no file fits {pattern}")


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
