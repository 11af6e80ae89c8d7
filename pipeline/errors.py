"""The errors that a user can cause: one line each, exit code 2. Anything else is a bug of ours."""

import errno

# Full disk, quota used up (unknown to Windows), file larger than allowed.
NO_SPACE = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)


class BrushflowError(Exception):
    """Base of all errors that a user can cause; `str()` is the one line that the user reads."""


class ConfigError(BrushflowError):
    """A key, a value or a file of the configuration that cannot be used."""


class MediaError(BrushflowError):
    """A clip or an image that cannot be read or written."""


class WorkDirError(BrushflowError):
    """A work folder that cannot be used: not writable, too full, or of another run."""


class WeightsError(BrushflowError):
    """Network weights that are missing or of another network."""


class OptimizationError(BrushflowError):
    """An optimisation that left the finite numbers, or the memory; names the frame."""
