"""What a partition is: fused subgraphs, and a report of all of them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class BottleneckType(enum.Enum):
    """What a subgraph waits for, by FLOPs per byte alone; ``hw`` gives a device's own word."""

    COMPUTE_BOUND = "compute_bound"
    BALANCED = "balanced"
    MEMORY_BOUND = "memory_bound"
    BANDWIDTH_BOUND = "bandwidth_bound"

    @classmethod
    def of(cls, intensity: float) -> BottleneckType:
        """By arithmetic intensity: above 50, 10 and 1 FLOP a byte, and below."""
        if intensity > 50:
            return cls.COMPUTE_BOUND
        if intensity > 10:
            return cls.BALANCED
        return cls.MEMORY_BOUND if intensity > 1 else cls.BANDWIDTH_BOUND


@dataclass(frozen=True)
class FusedSubgraph:
    """Nodes that run as one kernel. Bytes are exact; FLOPs are 2 per multiply-accumulate."""

    subgraph_id: int
    node_ids: list[str]
    """Names of the partitioned nodes in the traced graph, in order."""
    node_names: list[str]
    operation_types: list[str]
    """``linear``, ``softmax``, ``LayerNorm``, … one a node."""
    total_flops: int
    """Of contractions."""
    total_macs: int
    total_input_bytes: int
    """Read from outside, weights apart; each outside value once."""
    total_output_bytes: int
    """Written for other subgraphs or as results."""
    internal_bytes: int
    """Made and used inside: what fusion saves."""
    total_weight_bytes: int
    fusion_pattern: str
    num_operators: int
    depends_on: list[int] = field(default_factory=list)
    arithmetic_intensity: float = 0.0
    """FLOPs per byte moved."""
    recommended_bottleneck: BottleneckType = BottleneckType.BANDWIDTH_BOUND
    other_flops: int = 0
    """Of softmax, norms and pointwise steps."""
    shared_bytes_saved: int = 0
    """Bytes of a shared input that merging reads once instead of once a projection."""

    def data_movement_reduction(self) -> float:
        """Share of the bytes that the nodes would move one by one and the subgraph does not."""
        moved = self.total_input_bytes + self.total_output_bytes + self.total_weight_bytes
        saved = self.internal_bytes + self.shared_bytes_saved
        return saved / (moved + saved) if moved + saved else 0.0


@dataclass(frozen=True)
class FusionReport:
    """A partition of a whole graph."""

    fused_subgraphs: list[FusedSubgraph]
    total_subgraphs: int
    original_operators: int
    """Nodes that were partitioned: modules and functions of the trace."""
    total_flops: int
    total_memory_traffic_fused: int
    total_memory_traffic_unfused: int
    data_movement_reduction: float
    """1 − fused / unfused."""
    fusion_patterns: dict[str, int]
    avg_fusion_size: float
    max_fusion_size: int
    total_macs: int = 0
    kernels: int = 0
    """Launches: subgraphs that only describe memory launch nothing."""
    kernels_unfused: int = 0
    parallel_merges: int = 0
    notes: tuple[str, ...] = ()

    @property
    def subgraphs(self) -> list[FusedSubgraph]:
        """``fused_subgraphs`` by its other name."""
        return self.fused_subgraphs

    def summary_stats(self) -> str:
        """A page of text."""
        lines = [
            "Fusion partition",
            "================",
            f"operators:            {self.original_operators:,}",
            f"fused subgraphs:      {self.total_subgraphs:,}",
            f"operators a subgraph: {self.avg_fusion_size:.2f}, at most {self.max_fusion_size}",
            f"kernels:              {self.kernels_unfused:,} → {self.kernels:,}",
            f"parallel merges:      {self.parallel_merges:,}",
            f"contractions:         {self.total_flops / 1e9:.2f} GFLOP",
            f"bytes, one by one:    {self.total_memory_traffic_unfused / 1e6:.2f} MB",
            f"bytes, fused:         {self.total_memory_traffic_fused / 1e6:.2f} MB "
            f"(−{100 * self.data_movement_reduction:.1f} %)",
            "",
            "patterns:",
        ]
        ordered = sorted(self.fusion_patterns.items(), key=lambda item: (-item[1], item[0]))
        lines += [f"  {count:>5} × {name}" for name, count in ordered]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)
