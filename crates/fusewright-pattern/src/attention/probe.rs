//! The value of a tensor at one index, worked out on demand from what made it.
//!
//! Masks are built by ranges, comparisons, logic, choices and views. To know what a mask does it is enough to look at
//! a few of its elements; nothing is computed as a whole. What the graph does not hold (weights, inputs, literals)
//! is unknown, and the probe remembers why.

use fusewright_ir::ops::{Copy, Pointwise, View};
use fusewright_ir::{Consumers, DType, Graph, NodeId, Op, Origin, TensorType, ValueId};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::probe_arithmetic::{binary, cast, combine, decides, same, unary};
use super::probe_index::Place;
use super::{axes, probe_index, probe_select};

/// The number at a position, counted row by row, of a value that no node makes; `None` where nobody knows it.
pub type Known<'a> = dyn Fn(ValueId, u64) -> Option<f64> + 'a;

/// An index into a tensor.
pub(super) type Point = SmallVec<[u64; 6]>;

/// What a value was found to depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taint(u8);

impl Taint {
    pub(super) const NONE: Taint = Taint(0);
    /// A mask over positions that the caller gives, taken to let everything through.
    pub(super) const PADDING: Taint = Taint(1);
    /// Trained tensors or products of activations: numbers of ordinary size.
    pub(super) const LEARNED: Taint = Taint(2);
    /// Tensors written in the source or stored with the model, whose content is not known.
    pub(super) const STORED: Taint = Taint(4);
    /// Anything else that is not known.
    pub(super) const OPEN: Taint = Taint(8);
    /// Token ids.
    pub(super) const TOKEN: Taint = Taint(16);

    pub(super) fn has(self, other: Taint) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn and(self, other: Taint) -> Taint {
        Taint(self.0 | other.0)
    }
}

/// One element: its value where it is known, and what it depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) value: Option<f64>,
    pub(super) taint: Taint,
}

impl Sample {
    pub(super) fn known(value: f64) -> Self {
        Self { value: Some(value), taint: Taint::NONE }
    }

    pub(super) fn unknown(taint: Taint) -> Self {
        Self { value: None, taint }
    }

    pub(super) fn tainted(self, taint: Taint) -> Self {
        Self { value: self.value, taint: self.taint.and(taint) }
    }
}

/// Added numbers up to this one hide a key: −100 is what windowed models write.
pub(super) const HIDDEN: f64 = -50.0;

/// Steps that one question may take.
const STEPS_PER_QUESTION: u64 = 1 << 14;
/// Steps that one more element of a running sum may take.
const STEPS_PER_ELEMENT: u64 = 256;
/// Steps between a value and what it is made of.
const DEPTH: u32 = 256;
/// Longest axis that is folded element by element.
const LONGEST_FOLD: u64 = 1 << 13;

/// Answers questions about elements, remembering what it has worked out.
pub(super) struct Probe<'a> {
    pub(super) graph: &'a Graph,
    consumers: &'a Consumers,
    /// Elements of what no node makes, where someone knows them.
    known: Option<&'a Known<'a>>,
    memo: FxHashMap<(ValueId, u64), Sample>,
    /// Running sums by operand and first element of the line.
    runs: FxHashMap<(ValueId, u64), Vec<Sample>>,
    /// Steps left in all, so that a graph is searched in linear time.
    steps: u64,
    question: u64,
    depth: u32,
}

impl<'a> Probe<'a> {
    pub(super) fn new(graph: &'a Graph, consumers: &'a Consumers, known: Option<&'a Known<'a>>) -> Self {
        let steps = (1 << 20) + 64 * graph.node_count() as u64;
        let (memo, runs) = (FxHashMap::default(), FxHashMap::default());
        Self { graph, consumers, known, memo, runs, steps, question: 0, depth: 0 }
    }

    /// Allows another question its share of the steps.
    pub(super) fn next_question(&mut self) {
        self.question = STEPS_PER_QUESTION.min(self.steps);
        // Elements of different masks are seldom shared; what is shared is cheap to work out again.
        if self.memo.len() > 1 << 20 {
            self.memo.clear();
        }
    }

    /// The value of a tensor of one element.
    pub(super) fn scalar(&mut self, value: ValueId) -> Option<f64> {
        let rank = self.graph.tensor(value)?.rank();
        self.next_question();
        let sample = self.at(value, &Point::from_elem(0, rank));
        sample.value.filter(|_| !sample.taint.has(Taint::PADDING))
    }

    /// The element at an index inside the tensor.
    pub(super) fn at(&mut self, value: ValueId, point: &[u64]) -> Sample {
        let Some(tensor) = self.graph.tensor(value) else { return Sample::unknown(Taint::OPEN) };
        if tensor.rank() != point.len() || tensor.shape.iter().zip(point).any(|(&extent, &at)| at >= extent) {
            return Sample::unknown(Taint::OPEN);
        }
        let Origin::Node { node, index: output } = self.graph.value(value).origin else {
            return self.source(value, tensor, point);
        };
        let key = (value, flat(&tensor.shape, point));
        if let Some(&known) = self.memo.get(&key) {
            return known;
        }
        if self.question == 0 || self.depth == DEPTH {
            return Sample::unknown(Taint::OPEN);
        }
        self.question -= 1;
        self.steps = self.steps.saturating_sub(1);
        self.depth += 1;
        let sample = self.made(node, output as usize, tensor, point);
        self.depth -= 1;
        self.memo.insert(key, sample);
        sample
    }

    /// The sum of a line of elements up to this one.
    pub(super) fn running_sum(&mut self, x: ValueId, shape: &[u64], axis: usize, point: &[u64]) -> Sample {
        let mut place = Point::from_slice(point);
        let Some(last) = point.get(axis).and_then(|&last| usize::try_from(last).ok()) else {
            return Sample::unknown(Taint::OPEN);
        };
        place[axis] = 0;
        let key = (x, flat(shape, &place));
        let mut run = self.runs.remove(&key).unwrap_or_default();
        while run.len() <= last {
            let sum = run.last().copied().unwrap_or(Sample::known(0.0));
            if sum.value.is_none() {
                break;
            }
            place[axis] = run.len() as u64;
            // A line is worked out once, whatever question comes first.
            self.question = self.question.max(STEPS_PER_ELEMENT.min(self.steps));
            let next = self.at(x, &place);
            let value = sum.value.zip(next.value).map(|(sum, next)| sum + next);
            run.push(Sample { value, taint: sum.taint.and(next.taint) });
        }
        let found = run.get(last).or(run.last()).copied();
        self.runs.insert(key, run);
        found.unwrap_or(Sample::unknown(Taint::OPEN))
    }

    fn source(&self, value: ValueId, tensor: &TensorType, point: &[u64]) -> Sample {
        let graph = self.graph;
        let stored = matches!(graph.value(value).origin, Origin::Buffer | Origin::Constant);
        if let Some(number) = self.known.filter(|_| stored).and_then(|known| known(value, flat(&tensor.shape, point))) {
            return Sample::known(number);
        }
        let origin = match &graph.value(value).origin {
            Origin::Part { of, .. } => &graph.value(*of).origin,
            origin => origin,
        };
        match origin {
            Origin::Parameter => Sample::unknown(Taint::LEARNED),
            Origin::Buffer | Origin::Constant => Sample::unknown(Taint::STORED),
            Origin::Input if !tensor.dtype.is_float() && tensor.rank() == 2 => {
                let looks_up =
                    |&id: &NodeId| matches!(graph.node(id).op, Op::Gather(_)) && graph.node(id).inputs[0] == value;
                if self.consumers.of_value(value).iter().any(looks_up) {
                    Sample::unknown(Taint::TOKEN)
                } else if tensor.shape[0] == tensor.shape[1] && tensor.shape[0] > 1 {
                    // As likely one row for every query as one for every sequence.
                    Sample::unknown(Taint::OPEN)
                } else {
                    Sample::known(1.0).tainted(Taint::PADDING)
                }
            }
            _ => Sample::unknown(Taint::OPEN),
        }
    }

    fn made(&mut self, id: NodeId, output: usize, tensor: &TensorType, point: &[u64]) -> Sample {
        let graph = self.graph;
        let node = graph.node(id);
        match &node.op {
            Op::View(view) if matches!(**view, View::Alias) => {
                node.inputs.get(output).map_or(Sample::unknown(Taint::OPEN), |&input| self.at(input, point))
            }
            Op::View(view) => {
                let Some(&x) = node.inputs.first() else { return Sample::unknown(Taint::OPEN) };
                let from = graph.tensor(x).map(|from| from.shape.as_slice()).unwrap_or_default();
                match probe_index::through_view(view, from, &tensor.shape, output, point) {
                    Some(point) => self.at(x, &point),
                    None => Sample::unknown(Taint::OPEN),
                }
            }
            Op::Pointwise(pointwise) => self.pointwise(pointwise, &node.inputs, tensor, point),
            Op::Copy(copy) => self.copied(copy, &node.inputs, tensor, point),
            Op::Gather(gather) => probe_select::gathered(self, gather, &node.inputs, point),
            Op::Scatter(scatter) => probe_select::scattered(self, scatter, &node.inputs, point),
            Op::Reduction(reduction) => probe_select::reduced(self, reduction, node, output, point, LONGEST_FOLD),
            Op::Contraction(_) | Op::Convolution(_) | Op::Normalization(_) if tensor.dtype.is_float() => {
                Sample::unknown(Taint::LEARNED)
            }
            Op::Pooling(_) => self.pooled(&node.inputs),
            _ => Sample::unknown(Taint::OPEN),
        }
    }

    /// A mask that is the same at both ends is taken to be the same in between, at whatever resolution.
    fn pooled(&mut self, inputs: &[ValueId]) -> Sample {
        let Some((&x, tensor)) = inputs.first().and_then(|x| Some((x, self.graph.tensor(*x)?))) else {
            return Sample::unknown(Taint::OPEN);
        };
        let ends: [Point; 2] = [
            tensor.shape.iter().map(|_| 0).collect(),
            tensor.shape.iter().map(|extent| extent.saturating_sub(1)).collect(),
        ];
        let [first, last] = ends.map(|end| self.at(x, &end));
        let taint = first.taint.and(last.taint);
        Sample { value: first.value.filter(|&value| last.value == Some(value)), taint }
    }

    /// An operand's element for an element of the result it broadcasts to.
    pub(super) fn operand(&mut self, value: ValueId, point: &[u64]) -> Sample {
        let Some(tensor) = self.graph.tensor(value) else { return Sample::unknown(Taint::OPEN) };
        match probe_index::broadcast(&tensor.shape, point) {
            Some(point) => self.at(value, &point),
            None => Sample::unknown(Taint::OPEN),
        }
    }

    fn pointwise(&mut self, op: &Pointwise, inputs: &[ValueId], tensor: &TensorType, point: &[u64]) -> Sample {
        let &[x, ..] = inputs else { return Sample::unknown(Taint::OPEN) };
        match op {
            Pointwise::Where => {
                let &[condition, yes, no] = inputs else { return Sample::unknown(Taint::OPEN) };
                let condition = self.operand(condition, point);
                if let Some(value) = condition.value {
                    return self.operand(if value == 0.0 { no } else { yes }, point).tainted(condition.taint);
                }
                let (yes, no) = (self.operand(yes, point), self.operand(no, point));
                let taint = condition.taint.and(yes.taint).and(no.taint);
                Sample { value: yes.value.filter(|&value| no.value == Some(value)), taint }
            }
            Pointwise::MaskedFill { value } => {
                let mask = inputs.get(1).map_or(Sample::unknown(Taint::OPEN), |&mask| self.operand(mask, point));
                match mask.value {
                    Some(0.0) => self.operand(x, point).tainted(mask.taint),
                    Some(_) => Sample::known(*value).tainted(mask.taint),
                    None => {
                        let x = self.operand(x, point).tainted(mask.taint);
                        Sample { value: x.value.filter(|&x| same(x, *value)), taint: x.taint }
                    }
                }
            }
            Pointwise::MaskedKeep { value } => {
                let mask = inputs.get(1).map_or(Sample::unknown(Taint::OPEN), |&mask| self.operand(mask, point));
                match mask.value {
                    Some(0.0) => Sample::known(*value).tainted(mask.taint),
                    Some(_) => self.operand(x, point).tainted(mask.taint),
                    None => Sample::unknown(self.operand(x, point).tainted(mask.taint).taint),
                }
            }
            Pointwise::Triangle { upper, diagonal } => {
                let &[.., row, column] = point else { return Sample::unknown(Taint::OPEN) };
                let above = i128::from(column) - i128::from(row);
                let inside = if *upper { above >= i128::from(*diagonal) } else { above <= i128::from(*diagonal) };
                if inside { self.operand(x, point) } else { Sample::known(0.0) }
            }
            Pointwise::Binary(kind) => {
                let a = self.operand(x, point);
                if decides(*kind, a.value) {
                    return Sample { value: binary(*kind, a.value.unwrap_or(0.0), 0.0), taint: a.taint };
                }
                let b = inputs.get(1).map_or(Sample::unknown(Taint::OPEN), |&b| self.operand(b, point));
                combine(*kind, a, b, tensor.dtype)
            }
            Pointwise::WithScalar { kind, scalar, reversed } => {
                let (x, scalar) = (self.operand(x, point), Sample::known(*scalar));
                if *reversed {
                    combine(*kind, scalar, x, tensor.dtype)
                } else {
                    combine(*kind, x, scalar, tensor.dtype)
                }
            }
            Pointwise::Unary(kind) => {
                let x_dtype = self.graph.tensor(x).map(|x| x.dtype);
                let x = self.operand(x, point);
                let value = x.value.and_then(|value| unary(*kind, value, x_dtype == Some(DType::Bool)));
                Sample { value, taint: x.taint }
            }
            Pointwise::Clamp { min, max } => {
                let x = self.operand(x, point);
                let low = |value: f64| min.map_or(value, |min| value.max(min));
                let value = x.value.map(|value| max.map_or(low(value), |max| low(value).min(max)));
                Sample { value, taint: x.taint }
            }
            Pointwise::Dropout { .. } => self.operand(x, point),
            _ => Sample::unknown(self.operand(x, point).taint.and(Taint::OPEN)),
        }
    }

    fn copied(&mut self, copy: &Copy, inputs: &[ValueId], tensor: &TensorType, point: &[u64]) -> Sample {
        let open = Sample::unknown(Taint::OPEN);
        match copy {
            Copy::Full { value, .. } => return Sample::known(*value),
            Copy::Range { start, .. } => {
                return point.first().map_or(open, |&at| Sample::known(*start as f64 + at as f64));
            }
            Copy::ShiftMask { grid, window, shift, .. } => {
                let value = probe_index::shift_mask(*grid, *window, *shift, point);
                return value.map_or(open, Sample::known);
            }
            Copy::Steps { start, step, .. } => {
                return point.first().map_or(open, |&at| Sample::known(start + step * at as f64));
            }
            _ => {}
        }
        let Some(&x) = inputs.first() else { return open };
        let from = self.graph.tensor(x).map(|from| from.shape.as_slice()).unwrap_or_default();
        match copy {
            Copy::Contiguous | Copy::Clone => self.at(x, point),
            Copy::Cast { dtype } => {
                let x = self.at(x, point);
                Sample { value: x.value.map(|value| cast(value, *dtype)), taint: x.taint }
            }
            Copy::Concat { axis } => {
                let Some(axis) = axes::position_of(*axis, point.len()) else { return open };
                let mut point = Point::from_slice(point);
                for &input in inputs {
                    let extent = self.graph.tensor(input).and_then(|t| t.shape.get(axis).copied()).unwrap_or(0);
                    if point[axis] < extent {
                        return self.at(input, &point);
                    }
                    point[axis] -= extent;
                }
                open
            }
            Copy::Stack { axis } => {
                let Some(axis) = axes::position_of(*axis, point.len()) else { return open };
                let mut point = Point::from_slice(point);
                let which = usize::try_from(point.remove(axis)).unwrap_or(usize::MAX);
                inputs.get(which).map_or(open, |&input| self.at(input, &point))
            }
            Copy::Pad { pads, value } => match probe_index::inside_padding(pads, from, point) {
                Place::Inside(point) => self.at(x, &point),
                Place::Outside => Sample::known(*value),
                Place::Unknown => open,
            },
            Copy::Roll { shifts, axes } => {
                probe_index::unrolled(shifts, axes, from, point).map_or(open, |point| self.at(x, &point))
            }
            Copy::Flip { axes } => probe_index::reversed(axes, from, point).map_or(open, |point| self.at(x, &point)),
            Copy::Repeat { .. } => {
                let missing = tensor.rank() - from.len().min(tensor.rank());
                let point: Point = point[missing..].iter().zip(from).map(|(&at, &extent)| at % extent.max(1)).collect();
                self.at(x, &point)
            }
            _ => open,
        }
    }
}

fn flat(shape: &[u64], point: &[u64]) -> u64 {
    shape.iter().zip(point).fold(0, |sum: u64, (&extent, &at)| sum.saturating_mul(extent).saturating_add(at))
}
