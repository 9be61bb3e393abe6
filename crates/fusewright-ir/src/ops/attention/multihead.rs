//! A multi-head attention layer as one op.

use super::super::{Results, ShapeError, check_size, one, tensor};
use crate::attributes::invalid;
use crate::{AttributeError, Attributes, Shape, Type, Work};

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

    pub(super) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        if self.operands.len() != inputs.len() {
            return Err(ShapeError::new(format!("{} operands are named, {} given", self.operands.len(), inputs.len())));
        }
        if self.num_heads == 0 || !self.embed_dim.is_multiple_of(self.num_heads) {
            return Err(ShapeError::new("embed_dim must be a multiple of num_heads"));
        }
        let extents = self.extents(inputs)?;
        self.check_weights(inputs)?;
        let query = tensor(inputs, self.position(Operand::Query).unwrap_or(0))?;
        let mut results = one(query.with_shape(query.shape.iter().copied()))?;
        if self.need_weights {
            let mut shape = Shape::new();
            if extents.batched {
                shape.push(extents.batch);
            }
            if !self.average_weights {
                shape.push(self.num_heads);
            }
            shape.extend([extents.queries, extents.all_keys]);
            check_size(&shape)?;
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

    pub(super) fn work(&self, inputs: &[&Type]) -> Work {
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

    pub(super) fn write(&self, attributes: &mut Attributes) {
        attributes.set_int("embed_dim", i64::try_from(self.embed_dim).unwrap_or(i64::MAX));
        attributes.set_int("num_heads", i64::try_from(self.num_heads).unwrap_or(i64::MAX));
        attributes.set_flag("batch_first", self.batch_first);
        attributes.set_flag("add_zero_attn", self.add_zero_attn);
        attributes.set_float("dropout", self.dropout);
        attributes.set_flag("training", self.training);
        attributes.set_flag("need_weights", self.need_weights);
        attributes.set_flag("average_weights", self.average_weights);
        let names: Vec<&str> = self.operands.iter().map(|&operand| OPERANDS[operand as usize].1).collect();
        attributes.set_text("operands", &names.join(" "));
    }

    pub(super) fn read(attributes: &mut Attributes) -> Result<Self, AttributeError> {
        let names = attributes.text("operands")?;
        let operand = |name| OPERANDS.iter().find(|row| row.1 == name).map(|row| row.0);
        let operands: Option<Vec<Operand>> = names.split_whitespace().map(operand).collect();
        Ok(MultiheadAttention {
            embed_dim: attributes.size("embed_dim")?,
            num_heads: attributes.size("num_heads")?,
            batch_first: attributes.flag("batch_first")?,
            add_zero_attn: attributes.flag("add_zero_attn")?,
            dropout: attributes.float("dropout")?,
            training: attributes.flag("training")?,
            need_weights: attributes.flag("need_weights")?,
            average_weights: attributes.flag("average_weights")?,
            operands: operands.ok_or_else(|| invalid("operands", "known operand names"))?,
        })
    }
}
