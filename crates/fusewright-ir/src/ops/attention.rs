//! Attention macro-ops: what a source calls one op. `fusewright-pattern` decomposes the module form.

use super::{Results, ShapeError, broadcast, tensor};
use crate::attributes::invalid;
use crate::{AttributeError, Attributes, Shape, TensorType, Type, Work};

/// What an operand of [`MultiheadAttention`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// `[batch, Sq, E]`, `[Sq, batch, E]` or `[Sq, E]`.
    Query,
    /// Like the query with length Sk and width kdim.
    Key,
    /// Like the key with width vdim.
    Value,
    /// Packed projection weights `[3E, E]`.
    InWeight,
    /// `[E, E]`.
    QueryWeight,
    /// `[E, kdim]`.
    KeyWeight,
    /// `[E, vdim]`.
    ValueWeight,
    /// Packed projection biases `[3E]`.
    InBias,
    /// A learned extra key `[1, 1, E]`.
    KeyBias,
    /// A learned extra value `[1, 1, E]`.
    ValueBias,
    /// `[E, E]`.
    OutWeight,
    /// `[E]`.
    OutBias,
    /// `[batch, Sk]` or `[Sk]`; bool (true = ignore) or added.
    KeyPaddingMask,
    /// `[Sq, Sk]` or `[batch · heads, Sq, Sk]`; bool (true = blocked) or added.
    Mask,
}

const OPERANDS: [(Operand, &str); 14] = [
    (Operand::Query, "query"),
    (Operand::Key, "key"),
    (Operand::Value, "value"),
    (Operand::InWeight, "in_weight"),
    (Operand::QueryWeight, "query_weight"),
    (Operand::KeyWeight, "key_weight"),
    (Operand::ValueWeight, "value_weight"),
    (Operand::InBias, "in_bias"),
    (Operand::KeyBias, "key_bias"),
    (Operand::ValueBias, "value_bias"),
    (Operand::OutWeight, "out_weight"),
    (Operand::OutBias, "out_bias"),
    (Operand::KeyPaddingMask, "key_padding_mask"),
    (Operand::Mask, "mask"),
];

/// A multi-head attention layer with its projections, as `torch.nn.MultiheadAttention` defines it.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiheadAttention {
    /// Model width E.
    pub embed_dim: u64,
    /// Heads H; E is a multiple of it.
    pub num_heads: u64,
    /// The batch axis comes first.
    pub batch_first: bool,
    /// A zero key and value are appended.
    pub add_zero_attn: bool,
    /// Dropout probability on the attention weights.
    pub dropout: f64,
    /// Dropout is live.
    pub training: bool,
    /// The attention weights are a second result.
    pub need_weights: bool,
    /// They are averaged over heads.
    pub average_weights: bool,
    /// What each input is.
    pub operands: Vec<Operand>,
}

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

/// The attention macro-ops.
#[derive(Clone, Debug, PartialEq)]
pub enum Attention {
    /// A whole layer.
    Multihead(Box<MultiheadAttention>),
    /// The core.
    ScaledDotProduct(ScaledDotProduct),
}

/// Extents of one multi-head attention call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extents {
    /// Batch; 1 for an unbatched call.
    pub batch: u64,
    /// Query length.
    pub queries: u64,
    /// Key length as given.
    pub keys: u64,
    /// Key length with a learned and a zero key appended.
    pub all_keys: u64,
    /// The call has a batch axis.
    pub batched: bool,
}

impl MultiheadAttention {
    /// Position of an operand among the inputs.
    pub fn position(&self, operand: Operand) -> Option<usize> {
        self.operands.iter().position(|&known| known == operand)
    }

    /// Batch and lengths of a call with operands of these types.
    pub fn extents(&self, inputs: &[&Type]) -> Result<Extents, ShapeError> {
        let of = |operand| {
            let position = self.position(operand).ok_or_else(|| ShapeError::new(format!("no {operand:?} operand")))?;
            tensor(inputs, position)
        };
        let (query, key, value) = (of(Operand::Query)?, of(Operand::Key)?, of(Operand::Value)?);
        let batched = query.rank() == 3;
        if !matches!(query.rank(), 2 | 3) || key.rank() != query.rank() || value.rank() != query.rank() {
            return Err(ShapeError::new("query, key and value must all have rank 3, or all rank 2"));
        }
        let (batch_axis, length_axis) = match (batched, self.batch_first) {
            (true, true) => (0, 1),
            (true, false) => (1, 0),
            (false, _) => (0, 0),
        };
        let batch = if batched { query.shape[batch_axis] } else { 1 };
        let (queries, keys) = (query.shape[length_axis], key.shape[length_axis]);
        if value.shape[length_axis] != keys {
            return Err(ShapeError::new("key and value must have the same length"));
        }
        if batched && (key.shape[batch_axis] != batch || value.shape[batch_axis] != batch) {
            return Err(ShapeError::new("query, key and value must have the same batch"));
        }
        if query.shape.last() != Some(&self.embed_dim) {
            return Err(ShapeError::new(format!("the query must have width {}", self.embed_dim)));
        }
        let extra = u64::from(self.position(Operand::KeyBias).is_some()) + u64::from(self.add_zero_attn);
        Ok(Extents { batch, queries, keys, all_keys: keys.saturating_add(extra), batched })
    }

    /// Width of one head.
    pub fn head_dim(&self) -> u64 {
        self.embed_dim / self.num_heads.max(1)
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        if self.operands.len() != inputs.len() {
            return Err(ShapeError::new(format!("{} operands are named, {} given", self.operands.len(), inputs.len())));
        }
        if self.num_heads == 0 || !self.embed_dim.is_multiple_of(self.num_heads) {
            return Err(ShapeError::new("embed_dim must be a multiple of num_heads"));
        }
        let extents = self.extents(inputs)?;
        self.check_weights(inputs)?;
        let query = tensor(inputs, self.position(Operand::Query).unwrap_or(0))?;
        let mut results = super::one(query.with_shape(query.shape.iter().copied()))?;
        if self.need_weights {
            let mut shape = Shape::new();
            if extents.batched {
                shape.push(extents.batch);
            }
            if !self.average_weights {
                shape.push(self.num_heads);
            }
            shape.extend([extents.queries, extents.all_keys]);
            super::check_size(&shape)?;
            results.push(Type::Tensor(query.with_shape(shape)));
        }
        Ok(results)
    }

    fn check_weights(&self, inputs: &[&Type]) -> Result<(), ShapeError> {
        let width = |operand| {
            let position = self.position(operand)?;
            inputs.get(position)?.as_tensor()?.shape.last().copied()
        };
        let e = self.embed_dim;
        let (kdim, vdim) = (width(Operand::Key).unwrap_or(0), width(Operand::Value).unwrap_or(0));
        let expected: [(Operand, &[u64]); 9] = [
            (Operand::InWeight, &[3 * e, e]),
            (Operand::QueryWeight, &[e, e]),
            (Operand::KeyWeight, &[e, kdim]),
            (Operand::ValueWeight, &[e, vdim]),
            (Operand::InBias, &[3 * e]),
            (Operand::KeyBias, &[1, 1, e]),
            (Operand::ValueBias, &[1, 1, e]),
            (Operand::OutWeight, &[e, e]),
            (Operand::OutBias, &[e]),
        ];
        for (operand, shape) in expected {
            let Some(position) = self.position(operand) else { continue };
            let found = &tensor(inputs, position)?.shape;
            if found.as_slice() != shape {
                return Err(ShapeError::new(format!("{operand:?} must have shape {shape:?}, not {found:?}")));
            }
        }
        let separate = [Operand::QueryWeight, Operand::KeyWeight, Operand::ValueWeight];
        let packed = self.position(Operand::InWeight).is_some();
        if packed && (kdim != e || vdim != e) || !packed && separate.iter().any(|&w| self.position(w).is_none()) {
            return Err(ShapeError::new("projection weights must be packed, or given for query, key and value"));
        }
        if self.position(Operand::OutWeight).is_none() {
            return Err(ShapeError::new("the output projection has no weight"));
        }
        Ok(())
    }

    fn work(&self, inputs: &[&Type]) -> Work {
        let Ok(x) = self.extents(inputs) else { return Work::default() };
        let width = |operand| {
            let ty = self.position(operand).and_then(|position| inputs.get(position))?;
            ty.as_tensor()?.shape.last().copied()
        };
        let has = |operand| u64::from(self.position(operand).is_some());
        let product = |factors: &[u64]| factors.iter().fold(1_u64, |p, &f| p.saturating_mul(f));
        let (e, kdim, vdim) = (self.embed_dim, width(Operand::Key).unwrap_or(0), width(Operand::Value).unwrap_or(0));
        let scores = product(&[x.batch, self.num_heads, x.queries, x.all_keys]);
        let macs = [
            product(&[x.batch, x.queries, e, e]),
            product(&[x.batch, x.keys, e, kdim.saturating_add(vdim)]),
            product(&[2, x.batch, x.queries, x.all_keys, e]),
            product(&[x.batch, x.queries, e, e]),
        ];
        let per_score = 1 // scale
            + 5 // softmax
            + has(Operand::Mask)
            + has(Operand::KeyPaddingMask)
            + if self.training && self.dropout > 0.0 { 2 } else { 0 }
            + u64::from(self.need_weights && self.average_weights);
        let in_bias = has(Operand::InBias) * product(&[x.batch, e, x.queries.saturating_add(2 * x.keys)]);
        let out_bias = has(Operand::OutBias) * product(&[x.batch, e, x.queries]);
        let other = scores.saturating_mul(per_score).saturating_add(in_bias).saturating_add(out_bias);
        Work::new(macs.iter().fold(0, |sum: u64, &m| sum.saturating_add(m)), other)
    }
}

impl Attention {
    pub(crate) fn mnemonic(&self) -> &'static str {
        match self {
            Attention::Multihead(_) => "multihead_attention",
            Attention::ScaledDotProduct(_) => "scaled_dot_product_attention",
        }
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        match self {
            Attention::Multihead(mha) => {
                attributes.set_int("embed_dim", i64::try_from(mha.embed_dim).unwrap_or(i64::MAX));
                attributes.set_int("num_heads", i64::try_from(mha.num_heads).unwrap_or(i64::MAX));
                attributes.set_flag("batch_first", mha.batch_first);
                attributes.set_flag("add_zero_attn", mha.add_zero_attn);
                attributes.set_float("dropout", mha.dropout);
                attributes.set_flag("training", mha.training);
                attributes.set_flag("need_weights", mha.need_weights);
                attributes.set_flag("average_weights", mha.average_weights);
                let names: Vec<&str> = mha.operands.iter().map(|&operand| OPERANDS[operand as usize].1).collect();
                attributes.set_text("operands", &names.join(" "));
            }
            Attention::ScaledDotProduct(sdpa) => {
                attributes.set_flag("causal", sdpa.causal);
                if let Some(scale) = sdpa.scale {
                    attributes.set_float("scale", scale);
                }
                if sdpa.dropout > 0.0 {
                    attributes.set_float("dropout", sdpa.dropout);
                }
            }
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        match mnemonic {
            "multihead_attention" => {
                let names = attributes.text("operands")?;
                let operand = |name| OPERANDS.iter().find(|row| row.1 == name).map(|row| row.0);
                let operands: Option<Vec<Operand>> = names.split_whitespace().map(operand).collect();
                Ok(Some(Attention::Multihead(Box::new(MultiheadAttention {
                    embed_dim: attributes.size("embed_dim")?,
                    num_heads: attributes.size("num_heads")?,
                    batch_first: attributes.flag("batch_first")?,
                    add_zero_attn: attributes.flag("add_zero_attn")?,
                    dropout: attributes.float("dropout")?,
                    training: attributes.flag("training")?,
                    need_weights: attributes.flag("need_weights")?,
                    average_weights: attributes.flag("average_weights")?,
                    operands: operands.ok_or_else(|| invalid("operands", "known operand names"))?,
                }))))
            }
            "scaled_dot_product_attention" => Ok(Some(Attention::ScaledDotProduct(ScaledDotProduct {
                causal: attributes.flag("causal")?,
                scale: attributes.optional_float("scale")?,
                dropout: attributes.optional_float("dropout")?.unwrap_or(0.0),
            }))),
            _ => Ok(None),
        }
    }

    pub(crate) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        match self {
            Attention::Multihead(mha) => mha.infer(inputs),
            Attention::ScaledDotProduct(_) => {
                let (q, k, v) = (tensor(inputs, 0)?, tensor(inputs, 1)?, tensor(inputs, 2)?);
                let split = |t: &TensorType| -> Result<(Shape, u64, u64), ShapeError> {
                    let [batch @ .., rows, width] = t.shape.as_slice() else {
                        return Err(ShapeError::new("attention: q, k and v need at least two axes"));
                    };
                    Ok((Shape::from_slice(batch), *rows, *width))
                };
                let ((batch, queries, d), (k_batch, keys, kd), (v_batch, values, dv)) =
                    (split(q)?, split(k)?, split(v)?);
                if d != kd || keys != values || k_batch != v_batch || !heads_fit(&batch, &k_batch) {
                    return Err(ShapeError::new(format!(
                        "attention: {:?}, {:?}, {:?} do not fit",
                        q.shape, k.shape, v.shape
                    )));
                }
                if inputs.len() > 3 {
                    let scores: Shape = batch.iter().copied().chain([queries, keys]).collect();
                    let mask = &tensor(inputs, 3)?.shape;
                    if broadcast([scores.as_slice(), mask.as_slice()])? != scores {
                        return Err(ShapeError::new("attention: the mask must broadcast to the scores"));
                    }
                }
                super::one(q.with_shape(batch.into_iter().chain([queries, dv])))
            }
        }
    }

    pub(crate) fn work(&self, inputs: &[&Type], outputs: &[&Type]) -> Work {
        match self {
            Attention::Multihead(mha) => mha.work(inputs),
            Attention::ScaledDotProduct(sdpa) => {
                let (Ok(q), Ok(k)) = (tensor(inputs, 0), tensor(inputs, 1)) else { return Work::default() };
                let extent = |t: &TensorType, back: usize| t.rank().checked_sub(back).map_or(0, |axis| t.shape[axis]);
                let result = outputs.first().and_then(|ty| ty.as_tensor());
                let keys = extent(k, 2);
                let rows = q.elements() / extent(q, 1).max(1);
                let scores = rows.saturating_mul(keys);
                let widths = extent(q, 1).saturating_add(result.map_or(0, |t| extent(t, 1)));
                let per_score = 6 + u64::from(inputs.len() > 3) + if sdpa.dropout > 0.0 { 2 } else { 0 };
                Work::new(scores.saturating_mul(widths), scores.saturating_mul(per_score))
            }
        }
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
