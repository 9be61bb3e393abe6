//! The core of attention as one op.

use super::super::{Results, ShapeError, broadcast, one, tensor};
use crate::{AttributeError, Attributes, Shape, TensorType, Type, Work};

/// `softmax(scale · q kᵀ + mask) v`; operands q `[.., Sq, d]`, k `[.., Sk, d]`, v `[.., Sk, dv]`, mask?.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaledDotProduct {
    /// Query i sees keys up to i.
    pub causal: bool,
    /// Factor on the scores; `None` = 1/√d.
    pub scale: Option<f64>,
    /// Dropout probability on the attention weights, 0 when not live.
    pub dropout: f64,
}

impl ScaledDotProduct {
    pub(super) fn write(&self, attributes: &mut Attributes) {
        attributes.set_flag("causal", self.causal);
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
            scale: attributes.optional_float("scale")?,
            dropout: attributes.optional_float("dropout")?.unwrap_or(0.0),
        })
    }

    pub(super) fn infer(inputs: &[&Type]) -> Result<Results, ShapeError> {
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
        if inputs.len() > 3 {
            let scores: Shape = batch.iter().copied().chain([queries, keys]).collect();
            let mask = &tensor(inputs, 3)?.shape;
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
        let per_score = 6 + u64::from(inputs.len() > 3) + if self.dropout > 0.0 { 2 } else { 0 };
        Work::new(scores.saturating_mul(widths), scores.saturating_mul(per_score))
    }
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
