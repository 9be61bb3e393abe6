//! Attention whose key heads are shared by groups of query heads, and the rotary embedding that goes with it.

use fusewright_ir::ops::{Binary, Copy, Gather, Normalization, Pointwise};
use fusewright_ir::{Op, Shape};
use smallvec::smallvec;

use super::super::attention::{Rotation, rotate};
use super::heads::{Besides, Heads, core, parts, split};
use super::{Row, size, wants};
use crate::build::{Build, Built, Operand, one};
use crate::content::Content;

pub(super) const ROWS: &[Row] = &[
    Row::new("GroupQueryAttention", grouped).weights(&[11, 14, 15]).buffers(&[7, 8]),
    Row::new("RotaryEmbedding", rotary).buffers(&[2, 3]),
];

/// Causal unless it says otherwise. How much of a cache is filled follows from its extent: what is not shared with the
/// result is full.
fn grouped(build: &mut Build<'_, '_>) -> Built {
    for name in ["k_quant_type", "v_quant_type"] {
        if let Some(kind) = build.attributes.text(name).filter(|&kind| kind != "NONE" && !kind.is_empty()) {
            return Err(format!("its cache is quantised (`{name}` is {kind})"));
        }
    }
    if wants(build, 3) {
        return Err("its scores are a result".to_owned());
    }
    let (heads, kv_heads) = (size(build, "num_heads")?, size(build, "kv_num_heads")?);
    let query = build.input(0)?;
    let [q, k, v] = if let (Some(key), Some(value)) = (build.optional(1), build.optional(2)) {
        [query, key, value]
    } else {
        let width = build.extent(query, -1)?;
        let all = kv_heads.saturating_mul(2).saturating_add(heads);
        let each = width.checked_div(all).ok_or("it has no heads")?;
        let shared = kv_heads.saturating_mul(each);
        parts(build, query, 2, [heads.saturating_mul(each), shared, shared])?
    };
    let mut all =
        Heads { q: split(build, q, heads)?, k: split(build, k, kv_heads)?, v: split(build, v, kv_heads)?, past: 0 };
    for (index, name) in [(14, "q_norm_epsilon"), (15, "k_norm_epsilon")] {
        let Some(weight) = build.optional(index) else { continue };
        let epsilon = build.attributes.float("qk_norm_epsilon", 1e-6);
        let epsilon = build.attributes.float(name, epsilon);
        let x = if index == 14 { &mut all.q } else { &mut all.k };
        *x = build.add(Op::Normalization(Normalization::RmsNorm { axes: 1, epsilon }), &[*x, weight])?;
    }
    let cached = match (build.optional(3), build.optional(4)) {
        (Some(keys), Some(values)) => Some((keys, values)),
        _ => None,
    };
    if build.attributes.flag("do_rotary", false) {
        let start = cached.map_or(Ok(0), |(keys, _)| build.extent(keys, 2))?;
        let tables = [build.input(7)?, build.input(8)?];
        let interleaved = build.attributes.flag("rotary_interleaved", false);
        all.q = turned(build, all.q, tables, start, interleaved)?;
        all.k = turned(build, all.k, tables, start, interleaved)?;
    }
    if let Some((keys, values)) = cached {
        all = all.after(build, keys, values)?;
    }
    let mut core = core(build, build.attributes.flag("causal", true));
    // The window counts the query's own position as well.
    core.window = u64::try_from(build.attributes.int("local_window_size", -1)).ok().filter(|&window| window > 0);
    let (scores, mut sinks) = (build.optional(10), build.optional(11));
    if sinks.is_none() && build.attributes.flag("smooth_softmax", false) {
        // One more score of zero a head.
        let zeros = Copy::Full { shape: vec![heads], dtype: build.dtype(all.q)?, value: 0.0 };
        sinks = Some(build.add(zeros, &[])?);
    }
    let result = all.attend(build, &core, Besides { padding: None, bias: scores, sinks })?;
    Ok(smallvec![result, all.k, all.v])
}

/// Heads turned by the rows of the tables from `start` on, or by those that the positions (input 9) pick.
fn turned(
    build: &mut Build<'_, '_>,
    x: Operand,
    tables: [Operand; 2],
    start: u64,
    interleaved: bool,
) -> Result<Operand, String> {
    let rows = build.extent(x, 2)?;
    let mut operands = vec![x];
    let mut width = 0_u64;
    for table in tables {
        let &[length, pairs] = build.shape(table)?.as_slice() else {
            return Err(format!("a table of angles has the shape {:?}", build.shape(table)?));
        };
        width = pairs.saturating_mul(2);
        operands.push(match build.optional(9) {
            Some(positions) => {
                let picked = build.add(Op::Gather(Gather::Embedding), &[positions, table])?;
                let batch = build.extent(positions, 0)?;
                build.reshape(picked, Shape::from_slice(&[batch, 1, rows, pairs]))?
            }
            None if start.saturating_add(rows) > length => {
                return Err(format!("its tables of angles end at position {length}"));
            }
            None => build.narrow(table, 0, start, rows)?,
        });
    }
    build.add(Op::Pointwise(Pointwise::Rotary { width, interleaved }), &operands)
}

/// Positions come second; one number stands for the position of the first row.
fn rotary(build: &mut Build<'_, '_>) -> Built {
    let (x, positions) = (build.input(0)?, build.input(1)?);
    let tables = [build.input(2)?, build.input(3)?];
    let factor = build.attributes.float("scale", 1.0);
    if (factor - 1.0).abs() > f64::EPSILON {
        return Err(format!("it scales positions by {factor}"));
    }
    if build.attributes.flag("is_packed_batching", false) {
        return Err("its sequences are packed".to_owned());
    }
    let shape = build.shape(x)?;
    let (batch, rows) = match shape.as_slice() {
        &[batch, rows, _] | &[batch, _, rows, _] => (batch, rows),
        other => return Err(format!("its input has the shape {other:?}")),
    };
    let pairs = build.extent(tables[0], -1)?;
    let width = size(build, "rotary_embedding_dim")?;
    let mut heads = size(build, "num_heads")?;
    if heads == 0 && shape.len() == 3 {
        // Without a count, the tables say how wide a head is.
        heads = build.extent(x, -1)?.checked_div(pairs.saturating_mul(2)).unwrap_or(0);
    }
    let positions = if build.rank(positions)? == 2 { positions } else { counted(build, positions, batch, rows)? };
    // Parts of heads are only turned where it says how wide they are.
    let whole = if width == 0 { pairs.saturating_mul(2) } else { width };
    let rotation = Rotation { heads, width: whole, interleaved: build.attributes.flag("interleaved", false) };
    one(rotate(build, x, tables, Some(positions), rotation)?)
}

/// The positions from the given one on, `[batch, rows]`.
fn counted(build: &mut Build<'_, '_>, first: Operand, batch: u64, rows: u64) -> Result<Operand, String> {
    let known = build.content(first).and_then(Content::as_ints).and_then(|values| values.first().copied());
    let dtype = build.dtype(first)?;
    let start = known.unwrap_or(0);
    let mut line = build.add(Copy::Range { start, length: rows, dtype }, &[])?;
    if known.is_none() {
        let first = build.reshape(first, Shape::from_slice(&[1]))?;
        line = build.binary(Binary::Add, line, first)?;
    }
    let line = build.reshape(line, Shape::from_slice(&[1, rows]))?;
    build.expand(line, Shape::from_slice(&[batch, rows]))
}
