"""Developers' tools."""

import pipeline  # noqa: F401  # before torch: it says how threads wait and where memory lies
