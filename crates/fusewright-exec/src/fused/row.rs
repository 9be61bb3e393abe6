//! Loops over rows: a chain of elementwise ops, norms and folds, run row by row so that what passes between them stays
//! in the first cache.

use fusewright_ir::ValueId;
use fusewright_ir::ops::{Binary, Unary};

use crate::lanes::lane;
use crate::ops::normalization::{layer_norm_row, rms_norm_row, softmax_row, sum_of};
use crate::ops::slices::{self, Lane};
use crate::ops::{expanded, narrow};
use crate::tensor::{Class, Data, Tensor};

/// An operand of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    /// A row that was computed, by its register; register 0 is what the loop starts with, where it starts with a row.
    Register(usize),
    /// A tensor from outside, by its position among the loop's inputs.
    Input(usize),
    /// A number.
    Number(f32),
}

/// What one step does to a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Work {
    Copy,
    Unary(Unary),
    Binary(Binary, Source),
    /// The arithmetic with its operands exchanged.
    Reversed(Binary, Source),
    Clamp(f32, f32),
    /// The number where the source, a truth value, holds.
    Fill(Source, f32),
    /// The number where it does not.
    Keep(Source, f32),
    LayerNorm {
        weight: Option<usize>,
        bias: Option<usize>,
        epsilon: f64,
    },
    RmsNorm {
        weight: Option<usize>,
        epsilon: f64,
    },
    Softmax {
        log: bool,
        zero_masked: bool,
    },
    /// The mean of the row, in each element.
    Mean,
    /// The sum of the row, in each element.
    Sum,
}

/// One step: a source, what is done with it, and the register of the result. Arithmetic of two rows writes into a register
/// of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) source: Source,
    pub(super) work: Work,
    pub(super) register: usize,
}

/// A tensor that a loop reads, and the shape that it broadcasts to there.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    pub(super) value: ValueId,
    pub(super) shape: Vec<usize>,
}

/// A loop over rows of one width.
#[derive(Clone, Debug, Default)]
pub(super) struct RowLoop {
    pub(super) inputs: Vec<Outside>,
    pub(super) steps: Vec<Step>,
    pub(super) registers: usize,
    /// Which registers are results, and of which values.
    pub(super) outputs: Vec<(usize, ValueId)>,
    pub(super) width: usize,
    pub(super) rows: usize,
}

/// The inputs of a loop at run time.
pub(super) struct Bound {
    inputs: Vec<Tensor>,
}

impl Bound {
    /// The tensors that a loop reads, in the shape that they have there. Truth values become zeros and ones.
    pub(super) fn new(inputs: &[Outside], get: impl Fn(ValueId) -> Option<Tensor>) -> Option<Self> {
        let bind = |outside: &Outside| {
            let tensor = get(outside.value)?;
            let tensor = match (&tensor.data, tensor.class()) {
                (Data::Float(_), Class::Float) => tensor,
                _ => tensor.cast(fusewright_ir::DType::F32),
            };
            // Factors of norms are read as vectors.
            let tensor = if outside.shape.len() == 1 { tensor.contiguous() } else { tensor };
            Some(expanded(&tensor, &outside.shape))
        };
        Some(Self { inputs: inputs.iter().map(bind).collect::<Option<_>>()? })
    }

    /// A row of an input, from column `from` on.
    fn row<'a>(&'a self, input: usize, row: usize, from: usize, count: usize, room: &'a mut Vec<f32>) -> Lane<'a> {
        let tensor = &self.inputs[input];
        let Some((&last, outer)) = tensor.strides.split_last() else {
            return Lane::One(tensor.raw_floats().map_or(0.0, |data| data[tensor.first]));
        };
        let mut rest = row;
        let mut at = tensor.first;
        for (axis, stride) in outer.iter().enumerate().rev() {
            let extent = tensor.shape[axis].max(1);
            at = at.saturating_add_signed((rest % extent).cast_signed() * stride);
            rest /= extent;
        }
        let at = at.saturating_add_signed(from.cast_signed() * last);
        lane(tensor.raw_floats().unwrap_or(&[]), at, last, count, room)
    }
}

/// Registers of one thread.
#[derive(Debug, Default)]
pub(super) struct Registers {
    rows: Vec<Vec<f32>>,
    room: Vec<f32>,
    left: Vec<f32>,
}

impl Registers {
    pub(super) fn new(count: usize, width: usize) -> Self {
        Self { rows: vec![vec![0.0; width]; count], room: Vec::new(), left: Vec::new() }
    }

    /// A register's row.
    pub(super) fn row(&self, register: usize) -> &[f32] {
        &self.rows[register]
    }

    pub(super) fn row_mut(&mut self, register: usize) -> &mut Vec<f32> {
        &mut self.rows[register]
    }
}

impl RowLoop {
    /// Runs all steps for the columns from `from` on of one row; register 0 holds `count` elements of it already where
    /// the loop starts with a row.
    pub(super) fn run(&self, bound: &Bound, registers: &mut Registers, row: usize, from: usize, count: usize) {
        for step in &self.steps {
            let mut out = std::mem::take(&mut registers.rows[step.register]);
            let in_place = step.source == Source::Register(step.register);
            out.resize(count, 0.0);
            let Registers { rows, room, left } = registers;
            if !in_place && !matches!(step.work, Work::Binary(..) | Work::Reversed(..)) {
                match source_lane(step.source, rows, bound, row, from, count, left) {
                    Lane::Row(values) => out.copy_from_slice(&values[..count]),
                    Lane::One(value) => out.fill(value),
                }
            }
            match step.work {
                Work::Copy => {}
                Work::Unary(kind) => {
                    slices::unary(kind, &mut out);
                }
                Work::Binary(kind, other) | Work::Reversed(kind, other) => {
                    let reversed = matches!(step.work, Work::Reversed(..));
                    let own = source_lane(step.source, rows, bound, row, from, count, left);
                    let other = source_lane(other, rows, bound, row, from, count, room);
                    let (a, b) = if reversed { (other, own) } else { (own, other) };
                    slices::binary(kind, &mut out, a, b);
                }
                Work::Clamp(min, max) => slices::clamp(&mut out, min, max),
                Work::Fill(mask, value) | Work::Keep(mask, value) => {
                    let fills = matches!(step.work, Work::Fill(..));
                    match source_lane(mask, rows, bound, row, from, count, room) {
                        Lane::Row(mask) => {
                            for (own, &flag) in out.iter_mut().zip(mask) {
                                *own = if (flag != 0.0) == fills { value } else { *own };
                            }
                        }
                        Lane::One(flag) => {
                            if (flag != 0.0) == fills {
                                out.fill(value);
                            }
                        }
                    }
                }
                Work::LayerNorm { weight, bias, epsilon } => {
                    let (weight, bias) = (vector(bound, weight), vector(bound, bias));
                    crate::lanes::vectorized(
                        #[inline(always)]
                        || layer_norm_row(&mut out, weight, bias, epsilon),
                    );
                }
                Work::RmsNorm { weight, epsilon } => {
                    let weight = vector(bound, weight);
                    crate::lanes::vectorized(
                        #[inline(always)]
                        || rms_norm_row(&mut out, weight, epsilon),
                    );
                }
                Work::Softmax { log, zero_masked } => crate::lanes::vectorized(
                    #[inline(always)]
                    || softmax_row(&mut out, log, zero_masked),
                ),
                Work::Mean => {
                    let mean = narrow(sum_of(&out, |v| v) / count as f64);
                    out.fill(mean);
                }
                Work::Sum => {
                    let sum = narrow(sum_of(&out, |v| v));
                    out.fill(sum);
                }
            }
            registers.rows[step.register] = out;
        }
    }
}

fn source_lane<'a>(
    source: Source,
    rows: &'a [Vec<f32>],
    bound: &'a Bound,
    row: usize,
    from: usize,
    count: usize,
    room: &'a mut Vec<f32>,
) -> Lane<'a> {
    match source {
        Source::Register(register) => Lane::Row(&rows[register]),
        Source::Input(input) => bound.row(input, row, from, count, room),
        Source::Number(value) => Lane::One(value),
    }
}

/// A vector of factors along the row, which lies together.
fn vector(bound: &Bound, input: Option<usize>) -> Option<&[f32]> {
    let tensor = &bound.inputs[input?];
    let width = tensor.shape.last().copied().unwrap_or(1);
    tensor.raw_floats().map(|data| &data[tensor.first..tensor.first + width])
}

/// The steps between the product of an attention op and its softmax, scale, cap, mask, and the register of the result.
pub(super) fn score_steps(
    shape: &[usize],
    scale: f32,
    softcap: Option<f32>,
    mask: Option<ValueId>,
    truth: bool,
) -> (RowLoop, usize) {
    let mut scores = RowLoop { registers: 1, width: shape.last().copied().unwrap_or(1), ..RowLoop::default() };
    scores.rows = shape.iter().rev().skip(1).product();
    let mut last = 0;
    let mut push = |scores: &mut RowLoop, work: Work| {
        let register = scores.registers;
        scores.registers += 1;
        scores.steps.push(Step { source: Source::Register(last), work, register });
        last = register;
    };
    push(&mut scores, Work::Binary(Binary::Mul, Source::Number(scale)));
    if let Some(cap) = softcap {
        push(&mut scores, Work::Binary(Binary::Div, Source::Number(cap)));
        push(&mut scores, Work::Unary(Unary::Tanh));
        push(&mut scores, Work::Binary(Binary::Mul, Source::Number(cap)));
    }
    if let Some(mask) = mask {
        scores.inputs.push(Outside { value: mask, shape: shape.to_vec() });
        let input = Source::Input(0);
        let work = if truth { Work::Keep(input, f32::NEG_INFINITY) } else { Work::Binary(Binary::Add, input) };
        push(&mut scores, work);
    }
    (scores, last)
}
