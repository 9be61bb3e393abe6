//! Arithmetic of a graph as products and sums: one node taken apart.

use fusewright_ir::ops::{Binary, Copy, Index, Pointwise, Unary, View};
use fusewright_ir::{Attributes, Graph, NodeId, Op, ValueId};
use smallvec::{SmallVec, smallvec};

/// Names of steps that only patterns have: a product with a weight of the model, and any number of views and copies.
pub(super) const PROJECTION: &str = "projection";
pub(super) const MOVED: &str = "moved";

/// The text form, or the language of patterns, has an op of this name.
pub(super) fn is_known_op(name: &str) -> bool {
    matches!(name, PROJECTION | MOVED) || !matches!(Op::from_parts(name, Attributes::default()), Ok(None))
}

/// A subscript that takes a range of one axis and leaves the others, as the slice that it is.
pub(super) fn as_slice(graph: &Graph, id: NodeId) -> Option<View> {
    let node = graph.node(id);
    let Op::View(view) = &node.op else { return None };
    let View::Subscript { items } = &**view else { return None };
    let shape = &graph.tensor(*node.inputs.first()?)?.shape;
    let mut slice = None;
    for (axis, (item, &extent)) in (0_u32..).zip(items.iter().zip(shape)) {
        let Index::Range { start, length, step } = *item else { return None };
        if (start, length, step) == (0, extent, 1) {
            continue;
        }
        if slice.replace(View::Slice { axis, start, length, step }).is_some() {
            return None;
        }
    }
    slice.filter(|_| items.len() == shape.len())
}

/// How often an op occurs in transformers, roughly: places are looked for by the rarest op of a pattern.
pub(super) fn commonness(name: &str) -> u32 {
    match name {
        "erf" | "var_mean" | "var" | "std" | "norm" => 1,
        "tanh" | "softmax" | "conv" | "batch_norm" | "layer_norm" | "rms_norm" | "group_norm" | "rotary" => 3,
        "mean" | "sum" | "sigmoid" | "relu" | "gelu" | "gelu_tanh" | "quick_gelu" | "silu" | "embedding" => 4,
        "concat" | "stack" | "slice" | "split" => 5,
        "matmul" | "einsum" => 7,
        "linear" | "matmul_add" | PROJECTION => 8,
        "dropout" | "cast" | "reshape" | "permute" | "expand" | "contiguous" | "clone" | "alias" | MOVED => 9,
        _ => 2,
    }
}

/// A node as a product of powers: its value is `coefficient · Π base^exponent`.
pub(super) struct Powers {
    pub(super) node: NodeId,
    pub(super) coefficient: f64,
    pub(super) factors: SmallVec<[(ValueId, f64); 2]>,
}

/// A node as a sum: its value is `constant + Σ ± addend`; `true` stands for minus.
pub(super) struct Addends {
    pub(super) node: NodeId,
    pub(super) constant: f64,
    pub(super) parts: SmallVec<[(ValueId, bool); 2]>,
}

/// The maker of a value as a product.
pub(super) fn powers(graph: &Graph, value: ValueId) -> Option<Powers> {
    let id = graph.producer(value)?;
    let node = graph.node(id);
    let &x = node.inputs.first()?;
    let make =
        |coefficient: f64, factors: SmallVec<[(ValueId, f64); 2]>| Some(Powers { node: id, coefficient, factors });
    let Op::Pointwise(pointwise) = &node.op else { return None };
    match pointwise {
        Pointwise::Unary(Unary::Neg) => make(-1.0, smallvec![(x, 1.0)]),
        Pointwise::Unary(Unary::Sqrt) => make(1.0, smallvec![(x, 0.5)]),
        Pointwise::Unary(Unary::Rsqrt) => make(1.0, smallvec![(x, -0.5)]),
        Pointwise::Unary(Unary::Reciprocal) => make(1.0, smallvec![(x, -1.0)]),
        Pointwise::Unary(Unary::Square) => make(1.0, smallvec![(x, 2.0)]),
        Pointwise::WithScalar { kind: Binary::Mul, scalar, .. } => make(*scalar, smallvec![(x, 1.0)]),
        Pointwise::WithScalar { kind: Binary::Div, scalar, reversed: false } if *scalar != 0.0 => {
            make(scalar.recip(), smallvec![(x, 1.0)])
        }
        Pointwise::WithScalar { kind: Binary::Div, scalar, reversed: true } => make(*scalar, smallvec![(x, -1.0)]),
        Pointwise::WithScalar { kind: Binary::Pow, scalar, reversed: false } => make(1.0, smallvec![(x, *scalar)]),
        Pointwise::Binary(kind @ (Binary::Mul | Binary::Div | Binary::Pow)) => {
            let &other = node.inputs.get(1)?;
            match (kind, scalar_of(graph, x), scalar_of(graph, other)) {
                (Binary::Mul, Some(c), None) => make(c, smallvec![(other, 1.0)]),
                (Binary::Mul, None, Some(c)) => make(c, smallvec![(x, 1.0)]),
                (Binary::Mul, _, _) => make(1.0, smallvec![(x, 1.0), (other, 1.0)]),
                (Binary::Div, Some(c), None) => make(c, smallvec![(other, -1.0)]),
                (Binary::Div, None, Some(c)) if c != 0.0 => make(c.recip(), smallvec![(x, 1.0)]),
                (Binary::Div, _, _) => make(1.0, smallvec![(x, 1.0), (other, -1.0)]),
                (_, None, Some(exponent)) => make(1.0, smallvec![(x, exponent)]),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The maker of a value as a sum.
pub(super) fn addends(graph: &Graph, value: ValueId) -> Option<Addends> {
    let id = graph.producer(value)?;
    let node = graph.node(id);
    let &x = node.inputs.first()?;
    let make = |constant: f64, parts: SmallVec<[(ValueId, bool); 2]>| Some(Addends { node: id, constant, parts });
    let Op::Pointwise(pointwise) = &node.op else { return None };
    match pointwise {
        Pointwise::Unary(Unary::Neg) => make(0.0, smallvec![(x, true)]),
        Pointwise::WithScalar { kind: Binary::Add, scalar, .. } => make(*scalar, smallvec![(x, false)]),
        Pointwise::WithScalar { kind: Binary::Sub, scalar, reversed } => {
            make(if *reversed { *scalar } else { -scalar }, smallvec![(x, *reversed)])
        }
        Pointwise::Binary(kind @ (Binary::Add | Binary::Sub)) => {
            let &other = node.inputs.get(1)?;
            let minus = *kind == Binary::Sub;
            match (scalar_of(graph, x), scalar_of(graph, other)) {
                (Some(c), None) => make(c, smallvec![(other, minus)]),
                (None, Some(c)) => make(if minus { -c } else { c }, smallvec![(x, false)]),
                _ => make(0.0, smallvec![(x, false), (other, minus)]),
            }
        }
        _ => None,
    }
}

/// Most steps between a number in the graph and its use.
const SCALAR_STEPS: u32 = 8;

/// The number that a tensor of one element holds, where the graph says so.
pub(super) fn scalar_of(graph: &Graph, mut value: ValueId) -> Option<f64> {
    if graph.tensor(value)?.elements() != 1 {
        return None;
    }
    let mut after: SmallVec<[Unary; 4]> = SmallVec::new();
    for _ in 0..SCALAR_STEPS {
        let node = graph.node(graph.producer(value)?);
        match &node.op {
            Op::Copy(copy) => match &**copy {
                Copy::Full { value, .. } => {
                    return after.iter().rev().try_fold(*value, |number, kind| match kind {
                        Unary::Sqrt => Some(number.sqrt()),
                        Unary::Neg => Some(-number),
                        Unary::Reciprocal => Some(number.recip()),
                        Unary::Rsqrt => Some(number.sqrt().recip()),
                        _ => None,
                    });
                }
                Copy::Cast { .. } | Copy::Clone | Copy::Contiguous => {}
                _ => return None,
            },
            Op::View(_) => {}
            Op::Pointwise(Pointwise::Unary(kind)) => after.push(*kind),
            _ => return None,
        }
        value = *node.inputs.first()?;
    }
    None
}
