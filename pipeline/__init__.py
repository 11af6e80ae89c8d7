"""Brushflow's pipeline: a clip and a painting in, a painted clip out (see ARCHITECTURE.md)."""

__version__ = "0.1.0"
