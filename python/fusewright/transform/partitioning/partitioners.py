"""Partitioners of graph modules. The work is done by the planner; here it meets ``torch.fx``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from fusewright.analysis import Analysis
from fusewright.errors import CaptureError
from fusewright.transform.graph_source import analyze_graph
from fusewright.transform.partitioning.drawing import dot, side_by_side
from fusewright.transform.partitioning.structures import (
    BottleneckType,
    FusedSubgraph,
    FusionReport,
)

MERGED = "Parallel_"


class FusionBasedPartitioner:
    """Chains of neighbours: convolution with norm and activation, linear with GELU, ….

    ``profile`` is how the graph is looked at: ``reference`` counts modules and functions of the
    trace by their literal names, ``default`` counts what launches something by what it does.
    ``hw`` is a built-in device or a device file; it decides what is worth merging.
    """

    strategy = "standard"

    def __init__(
        self, *, profile: str = "reference", hw: str | os.PathLike[str] | None = None
    ) -> None:
        self.profile = profile
        self.hw = hw
        self.analysis: Analysis | None = None
        """Of the last partition: times, tables, everything that ``fusewright.analyze`` gives."""
        self.fused_subgraphs: list[FusedSubgraph] = []
        self._report: FusionReport | None = None

    def partition(
        self, fx_graph: torch.fx.GraphModule, example_inputs: Sequence[Any] | None = None
    ) -> FusionReport:
        """Partitions a graph module.

        Shapes come from ``example_inputs`` (tensors or bare shapes), else from what its nodes
        carry (after ``ShapeProp``), else from what the model says of its inputs.
        """
        found = analyze_graph(
            fx_graph,
            example_inputs,
            strategies=["eager", self.strategy],
            profile=self.profile,
            hw=self.hw,
        )
        self.analysis = found
        plan, eager = found[self.strategy], found["eager"]
        counted = [
            row for row in found.groups.where(strategy=self.strategy) if row["pattern"] is not None
        ]
        types = _operation_types(fx_graph)
        apart = self._read_apart(found)
        self.fused_subgraphs = [_subgraph(row, types, apart, found.steps_of) for row in counted]
        fused, unfused = (p.bytes.read + p.bytes.written for p in (plan, eager))
        self._report = FusionReport(
            fused_subgraphs=self.fused_subgraphs,
            total_subgraphs=plan.groups,
            original_operators=plan.nodes,
            total_flops=plan.flops.contraction,
            total_memory_traffic_fused=fused,
            total_memory_traffic_unfused=unfused,
            data_movement_reduction=1 - fused / unfused if unfused else 0.0,
            fusion_patterns=dict(Counter(s.fusion_pattern for s in self.fused_subgraphs)),
            avg_fusion_size=plan.mean_group_size,
            max_fusion_size=plan.max_group_size,
            total_macs=found.macs,
            kernels=plan.kernels,
            kernels_unfused=eager.kernels,
            parallel_merges=plan.parallel_merges,
            notes=tuple(found.notes),
        )
        return self._report

    def _read_apart(self, found: Analysis) -> dict[str, int]:
        """Bytes that each node reads and writes when it runs alone."""
        rows = found.groups.where(strategy="eager")
        return {
            name: row["read_bytes"] + row["written_bytes"]
            for row in rows
            for name in row["nodes"][:1]
        }

    def visualize_partitioning(
        self, fx_graph: torch.fx.GraphModule, start: int | None = None, end: int | None = None
    ) -> str:
        """The graph's nodes from ``start`` to ``end`` with the subgraph of each beside them."""
        self._partitioned()
        return side_by_side(fx_graph, self.fused_subgraphs, start, end)

    def export_to_graphviz(
        self, fx_graph: torch.fx.GraphModule, output_file: str | os.PathLike[str] | None = None
    ) -> str:
        """The partition as a Graphviz graph; written to ``output_file`` if one is given."""
        self._partitioned()
        text = dot(fx_graph, self.fused_subgraphs)
        if output_file is not None:
            Path(output_file).write_text(text, encoding="utf-8")
        return text

    def _partitioned(self) -> FusionReport:
        if self._report is None:
            raise CaptureError("nothing was partitioned yet", "call partition(graph_module) first")
        return self._report


class AttentionFusionPartitioner(FusionBasedPartitioner):
    """The chains of ``FusionBasedPartitioner``, those of attention, and parallel projections."""

    strategy = "attention"

    def get_attention_fusion_stats(self) -> dict[str, Any]:
        """Merged projections and chains of attention, with the bytes that merging saves."""
        self._partitioned()
        parallel = [s for s in self.fused_subgraphs if s.fusion_pattern.startswith(MERGED)]
        chains = [
            s
            for s in self.fused_subgraphs
            if "softmax" in s.fusion_pattern.lower() and s.num_operators > 1
        ]
        return {
            "parallel_fusions_created": len(parallel),
            "parallel_fusion_subgraphs": parallel,
            "attention_sequential_fusions": chains,
            "parallel_fusion_memory_saved_bytes": sum(s.shared_bytes_saved for s in parallel),
        }

    def print_attention_fusion_summary(self) -> str:
        """A page of text; it is returned, so print it."""
        stats = self.get_attention_fusion_stats()
        parallel = stats["parallel_fusion_subgraphs"]
        saved = stats["parallel_fusion_memory_saved_bytes"] / 1e6
        lines = [
            "Attention fusion",
            "================",
            f"parallel projections merged: {len(parallel)}",
            f"bytes saved by reading shared inputs once: {saved:.2f} MB",
            f"chains around a softmax: {len(stats['attention_sequential_fusions'])}",
        ]
        names = Counter(s.fusion_pattern for s in stats["attention_sequential_fusions"])
        lines += [f"  {count:>5} × {name}" for name, count in names.most_common()]
        if not parallel:
            lines.append("nothing was merged: trace the model with trace_with_decomposition first")
        return "\n".join(lines)


class OptimalFusionPartitioner(AttentionFusionPartitioner):
    """The partition of least predicted time, with a certificate; needs no pair rules.

    It looks at what ops do, so ``profile`` is ``default`` unless asked otherwise.
    """

    strategy = "optimal"

    def __init__(
        self, *, profile: str = "default", hw: str | os.PathLike[str] | None = None
    ) -> None:
        super().__init__(profile=profile, hw=hw)


def _subgraph(
    row: dict[str, Any], types: dict[str, str], apart: dict[str, int], steps_of: dict[str, str]
) -> FusedSubgraph:
    made = dict.fromkeys(steps_of.get(name, name) for name in row["nodes"])
    names = [name for name in made if name in types]
    moved = row["read_bytes"] + row["written_bytes"]
    merged = row["kind"] == "parallel"
    saved = sum(apart.get(name, 0) for name in names) - moved if merged else 0
    flops = row["contraction_flops"] + row["other_flops"]
    intensity = flops / moved if moved else 0.0
    return FusedSubgraph(
        subgraph_id=row["id"],
        node_ids=names,
        node_names=list(names),
        operation_types=[types[name] for name in names],
        total_flops=row["contraction_flops"],
        total_macs=row["contraction_flops"] // 2,
        total_input_bytes=row["read_bytes"] - row["weight_bytes"],
        total_output_bytes=row["written_bytes"],
        internal_bytes=row["internal_bytes"],
        total_weight_bytes=row["weight_bytes"],
        fusion_pattern=row["pattern"],
        num_operators=len(names),
        depends_on=list(row["depends_on"]),
        arithmetic_intensity=intensity,
        recommended_bottleneck=BottleneckType.of(intensity),
        other_flops=row["other_flops"],
        shared_bytes_saved=max(0, saved - row["internal_bytes"]),
    )


def _operation_types(fx_graph: torch.fx.GraphModule) -> dict[str, str]:
    """What each call of a graph is: class of a module, name of a function or method."""
    types: dict[str, str] = {}
    for node in fx_graph.graph.nodes:
        if node.op == "call_module":
            types[node.name] = type(fx_graph.get_submodule(str(node.target))).__name__
        elif node.op in ("call_function", "call_method"):
            types[node.name] = getattr(node.target, "__name__", str(node.target))
    return types
