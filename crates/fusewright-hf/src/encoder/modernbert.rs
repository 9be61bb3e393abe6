//! `ModernBERT`: norms before, no positions but rotary ones, a gated MLP, and most layers see their neighbours only.

use fusewright_ir::ops::{Binary, Contraction, Copy, Pointwise, ReduceKind, Reduction};
use fusewright_ir::{DType, Op, ValueId};

use super::embeddings::text_dims;
use crate::HfError;
use crate::attention::{Core, KeysValues, Tokens};
use crate::builder::{Builder, Norm};
use crate::config::Config;
use crate::models::{Head, Request};
use crate::multihead::per_head;
use crate::rope::{Rope, Tables};

/// Score of a key outside the window.
const UNSEEN: f64 = 1e9;

struct Sizes {
    hidden: u64,
    inner: u64,
    heads: u64,
    head_dim: u64,
    norm: Norm,
    attention_bias: bool,
    mlp_bias: bool,
}

/// What the layers of one kind share.
#[derive(Clone, Copy)]
struct Kind {
    rope: Tables,
    mask: Option<ValueId>,
}

pub(crate) fn modernbert(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    let [batch, new] = text_dims(b, request, u64::MAX)?;
    let ids = b.input("input_ids", DType::I64, &[batch, new])?;
    let tokens = Tokens { batch, new, context: 0 };
    let root = if request.head == Head::None { "" } else { "model" };
    let (x, table) = b.within(root, |b| encoder(b, config, tokens, ids))?;
    let result = match request.head {
        Head::MaskedLm => {
            let x = prediction(b, config, x)?;
            decoded(b, config, x, table)?
        }
        Head::SequenceClassification => {
            let pooled = match config.text("classifier_pooling")? {
                "cls" => b.select(x, 1, 0)?,
                "mean" => {
                    let mean = Reduction::Reduce { kind: ReduceKind::Mean, axes: vec![1], keep: false };
                    b.node("mean", Op::Reduction(mean), &[x])?
                }
                _ => return Err(config.wrong("classifier_pooling", "cls or mean")),
            };
            let pooled = prediction(b, config, pooled)?;
            b.linear("classifier", pooled, config.labels()?, true)?
        }
        Head::TokenClassification | Head::QuestionAnswering => {
            let x = prediction(b, config, x)?;
            b.linear("classifier", x, config.labels()?, true)?
        }
        _ => x,
    };
    b.results(&[result]);
    Ok(())
}

/// What every head begins with.
fn prediction(b: &mut Builder, config: &Config<'_>, x: ValueId) -> Result<ValueId, HfError> {
    let (width, bias, norm) = (b.width(x), config.flag("classifier_bias")?, norm(config)?);
    b.within("head", |b| {
        let x = b.linear("dense", x, width, bias)?;
        let x = b.activation(config, "classifier_activation", x)?;
        b.norm("norm", x, norm)
    })
}

fn decoded(b: &mut Builder, config: &Config<'_>, x: ValueId, table: ValueId) -> Result<ValueId, HfError> {
    let (words, bias) = (b.extent(table, 0), config.flag("decoder_bias")?);
    if !config.flag("tie_word_embeddings")? {
        return b.linear("decoder", x, words, bias);
    }
    b.within("decoder", |b| {
        let mut inputs = vec![x, table];
        if bias {
            inputs.push(b.parameter("bias", &[words])?);
        }
        b.node("linear", Op::Contraction(Contraction::Linear), &inputs)
    })
}

fn norm(config: &Config<'_>) -> Result<Norm, HfError> {
    let epsilon = config.float("norm_eps")?;
    Ok(if config.flag("norm_bias")? { Norm::Layer(epsilon) } else { Norm::LayerNoBias(epsilon) })
}

fn encoder(b: &mut Builder, config: &Config<'_>, tokens: Tokens, ids: ValueId) -> Result<(ValueId, ValueId), HfError> {
    let (hidden, heads) = (config.size("hidden_size")?, config.size("num_attention_heads")?);
    let sizes = Sizes {
        hidden,
        inner: config.size("intermediate_size")?,
        heads,
        head_dim: per_head(config, "num_attention_heads", hidden, heads)?,
        norm: norm(config)?,
        attention_bias: config.flag("attention_bias")?,
        mlp_bias: config.flag("mlp_bias")?,
    };
    let (mut x, table) = b.within("embeddings", |b| {
        let (x, table) = b.embedding("tok_embeddings", ids, config.size("vocab_size")?, hidden)?;
        Ok((b.norm("norm", x, sizes.norm)?, table))
    })?;
    let local = locals(config)?;
    let mut kinds = [None, None];
    for (index, &local) in (0_u64..).zip(&local) {
        let known = kinds.get(usize::from(local)).copied().flatten();
        let kind = match known {
            Some(kind) => kind,
            None => kind(b, config, tokens, sizes.head_dim, local)?,
        };
        if let Some(slot) = kinds.get_mut(usize::from(local)) {
            *slot = Some(kind);
        }
        x = b.within(&format!("layers.{index}"), |b| sizes.layer(b, config, kind, index == 0, x))?;
    }
    Ok((b.norm("final_norm", x, sizes.norm)?, table))
}

/// For each layer whether it sees its neighbours only: as listed, else every n-th layer sees all.
fn locals(config: &Config<'_>) -> Result<Vec<bool>, HfError> {
    let layers = config.layers("num_hidden_layers")?;
    let Some(types) = config.texts("layer_types")? else {
        let every = config.optional_size("global_attn_every_n_layers")?.unwrap_or(3);
        return Ok((0..layers).map(|index| !index.is_multiple_of(every)).collect());
    };
    if types.len() as u64 != layers {
        return Err(config.wrong("layer_types", format!("a list with an entry for each of {layers} layers")));
    }
    let local = |kind: &str| match kind {
        "full_attention" => Some(false),
        "sliding_attention" => Some(true),
        _ => None,
    };
    let known: Option<Vec<bool>> = types.into_iter().map(local).collect();
    known.ok_or_else(|| config.wrong("layer_types", "full_attention or sliding_attention for each layer"))
}

fn kind(b: &mut Builder, config: &Config<'_>, tokens: Tokens, head_dim: u64, local: bool) -> Result<Kind, HfError> {
    let (layers, frequencies) = if local {
        ("sliding_attention", "sliding_attention_inv_freq")
    } else {
        ("full_attention", "full_attention_inv_freq")
    };
    let rope = Rope { frequencies, ..Rope::of_layers(config, layers, head_dim, 1.0)? };
    let rope = b.rope_tables("rotary_emb", tokens, &rope)?;
    let reach = config.optional_size("local_attention")?.unwrap_or(128) / 2;
    let mask = if local && reach + 1 < tokens.new { Some(band(b, tokens.new, reach)?) } else { None };
    Ok(Kind { rope, mask })
}

/// What is added to the scores `[tokens, tokens]`: nothing up to `reach` away from the diagonal, a large negative
/// number elsewhere.
fn band(b: &mut Builder, tokens: u64, reach: u64) -> Result<ValueId, HfError> {
    let dtype = b.dtype;
    let reach = i64::try_from(reach).unwrap_or(i64::MAX);
    let seen = b.node("ones", Copy::Full { shape: vec![tokens, tokens], dtype, value: 1.0 }, &[])?;
    let seen = b.node("tril", Op::Pointwise(Pointwise::Triangle { upper: false, diagonal: reach }), &[seen])?;
    let seen = b.node("triu", Op::Pointwise(Pointwise::Triangle { upper: true, diagonal: -reach }), &[seen])?;
    let unseen = b.with_scalar(Binary::Sub, seen, 1.0)?;
    b.with_scalar(Binary::Mul, unseen, UNSEEN)
}

impl Sizes {
    fn layer(
        &self,
        b: &mut Builder,
        config: &Config<'_>,
        kind: Kind,
        first: bool,
        x: ValueId,
    ) -> Result<ValueId, HfError> {
        // The embeddings have been normalised already.
        let normed = if first { x } else { b.norm("attn_norm", x, self.norm)? };
        let attended = b.within("attn", |b| self.attention(b, kind, normed))?;
        let x = b.add(x, attended)?;
        let normed = b.norm("mlp_norm", x, self.norm)?;
        let fed = b.within("mlp", |b| {
            let both = b.linear("Wi", normed, 2 * self.inner, self.mlp_bias)?;
            let [input, gate] = b.split(both, [self.inner, self.inner])?;
            let input = b.activation(config, "hidden_activation", input)?;
            let product = b.mul(input, gate)?;
            b.linear("Wo", product, self.hidden, self.mlp_bias)
        })?;
        b.add(x, fed)
    }

    fn attention(&self, b: &mut Builder, kind: Kind, x: ValueId) -> Result<ValueId, HfError> {
        let all = b.linear("Wqkv", x, 3 * self.hidden, self.attention_bias)?;
        let [query, key, value] = b.split(all, [self.hidden; 3])?;
        let query = b.heads(query, self.heads, self.head_dim)?;
        let key = b.heads(key, self.heads, self.head_dim)?;
        let values = b.heads(value, self.heads, self.head_dim)?;
        let (query, keys) = (b.rotated(query, kind.rope)?, b.rotated(key, kind.rope)?);
        let core = Core { mask: kind.mask, ..Core::default() };
        let attended = b.attend(query, KeysValues { keys, values, cached: 0 }, &core)?;
        let merged = b.merged(attended)?;
        b.linear("Wo", merged, self.hidden, self.attention_bias)
    }
}
