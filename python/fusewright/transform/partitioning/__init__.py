"""Partitioners of graph modules, and what they give."""

from fusewright.transform.partitioning.partitioners import (
    AttentionFusionPartitioner,
    FusionBasedPartitioner,
    OptimalFusionPartitioner,
)
from fusewright.transform.partitioning.structures import (
    BottleneckType,
    FusedSubgraph,
    FusionReport,
)

__all__ = [
    "AttentionFusionPartitioner",
    "BottleneckType",
    "FusedSubgraph",
    "FusionBasedPartitioner",
    "FusionReport",
    "OptimalFusionPartitioner",
]
