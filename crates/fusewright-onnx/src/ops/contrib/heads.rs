//! What the attention operators share: heads, caches, and the core between them.

use fusewright_ir::ops::{Attention, Binary, ScaledDotProduct, View};
use fusewright_ir::{Op, Shape};

use super::super::attention::{side_by_side, split_heads};
use super::mask::{self, Scores};
use crate::build::{Build, Operand, axis_number};

/// `[batch, rows, heads · width]` as `[batch, heads, rows, width]`.
pub(super) fn split(build: &mut Build<'_, '_>, x: Operand, heads: u64) -> Result<Operand, String> {
    let &[batch, rows, width] = build.shape(x)?.as_slice() else {
        return Err(format!("an operand has the shape {:?}, not batch × rows × width", build.shape(x)?));
    };
    if heads == 0 || !width.is_multiple_of(heads) {
        return Err(format!("{heads} heads do not divide a width of {width}"));
    }
    split_heads(build, x, [batch, rows, width], heads)
}

/// Parts of an axis, one for each size.
pub(super) fn parts<const N: usize>(
    build: &mut Build<'_, '_>,
    x: Operand,
    axis: usize,
    sizes: [u64; N],
) -> Result<[Operand; N], String> {
    let first = build.add(View::Split { axis: axis_number(axis), sizes: sizes.to_vec() }, &[x])?;
    Ok(std::array::from_fn(|output| Build::sibling(first, output)))
}

/// The indices of an axis, which disappears.
pub(super) fn unbound<const N: usize>(
    build: &mut Build<'_, '_>,
    x: Operand,
    axis: usize,
) -> Result<[Operand; N], String> {
    let count = build.shape(x)?.get(axis).copied();
    if count != Some(N as u64) {
        return Err(format!("an operand has {count:?} parts where {N} are packed"));
    }
    let first = build.add(View::Unbind { axis: axis_number(axis) }, &[x])?;
    Ok(std::array::from_fn(|output| Build::sibling(first, output)))
}

/// Queries, keys and values with an axis of heads: `[batch, heads, rows, width]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    pub(super) q: Operand,
    pub(super) k: Operand,
    pub(super) v: Operand,
    /// Keys that came from a cache.
    pub(super) past: u64,
}

/// Operands of attention that not every call has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Besides {
    /// Which keys are there, in one of the forms of masks.
    pub(super) padding: Option<Operand>,
    /// What is added to the scores.
    pub(super) bias: Option<Operand>,
    /// One more score per head.
    pub(super) sinks: Option<Operand>,
}

impl Heads {
    /// Keys and values behind those of a cache, `[batch, heads, past, width]` each.
    pub(super) fn after(mut self, build: &mut Build<'_, '_>, keys: Operand, values: Operand) -> Result<Self, String> {
        self.past = build.extent(keys, 2)?;
        if build.extent(values, 2)? != self.past {
            return Err("its cache holds more keys than values".to_owned());
        }
        if self.past > 0 {
            self.k = build.concat(&[keys, self.k], 2)?;
            self.v = build.concat(&[values, self.v], 2)?;
        }
        Ok(self)
    }

    /// The core of attention. Heads lie side by side in the result.
    pub(super) fn attend(
        self,
        build: &mut Build<'_, '_>,
        core: &ScaledDotProduct,
        besides: Besides,
    ) -> Result<Operand, String> {
        let Besides { padding, bias, sinks } = besides;
        let scores = Scores {
            batch: build.extent(self.q, 0)?,
            queries: build.extent(self.q, 2)?,
            keys: build.extent(self.k, 2)?,
            past: self.past,
            dtype: build.dtype(self.q)?,
        };
        let mut mask = bias;
        if let Some(padding) = padding {
            let hidden = mask::added(build, padding, scores)?;
            mask = Some(match mask {
                Some(mask) => build.binary(Binary::Add, mask, hidden)?,
                None => hidden,
            });
        }
        let offset = if core.causal || core.window.is_some() { self.past } else { 0 };
        let operands = [Some(self.q), Some(self.k), Some(self.v), mask, sinks];
        let operands: Vec<Operand> = operands.into_iter().flatten().collect();
        let core = ScaledDotProduct { offset, sinks: sinks.is_some(), ..core.clone() };
        let result = build.add(Op::Attention(Attention::ScaledDotProduct(core)), &operands)?;
        side_by_side(build, result)
    }
}

/// Scale and cap of the scores, as all attention operators name them; a scale of 0 stands for the usual one.
pub(super) fn core(build: &Build<'_, '_>, causal: bool) -> ScaledDotProduct {
    ScaledDotProduct {
        causal,
        scale: build.attributes.optional_float("scale").filter(|&scale| scale != 0.0),
        softcap: Some(build.attributes.float("softcap", 0.0)).filter(|&cap| cap > 0.0),
        ..ScaledDotProduct::default()
    }
}

/// x with a vector added, if there is one.
pub(super) fn biased(build: &mut Build<'_, '_>, x: Operand, bias: Option<Operand>) -> Result<Operand, String> {
    bias.map_or(Ok(x), |bias| build.binary(Binary::Add, x, bias))
}

/// The merged widths of queries, keys and values in a projection of this width.
pub(super) fn merged_widths(build: &Build<'_, '_>, width: u64) -> Result<[u64; 3], String> {
    let sizes = match build.attributes.sizes("qkv_hidden_sizes")? {
        Some(sizes) => <[u64; 3]>::try_from(sizes).map_err(|sizes| format!("`qkv_hidden_sizes` is {sizes:?}"))?,
        None => [width / 3; 3],
    };
    let sum = sizes.iter().fold(0, |sum: u64, &size| sum.saturating_add(size));
    if sum == width { Ok(sizes) } else { Err(format!("queries, keys and values of {sizes:?} do not make up {width}")) }
}

/// `[rows, width]` as `[1, rows, width]`.
pub(super) fn as_one_batch(build: &mut Build<'_, '_>, x: Operand) -> Result<Operand, String> {
    let &[rows, width] = build.shape(x)?.as_slice() else {
        return Err(format!("an operand has the shape {:?}, not tokens × width", build.shape(x)?));
    };
    build.reshape(x, Shape::from_slice(&[1, rows, width]))
}
