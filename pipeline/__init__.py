"""Brushflow's pipeline: a clip and a painting in, a painted clip out (see ARCHITECTURE.md)."""

import os

__version__ = "0.1.0"

# Waiting threads must sleep, not spin: where the machine has anything else to do, spinning ones
# were seen to make an evaluation two to ten times slower. Read when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
