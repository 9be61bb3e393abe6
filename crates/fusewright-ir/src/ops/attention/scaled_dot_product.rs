//! The core of attention as one op.

use super::super::{Results, ShapeError, broadcast, one, tensor};
use crate::{AttributeError, Attributes, Shape, TensorType, Type, Work};

/// `softmax(scale · q kᵀ + mask) v`; operands q `[.., Sq, d]`, k `[.., Sk, d]`, v `[.., Sk, dv]`, mask?, sinks `[heads]`?.
///
/// The key heads (last batch axis) may be fewer than the query heads: groups of query heads share them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScaledDotProduct {
    /// Query i sees keys up to i + `offset`.
    pub causal: bool,
    /// Keys that stand before the first query, such as those of a cache.
    pub offset: u64,
    /// How many keys up to its own position a query sees (sliding window); `None` = all.
    pub window: Option<u64>,
    /// Factor on the scores; `None` = 1/√d.
    pub scale: Option<f64>,
    /// Scores are squashed to `softcap · tanh(score / softcap)`.
    pub softcap: Option<f64>,
    /// The last operand holds one more score per head, which takes weight and gives no value (attention sinks).
    pub sinks: bool,
    /// Dropout probability on the attention weights, 0 when not live.
    pub dropout: f64,
}

impl ScaledDotProduct {
    pub(super) fn write(&self, attributes: &mut Attributes) {
        attributes.set_flag("causal", self.causal);
        let size = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        if self.offset > 0 {
            attributes.set_int("offset", size(self.offset));
        }
        if let Some(window) = self.window {
            attributes.set_int("window", size(window));
        }
        if let Some(softcap) = self.softcap {
            attributes.set_float("softcap", softcap);
        }
        attributes.set_flag("sinks", self.sinks);
        if let Some(scale) = self.scale {
            attributes.set_float("scale", scale);
        }
        if self.dropout > 0.0 {
            attributes.set_float("dropout", self.dropout);
        }
    }

    pub(super) fn read(attributes: &mut Attributes) -> Result<Self, AttributeError> {
        Ok(ScaledDotProduct {
            causal: attributes.flag("causal")?,
            offset: optional_size(attributes, "offset")?.unwrap_or(0),
            window: optional_size(attributes, "window")?,
            softcap: attributes.optional_float("softcap")?,
            sinks: attributes.flag("sinks")?,
            scale: attributes.optional_float("scale")?,
            dropout: attributes.optional_float("dropout")?.unwrap_or(0.0),
        })
    }

    /// Position of the mask among operands of this number, if there is one.
    pub fn mask_operand(&self, operands: usize) -> Option<usize> {
        (operands > 3 + usize::from(self.sinks)).then_some(3)
    }

    pub(super) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        let (q, k, v) = (tensor(inputs, 0)?, tensor(inputs, 1)?, tensor(inputs, 2)?);
        let split = |t: &TensorType| -> Result<(Shape, u64, u64), ShapeError> {
            let [batch @ .., rows, width] = t.shape.as_slice() else {
                return Err(ShapeError::new("attention: q, k and v need at least two axes"));
            };
            Ok((Shape::from_slice(batch), *rows, *width))
        };
        let ((batch, queries, d), (k_batch, keys, kd), (v_batch, values, dv)) = (split(q)?, split(k)?, split(v)?);
        if d != kd || keys != values || k_batch != v_batch || !heads_fit(&batch, &k_batch) {
            return Err(ShapeError::new(format!("attention: {:?}, {:?}, {:?} do not fit", q.shape, k.shape, v.shape)));
        }
        if self.sinks && tensor(inputs, inputs.len() - 1)?.elements() != batch.last().copied().unwrap_or(1) {
            return Err(ShapeError::new("attention: there must be one sink per query head"));
        }
        if let Some(mask) = self.mask_operand(inputs.len()) {
            let scores: Shape = batch.iter().copied().chain([queries, keys]).collect();
            let mask = &tensor(inputs, mask)?.shape;
            if broadcast([scores.as_slice(), mask.as_slice()])? != scores {
                return Err(ShapeError::new("attention: the mask must broadcast to the scores"));
            }
        }
        one(q.with_shape(batch.into_iter().chain([queries, dv])))
    }

    pub(super) fn work(&self, inputs: &[&Type], outputs: &[&Type]) -> Work {
        let (Ok(q), Ok(k)) = (tensor(inputs, 0), tensor(inputs, 1)) else { return Work::default() };
        let extent = |t: &TensorType, back: usize| t.rank().checked_sub(back).map_or(0, |axis| t.shape[axis]);
        let result = outputs.first().and_then(|ty| ty.as_tensor());
        let keys = extent(k, 2);
        let rows = q.elements() / extent(q, 1).max(1);
        let scores = rows.saturating_mul(keys);
        let widths = extent(q, 1).saturating_add(result.map_or(0, |t| extent(t, 1)));
        let per_score = 6
            + u64::from(self.mask_operand(inputs.len()).is_some())
            + if self.softcap.is_some() { 3 } else { 0 }
            + if self.dropout > 0.0 { 2 } else { 0 };
        Work::new(scores.saturating_mul(widths), scores.saturating_mul(per_score))
    }
}

fn optional_size(attributes: &mut Attributes, name: &'static str) -> Result<Option<u64>, AttributeError> {
    let given = attributes.optional_int(name)?;
    given.map(|value| u64::try_from(value).map_err(|_| crate::attributes::invalid(name, "non-negative"))).transpose()
}

/// Key batch axes equal those of the query, or its heads (the last batch axis) are shared by groups of query heads.
fn heads_fit(query: &[u64], key: &[u64]) -> bool {
    match (query, key) {
        ([q_outer @ .., q_heads], [k_outer @ .., k_heads]) => {
            q_outer == k_outer && (q_heads == k_heads || *k_heads > 0 && q_heads % k_heads == 0)
        }
        (query, key) => query == key,
    }
}
