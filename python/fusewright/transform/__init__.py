"""Graph modules with attention opened, and their partition into kernels.

from fusewright.transform import trace_with_decomposition
from fusewright.transform.partitioning import AttentionFusionPartitioner

traced = trace_with_decomposition(model)
report = AttentionFusionPartitioner().partition(traced)
"""

from fusewright.transform.attention import DecomposedMultiheadAttention
from fusewright.transform.tracer import DecomposingAttentionTracer, trace_with_decomposition

__all__ = [
    "DecomposedMultiheadAttention",
    "DecomposingAttentionTracer",
    "trace_with_decomposition",
]
