//! Norms and softmax.

use fusewright_ir::Op;
use fusewright_ir::ops::{Binary, Normalization, ReduceKind, Reduction, Unary};
use smallvec::smallvec;

use super::Row;
use crate::build::{Build, Built, Operand, one, position};

pub(super) const ROWS: &[Row] = &[
    Row::new("LayerNormalization", layer_norm).weights(&[1, 2]),
    Row::new("RMSNormalization", rms_norm).weights(&[1]),
    // An operator of onnxruntime that its optimiser writes into the standard domain.
    Row::new("SimplifiedLayerNormalization", rms_norm).weights(&[1]),
    Row::new("BatchNormalization", batch_norm).weights(&[1, 2]).buffers(&[3, 4]),
    Row::new("GroupNormalization", group_norm).weights(&[1, 2]),
    Row::new("InstanceNormalization", instance_norm).weights(&[1, 2]),
    Row::new("MeanVarianceNormalization", mean_variance),
    Row::new("LpNormalization", lp_norm),
    Row::new("Softmax", |build| softmax(build, false)),
    Row::new("LogSoftmax", |build| softmax(build, true)),
];

/// Scale and shift shaped like the normalised axes; the factors of a norm may also be given to be broadcast.
fn affine(build: &mut Build<'_, '_>, x: Operand, axis: usize, vector: Operand) -> Result<Operand, String> {
    let shape = build.shape(x)?;
    let wanted = shape.get(axis..).unwrap_or_default().to_vec();
    if build.ty(vector)?.elements() == wanted.iter().product::<u64>() {
        return build.reshape(vector, wanted);
    }
    build.expand(vector, wanted)
}

fn layer_norm(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let rank = build.rank(x)?;
    let first = position(build.attributes.int("axis", -1), rank)?;
    let epsilon = build.attributes.float("epsilon", 1e-5);
    let axes = rank.saturating_sub(first) as u64;
    let mut operands = vec![x];
    for vector in build.inputs_from(1) {
        operands.push(affine(build, x, first, vector)?);
    }
    let result = build.add(Op::Normalization(Normalization::LayerNorm { axes, epsilon }), &operands)?;
    if build.outputs < 2 {
        return one(result);
    }
    let folded: Vec<i64> = (first..rank).filter_map(|axis| i64::try_from(axis).ok()).collect();
    let statistic = |kind| Op::Reduction(Reduction::Reduce { kind, axes: folded.clone(), keep: true });
    let mean = build.add(statistic(ReduceKind::Mean), &[x])?;
    let variance = build.add(statistic(ReduceKind::Var), &[x])?;
    let moved = build.scalar(Binary::Add, variance, epsilon, false)?;
    let inverse = build.unary(Unary::Rsqrt, moved)?;
    Ok(smallvec![result, mean, inverse])
}

fn rms_norm(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let rank = build.rank(x)?;
    let first = position(build.attributes.int("axis", -1), rank)?;
    let epsilon = build.attributes.float("epsilon", 1e-5);
    let axes = rank.saturating_sub(first) as u64;
    let mut operands = vec![x];
    if let Some(scale) = build.optional(1) {
        operands.push(affine(build, x, first, scale)?);
    }
    one(build.add(Op::Normalization(Normalization::RmsNorm { axes, epsilon }), &operands)?)
}

fn batch_norm(build: &mut Build<'_, '_>) -> Built {
    let operands = build.inputs_from(0);
    let epsilon = build.attributes.float("epsilon", 1e-5);
    let training = build.attributes.flag("training_mode", false);
    let result = build.add(Op::Normalization(Normalization::BatchNorm { epsilon, training }), &operands)?;
    if build.outputs < 2 {
        return one(result);
    }
    // The statistics that a training step would hand on: those it was given.
    Ok(smallvec![result, build.input(3)?, build.input(4)?])
}

fn group_norm(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let groups = u64::try_from(build.attributes.int("num_groups", 0)).map_err(|_| "its groups are negative")?;
    let channels = build.extent(x, 1)?;
    let mut operands = vec![x];
    for vector in build.inputs_from(1) {
        operands.push(per_channel(build, vector, channels, groups)?);
    }
    let epsilon = build.attributes.float("epsilon", 1e-5);
    one(build.add(Op::Normalization(Normalization::GroupNorm { groups, epsilon }), &operands)?)
}

/// Before version 21 scale and shift were given per group; each of its channels takes them.
fn per_channel(build: &mut Build<'_, '_>, vector: Operand, channels: u64, groups: u64) -> Result<Operand, String> {
    if build.ty(vector)?.elements() == channels {
        return Ok(vector);
    }
    let width = channels.checked_div(groups).unwrap_or(0);
    let column = build.reshape(vector, vec![groups, 1])?;
    let spread = build.expand(column, vec![groups, width])?;
    build.reshape(spread, vec![channels])
}

fn instance_norm(build: &mut Build<'_, '_>) -> Built {
    let operands = build.inputs_from(0);
    let groups = build.extent(build.input(0)?, 1)?;
    let epsilon = build.attributes.float("epsilon", 1e-5);
    one(build.add(Op::Normalization(Normalization::GroupNorm { groups, epsilon }), &operands)?)
}

fn mean_variance(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let axes = build.attributes.ints("axes").map_or_else(|| vec![0, 2, 3], <[i64]>::to_vec);
    let statistic = |kind| Op::Reduction(Reduction::Reduce { kind, axes: axes.clone(), keep: true });
    let mean = build.add(statistic(ReduceKind::Mean), &[x])?;
    let deviation = build.add(statistic(ReduceKind::Std), &[x])?;
    let centred = build.binary(Binary::Sub, x, mean)?;
    one(build.binary(Binary::Div, centred, deviation)?)
}

fn lp_norm(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let axes = vec![build.attributes.int("axis", -1)];
    let euclidean = build.attributes.int("p", 2) == 2;
    let (kind, measured) =
        if euclidean { (ReduceKind::Norm, x) } else { (ReduceKind::Sum, build.unary(Unary::Abs, x)?) };
    let size = build.add(Op::Reduction(Reduction::Reduce { kind, axes, keep: true }), &[measured])?;
    one(build.binary(Binary::Div, x, size)?)
}

/// Before version 13 all axes from the given one on are normalised together.
fn softmax(build: &mut Build<'_, '_>, log: bool) -> Built {
    let x = build.input(0)?;
    let old = build.version < 13;
    let axis = build.attributes.int("axis", if old { 1 } else { -1 });
    let shape = build.shape(x)?;
    let last = i64::try_from(shape.len()).unwrap_or(0).saturating_sub(1);
    if old && axis != -1 && axis != last {
        let flat = build.reshape(x, super::shapes::flattened(&shape, axis)?)?;
        let op = Op::Normalization(Normalization::Softmax { axis: -1, log, zero_masked: false });
        let rows = build.add(op, &[flat])?;
        return one(build.reshape(rows, shape)?);
    }
    one(build.add(Op::Normalization(Normalization::Softmax { axis, log, zero_masked: false }), &[x])?)
}
