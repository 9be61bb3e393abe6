//! Attention over sequences that stand one behind another without padding, and over caches in pages or blocks.

use fusewright_ir::TensorType;
use fusewright_ir::ops::Contraction;
use fusewright_ir::{Op, Shape};

use super::heads::{Besides, Heads, as_one_batch, biased, core, merged_widths, parts, split, unbound};
use super::pointwise::checked;
use super::{Row, size};
use crate::build::{Build, Built, Operand, one};

pub(super) const ROWS: &[Row] = &[
    Row::new("PackedAttention", attention).weights(&[1, 2]),
    Row::new("PackedMultiHeadAttention", multihead).weights(&[3]),
    Row::new("PagedAttention", paged).weights(&[11, 12, 13]).buffers(&[8, 9]),
    Row::new("SparseAttention", sparse).buffers(&[9, 10]),
];

/// Most sequences that are told apart.
const MAX_SEQUENCES: usize = 256;

/// The lengths of the sequences: the same for all where nothing is missing of the padded rows, which `offsets` counts;
/// else from their ends, where those are known.
fn lengths(build: &Build<'_, '_>, tokens: u64, offsets: usize, ends: usize) -> Result<Vec<u64>, String> {
    let &[batch, rows] = build.shape(build.input(offsets)?)?.as_slice() else {
        return Err("the offsets of its tokens have no axes of sequence and row".to_owned());
    };
    let count = usize::try_from(batch).ok().filter(|&count| count <= MAX_SEQUENCES);
    if let (true, Some(count)) = (batch.checked_mul(rows) == Some(tokens), count) {
        return Ok(vec![rows; count]);
    }
    let ends = build.known_ints(ends).map_err(|_| "the lengths of its sequences are only known when it runs")?;
    let lengths = ends.windows(2).map(|pair| match pair {
        [start, end] => end.checked_sub(*start).and_then(|length| u64::try_from(length).ok()),
        _ => None,
    });
    let lengths: Option<Vec<u64>> = lengths.collect();
    let lengths = lengths.filter(|lengths| lengths.len() <= MAX_SEQUENCES);
    let sum = |lengths: &Vec<u64>| lengths.iter().fold(0, |sum: u64, &length| sum.saturating_add(length));
    lengths.filter(|lengths| sum(lengths) == tokens).ok_or_else(|| "its sequences do not make up its tokens".to_owned())
}

/// Attention in each sequence of q, k and v `[tokens, width]`.
fn each(build: &mut Build<'_, '_>, [q, k, v]: [Operand; 3], heads: u64, places: [usize; 3]) -> Built {
    let [offsets, ends, bias] = places;
    let tokens = build.extent(q, 0)?;
    let lengths = match lengths(build, tokens, offsets, ends) {
        Ok(lengths) => lengths,
        Err(reason) => {
            let ty = build.ty(v)?.with_shape([tokens, build.extent(v, -1)?]);
            return build.opaque(&reason, [ty]);
        }
    };
    let core = core(build, false);
    let besides = Besides { bias: build.optional(bias), ..Besides::default() };
    let same = lengths.first().copied().filter(|first| lengths.iter().all(|length| length == first));
    if let Some(length) = same {
        let mut all = [q, k, v];
        for x in &mut all {
            let shape = Shape::from_slice(&[lengths.len() as u64, length, build.extent(*x, -1)?]);
            let rows = build.reshape(*x, shape)?;
            *x = split(build, rows, heads)?;
        }
        let [q, k, v] = all;
        let result = Heads { q, k, v, past: 0 }.attend(build, &core, besides)?;
        let width = build.extent(result, -1)?;
        return one(build.reshape(result, Shape::from_slice(&[tokens, width]))?);
    }
    if besides.bias.is_some() {
        return Err("its sequences differ in length and share a bias".to_owned());
    }
    let (mut results, mut start) = (Vec::with_capacity(lengths.len()), 0_u64);
    for length in lengths.into_iter().filter(|&length| length > 0) {
        let mut all = [q, k, v];
        for x in &mut all {
            let rows = build.narrow(*x, 0, start, length)?;
            let rows = as_one_batch(build, rows)?;
            *x = split(build, rows, heads)?;
        }
        let [q, k, v] = all;
        let result = Heads { q, k, v, past: 0 }.attend(build, &core, besides)?;
        let width = build.extent(result, -1)?;
        results.push(build.reshape(result, Shape::from_slice(&[length, width]))?);
        start = start.saturating_add(length);
    }
    one(build.concat(&results, 0)?)
}

fn attention(build: &mut Build<'_, '_>) -> Built {
    let (x, weights, bias) = (build.input(0)?, build.input(1)?, build.optional(2));
    let projected = build.add(Op::Contraction(Contraction::MatMul), &[x, weights])?;
    let projected = biased(build, projected, bias)?;
    let sizes = merged_widths(build, build.extent(projected, -1)?)?;
    let all = parts(build, projected, 1, sizes)?;
    let heads = size(build, "num_heads")?;
    each(build, all, heads, [3, 4, 5])
}

/// Queries, keys and values `[tokens, heads · width]` from `[tokens, heads, 3, width]`.
fn unpacked(build: &mut Build<'_, '_>, packed: Operand) -> Result<[Operand; 3], String> {
    let &[tokens, count, 3, width] = build.shape(packed)?.as_slice() else {
        return Err(format!("its packed input has the shape {:?}", build.shape(packed)?));
    };
    let mut all: [Operand; 3] = unbound(build, packed, 2)?;
    for x in &mut all {
        *x = build.reshape(*x, Shape::from_slice(&[tokens, count.saturating_mul(width)]))?;
    }
    Ok(all)
}

fn multihead(build: &mut Build<'_, '_>) -> Built {
    let (query, heads) = (build.input(0)?, size(build, "num_heads")?);
    let mut all = match (build.optional(1), build.optional(2)) {
        (Some(key), Some(value)) => [query, key, value],
        _ => unpacked(build, query)?,
    };
    if let Some(bias) = build.optional(3) {
        let [q, k, v] = all;
        let sizes = [build.extent(q, -1)?, build.extent(k, -1)?, build.extent(v, -1)?];
        let biases = parts(build, bias, 0, sizes)?;
        for (x, bias) in all.iter_mut().zip(biases) {
            *x = biased(build, *x, Some(bias))?;
        }
    }
    each(build, all, heads, [4, 5, 6])
}

/// The width of the query heads in a query that may hold keys and values too.
fn query_width(build: &Build<'_, '_>) -> Result<u64, String> {
    let width = build.extent(build.input(0)?, -1)?;
    if build.has(1) {
        return Ok(width);
    }
    let (heads, shared) = (size(build, "num_heads")?, size(build, "kv_num_heads")?);
    let each = width.checked_div(shared.saturating_mul(2).saturating_add(heads)).ok_or("it has no heads")?;
    Ok(each.saturating_mul(heads))
}

fn kept(build: &mut Build<'_, '_>, caches: [usize; 2], reason: &str) -> Built {
    let query = build.ty(build.input(0)?)?.clone();
    let (_, outer) = query.shape.split_last().ok_or("its query is a number")?;
    let result: TensorType = query.with_shape(outer.iter().copied().chain([query_width(build)?]));
    checked(&result)?;
    let mut types = vec![result];
    for cache in caches {
        if let Some(cache) = build.optional(cache) {
            types.push(build.ty(cache)?.clone());
        }
    }
    build.opaque(reason, types)
}

fn paged(build: &mut Build<'_, '_>) -> Built {
    kept(build, [3, 4], "the lengths of its sequences are only known when it runs")
}

fn sparse(build: &mut Build<'_, '_>) -> Built {
    kept(build, [3, 4], "which blocks of scores it computes is only known when it runs")
}
