//! Which nodes a loop compiler writes as loops, and over what.
//!
//! A loop runs over `full` elements. A reduction folds runs of `folded` of them into one result; norms and softmax fold
//! and then run over the same elements again. Products, convolutions, attention, sorting and what is not understood stay
//! calls of a library.

use fusewright_ir::ops::{Copy, Normalization, Pooling, Reduction, Scatter};
use fusewright_ir::{Graph, Node, Op, TensorType};

/// Taps of a pooling window up to which it is unrolled into a loop.
const MOST_TAPS: u64 = 25;

/// Operands up to which a join of tensors is part of a loop; more of them are each copied to their place, and the whole
/// is in memory before it is read.
const MOST_JOINED: usize = 8;

/// The result of this node has to be in memory before anything reads it.
pub(crate) fn is_whole(node: &Node) -> bool {
    let joins = matches!(&node.op, Op::Copy(copy) if matches!(**copy, Copy::Concat { .. } | Copy::Stack { .. }));
    joins && node.inputs.len() > MOST_JOINED
}

/// The iteration of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Loop {
    /// Elements that it runs over.
    pub(crate) full: u64,
    /// How many of them make one result of a reduction; 1 without one.
    pub(crate) folded: u64,
    /// It reads its first operand at other places than it writes, some of them more than once: the operand has to be in
    /// memory.
    pub(crate) scattered: bool,
    /// Its operands fill separate parts of the result, constants the rest.
    pub(crate) joins: bool,
}

impl Loop {
    fn pointwise(full: u64) -> Self {
        Self { full, folded: 1, scattered: false, joins: false }
    }

    fn folding(full: u64, folded: u64) -> Self {
        Self { folded: folded.max(1), ..Self::pointwise(full) }
    }

    /// The iteration alone, without what only says how its first node reads.
    pub(crate) fn plain(self) -> Self {
        Self { scattered: false, joins: false, ..self }
    }

    fn reading_elsewhere(full: u64) -> Self {
        Self { scattered: true, ..Self::pointwise(full) }
    }
}

/// The loop that computes a node, or none for a library call.
pub(crate) fn loop_of(graph: &Graph, node: &Node) -> Option<Loop> {
    let elements = |tensor: Option<&TensorType>| tensor.map(TensorType::elements);
    let x = node.inputs.first().and_then(|&input| graph.tensor(input));
    let result = elements(node.outputs.first().and_then(|&output| graph.tensor(output)))?;
    match &node.op {
        Op::Pointwise(_) | Op::View(_) | Op::Scatter(Scatter::Write { .. }) => Some(Loop::pointwise(result)),
        Op::Copy(copy) => Some(match &**copy {
            Copy::Concat { .. } | Copy::Stack { .. } | Copy::Pad { .. } => {
                Loop { joins: true, ..Loop::pointwise(result) }
            }
            _ => Loop::pointwise(result),
        }),
        Op::Gather(_) => Some(Loop::reading_elsewhere(result)),
        Op::Normalization(norm) => {
            let x = x?;
            Some(Loop::folding(result, row_length(norm, x)))
        }
        Op::Reduction(reduction) => {
            let full = elements(x)?;
            match reduction {
                Reduction::Reduce { .. } | Reduction::VarMean { .. } | Reduction::Extreme { .. } => {
                    Some(Loop::folding(full, full.checked_div(result)?))
                }
                Reduction::CumulativeSum { .. } => Some(Loop::folding(full, *x?.shape.last()?)),
                Reduction::TopK { .. } | Reduction::Sort { .. } | Reduction::Histogram { .. } => None,
            }
        }
        Op::Pooling(pooling) => match &**pooling {
            Pooling::Window { kernel, .. } => {
                let taps = kernel.iter().fold(1_u64, |product, &extent| product.saturating_mul(extent));
                (taps <= MOST_TAPS).then(|| Loop::reading_elsewhere(result))
            }
            Pooling::Adaptive { output, .. } if output.iter().all(|&extent| extent == 1) => {
                let full = elements(x)?;
                Some(Loop::folding(full, full.checked_div(result)?))
            }
            Pooling::Adaptive { .. } | Pooling::Resize { .. } => Some(Loop::reading_elsewhere(result)),
        },
        Op::Contraction(_) | Op::Convolution(_) | Op::Attention(_) | Op::Scatter(_) | Op::Host(_) | Op::Opaque(_) => {
            None
        }
    }
}

/// Elements that are brought to a common scale.
pub(crate) fn row_length(norm: &Normalization, x: &TensorType) -> u64 {
    let product = |extents: &[u64]| extents.iter().fold(1_u64, |product, &extent| product.saturating_mul(extent));
    match norm {
        Normalization::LayerNorm { axes, .. } | Normalization::RmsNorm { axes, .. } => {
            let kept = usize::try_from(*axes).ok().and_then(|axes| x.rank().checked_sub(axes)).unwrap_or(0);
            product(&x.shape[kept..])
        }
        Normalization::BatchNorm { training: false, .. } => 1,
        Normalization::BatchNorm { .. } => {
            x.shape.get(1).map_or(1, |&channels| x.elements().checked_div(channels).unwrap_or(1))
        }
        Normalization::GroupNorm { groups, .. } => {
            let samples = x.shape.first().copied().unwrap_or(1);
            x.elements().checked_div(samples.saturating_mul(*groups)).unwrap_or(1)
        }
        Normalization::Softmax { axis, .. } => {
            let rank = i64::try_from(x.rank()).unwrap_or(i64::MAX);
            let position = if *axis < 0 { axis.saturating_add(rank) } else { *axis };
            usize::try_from(position).ok().and_then(|position| x.shape.get(position)).copied().unwrap_or(1)
        }
    }
}

/// The loop of two that run over the same elements, and fold the same runs of them if both fold.
pub(crate) fn over_same_elements(a: Loop, b: Loop) -> Option<Loop> {
    let same = a.full == b.full && (a.folded == 1 || b.folded == 1 || a.folded == b.folded);
    same.then(|| Loop { folded: a.folded.max(b.folded), ..a })
}

/// How a loop joins one that reads it; `own` is the loop of the node that reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// As this loop.
    As(Loop),
    /// As the reader's loop, if nothing else reads the maker.
    IfOnlyReader(Loop),
    /// Not at all.
    Not,
}

/// The loop that computes what `made` and `read` compute.
pub(crate) fn joined(made: Loop, read: Loop, own: Loop) -> Joined {
    if let Some(same) = over_same_elements(made, read) {
        return Joined::As(same);
    }
    if made.folded > 1 && read.folded == 1 && made.full.checked_div(made.folded) == Some(read.full) {
        return Joined::As(made);
    }
    let is_part = made.folded == 1 && made.full < read.full;
    let fits = own.joins || made.full == 0 || read.full.is_multiple_of(made.full);
    if is_part && fits { Joined::IfOnlyReader(read) } else { Joined::Not }
}
