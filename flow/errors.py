"""The one error of optical flow that a user can cause."""


class FlowError(Exception):
    """A flow file, a weights file or an estimator that cannot be used; `str()` is one line."""
