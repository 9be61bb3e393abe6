//! What each kernel of a plan does, in the terms that the models of time speak.

use fusewright_cost::GroupCost;
use fusewright_cost::time::{Attention, AttentionLibrary, Convolution, Gemm, Kernel, Stream, StreamKind, predict};
use fusewright_device::Device;
use fusewright_ir::ops::{Attention as AttentionOp, Normalization};
use fusewright_ir::{DType, Graph, NodeId, Op, TensorType, node_work};
use fusewright_pattern::AttentionSite;

use super::framework::{Framework, apart, framework_kernels};
use super::product::product_of;
use super::written_out::written_out;
use crate::Analysis;
use crate::grammar::row_length;

/// The launches of one kernel of a plan: one, or three where attention is one op that the device cannot stream or, if no
/// framework decides, runs faster in steps.
pub(crate) fn launches(
    analysis: &Analysis,
    members: &[NodeId],
    cost: &GroupCost,
    site: Option<&AttentionSite>,
    streams: impl Fn(&AttentionSite) -> bool,
    framework: Framework,
    device: Option<&Device>,
) -> Vec<Kernel> {
    let graph = analysis.graph;
    let works: Vec<NodeId> = members.iter().copied().filter(|&id| !analysis.storage.is_free(id)).collect();
    let op_site = || {
        let anchor =
            *works.iter().find(|&&id| matches!(&graph.node(id).op, Op::Attention(AttentionOp::ScaledDotProduct(_))))?;
        // Sites are in the order of the graph.
        let sites = &analysis.attentions.sites;
        sites.binary_search_by_key(&anchor, |site| site.anchor).ok().map(|position| &sites[position])
    };
    if let Some(site) = site.or_else(op_site) {
        let attention = attention_of(graph, site, cost.moved());
        let steps = in_steps(&attention);
        let streaming = Kernel::Attention(attention);
        let pays = framework != Framework::None
            || device.is_none_or(|device| {
                let us = |kernel: &Kernel| predict(device, kernel).us;
                us(&streaming) <= steps.iter().map(us).sum()
            });
        return if streams(site) && framework.streams(graph, site.anchor) && pays {
            vec![streaming]
        } else if let (Kernel::Attention(attention), Framework::Eager | Framework::Compiled { .. }) =
            (streaming, framework)
        {
            written_out(&attention, apart(analysis, site.anchor), framework != Framework::Eager)
        } else {
            steps
        };
    }
    let products: Vec<Gemm> = works.iter().filter_map(|&id| product_of(graph, &analysis.storage, id)).collect();
    let mut kernels = framework_kernels(analysis, &works, framework);
    if let Some(gemm) = side_by_side(&products, cost.moved()) {
        let convolution = works.iter().map(|&id| graph.node(id)).find(|node| matches!(node.op, Op::Convolution(_)));
        if let Some(node) = convolution {
            let layout = framework.layout(analysis, node, &gemm);
            kernels.push(Kernel::Convolution(Convolution { product: gemm, layout }));
            kernels.extend(framework.bias_pass(graph, node, layout).map(Kernel::Stream));
        } else {
            kernels.push(Kernel::Gemm(gemm));
        }
        return kernels;
    }
    let interpolated = |&id: &NodeId| framework.resampled(analysis, id, cost);
    if let Some(stream) = works.first().filter(|_| works.len() == 1).and_then(interpolated) {
        return vec![Kernel::Stream(stream)];
    }
    let mut streams: Vec<Stream> = works.first().map(|_| stream_of(graph, &works, cost)).into_iter().collect();
    for stream in &mut streams {
        stream.kind = framework.norm(graph, &works, stream.kind);
    }
    kernels.extend(streams.into_iter().map(Kernel::Stream));
    kernels
}

/// Products of one input next to each other are one product as wide as all of them.
pub(crate) fn side_by_side(products: &[Gemm], bytes: u64) -> Option<Gemm> {
    let (first, rest) = products.split_first()?;
    let n = rest.iter().map(|gemm| gemm.n).fold(first.n, u64::saturating_add);
    Some(Gemm { n, bytes, ..first.clone() })
}

fn attention_of(graph: &Graph, site: &AttentionSite, bytes: u64) -> Attention {
    let first = site.chain.first().copied().unwrap_or(site.anchor);
    let macs = node_work(graph, first).macs;
    let per_score = if site.chain.len() > 1 { site.head_dim } else { site.head_dim.saturating_add(site.value_dim) };
    let one = site.heads.saturating_mul(site.queries).saturating_mul(site.keys).saturating_mul(per_score);
    let dtype = graph.node(first).inputs.first().and_then(|&input| graph.tensor(input)).map_or(DType::F32, |t| t.dtype);
    Attention {
        batch: macs.checked_div(one).unwrap_or(0).max(1),
        heads: site.heads,
        kv_heads: site.kv_heads,
        queries: site.queries,
        keys: site.keys,
        head_dim: site.head_dim,
        value_dim: site.value_dim,
        causal: site.causal && site.queries == site.keys,
        dtype,
        bytes,
        library: AttentionLibrary::PyTorch,
    }
}

/// Attention that writes its scores: product, softmax, product.
fn in_steps(attention: &Attention) -> Vec<Kernel> {
    let heads = attention.batch.saturating_mul(attention.heads);
    let scores = heads.saturating_mul(attention.queries).saturating_mul(attention.keys);
    let score_bytes = attention.dtype.bytes(scores);
    let product = |n, k| Gemm::plain(heads, attention.queries, n, k, attention.dtype);
    // Whole rows that are read beside queries, keys and values are added to the scores as they are written; what is left are
    // scalars, which kernels hold.
    let beside = attention.bytes.saturating_sub(attention.clone().with_operand_bytes().bytes);
    let mask_bytes = beside - beside % attention.keys.max(1);
    let mut first = product(attention.keys, attention.head_dim);
    first.bytes = first.bytes.saturating_add(mask_bytes);
    let softmax = Kernel::Stream(Stream {
        kind: StreamKind::Softmax,
        rows: heads.saturating_mul(attention.queries),
        cols: attention.keys,
        dtype: attention.dtype,
        flops: scores.saturating_mul(5),
        bytes: score_bytes.saturating_mul(2),
    });
    let second = product(attention.value_dim, attention.keys);
    vec![Kernel::Gemm(first), softmax, Kernel::Gemm(second)]
}

/// The node that decides what a loop of several is priced as: what it does, and over how many elements.
pub(crate) fn leading(graph: &Graph, works: &[NodeId]) -> Option<(StreamKind, u64, NodeId)> {
    let ranked = works.iter().map(|&id| (kind_of(&graph.node(id).op), elements(graph, id), id));
    ranked.max_by_key(|&(kind, elements, _)| (kind, elements))
}

fn stream_of(graph: &Graph, works: &[NodeId], cost: &GroupCost) -> Stream {
    let main = leading(graph, works).map_or(works[0], |(_, _, id)| id);
    let node = graph.node(main);
    let tensor = |values: &[fusewright_ir::ValueId]| values.first().and_then(|&value| graph.tensor(value)).cloned();
    let kind = kind_of(&node.op);
    let reduces = kind >= StreamKind::Reduction;
    let shape = if reduces { tensor(&node.inputs) } else { tensor(&node.outputs) };
    let all = shape.as_ref().map_or(0, TensorType::elements);
    let cols = match &node.op {
        Op::Normalization(norm) if reduces => shape.as_ref().map_or(1, |tensor| row_length(norm, tensor)),
        Op::Reduction(_) => all.checked_div(tensor(&node.outputs).map_or(1, |t| t.elements()).max(1)).unwrap_or(1),
        _ => shape.as_ref().and_then(|t| t.shape.last().copied()).unwrap_or(1),
    }
    .max(1);
    Stream {
        kind,
        rows: all / cols,
        cols,
        dtype: tensor(&node.outputs).map_or(DType::F32, |t| t.dtype),
        flops: cost.work.other_flops,
        bytes: cost.moved(),
    }
}

fn elements(graph: &Graph, id: NodeId) -> u64 {
    let values = graph.node(id).inputs.iter().chain(&graph.node(id).outputs);
    values.filter_map(|&value| graph.tensor(value)).map(TensorType::elements).max().unwrap_or(0)
}

fn kind_of(op: &Op) -> StreamKind {
    match op {
        Op::Normalization(Normalization::Softmax { .. }) => StreamKind::Softmax,
        Op::Normalization(Normalization::LayerNorm { .. } | Normalization::GroupNorm { .. }) => StreamKind::LayerNorm,
        Op::Normalization(Normalization::RmsNorm { .. }) => StreamKind::RmsNorm,
        Op::Reduction(_) | Op::Pooling(_) => StreamKind::Reduction,
        Op::Pointwise(_) | Op::Normalization(_) => StreamKind::Pointwise,
        _ => StreamKind::Copy,
    }
}
