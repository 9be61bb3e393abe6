//! Attention whose keys and values are expanded from a narrow vector (multi-head latent attention). The cache holds the
//! narrow vector and the turned part of the keys, which all heads share.

use fusewright_ir::ValueId;

use super::Stack;
use crate::HfError;
use crate::attention::{Core, KeysValues, Tokens};
use crate::builder::{Builder, Norm};
use crate::config::Config;
use crate::rope::{Tables, score_factor};

/// The widths of compressed attention.
#[derive(Clone, Debug)]
pub(crate) struct Latent {
    /// Width that queries are compressed to.
    q_rank: Option<u64>,
    /// Width that keys and values are compressed to.
    kv_rank: u64,
    /// Elements of a key that do not turn.
    still: u64,
    /// Elements of a key that turn.
    turned: u64,
    /// Width of a value.
    value: u64,
    bias: bool,
    scale: f64,
}

impl Latent {
    pub(crate) fn of(config: &Config<'_>) -> Result<Self, HfError> {
        let (still, turned) = (config.size("qk_nope_head_dim")?, config.size("qk_rope_head_dim")?);
        Ok(Self {
            q_rank: config.optional_size("q_lora_rank")?,
            kv_rank: config.size("kv_lora_rank")?,
            still,
            turned,
            value: config.size("v_head_dim")?,
            bias: config.flag("attention_bias")?,
            scale: score_factor(config)? / ((still + turned) as f64).sqrt(),
        })
    }

    /// Elements of a key that turn.
    pub(crate) fn turned(&self) -> u64 {
        self.turned
    }

    pub(super) fn attention(
        &self,
        b: &mut Builder,
        stack: &Stack,
        tokens: Tokens,
        index: u64,
        rope: Option<Tables>,
        x: ValueId,
    ) -> Result<ValueId, HfError> {
        let Tokens { batch, new, .. } = tokens;
        let heads = stack.heads;
        let norm = Norm::Rms(1e-6);
        let width = self.still + self.turned;
        let queries = match self.q_rank {
            None => b.linear("q_proj", x, heads * width, false)?,
            Some(rank) => {
                let narrow = b.linear("q_a_proj", x, rank, self.bias)?;
                let narrow = b.norm("q_a_layernorm", narrow, norm)?;
                b.linear("q_b_proj", narrow, heads * width, false)?
            }
        };
        let queries = b.heads(queries, heads, width)?;
        let [q_still, mut q_turned] = b.split(queries, [self.still, self.turned])?;

        let narrow = b.linear("kv_a_proj_with_mqa", x, self.kv_rank + self.turned, self.bias)?;
        let [narrow, k_turned] = b.split(narrow, [self.kv_rank, self.turned])?;
        let narrow = b.norm("kv_a_layernorm", narrow, norm)?;
        let narrow = b.reshape(narrow, &[batch, 1, new, self.kv_rank])?;
        let mut k_turned = b.reshape(k_turned, &[batch, 1, new, self.turned])?;
        if let Some(tables) = rope {
            q_turned = b.rotated(q_turned, tables)?;
            k_turned = b.rotated(k_turned, tables)?;
        }
        let queries = b.concat(&[q_still, q_turned], 3)?;
        let KeysValues { keys: narrow, values: k_turned, cached } = b.cached(index, tokens, None, narrow, k_turned)?;

        let all = b.extent(narrow, 2);
        let wide = b.linear("kv_b_proj", narrow, heads * (self.still + self.value), false)?;
        let wide = b.reshape(wide, &[batch, all, heads, self.still + self.value])?;
        let wide = b.permute(wide, &[0, 2, 1, 3])?;
        let [k_still, values] = b.split(wide, [self.still, self.value])?;
        let k_turned = b.expand(k_turned, &[batch, heads, all, self.turned])?;
        let keys = b.concat(&[k_still, k_turned], 3)?;

        let core = Core { causal: true, scale: Some(self.scale), ..Core::default() };
        let attended = b.attend(queries, KeysValues { keys, values, cached }, &core)?;
        let merged = b.merged(attended)?;
        b.linear("o_proj", merged, stack.hidden, self.bias)
    }
}
