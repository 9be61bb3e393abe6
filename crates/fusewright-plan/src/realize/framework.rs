//! What a framework does around the kernels of a plan: how images lie, and operands that are copied before a library
//! takes them.
//!
//! Plans of rules are priced as kernels that take any operand where it lies. The plans `eager` and `compiled` state what
//! PyTorch runs on a GPU, which
//! - lets images lie as they come, mostly with channels outermost, unless the compiler decides otherwise;
//! - copies the operands of a batched product whose outer axes do not lie evenly spaced;
//! - copies, without a compiler, the operand of a linear layer whose rows do not, and that of a layer norm or softmax that
//!   does not lie row-major;
//! - streams attention over operands with four axes only;
//! - adds, without a compiler, the bias of a convolution in a pass of its own;
//! - folds, without a compiler, each row of a norm with a block of threads;
//! - reads what a group norm takes once more, for its mean and variance;
//! - interpolates, without a compiler, with one thread for each position of the result, unless channels lie innermost.

use fusewright_cost::GroupCost;
use fusewright_cost::time::{Gemm, Kernel, Layout, Stream, StreamKind};
use fusewright_device::{Class, Device};
use fusewright_ir::ops::{Contraction, Copy, Normalization, Pooling};
use fusewright_ir::{Graph, Node, NodeId, Op, TensorType, ValueId};

use super::layout::channels_innermost;
use crate::{Analysis, Plan};

/// Twice the memory traffic of a byte of a group whose channels lie innermost: a run is as long as the group has channels,
/// often less than memory moves at once. Read off two families (`efficientnet` and `resnetv2` with group norms).
const GATHERED: u64 = 5;

/// Who issues the kernels of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framework {
    /// Nobody in particular.
    None,
    /// PyTorch, op by op.
    Eager,
    /// PyTorch's compiler.
    Compiled {
        /// It converts images so that their channels are innermost.
        channels_innermost: bool,
    },
}

impl Framework {
    /// Who issues the kernels of this plan on this device.
    pub(crate) fn of(analysis: &Analysis, plan: &Plan, device: &Device) -> Self {
        match (device.class, plan.strategy) {
            (Class::Gpu, "eager") => Framework::Eager,
            (Class::Gpu, "compiled") => Framework::Compiled { channels_innermost: channels_innermost(analysis.graph) },
            _ => Framework::None,
        }
    }

    /// How the images that a convolution reads and writes lie.
    pub(crate) fn layout(self, analysis: &Analysis, convolution: &Node, product: &Gemm) -> Layout {
        let lies_innermost = || {
            let image = convolution.inputs.first().and_then(|&image| Some((image, analysis.graph.tensor(image)?)));
            image.is_some_and(|(image, tensor)| analysis.storage.is_channels_last(image, tensor))
        };
        let innermost = match self {
            Framework::None => return Layout::fastest(product),
            Framework::Eager => lies_innermost(),
            Framework::Compiled { channels_innermost } => channels_innermost,
        };
        if innermost { Layout::ChannelsLast } else { Layout::ChannelsFirst }
    }

    /// It has a streaming kernel for this attention: those take operands with one batch axis and one of heads.
    pub(crate) fn streams(self, graph: &Graph, anchor: NodeId) -> bool {
        let node = graph.node(anchor);
        let rank = node.inputs.first().and_then(|&query| graph.tensor(query)).map(TensorType::rank);
        self == Framework::None || !matches!(node.op, Op::Attention(_)) || rank == Some(4)
    }

    /// The pass that adds the bias of a convolution without a compiler: `cudnn_convolution` takes none. PyTorch's own
    /// kernel does, which convolves channels apart where they are outermost and the window is one that cuDNN is not asked
    /// for.
    pub(crate) fn bias_pass(self, graph: &Graph, convolution: &Node, layout: Layout) -> Option<Stream> {
        if self != Framework::Eager || convolution.inputs.len() < 3 {
            return None;
        }
        let window = graph.tensor(*convolution.inputs.get(1)?)?.shape.get(1..)?;
        let apart = window.first() == Some(&1) && layout == Layout::ChannelsFirst;
        if apart && window.iter().skip(1).any(|extent| !matches!(extent, 1 | 3 | 5)) {
            return None;
        }
        let result = graph.tensor(*convolution.outputs.first()?)?;
        Some(Stream { kind: StreamKind::Pointwise, flops: result.elements(), ..copy_of(result) })
    }

    /// The kind of the pass that a norm is: one element by element where another pass has found the moments of its groups.
    pub(crate) fn norm(self, graph: &Graph, works: &[NodeId], kind: StreamKind) -> StreamKind {
        let of_groups = |&id: &NodeId| matches!(graph.node(id).op, Op::Normalization(Normalization::GroupNorm { .. }));
        match (self, kind) {
            (Framework::None, _) => kind,
            (_, StreamKind::LayerNorm) if works.iter().any(of_groups) => StreamKind::Pointwise,
            (Framework::Eager, StreamKind::LayerNorm) => StreamKind::BlockNorm,
            _ => kind,
        }
    }

    /// The pass that a lone interpolation is without a compiler; where channels lie innermost there is another kernel, which
    /// has a thread for each element.
    pub(crate) fn resampled(self, analysis: &Analysis, id: NodeId, cost: &GroupCost) -> Option<Stream> {
        let graph = analysis.graph;
        let node = graph.node(id);
        let image = before_cast(graph, *node.inputs.first()?);
        if graph.tensor(image).is_some_and(|tensor| analysis.storage.is_channels_last(image, tensor)) {
            return None;
        }
        let Op::Pooling(pooling) = &node.op else { return None };
        let Pooling::Resize { taps, output } = &**pooling else { return None };
        if self != Framework::Eager || *taps < 2 {
            return None;
        }
        let result = graph.tensor(*node.outputs.first()?)?;
        let rows = output.iter().fold(1_u64, |product, &extent| product.saturating_mul(extent)).max(1);
        Some(Stream {
            kind: StreamKind::Resample,
            rows,
            cols: result.elements() / rows,
            dtype: result.dtype,
            flops: cost.work.other_flops,
            bytes: cost.moved(),
        })
    }
}

/// The copies that come before the products, or the norms of rows, among `works`.
pub(crate) fn framework_kernels(analysis: &Analysis, works: &[NodeId], framework: Framework) -> Vec<Kernel> {
    let mut kernels = Vec::new();
    for &id in works {
        let node = analysis.graph.node(id);
        let operands: &[ValueId] = match (&node.op, framework) {
            (Op::Contraction(Contraction::MatMul), Framework::Eager | Framework::Compiled { .. }) => {
                node.inputs.get(..2).unwrap_or_default()
            }
            (Op::Contraction(Contraction::Linear), Framework::Eager) => node.inputs.get(..1).unwrap_or_default(),
            (Op::Normalization(Normalization::LayerNorm { .. } | Normalization::Softmax { .. }), Framework::Eager) => {
                let scattered = |&x: &ValueId| !analysis.storage.is_contiguous(x);
                let operand = node.inputs.first().filter(|x| scattered(x)).and_then(|&x| analysis.graph.tensor(x));
                kernels.extend(operand.map(copy_of).map(Kernel::Stream));
                continue;
            }
            (Op::Normalization(Normalization::GroupNorm { .. }), Framework::Eager | Framework::Compiled { .. }) => {
                let operand = node.inputs.first().and_then(|&x| analysis.graph.tensor(x));
                kernels.extend(operand.map(|x| moments(x, framework)).map(Kernel::Stream));
                continue;
            }
            _ => continue,
        };
        let is_linear = matches!(node.op, Op::Contraction(Contraction::Linear));
        kernels.extend(operands.iter().filter_map(|&operand| copied(analysis, operand, is_linear)).map(Kernel::Stream));
    }
    kernels
}

/// Whether the outer axes of queries, keys and values of an attention op lie unevenly spaced.
pub(crate) fn apart(analysis: &Analysis, attention: NodeId) -> [bool; 3] {
    let inputs = &analysis.graph.node(attention).inputs;
    std::array::from_fn(|at| inputs.get(at).is_some_and(|&operand| copied(analysis, operand, false).is_some()))
}

/// What a value was cast from: a cast keeps the order in which its operand lies.
fn before_cast(graph: &Graph, value: ValueId) -> ValueId {
    let maker = graph.producer(value).map(|maker| graph.node(maker));
    let is_cast = |node: &&Node| matches!(&node.op, Op::Copy(copy) if matches!(**copy, Copy::Cast { .. }));
    maker.filter(is_cast).and_then(|node| node.inputs.first().copied()).unwrap_or(value)
}

/// The copy of an operand whose outer axes do not lie evenly spaced.
fn copied(analysis: &Analysis, operand: ValueId, is_linear: bool) -> Option<Stream> {
    let (graph, storage) = (analysis.graph, &analysis.storage);
    let read = graph.tensor(operand)?;
    let source = before_cast(graph, operand);
    let tensor = graph.tensor(source)?;
    let kept = if is_linear { 1 } else { 2 };
    let outer = tensor.rank().checked_sub(kept).filter(|&outer| outer > 1)?;
    let merged = tensor.shape[..outer].iter().fold(1_u64, |product, &extent| product.saturating_mul(extent));
    let shape: Vec<u64> = [merged].into_iter().chain(tensor.shape[outer..].iter().copied()).collect();
    if storage.can_reshape(source, tensor, &shape) {
        return None;
    }
    Some(copy_of(read))
}

/// The pass that finds the mean and variance of each group: its elements are too many to keep until they are used.
fn moments(x: &TensorType, framework: Framework) -> Stream {
    let innermost = framework == Framework::Compiled { channels_innermost: true };
    let bytes = if innermost { x.bytes().saturating_mul(GATHERED) / 2 } else { x.bytes() };
    Stream { kind: StreamKind::Reduction, flops: x.elements().saturating_mul(3), bytes, ..copy_of(x) }
}

fn copy_of(tensor: &TensorType) -> Stream {
    let cols = tensor.shape.last().copied().unwrap_or(1).max(1);
    Stream {
        kind: StreamKind::Copy,
        rows: tensor.elements() / cols,
        cols,
        dtype: tensor.dtype,
        flops: 0,
        bytes: tensor.bytes().saturating_mul(2),
    }
}
