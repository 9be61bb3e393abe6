"""Standard against attention-aware partitions of vit_b_16 and vit_l_16: the reference figures.

    python3 validation/attention_fusion.py

Needs the package (``cargo xtask python`` and ``PYTHONPATH=python``, or a wheel) and torchvision;
no weights are downloaded or made.
"""

from __future__ import annotations

import sys

import torch
import torchvision
from fusewright.transform import trace_with_decomposition
from fusewright.transform.partitioning import AttentionFusionPartitioner, FusionBasedPartitioner
from report import Checks

# Name: operators, standard and attention subgraphs, merges, FLOP.
FIGURES = {
    "vit_b_16": (312, 264, 204, 12, 35_127_656_448),
    "vit_l_16": (600, 504, 384, 24, 123_109_425_152),
}


def validate(name: str, checks: Checks) -> None:
    """One model: counts that must come out exactly, and what they are worth."""
    checks.section(name)
    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None).eval()
    traced = trace_with_decomposition(model)
    standard = FusionBasedPartitioner().partition(traced)
    partitioner = AttentionFusionPartitioner()
    attention = partitioner.partition(traced)
    operators, before, after, merges, flops = FIGURES[name]
    checks.equal("operators", attention.original_operators, operators)
    checks.equal("standard subgraphs", standard.total_subgraphs, before)
    checks.equal("attention subgraphs", attention.total_subgraphs, after)
    checks.equal("FLOP of contractions", attention.total_flops, flops)
    stats = partitioner.get_attention_fusion_stats()
    checks.equal("merged projections", stats["parallel_fusions_created"], merges)
    checks.equal("attention chains", len(stats["attention_sequential_fusions"]), merges)
    saved = stats["parallel_fusion_memory_saved_bytes"]
    widths = {12: 768, 24: 1024}
    checks.equal("bytes of shared inputs saved", saved, merges * 2 * 197 * widths[merges] * 4)
    checks.true(
        f"mean size {standard.avg_fusion_size:.2f} → {attention.avg_fusion_size:.2f}",
        attention.avg_fusion_size > 1.25 * standard.avg_fusion_size,
        "expected a quarter more",
    )
    checks.true(
        f"data movement −{100 * standard.data_movement_reduction:.1f} % → "
        f"−{100 * attention.data_movement_reduction:.1f} %",
        attention.data_movement_reduction > standard.data_movement_reduction + 0.05,
        "expected five points more",
    )
    checks.true(
        f"kernels {standard.kernels} → {attention.kernels}",
        attention.kernels == standard.kernels - 5 * merges,
        "expected five fewer a layer",
    )


def main() -> int:
    """Validates all models; 1 if anything failed."""
    checks = Checks()
    for name in FIGURES:
        validate(name, checks)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())
