//! Attention whose queries, keys and values have as many heads.

use fusewright_ir::ops::{Binary, Contraction, Copy, Pointwise, Unary, View};
use fusewright_ir::{DType, Op, Shape};
use smallvec::smallvec;

use super::heads::{Besides, Heads, biased, core, merged_widths, parts, split, unbound};
use super::{Row, size, wants};
use crate::build::{Build, Built, Operand};
use crate::content::{Content, Elements, LIMIT};

pub(super) const ROWS: &[Row] = &[
    Row::new("Attention", attention).weights(&[1, 2]),
    Row::new("MultiHeadAttention", |build| multihead(build, &MULTIHEAD)).weights(&[3]),
    Row::new("DecoderMaskedMultiHeadAttention", |build| multihead(build, &DECODER)).weights(&[10]),
];

/// The three projections are one matrix, in which queries, keys and values stand side by side.
fn attention(build: &mut Build<'_, '_>) -> Built {
    let (x, weights) = (build.input(0)?, build.input(1)?);
    let projected = build.add(Op::Contraction(Contraction::MatMul), &[x, weights])?;
    let bias = build.optional(2);
    let projected = biased(build, projected, bias)?;
    let besides = Besides { padding: build.optional(3), bias: build.optional(5), sinks: None };
    projected_attention(build, projected, build.optional(4), besides)
}

/// Attention over queries, keys and values that stand side by side in a row.
pub(super) fn projected_attention(
    build: &mut Build<'_, '_>,
    projected: Operand,
    past: Option<Operand>,
    besides: Besides,
) -> Built {
    if build.attributes.flag("past_present_share_buffer", false) && past.is_some() {
        return Err("how much of its cache is filled is only known when it runs".to_owned());
    }
    let heads = size(build, "num_heads")?;
    let sizes = merged_widths(build, build.extent(projected, -1)?)?;
    let [q, k, v] = parts(build, projected, 2, sizes)?;
    let mut all = Heads { q: split(build, q, heads)?, k: split(build, k, heads)?, v: split(build, v, heads)?, past: 0 };
    let cached = past.map(|past| unbound::<2>(build, past, 0)).transpose()?;
    let start = cached.map_or(Ok(0), |[keys, _]| build.extent(keys, 2))?;
    if build.attributes.flag("do_rotary", false) {
        let tables = rotary_tables(build, all.q, start)?;
        all.q = rotated(build, all.q, tables)?;
        all.k = rotated(build, all.k, tables)?;
    }
    if let Some([keys, values]) = cached {
        all = all.after(build, keys, values)?;
    }
    let core = core(build, build.attributes.flag("unidirectional", false));
    let result = all.attend(build, &core, besides)?;
    if !wants(build, 1) {
        return Ok(smallvec![result]);
    }
    let present = build.add(Copy::Stack { axis: 0 }, &[all.k, all.v])?;
    Ok(smallvec![result, present])
}

/// Cosines and sines of the positions from `start` on, for heads `[batch, heads, rows, width]`: `[rows, width / 2]`.
fn rotary_tables(build: &mut Build<'_, '_>, x: Operand, start: u64) -> Result<[Operand; 2], String> {
    let (rows, width) = (build.extent(x, 2)?, turned_width(build, x)?);
    let pairs = width / 2;
    if pairs > LIMIT {
        return Err(format!("heads of {width} elements"));
    }
    let wide = f64::from(u32::try_from(width).map_err(|_| format!("heads of {width} elements"))?);
    let speeds: Vec<f64> =
        (0..u32::try_from(pairs).unwrap_or(0)).map(|pair| 10_000_f64.powf(-2.0 * f64::from(pair) / wide)).collect();
    let speeds = Content::new(DType::F32, [pairs], Elements::Floats(speeds)).ok_or("its heads are too wide")?;
    let speeds = build.literal(speeds);
    let start = i64::try_from(start).map_err(|_| "its cache is too long")?;
    let places = build.add(Copy::Range { start, length: rows, dtype: DType::F32 }, &[])?;
    let places = build.add(View::Reshape { shape: Shape::from_slice(&[rows, 1]) }, &[places])?;
    let angles = build.add(Op::Pointwise(Pointwise::Binary(Binary::Mul)), &[places, speeds])?;
    let dtype = build.dtype(x)?;
    let cosines = build.unary(Unary::Cos, angles)?;
    let sines = build.unary(Unary::Sin, angles)?;
    Ok([build.cast(cosines, dtype)?, build.cast(sines, dtype)?])
}

fn turned_width(build: &Build<'_, '_>, x: Operand) -> Result<u64, String> {
    let given = size(build, "rotary_embedding_dim")?;
    if given == 0 { build.extent(x, -1) } else { Ok(given) }
}

fn rotated(build: &mut Build<'_, '_>, x: Operand, [cosines, sines]: [Operand; 2]) -> Result<Operand, String> {
    let op = Pointwise::Rotary { width: turned_width(build, x)?, interleaved: false };
    build.add(Op::Pointwise(op), &[x, cosines, sines])
}

/// Where an operator has its operands.
struct Places {
    bias: usize,
    padding: usize,
    scores: usize,
    past: [usize; 2],
    past_length: usize,
    beams: usize,
}

const MULTIHEAD: Places = Places { bias: 3, padding: 4, scores: 5, past: [6, 7], past_length: 8, beams: 9 };
const DECODER: Places = Places { bias: 10, padding: 3, scores: 4, past: [5, 6], past_length: 7, beams: 9 };

/// Queries, keys and values are projected before; their biases may still be here, as one vector.
fn multihead(build: &mut Build<'_, '_>, places: &Places) -> Built {
    if build.has(places.beams) {
        return Err("which cached keys a beam takes is only known when it runs".to_owned());
    }
    let mut past = match (build.optional(places.past[0]), build.optional(places.past[1])) {
        (Some(keys), Some(values)) => Some((keys, values)),
        _ => None,
    };
    let shared = build.has(places.past_length) || build.attributes.flag("past_present_share_buffer", false);
    if past.is_some() && shared {
        // The cache is a buffer whose filled part must be known.
        let filled = build.known_scalar(places.past_length);
        let filled = filled.ok().flatten().ok_or("how much of its cache is filled is only known when it runs")?;
        if filled != 0.0 || wants(build, 1) {
            return Err(format!("its cache is a buffer of which {filled} keys are filled"));
        }
        past = None;
    }
    if wants(build, 3) {
        return Err("its scores are a result".to_owned());
    }
    let heads = size(build, "num_heads")?;
    let mut all = separate(build, heads, build.optional(places.bias))?;
    if let Some((keys, values)) = past {
        all = all.after(build, keys, values)?;
    }
    let core = core(build, build.attributes.flag("unidirectional", false));
    let besides = Besides { padding: build.optional(places.padding), bias: build.optional(places.scores), sinks: None };
    let result = all.attend(build, &core, besides)?;
    Ok(smallvec![result, all.k, all.v])
}

/// Inputs 0 to 2 in each of their forms, as heads.
fn separate(build: &mut Build<'_, '_>, heads: u64, bias: Option<Operand>) -> Result<Heads, String> {
    let query = build.input(0)?;
    if let &[_, _, count, 3, width] = build.shape(query)?.as_slice() {
        let mut packed = query;
        if let Some(bias) = bias {
            let bias = build.reshape(bias, Shape::from_slice(&[3, count, width]))?;
            let bias = build.permute(bias, &[1, 0, 2])?;
            packed = build.binary(Binary::Add, packed, bias)?;
        }
        let [q, k, v] = unbound(build, packed, 3)?;
        return upright(build, [q, k, v]);
    }
    let key = build.input(1)?;
    let width = build.extent(query, -1)?;
    let key_shape = build.shape(key)?;
    match *key_shape.as_slice() {
        [_, _, count, 2, each] => {
            let own = count.saturating_mul(each);
            let (mut q, mut packed) = (query, key);
            if let Some(bias) = bias {
                let [first, rest] = parts(build, bias, 0, [width, own.saturating_mul(2)])?;
                q = build.binary(Binary::Add, q, first)?;
                let rest = build.reshape(rest, Shape::from_slice(&[2, count, each]))?;
                let rest = build.permute(rest, &[1, 0, 2])?;
                packed = build.binary(Binary::Add, packed, rest)?;
            }
            let [k, v] = unbound(build, packed, 3)?;
            let q = split(build, q, heads)?;
            Ok(Heads { q, k: build.permute(k, &[0, 2, 1, 3])?, v: build.permute(v, &[0, 2, 1, 3])?, past: 0 })
        }
        [_, _, _, _] => {
            // Keys and values that an earlier step left; only the queries have a bias to come.
            let mut q = query;
            if let Some(bias) = bias {
                let bias = build.narrow(bias, 0, 0, width)?;
                q = build.binary(Binary::Add, q, bias)?;
            }
            Ok(Heads { q: split(build, q, heads)?, k: key, v: build.input(2)?, past: 0 })
        }
        _ => {
            let value = build.input(2)?;
            let mut all = [query, key, value];
            if let Some(bias) = bias {
                let sizes = [width, build.extent(key, -1)?, build.extent(value, -1)?];
                let biases = parts(build, bias, 0, sizes)?;
                for (x, bias) in all.iter_mut().zip(biases) {
                    *x = build.binary(Binary::Add, *x, bias)?;
                }
            }
            let [q, k, v] = all;
            Ok(Heads { q: split(build, q, heads)?, k: split(build, k, heads)?, v: split(build, v, heads)?, past: 0 })
        }
    }
}

/// `[batch, rows, heads, width]` each, with the axis of heads in its place.
fn upright(build: &mut Build<'_, '_>, [q, k, v]: [Operand; 3]) -> Result<Heads, String> {
    let axes = [0, 2, 1, 3];
    Ok(Heads { q: build.permute(q, &axes)?, k: build.permute(k, &axes)?, v: build.permute(v, &axes)?, past: 0 })
}
