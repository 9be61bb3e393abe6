//! Functions of single elements with the sums before them.

use fusewright_ir::ops::{Binary, Copy, Normalization, Pointwise, Unary};
use fusewright_ir::{DType, Op, TensorType};

use super::super::pointwise::sigmoid_gate;
use super::heads::{biased, parts};
use super::{Row, size};
use crate::build::{Build, Built, Operand, one, position};

pub(super) const ROWS: &[Row] = &[
    Row::new("Gelu", |build| gelu(build, Unary::Gelu)),
    Row::new("BiasGelu", |build| gelu(build, Unary::Gelu)).weights(&[1]),
    Row::new("FastGelu", |build| gelu(build, Unary::GeluTanh)).weights(&[1]),
    Row::new("QuickGelu", quick_gelu),
    Row::new("BiasSplitGelu", split_gelu).weights(&[1]),
    Row::new("BiasSoftmax", softmax),
    Row::new("BiasDropout", dropout).weights(&[1]),
    Row::new("BiasAdd", bias_add).weights(&[1]),
    Row::new("RelativePositionBias", position_bias).weights(&[0]),
    Row::new("GatedRelativePositionBias", gated_position_bias).weights(&[1, 3, 4, 5]),
];

/// The function of the sum of x and a bias, if there is one.
fn gelu(build: &mut Build<'_, '_>, kind: Unary) -> Built {
    let (x, bias) = (build.input(0)?, build.optional(1));
    let x = biased(build, x, bias)?;
    one(build.unary(kind, x)?)
}

fn quick_gelu(build: &mut Build<'_, '_>) -> Built {
    let (x, alpha) = (build.input(0)?, build.attributes.float("alpha", 1.702));
    one(sigmoid_gate(build, x, alpha)?)
}

/// One half of a row times the function of the other half.
fn split_gelu(build: &mut Build<'_, '_>) -> Built {
    let (x, bias) = (build.input(0)?, build.input(1)?);
    let x = build.binary(Binary::Add, x, bias)?;
    let half = build.extent(x, -1)? / 2;
    let last = build.rank(x)?.saturating_sub(1);
    let [left, right] = parts(build, x, last, [half, half])?;
    let gate = build.unary(Unary::Gelu, right)?;
    one(build.binary(Binary::Mul, left, gate)?)
}

/// The sum with a bias that broadcasts, and its softmax over the axes from `axis` on.
fn softmax(build: &mut Build<'_, '_>) -> Built {
    let (x, bias) = (build.input(0)?, build.input(1)?);
    let shape = build.shape(x)?;
    let axis = position(build.attributes.int("axis", 1), shape.len())?;
    let sum = build.binary(Binary::Add, x, bias)?;
    if build.shape(sum)? != shape {
        return Err(format!("a bias of the shape {:?} does not broadcast to {shape:?}", build.shape(bias)?));
    }
    let op = Op::Normalization(Normalization::Softmax { axis: -1, log: false, zero_masked: false });
    let (outer, inner) = shape.split_at_checked(axis).ok_or("its axis is outside")?;
    let width = inner.iter().fold(1, |product: u64, &extent| product.saturating_mul(extent));
    let flat = if inner.len() > 1 { build.reshape(sum, [outer, &[width]].concat())? } else { sum };
    let rows = build.add(op, &[flat])?;
    one(build.reshape(rows, shape)?)
}

/// Outside training the sum of data, bias and residual; the mask, if asked for, keeps everything.
fn dropout(build: &mut Build<'_, '_>) -> Built {
    let (x, bias) = (build.input(0)?, build.input(1)?);
    let ratio = build.known_scalar(3).ok().flatten().unwrap_or(0.5);
    let training = build.known_scalar(4).ok().flatten().is_some_and(|flag| flag != 0.0) && ratio > 0.0;
    let mut sum = build.binary(Binary::Add, x, bias)?;
    if training {
        sum = build.add(Op::Pointwise(Pointwise::Dropout { p: ratio, training, per_sample: false }), &[sum])?;
    }
    let residual = build.optional(2);
    let mut results = one(biased(build, sum, residual)?)?;
    if build.outputs > 1 {
        let shape = build.shape(x)?.to_vec();
        results.push(build.add(Copy::Full { shape, dtype: DType::Bool, value: 1.0 }, &[])?);
    }
    Ok(results)
}

fn bias_add(build: &mut Build<'_, '_>) -> Built {
    let (mut sum, others) = (build.input(0)?, build.inputs_from(1));
    for other in others {
        sum = build.binary(Binary::Add, sum, other)?;
    }
    one(sum)
}

/// Rows of a table, picked by buckets of distances that the operator computes inside.
fn position_bias(build: &mut Build<'_, '_>) -> Built {
    let table = build.input(0)?;
    let heads = build.extent(table, 1)?;
    let length = |index: usize| -> Result<u64, String> {
        let known = build.known_ints(index)?.first().copied().and_then(|length| u64::try_from(length).ok());
        known.ok_or_else(|| format!("the length that input {index} gives is no size"))
    };
    let ty = TensorType::new(build.dtype(table)?, [1, heads, length(1)?, length(2)?]);
    checked(&ty)?;
    build.opaque("its buckets of distances are not computed here", [ty])
}

fn gated_position_bias(build: &mut Build<'_, '_>) -> Built {
    let (query, distances): (Operand, Operand) = (build.input(0)?, build.input(2)?);
    let batch = match build.optional(6) {
        Some(offsets) => build.extent(offsets, 0)?,
        None => build.extent(query, 0)?,
    };
    let (rows, keys) = (build.extent(distances, -2)?, build.extent(distances, -1)?);
    let ty = TensorType::new(build.dtype(query)?, [batch, size(build, "num_heads")?, rows, keys]);
    checked(&ty)?;
    build.opaque("its gates are not computed here", [ty])
}

/// Types that a row states itself must be as small as those that ops infer.
pub(super) fn checked(ty: &TensorType) -> Result<(), String> {
    fusewright_ir::checked_elements(&ty.shape).map(|_| ()).ok_or_else(|| format!("{:?} is too large", ty.shape))
}
