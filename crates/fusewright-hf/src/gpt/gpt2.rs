//! GPT-2 and GPT-BigCode (`StarCoder`): learned positions, norms before attention and MLP.

use fusewright_ir::ValueId;

use super::{Frame, Sizes, attend, mlp, positions, split_by_head};
use crate::HfError;
use crate::attention::{Core, Tokens};
use crate::builder::Builder;
use crate::config::Config;
use crate::decoder::LmHead;
use crate::models::Request;

const FRAME: Frame<'static> = Frame { module: "transformer", head: LmHead::with_classifier() };

/// What attention and MLP are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Weights stored `[in, out]`.
    Gpt2,
    /// Linears; one key head for all query heads, or as many.
    BigCode { one_key_head: bool },
}

pub(crate) fn gpt2(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    build(b, config, request, Kind::Gpt2)
}

pub(crate) fn gpt_bigcode(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    build(b, config, request, Kind::BigCode { one_key_head: config.flag("multi_query")? })
}

fn build(b: &mut Builder, config: &Config<'_>, request: &Request<'_>, kind: Kind) -> Result<(), HfError> {
    if config.flag("add_cross_attention")? {
        return Err(
            config.unsupported("add_cross_attention", "a decoder without its encoder cannot be built; remove it")
        );
    }
    let sizes = Sizes::of(config, "layer_norm_epsilon")?;
    let inner = config.optional_size("n_inner")?.unwrap_or(4 * sizes.hidden);
    FRAME.build(b, config, request, |b, tokens, ids| {
        let (x, table) = b.embedding("wte", ids, sizes.vocabulary, sizes.hidden)?;
        let learned = positions(b, "wpe", tokens, 0, config.size("max_position_embeddings")?, sizes.hidden)?;
        let mut x = b.add(x, learned)?;
        for index in 0..sizes.layers {
            x = b.within(&format!("h.{index}"), |b| {
                let normed = b.norm("ln_1", x, sizes.norm)?;
                let attended = b.within("attn", |b| attention(b, config, &sizes, kind, tokens, index, normed))?;
                let x = b.add(attended, x)?;
                let normed = b.norm("ln_2", x, sizes.norm)?;
                let fed = b.within("mlp", |b| feed(b, config, kind, normed, inner))?;
                b.add(x, fed)
            })?;
        }
        Ok((b.norm("ln_f", x, sizes.norm)?, table))
    })
}

fn attention(
    b: &mut Builder,
    config: &Config<'_>,
    sizes: &Sizes,
    kind: Kind,
    tokens: Tokens,
    index: u64,
    x: ValueId,
) -> Result<ValueId, HfError> {
    let mut scale = if config.flag("scale_attn_weights")? { (sizes.head as f64).powf(-0.5) } else { 1.0 };
    if kind == Kind::Gpt2 && config.flag("scale_attn_by_inverse_layer_idx")? {
        scale /= (index + 1) as f64;
    }
    let [queries, keys, values] = match kind {
        Kind::Gpt2 => {
            let all = b.conv1d("c_attn", x, 3 * sizes.hidden)?;
            let [queries, keys, values] = b.split(all, [sizes.hidden; 3])?;
            let mut heads = |part| b.heads(part, sizes.heads, sizes.head);
            [heads(queries)?, heads(keys)?, heads(values)?]
        }
        Kind::BigCode { one_key_head: true } => {
            let all = b.linear("c_attn", x, sizes.hidden + 2 * sizes.head, true)?;
            let [queries, keys, values] = b.split(all, [sizes.hidden, sizes.head, sizes.head])?;
            [b.heads(queries, sizes.heads, sizes.head)?, b.heads(keys, 1, sizes.head)?, b.heads(values, 1, sizes.head)?]
        }
        Kind::BigCode { one_key_head: false } => {
            let all = b.linear("c_attn", x, 3 * sizes.hidden, true)?;
            split_by_head(b, all, sizes)?
        }
    };
    let kv = b.cached(index, tokens, None, keys, values)?;
    let core = Core { causal: true, scale: Some(scale), ..Core::default() };
    if kind == Kind::Gpt2 {
        let attended = b.attend(queries, kv, &core)?;
        let merged = b.merged(attended)?;
        return b.conv1d("c_proj", merged, sizes.hidden);
    }
    attend(b, queries, kv, &core, ("c_proj", true))
}

fn feed(b: &mut Builder, config: &Config<'_>, kind: Kind, x: ValueId, inner: u64) -> Result<ValueId, HfError> {
    if kind != Kind::Gpt2 {
        return mlp(b, config, ["c_fc", "c_proj"], "activation_function", x, inner, true);
    }
    let wide = b.conv1d("c_fc", x, inner)?;
    let wide = b.activation(config, "activation_function", wide)?;
    b.conv1d("c_proj", wide, b.width(x))
}
