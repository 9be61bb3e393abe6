//! Attention and rotary embeddings.

use fusewright_ir::Op;
use fusewright_ir::ops::{Attention, Binary, Contraction, Normalization, Pointwise, ScaledDotProduct, Unary};
use fusewright_ir::{DType, Shape};
use smallvec::smallvec;

use super::Row;
use crate::build::{Build, Built, Operand, one};
use crate::content::{Content, Elements};

pub(super) const ROWS: &[Row] = &[Row::new("Attention", attention), Row::new("RotaryEmbedding", rotary)];

/// Q, K and V with three axes hold their heads side by side; with four, heads have an axis. The result is laid out as Q.
fn attention(build: &mut Build<'_, '_>) -> Built {
    let merged = build.rank(build.input(0)?)? == 3;
    let (q_heads, kv_heads) = (head_count(build, "q_num_heads")?, head_count(build, "kv_num_heads")?);
    let q = heads(build, 0, q_heads)?;
    let (mut k, mut v) = (heads(build, 1, kv_heads)?, heads(build, 2, kv_heads)?);
    let mut past = 0;
    if let (Some(past_key), Some(past_value)) = (build.optional(4), build.optional(5)) {
        past = build.extent(past_key, 2)?;
        if past > 0 {
            k = build.concat(&[past_key, k], 2)?;
            v = build.concat(&[past_value, v], 2)?;
        }
    }
    // A window that does not reach forward is causal.
    let causal = build.attributes.flag("is_causal", false) || build.attributes.int("right_window_size", -1) == 0;
    // Valid lengths per batch are not known before it runs; the whole cache is counted, and the newest rows ask.
    let offset = if build.has(6) { build.extent(k, 2)?.saturating_sub(build.extent(q, 2)?) } else { past };
    let window = window(build)?;
    let mask = match build.optional(3) {
        Some(mask) => Some(full_mask(build, mask, build.extent(k, 2)?)?),
        None => None,
    };
    let core = ScaledDotProduct {
        causal,
        offset: if causal || window.is_some() { offset } else { 0 },
        window,
        scale: build.attributes.optional_float("scale"),
        softcap: Some(build.attributes.float("softcap", 0.0)).filter(|&cap| cap > 0.0),
        sinks: false,
        dropout: 0.0,
    };
    let scores = if build.outputs > 3 { Some(scores(build, q, k, mask, &core)?) } else { None };
    let operands: Vec<Operand> = [Some(q), Some(k), Some(v), mask].into_iter().flatten().collect();
    let mut result = build.add(Op::Attention(Attention::ScaledDotProduct(core)), &operands)?;
    if merged {
        result = side_by_side(build, result)?;
    }
    let mut results = smallvec![result, k, v];
    results.extend(scores);
    Ok(results)
}

fn head_count(build: &Build<'_, '_>, name: &str) -> Result<u64, String> {
    let count = build.attributes.int(name, 0);
    u64::try_from(count).map_err(|_| format!("`{name}` is {count}"))
}

/// An input as `[batch, heads, rows, width]`.
fn heads(build: &mut Build<'_, '_>, index: usize, count: u64) -> Result<Operand, String> {
    let x = build.input(index)?;
    match build.shape(x)?.as_slice() {
        &[_, _, _, _] => Ok(x),
        &[batch, rows, width] => split_heads(build, x, [batch, rows, width], count),
        other => Err(format!("input {index} has the shape {other:?}")),
    }
}

/// `[batch, rows, heads · width]` as `[batch, heads, rows, width]`.
pub(super) fn split_heads(
    build: &mut Build<'_, '_>,
    x: Operand,
    shape: [u64; 3],
    count: u64,
) -> Result<Operand, String> {
    let [batch, rows, width] = shape;
    let each = width.checked_div(count).ok_or("the number of heads is missing")?;
    let parts = build.reshape(x, Shape::from_slice(&[batch, rows, count, each]))?;
    build.permute(parts, &[0, 2, 1, 3])
}

/// `[batch, heads, rows, width]` as `[batch, rows, heads · width]`.
pub(super) fn side_by_side(build: &mut Build<'_, '_>, x: Operand) -> Result<Operand, String> {
    let &[batch, heads, rows, width] = build.shape(x)?.as_slice() else { return Err("it takes four axes".to_owned()) };
    let turned = build.permute(x, &[0, 2, 1, 3])?;
    build.reshape(turned, Shape::from_slice(&[batch, rows, heads.saturating_mul(width)]))
}

/// How far back a query sees; a window that also reaches forward is not one that the op has.
fn window(build: &Build<'_, '_>) -> Result<Option<u64>, String> {
    let left = build.attributes.int("left_window_size", -1);
    let right = build.attributes.int("right_window_size", -1);
    if right > 0 || right == -1 && left >= 0 && !build.attributes.flag("is_causal", false) {
        return Err(format!("its window reaches from {left} back to {right} ahead"));
    }
    // The window counts the query's own position.
    Ok(u64::try_from(left).ok().map(|left| left.saturating_add(1)))
}

/// The mask over all keys: its last axis may be short, and what it does not cover is blocked.
fn full_mask(build: &mut Build<'_, '_>, mask: Operand, keys: u64) -> Result<Operand, String> {
    let given = build.extent(mask, -1)?;
    if given == keys || given == 1 {
        return Ok(mask);
    }
    let missing = keys.checked_sub(given).and_then(|missing| i64::try_from(missing).ok());
    let missing = missing.ok_or_else(|| format!("its mask covers {given} keys, there are {keys}"))?;
    let mut pads = vec![0; build.rank(mask)?.saturating_mul(2)];
    if let Some(last) = pads.last_mut() {
        *last = missing;
    }
    let value = if build.dtype(mask)? == DType::Bool { 0.0 } else { f64::NEG_INFINITY };
    build.add(fusewright_ir::ops::Copy::Pad { pads, value }, &[mask])
}

/// What the fourth result shows: scores before or after scale, mask and cap, or the weights. They are computed beside
/// the attention, whose op does not give them.
fn scores(
    build: &mut Build<'_, '_>,
    q: Operand,
    k: Operand,
    mask: Option<Operand>,
    core: &ScaledDotProduct,
) -> Result<Operand, String> {
    let (batch, heads, keys, width) = match build.shape(k)?.as_slice() {
        &[batch, heads, keys, width] => (batch, heads, keys, width),
        other => return Err(format!("its keys have the shape {other:?}")),
    };
    let groups = build.extent(q, 1)?.checked_div(heads).unwrap_or(0);
    let mut shared = k;
    if groups > 1 {
        let apart = build.reshape(k, Shape::from_slice(&[batch, heads, 1, keys, width]))?;
        let spread = build.expand(apart, Shape::from_slice(&[batch, heads, groups, keys, width]))?;
        shared = build.reshape(spread, Shape::from_slice(&[batch, heads.saturating_mul(groups), keys, width]))?;
    }
    let turned = build.permute(shared, &[0, 1, 3, 2])?;
    let product = build.add(Op::Contraction(Contraction::MatMul), &[q, turned])?;
    #[allow(clippy::cast_precision_loss, reason = "the width of a head is small")]
    let scale = core.scale.unwrap_or_else(|| (width as f64).sqrt().recip());
    let mut result = build.scalar(Binary::Mul, product, scale, false)?;
    let mode = build.attributes.int("qk_matmul_output_mode", 0);
    if mode == 0 {
        return Ok(result);
    }
    if let Some(mask) = mask {
        result = if build.dtype(mask)? == DType::Bool {
            let least = Content::new(build.dtype(result)?, [], Elements::Floats(vec![f64::NEG_INFINITY]));
            let least = build.literal(least.ok_or("its scores are no floats")?);
            build.add(Op::Pointwise(Pointwise::Where), &[mask, result, least])?
        } else {
            build.binary(Binary::Add, result, mask)?
        };
    }
    if let Some(cap) = core.softcap.filter(|_| mode > 1) {
        let small = build.scalar(Binary::Div, result, cap, false)?;
        let bent = build.unary(Unary::Tanh, small)?;
        result = build.scalar(Binary::Mul, bent, cap, false)?;
    }
    if mode < 3 {
        return Ok(result);
    }
    build.add(Op::Normalization(Normalization::Softmax { axis: -1, log: false, zero_masked: true }), &[result])
}

/// Tables of cosines and sines, picked by position, or given per row already.
fn rotary(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let (cosines, sines) = (build.input(1)?, build.input(2)?);
    let positions = build.optional(3);
    let count = head_count(build, "num_heads")?;
    let interleaved = build.attributes.flag("interleaved", false);
    let width = head_count(build, "rotary_embedding_dim")?;
    one(rotate(build, x, [cosines, sines], positions, Rotation { heads: count, width, interleaved })?)
}

/// How rows are turned.
#[derive(Clone, Copy)]
pub(super) struct Rotation {
    /// Heads side by side in a row, where x has three axes.
    pub(super) heads: u64,
    /// How many elements of a head are turned; 0 = all.
    pub(super) width: u64,
    pub(super) interleaved: bool,
}

/// x `[batch, heads, rows, width]` or `[batch, rows, heads · width]`; tables `[positions, width / 2]` with positions
/// `[batch, rows]`, or `[batch, rows, width / 2]`.
pub(super) fn rotate(
    build: &mut Build<'_, '_>,
    x: Operand,
    tables: [Operand; 2],
    positions: Option<Operand>,
    rotation: Rotation,
) -> Result<Operand, String> {
    let whole = build.shape(x)?;
    let rows = match whole.as_slice() {
        &[batch, rows, width] => split_heads(build, x, [batch, rows, width], rotation.heads)?,
        _ => x,
    };
    let mut operands = vec![rows];
    for table in tables {
        let picked = match positions {
            Some(positions) => build.add(Op::Gather(fusewright_ir::ops::Gather::Embedding), &[positions, table])?,
            None => table,
        };
        let &[batch, length, pairs] = build.shape(picked)?.as_slice() else {
            return Err("its tables need the axes batch, row and pair".to_owned());
        };
        operands.push(build.reshape(picked, Shape::from_slice(&[batch, 1, length, pairs]))?);
    }
    let width = if rotation.width == 0 { build.extent(rows, -1)? } else { rotation.width };
    let op = Pointwise::Rotary { width, interleaved: rotation.interleaved };
    let turned = build.add(Op::Pointwise(op), &operands)?;
    if whole.len() == 3 { side_by_side(build, turned) } else { Ok(turned) }
}
