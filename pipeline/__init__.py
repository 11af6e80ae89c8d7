"""Brushflow's pipeline: a clip and a painting in, a painted clip out (see ARCHITECTURE.md)."""

import os

__version__ = "0.1.0"

# Both are read when torch is imported. Threads that wait spin for half a millisecond, then sleep:
# asleep at once, an evaluation at 320x180 takes a third longer; awake for ever, two to ten times as
# long where the machine has anything else to do.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
# Large tensors lie in huge pages (Linux): a tenth off an evaluation at 640x360.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
