//! Norms with what stands before them: sums, lookups, activations behind.

use fusewright_ir::ops::{Binary, Copy, Gather, Normalization, ReduceKind, Reduction, Unary};
use fusewright_ir::{DType, Op, Shape};
use smallvec::smallvec;

use super::heads::biased;
use super::{Row, size, standard, wants};
use crate::build::{Build, Built, Operand, one};

pub(super) const ROWS: &[Row] = &[
    Row::new("SkipLayerNormalization", |build| skip_norm(build, false)).weights(&[2, 3, 4]),
    Row::new("SkipSimplifiedLayerNormalization", |build| skip_norm(build, true)).weights(&[2, 3]),
    Row::new("SimplifiedLayerNormalization", |build| one(standard(build, "RMSNormalization")?)).weights(&[1]),
    Row::new("EmbedLayerNormalization", embed_norm).weights(&[2, 3, 4, 5, 6]),
    Row::new("GroupNorm", group_norm).weights(&[1, 2]),
    Row::new("SkipGroupNorm", skip_group_norm).weights(&[1, 2, 4]),
];

/// The statistics, results 1 and 2, are not given outside training.
fn refuse_statistics(build: &Build<'_, '_>) -> Result<(), String> {
    if wants(build, 1) || wants(build, 2) { Err("its statistics are results".to_owned()) } else { Ok(()) }
}

/// A norm of `input + skip + bias`; that sum is result 3, which the next block adds to.
fn skip_norm(build: &mut Build<'_, '_>, simplified: bool) -> Built {
    refuse_statistics(build)?;
    let (x, skip) = (build.input(0)?, build.input(1)?);
    let sum = build.binary(Binary::Add, x, skip)?;
    let bias = build.optional(if simplified { 3 } else { 4 });
    let sum = biased(build, sum, bias)?;
    let gamma = build.input(2)?;
    let beta = if simplified { None } else { build.optional(3) };
    let epsilon = build.attributes.float("epsilon", 1e-12);
    let operands: Vec<Operand> = [Some(sum), Some(gamma), beta].into_iter().flatten().collect();
    let norm = if simplified {
        Normalization::RmsNorm { axes: 1, epsilon }
    } else {
        Normalization::LayerNorm { axes: 1, epsilon }
    };
    let result = build.add(Op::Normalization(norm), &operands)?;
    Ok(smallvec![result, result, result, sum])
}

/// Rows of words, positions and segments, their sum, and its norm.
fn embed_norm(build: &mut Build<'_, '_>) -> Built {
    let (ids, words, positions) = (build.input(0)?, build.input(2)?, build.input(3)?);
    let &[batch, rows] = build.shape(ids)?.as_slice() else {
        return Err(format!("its indices have the shape {:?}", build.shape(ids)?));
    };
    let lookup = |build: &mut Build<'_, '_>, ids, table| build.add(Op::Gather(Gather::Embedding), &[ids, table]);
    let mut sum = lookup(build, ids, words)?;
    let placed = match build.optional(8) {
        Some(ids) => lookup(build, ids, positions)?,
        None if build.extent(positions, 0)? < rows => return Err("it has fewer positions than rows".to_owned()),
        None => build.narrow(positions, 0, 0, rows)?,
    };
    sum = build.binary(Binary::Add, sum, placed)?;
    if let (Some(ids), Some(table)) = (build.optional(1), build.optional(4)) {
        let segments = lookup(build, ids, table)?;
        sum = build.binary(Binary::Add, sum, segments)?;
    }
    let epsilon = build.attributes.float("epsilon", 1e-12);
    let operands = [sum, build.input(5)?, build.input(6)?];
    let norm = Op::Normalization(Normalization::LayerNorm { axes: 1, epsilon });
    let result = build.add(norm, &operands)?;
    let lengths = match build.optional(7) {
        _ if !wants(build, 1) => result,
        Some(mask) => {
            let count = Reduction::Reduce { kind: ReduceKind::Sum, axes: vec![1], keep: false };
            let count = build.add(Op::Reduction(count), &[mask])?;
            build.cast(count, DType::I32)?
        }
        None => build.add(Copy::Full { shape: vec![batch], dtype: DType::I32, value: 0.0 }, &[])?,
    };
    Ok(smallvec![result, lengths, sum])
}

fn group_norm(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    one(grouped(build, x)?)
}

/// The norm over groups of channels, which stand last unless it says otherwise, with its activation.
fn grouped(build: &mut Build<'_, '_>, x: Operand) -> Result<Operand, String> {
    let rank = u32::try_from(build.rank(x)?).map_err(|_| "it has too many axes")?;
    let Some(last) = rank.checked_sub(1).filter(|&last| last > 0) else { return Err("its input is a vector".into()) };
    let channels_last = build.attributes.flag("channels_last", true);
    let front: Vec<u32> = [0, last].into_iter().chain(1..last).collect();
    let back: Vec<u32> = [0].into_iter().chain(2..rank).chain([1]).collect();
    let turned = if channels_last { build.permute(x, &front)? } else { x };
    let epsilon = build.attributes.float("epsilon", 1e-5);
    let op = Normalization::GroupNorm { groups: size(build, "groups")?, epsilon };
    let operands = [turned, build.input(1)?, build.input(2)?];
    let mut result = build.add(Op::Normalization(op), &operands)?;
    if build.attributes.flag("activation", false) {
        result = build.unary(Unary::Silu, result)?;
    }
    if channels_last { build.permute(result, &back) } else { Ok(result) }
}

/// The sum of input, skip and bias is result 1.
fn skip_group_norm(build: &mut Build<'_, '_>) -> Built {
    let (x, mut skip) = (build.input(0)?, build.input(3)?);
    if let &[batch, channels] = build.shape(skip)?.as_slice() {
        skip = build.reshape(skip, Shape::from_slice(&[batch, 1, 1, channels]))?;
    }
    let sum = build.binary(Binary::Add, x, skip)?;
    let bias = build.optional(4);
    let sum = biased(build, sum, bias)?;
    let result = grouped(build, sum)?;
    Ok(smallvec![result, sum])
}
