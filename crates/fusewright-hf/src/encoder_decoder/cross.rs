//! Attention of a decoder: to its own tokens, and to the encoder's.

use fusewright_ir::ValueId;

use super::dims::Sizes;
use crate::HfError;
use crate::attention::{Core, KeysValues, Tokens};
use crate::builder::Builder;
use crate::multihead::Projections;

/// What cross-attention reads: the encoder's result, or in the decode phase keys and values of an earlier step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Memory {
    Encoded(ValueId),
    Cached(Sizes),
}

impl Projections {
    /// Causal attention of new tokens to cached ones and themselves.
    pub(super) fn attend_cached(
        &self,
        b: &mut Builder,
        layer: u64,
        tokens: Tokens,
        x: ValueId,
        core: &Core,
    ) -> Result<ValueId, HfError> {
        let q = self.queries(b, x)?;
        let new = self.keys_values(b, x)?;
        let kv = b.cached(layer, tokens, None, new.keys, new.values)?;
        let attended = b.attend(q, kv, &Core { causal: true, ..core.clone() })?;
        self.result(b, attended, b.width(x))
    }

    /// Attention of the decoder's tokens to the encoder's.
    pub(super) fn attend_memory(
        &self,
        b: &mut Builder,
        layer: u64,
        memory: Memory,
        x: ValueId,
        core: &Core,
    ) -> Result<ValueId, HfError> {
        let q = self.queries(b, x)?;
        let kv = match memory {
            Memory::Encoded(encoded) => self.keys_values(b, encoded)?,
            Memory::Cached(sizes) => {
                let shape = [sizes.batch, self.heads, sizes.source, self.width];
                let keys = b.input(&format!("past_key_values.{layer}.encoder.key"), b.dtype, &shape)?;
                let values = b.input(&format!("past_key_values.{layer}.encoder.value"), b.dtype, &shape)?;
                KeysValues { keys, values, cached: 0 }
            }
        };
        let attended = b.attend(q, kv, core)?;
        self.result(b, attended, b.width(x))
    }
}
