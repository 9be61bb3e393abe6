"""Partitioners of graph modules: the reference figures, exact bytes, shapes from anywhere."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn
from torch.fx.passes.shape_prop import ShapeProp

import fusewright
from fusewright.transform import trace_with_decomposition
from fusewright.transform.partitioning import (
    AttentionFusionPartitioner,
    BottleneckType,
    FusionBasedPartitioner,
    OptimalFusionPartitioner,
)


@pytest.fixture(scope="module")
def vit():
    with torch.device("meta"):
        return trace_with_decomposition(torchvision.models.vit_b_16(weights=None).eval())


@pytest.fixture(scope="module")
def attention(vit):
    partitioner = AttentionFusionPartitioner()
    return partitioner, partitioner.partition(vit)


def test_the_figures_of_vit_b_16(vit, attention):
    standard = FusionBasedPartitioner().partition(vit)
    partitioner, report = attention
    assert (standard.total_subgraphs, report.total_subgraphs) == (264, 204)
    assert standard.original_operators == report.original_operators == 312
    assert (round(standard.avg_fusion_size, 2), round(report.avg_fusion_size, 2)) == (1.18, 1.53)
    assert report.total_flops == standard.total_flops == 35_127_656_448
    assert report.total_macs * 2 == report.total_flops
    assert 0 < report.total_memory_traffic_fused < standard.total_memory_traffic_fused
    assert report.data_movement_reduction == pytest.approx(
        1 - report.total_memory_traffic_fused / report.total_memory_traffic_unfused
    )
    assert report.fusion_patterns["Parallel_QKV_Linear"] == 12
    assert report.fusion_patterns["matmul_mul_softmax_matmul"] == 12
    assert report.max_fusion_size == 4
    assert "1×3×224×224" in report.notes[0]
    stats = partitioner.get_attention_fusion_stats()
    assert stats["parallel_fusions_created"] == 12
    assert len(stats["attention_sequential_fusions"]) == 12
    assert stats["parallel_fusion_memory_saved_bytes"] == 12 * 2 * 197 * 768 * 4


def test_the_figures_are_those_of_the_built_in_model(attention):
    _, report = attention
    built_in = fusewright.analyze("vit_b_16", profile="reference")
    assert report.total_subgraphs == built_in["attention"].groups
    assert report.total_flops == built_in.flops.contraction
    moved = built_in["attention"].bytes.read + built_in["attention"].bytes.written
    assert report.total_memory_traffic_fused == moved


def test_subgraphs_hold_every_operator_once(vit, attention):
    _, report = attention
    names = [name for subgraph in report.fused_subgraphs for name in subgraph.node_names]
    assert len(names) == len(set(names))
    assert set(names) <= {node.name for node in vit.graph.nodes}
    for subgraph in report.fused_subgraphs:
        assert subgraph.num_operators == len(subgraph.node_ids) == len(subgraph.operation_types)
        assert 0 <= subgraph.data_movement_reduction() < 1
        assert all(0 <= other for other in subgraph.depends_on)
    merged = next(s for s in report.subgraphs if s.fusion_pattern.startswith("Parallel"))
    assert merged.operation_types == ["linear"] * 3
    assert merged.total_input_bytes == 197 * 768 * 4
    assert merged.total_output_bytes == 3 * 197 * 768 * 4
    assert merged.total_weight_bytes == 3 * (768 + 1) * 768 * 4
    assert merged.total_flops == 3 * 2 * 197 * 768 * 768
    assert merged.recommended_bottleneck is BottleneckType.COMPUTE_BOUND


def test_pages_and_drawings(vit, attention, tmp_path):
    partitioner, report = attention
    assert "204" in report.summary_stats() and "35.13 GFLOP" in report.summary_stats()
    assert "14.52 MB" in partitioner.print_attention_fusion_summary()
    page = partitioner.visualize_partitioning(vit, 35, 60).splitlines()
    assert any("┌" in line and "Parallel_QKV_Linear" in line for line in page)
    assert len(page) == 26
    path = tmp_path / "partition.dot"
    dot = partitioner.export_to_graphviz(vit, str(path))
    assert path.read_text() == dot and dot.count("subgraph cluster_") == 48
    with pytest.raises(fusewright.CaptureError, match="partition"):
        FusionBasedPartitioner().visualize_partitioning(vit)


class Block(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.norm = nn.LayerNorm(32)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True, **options)

    def forward(self, x, padding):
        y = self.norm(x)
        return x + self.attention(y, y, y, key_padding_mask=padding)[0]


@pytest.mark.parametrize("options", [{}, {"add_bias_kv": True, "add_zero_attn": True}], ids=str)
def test_masks_and_appended_keys_are_counted(options):
    traced = trace_with_decomposition(Block(**options).eval())
    partitioner = AttentionFusionPartitioner()
    inputs = [torch.randn(2, 5, 32), torch.zeros(2, 5, dtype=torch.bool)]
    report = partitioner.partition(traced, inputs)
    assert partitioner.analysis.model.uncounted_ops == []
    assert report.parallel_merges == 1
    keys = 5 + len(options)
    assert report.total_flops == 2 * 2 * 5 * (4 * 32 * 32 + 2 * 32 * keys)
    names = {name for s in report.fused_subgraphs for name in s.node_names}
    assert "padded_scores" in names
    assert names <= {node.name for node in traced.graph.nodes}


def test_shapes_that_nodes_carry_are_used():
    model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4)).eval()
    traced = torch.fx.symbolic_trace(model)
    ShapeProp(traced).propagate(torch.randn(3, 8))
    report = FusionBasedPartitioner().partition(traced)
    assert report.total_flops == 2 * 3 * (8 * 16 + 16 * 4) and report.notes == ()
    assert (
        FusionBasedPartitioner().partition(traced, [(6, 8)]).total_flops == 2 * report.total_flops
    )


def test_shapes_that_nobody_knows_are_asked_for():
    class Plain(nn.Module):
        def forward(self, x):
            return torch.relu(x)

    traced = torch.fx.symbolic_trace(Plain())
    with pytest.raises(fusewright.CaptureError, match="example_inputs"):
        FusionBasedPartitioner().partition(traced)
    assert FusionBasedPartitioner().partition(traced, [(2, 3)]).total_subgraphs == 1


def test_a_device_decides_what_is_worth_merging(vit):
    report = AttentionFusionPartitioner(profile="default", hw="a100-sxm-80").partition(vit)
    assert report.parallel_merges in range(13)
    partitioner = AttentionFusionPartitioner(profile="default")
    report = partitioner.partition(vit)
    assert (report.kernels, report.kernels_unfused) == (76, 197)


def test_the_optimal_partitioner_gives_kernels_that_exist(vit):
    partitioner = OptimalFusionPartitioner(hw="a100-sxm-80")
    assert partitioner.profile == "default"
    report = partitioner.partition(vit)
    plan = partitioner.analysis["optimal"]
    assert plan.certificate.valid
    assert 0 < report.kernels < report.kernels_unfused
    assert plan.latency_us.mid <= partitioner.analysis["eager"].latency_us.mid
