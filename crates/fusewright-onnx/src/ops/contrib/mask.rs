//! Masks: what the forms in which attention operators take them add to the scores.

use fusewright_ir::ops::{Binary, Copy, View};
use fusewright_ir::{DType, Shape};

use crate::build::{Build, Operand};

/// The scores that a mask is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scores {
    pub(super) batch: u64,
    pub(super) queries: u64,
    pub(super) keys: u64,
    /// Keys from a cache, before the first query.
    pub(super) past: u64,
    /// Element type of the scores.
    pub(super) dtype: DType,
}

/// A mask of 1 = keep, in any of its forms, as what is added to `[batch, heads, queries, keys]`: zero, or `mask_filter_value`
/// where a key is hidden. Forms: how many keys each sequence has (`[batch]`, at the front of `[3 · batch + 2]`), ends and
/// starts (`[2 · batch]`), `[batch, keys]`, `[batch, queries, keys]`, or `[batch, 1, length, length]` of a whole sequence.
pub(super) fn added(build: &mut Build<'_, '_>, mask: Operand, scores: Scores) -> Result<Operand, String> {
    let Scores { batch, queries, keys, past, dtype } = scores;
    let shape = build.shape(mask)?;
    let kept = match shape.as_slice() {
        &[count] if count == batch => before(build, mask, scores)?,
        &[count] if count == batch.saturating_mul(2) => {
            let ends = build.narrow(mask, 0, 0, batch)?;
            let starts = build.narrow(mask, 0, batch, batch)?;
            let (inside, outside) = (before(build, ends, scores)?, before(build, starts, scores)?);
            let reached = build.unary(fusewright_ir::ops::Unary::LogicalNot, outside)?;
            build.binary(Binary::And, inside, reached)?
        }
        &[count] if count == batch.saturating_mul(3).saturating_add(2) => {
            let lengths = build.narrow(mask, 0, 0, batch)?;
            before(build, lengths, scores)?
        }
        &[sequences, width] if width == keys => build.reshape(mask, Shape::from_slice(&[sequences, 1, 1, keys]))?,
        &[sequences, rows, width] if rows == queries && width == keys => {
            build.reshape(mask, Shape::from_slice(&[sequences, 1, queries, keys]))?
        }
        &[_, _, rows, width] if rows >= past.saturating_add(queries) && width >= keys => {
            let rows = build.narrow(mask, 2, past, queries)?;
            build.narrow(rows, 3, 0, keys)?
        }
        other => return Err(format!("its mask has the shape {other:?} for {batch} × {queries} × {keys} scores")),
    };
    let kept = build.cast(kept, dtype)?;
    let hidden = build.scalar(Binary::Sub, kept, 1.0, true)?;
    let filter = build.attributes.float("mask_filter_value", -10000.0);
    build.scalar(Binary::Mul, hidden, filter, false)
}

/// Keys that stand before these lengths, as `[batch, 1, 1, keys]`.
fn before(build: &mut Build<'_, '_>, lengths: Operand, scores: Scores) -> Result<Operand, String> {
    let dtype = build.dtype(lengths)?;
    let places = build.add(Copy::Range { start: 0, length: scores.keys, dtype }, &[])?;
    let shape = Shape::from_slice(&[scores.batch, 1, 1, 1]);
    let lengths = build.add(View::Reshape { shape }, &[lengths])?;
    build.binary(Binary::Lt, places, lengths)
}
