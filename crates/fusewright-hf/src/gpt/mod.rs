//! Decoders from before Llama, each with module names of its own: GPT-2, GPT-BigCode, GPT-Neo, GPT-J, GPT-NeoX, BLOOM,
//! Falcon, OPT.

mod fused;
mod gpt2;
mod neo;
mod opt;

pub(crate) use fused::{bloom, falcon, gpt_neox};
pub(crate) use gpt2::{gpt_bigcode, gpt2};
pub(crate) use neo::{gpt_neo, gptj};
pub(crate) use opt::opt;

use fusewright_ir::{DType, ValueId};

use crate::HfError;
use crate::attention::{Core, KeysValues, Tokens};
use crate::builder::{Builder, Norm, floats};
use crate::config::Config;
use crate::decoder::{LmHead, finish, tokens};
use crate::models::{Head, Request};

/// The sizes that all of them have.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    hidden: u64,
    layers: u64,
    heads: u64,
    /// Width of a head.
    head: u64,
    vocabulary: u64,
    norm: Norm,
}

impl Sizes {
    fn of(config: &Config<'_>, epsilon: &str) -> Result<Self, HfError> {
        // Old files of BLOOM and Falcon name the width differently.
        let hidden = config.optional_size("n_embed")?.map_or_else(|| config.size("hidden_size"), Ok)?;
        let heads = config.size("num_attention_heads")?;
        if !hidden.is_multiple_of(heads) {
            return Err(config.wrong("num_attention_heads", format!("a divisor of hidden_size = {hidden}")));
        }
        Ok(Self {
            hidden,
            heads,
            layers: config.layers("num_hidden_layers")?,
            head: hidden / heads,
            vocabulary: config.size("vocab_size")?,
            norm: Norm::Layer(config.optional_float(epsilon)?.unwrap_or(1e-5)),
        })
    }
}

/// Where a head stands on a stack, `module` being the path of the stack in models with a head.
struct Frame<'f> {
    module: &'f str,
    head: LmHead,
}

impl Frame<'_> {
    /// Builds a whole model: `stack` gives hidden states and the token table from token ids.
    fn build(
        &self,
        b: &mut Builder,
        config: &Config<'_>,
        request: &Request<'_>,
        stack: impl FnOnce(&mut Builder, Tokens, ValueId) -> Result<(ValueId, ValueId), HfError>,
    ) -> Result<(), HfError> {
        let tokens = tokens(b, request)?;
        let ids = b.input("input_ids", DType::I64, &[tokens.batch, tokens.new])?;
        let module = if request.head == Head::None { "" } else { self.module };
        let (x, table) = b.within(module, |b| stack(b, tokens, ids))?;
        finish(b, config, request, x, table, self.head)
    }
}

/// Rows of a table of positions, as the module `name`; `skipped` rows at its beginning are not used.
fn positions(
    b: &mut Builder,
    name: &str,
    tokens: Tokens,
    skipped: u64,
    rows: u64,
    width: u64,
) -> Result<ValueId, HfError> {
    let positions = b.within(name, |b| {
        let positions = b.positions(tokens.context + skipped, tokens.new)?;
        b.reshape(positions, &[1, tokens.new])
    })?;
    Ok(b.embedding(name, positions, rows + skipped, width)?.0)
}

/// Two linears of these names with an activation between them.
fn mlp(
    b: &mut Builder,
    config: &Config<'_>,
    names: [&str; 2],
    activation: &str,
    x: ValueId,
    inner: u64,
    bias: bool,
) -> Result<ValueId, HfError> {
    let [first, second] = names;
    let wide = b.linear(first, x, inner, bias)?;
    let wide = b.activation(config, activation, wide)?;
    b.linear(second, wide, b.width(x), bias)
}

/// Causal attention of heads, and the projection `out` after it.
fn attend(
    b: &mut Builder,
    queries: ValueId,
    kv: KeysValues,
    core: &Core,
    out: (&str, bool),
) -> Result<ValueId, HfError> {
    let attended = b.attend(queries, kv, core)?;
    let merged = b.merged(attended)?;
    b.linear(out.0, merged, b.width(merged), out.1)
}

/// Queries, keys and values of one linear in which each head has its three parts side by side: `[batch, tokens, heads ·
/// 3 · width]` as three times `[batch, heads, tokens, width]`.
fn split_by_head(b: &mut Builder, fused: ValueId, sizes: &Sizes) -> Result<[ValueId; 3], HfError> {
    let heads = b.heads(fused, sizes.heads, 3 * sizes.head)?;
    b.split(heads, [sizes.head; 3])
}

/// How much each head minds distance: powers that halve every `8 / heads` heads, and for other numbers of heads than
/// powers of two every second power of twice as many.
fn slopes(heads: u64) -> Vec<f64> {
    let whole = if heads.is_power_of_two() { heads } else { heads.next_power_of_two() / 2 };
    let power = |of: u64, step: u64| (-8.0 / of as f64 * step as f64).exp2();
    let more = (0..heads.saturating_sub(whole)).map(|head| power(2 * whole, 2 * head + 1));
    (1..=whole.min(heads)).map(|head| power(whole, head)).chain(more).collect()
}

/// A bias on the scores that grows with distance, `[1, heads, 1, keys]`.
fn alibi(b: &mut Builder, sizes: &Sizes, tokens: Tokens, factor: f64) -> Result<ValueId, HfError> {
    b.within("alibi", |b| {
        let keys = tokens.context + tokens.new;
        let slopes = b.computed("slopes", b.dtype, &[1, sizes.heads, 1, 1], Some(floats(slopes(sizes.heads))))?;
        let positions = b.positions(0, keys)?;
        let positions = b.reshape(positions, &[1, 1, 1, keys])?;
        let bias = b.mul(slopes, positions)?;
        b.scaled(bias, factor)
    })
}
