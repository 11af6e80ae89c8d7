"""Points at which a test can have this process killed, to show that nothing is lost there."""

from __future__ import annotations

import os
import signal

_VARIABLE = "BRUSHFLOW_FAULT"
_passed: dict[str, int] = {}


def fault_point(name: str) -> None:
    """Die here at once, as by a power cut, if BRUSHFLOW_FAULT is "name:N" and this is the Nth time.

    Without that variable it does nothing.
    """
    wanted = os.environ.get(_VARIABLE)
    if wanted is None:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if wanted == f"{name}:{_passed[name]}":
        if hasattr(signal, "SIGKILL"):
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(137)  # Windows has no SIGKILL; this too runs no clean-up
