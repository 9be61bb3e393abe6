//! The core of an attention layer, with the cache of keys and values that a decode step has.

use fusewright_ir::ops::{Attention, ScaledDotProduct};
use fusewright_ir::{Op, ValueId};

use crate::builder::Builder;
use crate::{HfError, Phase};

/// The tokens that a model works on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokens {
    /// Sequences.
    pub(crate) batch: u64,
    /// Tokens of each sequence that are computed.
    pub(crate) new: u64,
    /// Tokens before them, whose keys and values are cached.
    pub(crate) context: u64,
}

/// How queries meet keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Core {
    /// A token sees itself and those before it.
    pub(crate) causal: bool,
    /// How many tokens up to itself it sees.
    pub(crate) window: Option<u64>,
    /// Factor on the scores; `None` = 1/√d.
    pub(crate) scale: Option<f64>,
    /// Scores are squashed to this.
    pub(crate) softcap: Option<f64>,
    /// What is added to the scores.
    pub(crate) mask: Option<ValueId>,
    /// One more score per head without a value.
    pub(crate) sinks: Option<ValueId>,
}

/// Keys and values of one layer, `[batch, heads, tokens, width]` each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeysValues {
    pub(crate) keys: ValueId,
    pub(crate) values: ValueId,
    /// How many of the tokens were cached.
    pub(crate) cached: u64,
}

impl Builder {
    /// `[batch, tokens, heads · width]` as `[batch, heads, tokens, width]`.
    pub(crate) fn heads(&mut self, x: ValueId, heads: u64, width: u64) -> Result<ValueId, HfError> {
        let split = self.reshape(x, &[self.extent(x, 0), self.extent(x, 1), heads, width])?;
        self.permute(split, &[0, 2, 1, 3])
    }

    /// `[batch, heads, tokens, width]` as `[batch, tokens, heads · width]`.
    pub(crate) fn merged(&mut self, x: ValueId) -> Result<ValueId, HfError> {
        let rows = self.permute(x, &[0, 2, 1, 3])?;
        let shape = [self.extent(rows, 0), self.extent(rows, 1), self.extent(rows, 2) * self.extent(rows, 3)];
        self.reshape(rows, &shape)
    }

    /// Puts the cached keys and values of this layer before the new ones; in the prefill phase there are none. A layer
    /// with a window keeps no more than that many tokens, less the new one.
    pub(crate) fn cached(
        &mut self,
        layer: u64,
        tokens: Tokens,
        window: Option<u64>,
        keys: ValueId,
        values: ValueId,
    ) -> Result<KeysValues, HfError> {
        let kept = window.map_or(tokens.context, |window| tokens.context.min(window.saturating_sub(1)));
        if self.phase == Phase::Prefill || kept == 0 {
            return Ok(KeysValues { keys, values, cached: 0 });
        }
        let append = |b: &mut Self, name: &str, new: ValueId| -> Result<ValueId, HfError> {
            let mut shape = b.shape(new);
            if let Some(extent) = shape.get_mut(2) {
                *extent = kept;
            }
            let past = b.input(&format!("past_key_values.{layer}.{name}"), b.dtype, &shape)?;
            let all = b.concat(&[past, new], 2)?;
            b.caches.push(all);
            Ok(all)
        };
        let keys = append(self, "key", keys)?;
        let values = append(self, "value", values)?;
        Ok(KeysValues { keys, values, cached: kept })
    }

    /// Attention of queries `[batch, heads, tokens, width]`; the result is laid out the same way.
    pub(crate) fn attend(&mut self, queries: ValueId, kv: KeysValues, core: &Core) -> Result<ValueId, HfError> {
        let window = core.window.filter(|&window| window < self.extent(kv.keys, 2));
        let attention = ScaledDotProduct {
            causal: core.causal,
            offset: if core.causal { kv.cached } else { 0 },
            window,
            scale: core.scale,
            softcap: core.softcap,
            sinks: core.sinks.is_some(),
            dropout: 0.0,
        };
        let mut inputs = vec![queries, kv.keys, kv.values];
        inputs.extend(core.mask);
        inputs.extend(core.sinks);
        let op = Op::Attention(Attention::ScaledDotProduct(attention));
        self.node("scaled_dot_product_attention", op, &inputs)
    }
}
