//! Attention layers with one linear each for queries, keys, values and the result.

use fusewright_ir::ValueId;

use crate::HfError;
use crate::attention::{Core, KeysValues};
use crate::builder::Builder;
use crate::config::Config;

/// The linears of an attention layer: queries, keys, values, result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Projections {
    /// Names of the modules.
    pub(crate) names: [&'static str; 4],
    /// Which of them have a bias.
    pub(crate) biases: [bool; 4],
    pub(crate) heads: u64,
    /// Width of one head.
    pub(crate) width: u64,
}

impl Projections {
    /// Queries `[batch, heads, tokens, width]`.
    pub(crate) fn queries(&self, b: &mut Builder, x: ValueId) -> Result<ValueId, HfError> {
        let q = b.linear(self.names[0], x, self.heads * self.width, self.biases[0])?;
        b.heads(q, self.heads, self.width)
    }

    /// Keys and values, `[batch, heads, tokens, width]` each.
    pub(crate) fn keys_values(&self, b: &mut Builder, x: ValueId) -> Result<KeysValues, HfError> {
        let k = b.linear(self.names[1], x, self.heads * self.width, self.biases[1])?;
        let v = b.linear(self.names[2], x, self.heads * self.width, self.biases[2])?;
        let (keys, values) = (b.heads(k, self.heads, self.width)?, b.heads(v, self.heads, self.width)?);
        Ok(KeysValues { keys, values, cached: 0 })
    }

    /// The heads side by side, brought to the width of the model.
    pub(crate) fn result(&self, b: &mut Builder, attended: ValueId, out: u64) -> Result<ValueId, HfError> {
        let merged = b.merged(attended)?;
        b.linear(self.names[3], merged, out, self.biases[3])
    }

    /// Attention of the tokens of x among themselves.
    pub(crate) fn attend(&self, b: &mut Builder, x: ValueId, core: &Core) -> Result<ValueId, HfError> {
        let q = self.queries(b, x)?;
        let kv = self.keys_values(b, x)?;
        let attended = b.attend(q, kv, core)?;
        self.result(b, attended, b.width(x))
    }
}

/// Width of one of the `heads` that a width is divided into; `key` is where the number of heads stands.
pub(crate) fn per_head(config: &Config<'_>, key: &str, width: u64, heads: u64) -> Result<u64, HfError> {
    if heads == 0 || !width.is_multiple_of(heads) {
        return Err(config.wrong(key, format!("a divisor of the hidden size {width}")));
    }
    Ok(width / heads)
}
