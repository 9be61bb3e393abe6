//! What the values that no node makes are used for: indices and their bounds, weights and where they are summed.

use fusewright_ir::ops::{Binary, Contraction, Copy, Gather, Normalization, Pointwise, Scatter};
use fusewright_ir::{Graph, Op, Origin, ValueId};

/// What a generated tensor must be like.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Use {
    /// Integers must stay below this: rows of a table are picked by them.
    pub(crate) below: Option<u64>,
    /// Products are summed along this axis.
    pub(crate) summed: Option<usize>,
    /// Factors of a norm.
    pub(crate) factor: bool,
    /// Running variances.
    pub(crate) variance: bool,
}

/// The uses of every value, followed back through what keeps numbers as they are.
pub(crate) fn uses(graph: &Graph) -> Vec<Use> {
    let mut uses = vec![Use::default(); graph.value_count()];
    for (_, node) in graph.nodes().rev() {
        let extent = |operand: usize, axis: usize| {
            node.inputs.get(operand).and_then(|&value| graph.tensor(value)?.shape.get(axis).copied())
        };
        let rank = |operand: usize| node.inputs.get(operand).and_then(|&value| Some(graph.tensor(value)?.rank()));
        let place = |axis: i64, operand: usize| {
            let rank = rank(operand)?.cast_signed() as i64;
            usize::try_from(if axis < 0 { axis + rank } else { axis }).ok()
        };
        let mut bounds: Vec<(usize, Option<u64>)> = Vec::new();
        match &node.op {
            Op::Gather(gather) => match gather {
                Gather::Embedding => bounds.push((0, extent(1, 0))),
                Gather::PositionBias { .. } => bounds.push((1, extent(0, 0))),
                Gather::IndexSelect { axis } | Gather::Elements { axis } => {
                    bounds.push((1, place(*axis, 0).and_then(|axis| extent(0, axis))));
                }
                Gather::Indexed { axes } => {
                    bounds.extend((1..).zip(axes).map(|(operand, &axis)| (operand, extent(0, axis as usize))));
                }
                Gather::Nd { .. } => bounds.push((1, smallest(graph, node.inputs[0]))),
            },
            Op::Scatter(scatter) => match scatter {
                Scatter::Elements { axis, .. } | Scatter::Slices { axis, .. } => {
                    bounds.push((2, place(*axis, 0).and_then(|axis| extent(0, axis))));
                }
                Scatter::Indexed { axes, .. } => {
                    bounds.extend((2..).zip(axes).map(|(operand, &axis)| (operand, extent(0, axis as usize))));
                }
                Scatter::Nd { .. } => bounds.push((2, smallest(graph, node.inputs[0]))),
                Scatter::Write { .. } | Scatter::Masked => {}
            },
            Op::View(_) => pass(graph, &mut uses, node, 0),
            Op::Copy(copy) => match **copy {
                Copy::Contiguous | Copy::Clone | Copy::Cast { .. } | Copy::Repeat { .. } => {
                    pass(graph, &mut uses, node, 0);
                }
                Copy::Concat { .. } | Copy::Stack { .. } => {
                    (0..node.inputs.len()).for_each(|operand| pass(graph, &mut uses, node, operand));
                }
                _ => {}
            },
            Op::Pointwise(Pointwise::WithScalar { kind: Binary::Add, scalar, .. }) => {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "offsets are small")]
                let offset = scalar.max(0.0) as u64;
                let below = node.outputs.first().and_then(|&output| uses[output.index()].below);
                bounds.push((0, below.map(|below| below.saturating_sub(offset).max(1))));
            }
            Op::Pointwise(Pointwise::Where) => {
                pass(graph, &mut uses, node, 1);
                pass(graph, &mut uses, node, 2);
            }
            _ => {}
        }
        for (operand, bound) in bounds {
            if let (Some(&value), Some(bound)) = (node.inputs.get(operand), bound) {
                let known = &mut uses[value.index()].below;
                *known = Some(known.map_or(bound, |known| known.min(bound)));
            }
        }
        weights(&mut uses, graph, &node.op, &node.inputs);
    }
    // A packed weight is used as its parts are.
    for (id, value) in graph.values() {
        if let Origin::Part { of, .. } = value.origin {
            let part = uses[id.index()];
            let whole = &mut uses[of.index()];
            whole.summed = whole.summed.or(part.summed);
            whole.factor |= part.factor;
        }
    }
    uses
}

fn smallest(graph: &Graph, value: ValueId) -> Option<u64> {
    graph.tensor(value)?.shape.iter().copied().min()
}

/// What holds for the result holds for this operand.
fn pass(graph: &Graph, uses: &mut [Use], node: &fusewright_ir::Node, operand: usize) {
    let Some(&value) = node.inputs.get(operand) else { return };
    let rank = |value: ValueId| graph.tensor(value).map(fusewright_ir::TensorType::rank);
    for &output in &node.outputs {
        let of_result = uses[output.index()];
        let own = &mut uses[value.index()];
        own.below = match (own.below, of_result.below) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        own.factor |= of_result.factor;
        own.variance |= of_result.variance;
        if rank(output) == rank(value)
            && let Some(axis) = of_result.summed
        {
            let axis = match &node.op {
                Op::View(view) => match &**view {
                    fusewright_ir::ops::View::Permute { axes } => axes.get(axis).map(|&axis| axis as usize),
                    _ => Some(axis),
                },
                _ => Some(axis),
            };
            own.summed = own.summed.or(axis);
        }
    }
}

fn weights(uses: &mut [Use], graph: &Graph, op: &Op, inputs: &[ValueId]) {
    let mut sums = |operand: usize, back: usize| {
        if let Some(&value) = inputs.get(operand)
            && let Some(tensor) = graph.tensor(value)
        {
            uses[value.index()].summed = tensor.rank().checked_sub(back);
        }
    };
    match op {
        Op::Contraction(Contraction::Linear) => sums(1, 1),
        Op::Contraction(Contraction::MatMul) => sums(1, 2),
        Op::Contraction(Contraction::MatMulAdd { .. }) => sums(2, 2),
        Op::Contraction(Contraction::GroupedMatMul { transposed }) => sums(1, if *transposed { 1 } else { 2 }),
        Op::Normalization(norm) => {
            if let Some(&value) = inputs.get(1) {
                uses[value.index()].factor = true;
            }
            if let (Normalization::BatchNorm { .. }, Some(&value)) = (norm, inputs.last()) {
                uses[value.index()].variance = true;
            }
        }
        _ => {}
    }
}
