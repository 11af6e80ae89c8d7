"""Estimators of backward flow between two frames, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flow.dis import dis, dis_on_larger
from flow.estimating import Estimator, EstimatorOptions
from flow.raft import raft_large, raft_small

ESTIMATORS: dict[str, Callable[[EstimatorOptions], Estimator]] = {
    "dis": dis,
    "raft_small": raft_small,
    "raft_large": raft_large,
}
# What estimates on frames larger than those that flow is for, where that is not the same.
ON_LARGER: dict[str, Callable[[Any], Estimator]] = {"dis": dis_on_larger}
