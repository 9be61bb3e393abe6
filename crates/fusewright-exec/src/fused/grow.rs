//! Which nodes of a group run as one loop over rows, and the steps that they become.

use std::collections::BTreeMap;

use fusewright_ir::ops::{Binary, Copy, Normalization, Pointwise, ReduceKind, Reduction, View};
use fusewright_ir::{Graph, NodeId, Op, Origin, ValueId};

use super::row::{Outside, RowLoop, Source, Step, Work};
use crate::generate::extents;
use crate::ops::{narrow, slices};
use crate::tensor::{Class, class};

/// A loop under construction.
#[derive(Clone)]
pub(super) struct Growing<'g> {
    graph: &'g Graph,
    /// Registers of values that the loop has computed, and whether one holds a fold of the row.
    registers: BTreeMap<ValueId, Source>,
    pub(super) nodes: Vec<NodeId>,
    pub(super) inner: RowLoop,
}

impl<'g> Growing<'g> {
    /// A loop over rows like those of this shape; `start` is the value that register 0 holds.
    pub(super) fn new(graph: &'g Graph, shape: &[usize], start: Option<ValueId>) -> Option<Self> {
        let (&width, outer) = shape.split_last()?;
        let inner = RowLoop { width, rows: outer.iter().product(), registers: 1, ..RowLoop::default() };
        let registers = start.map(|value| (value, Source::Register(0))).into_iter().collect();
        Some(Self { graph, registers, nodes: Vec::new(), inner })
    }

    pub(super) fn computes(&self, value: ValueId) -> bool {
        self.registers.contains_key(&value)
    }

    /// The register that holds a value that was computed.
    pub(super) fn register(&self, value: ValueId) -> Option<usize> {
        match self.registers.get(&value)? {
            Source::Register(register) => Some(*register),
            _ => None,
        }
    }

    fn shape(&self, value: ValueId) -> Option<Vec<usize>> {
        self.graph.tensor(value).map(|tensor| extents(&tensor.shape))
    }

    /// Rows of this shape are the rows of the loop.
    fn fits(&self, shape: &[usize]) -> bool {
        shape.split_last().is_some_and(|(&width, outer)| {
            width == self.inner.width && outer.iter().product::<usize>() == self.inner.rows
        })
    }

    fn source(&mut self, value: ValueId, shape: &[usize]) -> Source {
        if let Some(&known) = self.registers.get(&value) {
            return known;
        }
        Source::Input(self.outside(value, shape.to_vec()))
    }

    fn outside(&mut self, value: ValueId, shape: Vec<usize>) -> usize {
        self.inner.inputs.push(Outside { value, shape });
        self.inner.inputs.len() - 1
    }

    fn emit(&mut self, source: Source, work: Work) -> Source {
        let register = self.inner.registers;
        self.inner.registers += 1;
        self.inner.steps.push(Step { source, work, register });
        Source::Register(register)
    }

    /// Takes a node in if the loop can compute it from `ready` values and its own; false if not.
    pub(super) fn take(&mut self, id: NodeId, ready: &dyn Fn(ValueId) -> bool) -> bool {
        let node = self.graph.node(id);
        let [output] = node.outputs.as_slice() else { return false };
        let Some(result) = self.graph.tensor(*output) else { return false };
        let shape = extents(&result.shape);
        // Values of half precision are rounded after each op; loops keep theirs.
        let exact = matches!(result.dtype, fusewright_ir::DType::F32 | fusewright_ir::DType::F64);
        let known = |value: &ValueId| {
            self.registers.contains_key(value) || self.graph.tensor(*value).is_none() || ready(*value)
        };
        if !exact || !self.fits(&shape) || !node.inputs.iter().all(known) {
            return false;
        }
        let computed = |value: ValueId| self.registers.contains_key(&value);
        if let Op::View(view) = &node.op {
            return self.renames(view, node.inputs[0], *output);
        }
        let floats = |value: ValueId| self.graph.tensor(value).is_some_and(|t| class(t.dtype) == Class::Float);
        let inputs = node.inputs.clone();
        let made = match &node.op {
            Op::Pointwise(op) => {
                let Some((work, operand)) = self.pointwise(op, &inputs, &shape) else { return false };
                let source = self.source(inputs[operand], &shape);
                self.emit(source, work)
            }
            Op::Normalization(op) => {
                let x = inputs[0];
                if !floats(x) || self.shape(x).as_deref() != Some(&shape) {
                    return false;
                }
                let Some(work) = self.normalization(op, &inputs, shape.len()) else { return false };
                let source = self.source(x, &shape);
                self.emit(source, work)
            }
            Op::Copy(copy) => match **copy {
                Copy::Cast { .. } if floats(inputs[0]) && computed(inputs[0]) => self.registers[&inputs[0]],
                Copy::Contiguous | Copy::Clone if computed(inputs[0]) => self.registers[&inputs[0]],
                _ => return false,
            },
            _ => return false,
        };
        self.registers.insert(*output, made);
        self.nodes.push(id);
        true
    }

    /// Takes in a fold over the last axis, whose result stands for a whole row from then on.
    pub(super) fn take_fold(&mut self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        let Op::Reduction(Reduction::Reduce { kind, axes, keep: true }) = &node.op else { return false };
        let ([x], [output]) = (node.inputs.as_slice(), node.outputs.as_slice()) else { return false };
        let Some(shape) = self.shape(*x) else { return false };
        let last = shape.len().cast_signed() as i64 - 1;
        let over_rows = matches!(axes.as_slice(), [axis] if *axis == -1 || *axis == last);
        let work = match kind {
            ReduceKind::Mean => Work::Mean,
            ReduceKind::Sum => Work::Sum,
            _ => return false,
        };
        if !over_rows || !self.fits(&shape) || !self.computes(*x) {
            return false;
        }
        let source = self.registers[x];
        let made = self.emit(source, work);
        self.registers.insert(*output, made);
        self.nodes.push(id);
        true
    }

    /// A view that keeps rows as they are is another name.
    fn renames(&mut self, view: &View, x: ValueId, output: ValueId) -> bool {
        let keeps = match view {
            View::Reshape { .. } => self.shape(x).is_some_and(|shape| self.fits(&shape)),
            View::Alias => true,
            _ => false,
        };
        match self.registers.get(&x).copied().filter(|_| keeps) {
            Some(known) => {
                self.registers.insert(output, known);
                true
            }
            None => false,
        }
    }

    /// What is done, and with which operand as the row.
    fn pointwise(&mut self, op: &Pointwise, inputs: &[ValueId], shape: &[usize]) -> Option<(Work, usize)> {
        let floats = |value: ValueId| self.graph.tensor(value).is_some_and(|t| class(t.dtype) == Class::Float);
        let truth = |value: ValueId| self.graph.tensor(value).is_some_and(|t| class(t.dtype) == Class::Bool);
        if !inputs.iter().all(|&value| floats(value) || truth(value)) {
            return None;
        }
        match op {
            Pointwise::Unary(kind) if floats(inputs[0]) && slices::unary(*kind, &mut []) => {
                Some((Work::Unary(*kind), 0))
            }
            Pointwise::Binary(kind) if slices::is_arithmetic(*kind) && floats(inputs[0]) && floats(inputs[1]) => {
                let other = self.source(inputs[1], shape);
                Some((Work::Binary(*kind, other), 0))
            }
            Pointwise::WithScalar { kind, scalar, reversed } if slices::is_arithmetic(*kind) && floats(inputs[0]) => {
                let number = Source::Number(narrow(*scalar));
                let work = if *reversed { Work::Reversed(*kind, number) } else { Work::Binary(*kind, number) };
                Some((work, 0))
            }
            Pointwise::Clamp { min, max } if floats(inputs[0]) => {
                let (min, max) = (min.map_or(f32::NEG_INFINITY, narrow), max.map_or(f32::INFINITY, narrow));
                Some((Work::Clamp(min, max), 0))
            }
            Pointwise::MaskedFill { value } if truth(inputs[1]) => {
                let mask = self.source(inputs[1], shape);
                Some((Work::Fill(mask, narrow(*value)), 0))
            }
            Pointwise::MaskedKeep { value } if truth(inputs[1]) => {
                let mask = self.source(inputs[1], shape);
                Some((Work::Keep(mask, narrow(*value)), 0))
            }
            Pointwise::Dropout { p, training, .. } if !training || *p == 0.0 => Some((Work::Copy, 0)),
            _ => None,
        }
    }

    fn normalization(&mut self, op: &Normalization, inputs: &[ValueId], rank: usize) -> Option<Work> {
        let width = self.inner.width;
        let mut vector = |index: usize| inputs.get(index).map(|&value| self.outside(value, vec![width]));
        match op {
            Normalization::LayerNorm { axes: 1, epsilon } => {
                Some(Work::LayerNorm { weight: vector(1), bias: vector(2), epsilon: *epsilon })
            }
            Normalization::RmsNorm { axes: 1, epsilon } => Some(Work::RmsNorm { weight: vector(1), epsilon: *epsilon }),
            Normalization::Softmax { axis, log, zero_masked }
                if *axis == -1 || usize::try_from(*axis).is_ok_and(|axis| axis + 1 == rank) =>
            {
                Some(Work::Softmax { log: *log, zero_masked: *zero_masked })
            }
            _ => None,
        }
    }

    /// Adds the vector that a product has as its bias.
    pub(super) fn add_bias(&mut self, bias: ValueId, output: ValueId) {
        let width = self.inner.width;
        let input = self.outside(bias, vec![width]);
        let made = self.emit(Source::Register(0), Work::Binary(Binary::Add, Source::Input(input)));
        self.registers.insert(output, made);
    }
}

/// True for values that are there before any node runs.
pub(super) fn is_given(graph: &Graph, value: ValueId) -> bool {
    !matches!(graph.value(value).origin, Origin::Node { .. })
}
