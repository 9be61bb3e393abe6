//! `torch.nn.MultiheadAttention`, opened.
//!
//! ```text
//! q, k, v = linear(query), linear(key), linear(value)         three projections, parts of a packed weight if packed
//! k, v   ++= learned key and value, zero key and value        where the layer has them
//! heads    = transpose(reshape(·))                            for q, k, v; sizes read on the host
//! scores   = matmul(q, transpose(k)) · 1/√d  [+ masks]
//! weights  = softmax(scores)                 [dropout in training]
//! out      = linear(contiguous(reshape(transpose(matmul(weights, v)))))
//! result   = (out, weights?)
//! ```
//! A plain self-attention becomes 21 nodes. Boolean masks block where they are true, others are added, as the module
//! defines it; returned weights are those after dropout. Module semantics: PyTorch documentation of
//! `torch.nn.MultiheadAttention`.

use fusewright_ir::ops::{Extents, MultiheadAttention, Operand, ShapeError};
use fusewright_ir::{DType, ValueId};

use super::steps::Steps;

/// Writes the steps of one call; gives its results.
pub(super) fn expand(
    steps: &mut Steps,
    mha: &MultiheadAttention,
    inputs: &[ValueId],
) -> Result<Vec<ValueId>, ShapeError> {
    let types = steps.types(inputs);
    let extents = mha.extents(&types.iter().collect::<Vec<_>>())?;
    let layer = Layer { mha, inputs, extents };
    let [query, key, value] = layer.project(steps)?;
    let key = layer.lengthen(steps, key, Operand::KeyBias, "key")?;
    let value = layer.lengthen(steps, value, Operand::ValueBias, "value")?;
    let [query, key, value] = layer.split_heads(steps, query, key, value)?;

    let key = steps.permute("key_transposed", key, &[0, 1, 3, 2])?;
    let scores = steps.matmul("scores", query, key)?;
    let scores = steps.scale("scaled", scores, 1.0 / (mha.head_dim() as f64).sqrt())?;
    let scores = layer.mask(steps, scores)?;
    // Without returned weights the module takes a fused kernel, which gives zeros where no key is visible.
    let is_masked = [Operand::Mask, Operand::KeyPaddingMask].iter().any(|&mask| mha.position(mask).is_some());
    let mut weights = steps.softmax("softmax", scores, is_masked && !mha.need_weights)?;
    if mha.training && mha.dropout > 0.0 {
        weights = steps.dropout("dropout", weights, mha.dropout)?;
    }
    let context = steps.matmul("context", weights, value)?;
    let mut results = vec![layer.merge_heads(steps, context)?];
    if mha.need_weights {
        results.push(layer.returned_weights(steps, weights)?);
    }
    steps.tuple(&results)
}

/// One call of a layer.
struct Layer<'a> {
    mha: &'a MultiheadAttention,
    inputs: &'a [ValueId],
    extents: Extents,
}

impl Layer<'_> {
    fn operand(&self, operand: Operand) -> Option<ValueId> {
        self.mha.position(operand).and_then(|position| self.inputs.get(position).copied())
    }

    fn required(&self, operand: Operand) -> Result<ValueId, ShapeError> {
        self.operand(operand).ok_or_else(|| ShapeError(format!("the layer has no {operand:?}")))
    }

    fn project(&self, steps: &mut Steps) -> Result<[ValueId; 3], ShapeError> {
        let e = self.mha.embed_dim;
        let roles = [
            (Operand::Query, Operand::QueryWeight, "query"),
            (Operand::Key, Operand::KeyWeight, "key"),
            (Operand::Value, Operand::ValueWeight, "value"),
        ];
        let mut projected = Vec::with_capacity(3);
        for ((activation, separate, role), start) in roles.into_iter().zip([0, e, 2 * e]) {
            let weight = match self.operand(Operand::InWeight) {
                Some(packed) => steps.part(packed, role, start, e)?,
                None => self.required(separate)?,
            };
            let bias = match self.operand(Operand::InBias) {
                Some(packed) => Some(steps.part(packed, role, start, e)?),
                None => None,
            };
            projected.push(steps.linear(role, self.required(activation)?, weight, bias)?);
        }
        <[ValueId; 3]>::try_from(projected).map_err(|_| ShapeError("three projections".into()))
    }

    /// Shape of a projected tensor of `length` rows, in the layout of the call.
    fn projected_shape(&self, length: u64) -> Vec<u64> {
        let (batch, e) = (self.extents.batch, self.mha.embed_dim);
        match (self.extents.batched, self.mha.batch_first) {
            (true, true) => vec![batch, length, e],
            (true, false) => vec![length, batch, e],
            (false, _) => vec![length, e],
        }
    }

    fn length_axis(&self) -> usize {
        usize::from(self.extents.batched && self.mha.batch_first)
    }

    /// Appends the learned row and the row of zeros that the layer was built with.
    fn lengthen(
        &self,
        steps: &mut Steps,
        projected: ValueId,
        learned: Operand,
        role: &str,
    ) -> Result<ValueId, ShapeError> {
        let mut rows = vec![projected];
        let row_shape = self.projected_shape(1);
        if let Some(bias) = self.operand(learned) {
            let bias = if self.extents.batched {
                bias
            } else {
                steps.reshape(&format!("{role}_bias"), bias, &row_shape, &[])?
            };
            rows.push(steps.expand(&format!("{role}_bias_rows"), bias, &row_shape)?);
        }
        if self.mha.add_zero_attn {
            let like = steps.tensor(projected)?;
            rows.push(steps.zeros(&format!("{role}_zeros"), &like, &row_shape)?);
        }
        if rows.len() == 1 {
            Ok(projected)
        } else {
            steps.concat(&format!("{role}_extended"), &rows, self.length_axis())
        }
    }

    /// `[B, H, S, d]` of each projection.
    fn split_heads(
        &self,
        steps: &mut Steps,
        query: ValueId,
        key: ValueId,
        value: ValueId,
    ) -> Result<[ValueId; 3], ShapeError> {
        let (heads, width) = (self.mha.num_heads, self.mha.head_dim());
        let source = self.required(Operand::Query)?;
        let batch_axis = usize::from(!self.mha.batch_first);
        let batch = if self.extents.batched { Some(steps.size("batch", source, batch_axis)?) } else { None };
        let length = steps.size("length", source, self.length_axis())?;
        let key_source = self.required(Operand::Key)?;
        let key_length =
            if key_source == source { length } else { steps.size("key_length", key_source, self.length_axis())? };

        let mut reshaped = Vec::with_capacity(3);
        let keys = self.extents.all_keys;
        for (role, x, rows, size) in [
            ("query_heads", query, self.extents.queries, length),
            ("key_heads", key, keys, key_length),
            ("value_heads", value, keys, key_length),
        ] {
            let mut shape = self.projected_shape(rows);
            shape.pop();
            if !self.extents.batched {
                shape.insert(0, 1);
            }
            shape.extend([heads, width]);
            let sizes: Vec<ValueId> = batch.into_iter().chain([size]).collect();
            reshaped.push((role, steps.reshape(role, x, &shape, &sizes)?));
        }
        let axes: &[u32] = if self.seq_first() { &[1, 2, 0, 3] } else { &[0, 2, 1, 3] };
        let mut transposed = Vec::with_capacity(3);
        for (role, x) in reshaped {
            transposed.push(steps.permute(&format!("{role}_first"), x, axes)?);
        }
        <[ValueId; 3]>::try_from(transposed).map_err(|_| ShapeError("three head tensors".into()))
    }

    fn seq_first(&self) -> bool {
        self.extents.batched && !self.mha.batch_first
    }

    fn mask(&self, steps: &mut Steps, scores: ValueId) -> Result<ValueId, ShapeError> {
        let Extents { batch, queries, keys, all_keys, .. } = self.extents;
        let mut scores = scores;
        if let Some(mut mask) = self.operand(Operand::Mask) {
            if all_keys > keys {
                mask = steps.pad_last("mask_extended", mask, all_keys - keys)?;
            }
            if steps.tensor(mask)?.rank() == 3 {
                mask = steps.reshape("mask_heads", mask, &[batch, self.mha.num_heads, queries, all_keys], &[])?;
            }
            scores = apply_mask(steps, "masked", scores, mask)?;
        }
        if let Some(mut mask) = self.operand(Operand::KeyPaddingMask) {
            if all_keys > keys {
                mask = steps.pad_last("padding_extended", mask, all_keys - keys)?;
            }
            let mask = steps.reshape("padding_rows", mask, &[batch, 1, 1, all_keys], &[])?;
            scores = apply_mask(steps, "padded", scores, mask)?;
        }
        Ok(scores)
    }

    fn merge_heads(&self, steps: &mut Steps, context: ValueId) -> Result<ValueId, ShapeError> {
        let axes: &[u32] = if self.seq_first() { &[2, 0, 1, 3] } else { &[0, 2, 1, 3] };
        let context = steps.permute("context_rows", context, axes)?;
        let context = steps.reshape("context_merged", context, &self.projected_shape(self.extents.queries), &[])?;
        let context = steps.contiguous("context_contiguous", context)?;
        steps.linear("out", context, self.required(Operand::OutWeight)?, self.operand(Operand::OutBias))
    }

    fn returned_weights(&self, steps: &mut Steps, weights: ValueId) -> Result<ValueId, ShapeError> {
        let weights = if self.mha.average_weights { steps.mean("mean_weights", weights, 1)? } else { weights };
        if self.extents.batched {
            return Ok(weights);
        }
        let shape = steps.tensor(weights)?.shape;
        steps.reshape("weights", weights, &shape[1..], &[])
    }
}

fn apply_mask(steps: &mut Steps, step: &str, scores: ValueId, mask: ValueId) -> Result<ValueId, ShapeError> {
    if steps.tensor(mask)?.dtype == DType::Bool {
        steps.masked_fill(step, scores, mask, f64::NEG_INFINITY)
    } else {
        steps.add(step, scores, mask)
    }
}
