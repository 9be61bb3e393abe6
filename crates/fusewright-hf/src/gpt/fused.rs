//! Decoders with one linear for queries, keys and values: GPT-NeoX (Pythia), BLOOM, Falcon.

use fusewright_ir::ValueId;
use fusewright_ir::ops::Unary;

use super::{Frame, Sizes, alibi, attend, mlp, split_by_head};
use crate::HfError;
use crate::attention::{Core, Tokens};
use crate::builder::Builder;
use crate::config::Config;
use crate::decoder::LmHead;
use crate::models::Request;
use crate::rope::{Rope, Tables};

const MLP: [&str; 2] = ["dense_h_to_4h", "dense_4h_to_h"];

pub(crate) fn gpt_neox(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    let sizes = Sizes::of(config, "layer_norm_eps")?;
    let inner = config.size("intermediate_size")?;
    let (bias, parallel) = (config.flag("attention_bias")?, config.flag("use_parallel_residual")?);
    let rope = Rope::of(config, sizes.head, 0.25)?;
    let frame = Frame { module: "gpt_neox", head: LmHead::with_classifier() };
    frame.build(b, config, request, |b, tokens, ids| {
        let (mut x, table) = b.embedding("embed_in", ids, sizes.vocabulary, sizes.hidden)?;
        let tables = b.rope_tables("rotary_emb", tokens, &rope)?;
        for index in 0..sizes.layers {
            x = b.within(&format!("layers.{index}"), |b| {
                let normed = b.norm("input_layernorm", x, sizes.norm)?;
                let attended = b.within("attention", |b| {
                    let fused = b.linear("query_key_value", normed, 3 * sizes.hidden, bias)?;
                    let [queries, keys, values] = split_by_head(b, fused, &sizes)?;
                    let (queries, keys) = (b.rotated(queries, tables)?, b.rotated(keys, tables)?);
                    let kv = b.cached(index, tokens, None, keys, values)?;
                    attend(b, queries, kv, &Core { causal: true, ..Core::default() }, ("dense", bias))
                })?;
                let joined = if parallel { x } else { b.add(attended, x)? };
                let normed = b.norm("post_attention_layernorm", joined, sizes.norm)?;
                let fed = b.within("mlp", |b| mlp(b, config, MLP, "hidden_act", normed, inner, true))?;
                if !parallel {
                    return b.add(fed, joined);
                }
                let both = b.add(fed, attended)?;
                b.add(both, x)
            })?;
        }
        Ok((b.norm("final_layer_norm", x, sizes.norm)?, table))
    })
}

pub(crate) fn bloom(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    let sizes = Sizes::of(config, "layer_norm_epsilon")?;
    let after_norm = config.flag("apply_residual_connection_post_layernorm")?;
    let frame = Frame { module: "transformer", head: LmHead::with_classifier() };
    frame.build(b, config, request, |b, tokens, ids| {
        let (x, table) = b.embedding("word_embeddings", ids, sizes.vocabulary, sizes.hidden)?;
        let mut x = b.norm("word_embeddings_layernorm", x, sizes.norm)?;
        let mask = alibi(b, &sizes, tokens, 1.0)?;
        for index in 0..sizes.layers {
            x = b.within(&format!("h.{index}"), |b| {
                let normed = b.norm("input_layernorm", x, sizes.norm)?;
                let attended = b.within("self_attention", |b| {
                    let fused = b.linear("query_key_value", normed, 3 * sizes.hidden, true)?;
                    let [queries, keys, values] = split_by_head(b, fused, &sizes)?;
                    let kv = b.cached(index, tokens, None, keys, values)?;
                    let core = Core { causal: true, mask: Some(mask), ..Core::default() };
                    attend(b, queries, kv, &core, ("dense", true))
                })?;
                let x = b.add(if after_norm { normed } else { x }, attended)?;
                let normed = b.norm("post_attention_layernorm", x, sizes.norm)?;
                let fed = b.within("mlp", |b| {
                    let wide = b.linear("dense_h_to_4h", normed, 4 * sizes.hidden, true)?;
                    let wide = b.unary(Unary::GeluTanh, wide)?;
                    b.linear("dense_4h_to_h", wide, sizes.hidden, true)
                })?;
                b.add(if after_norm { normed } else { x }, fed)
            })?;
        }
        Ok((b.norm("ln_f", x, sizes.norm)?, table))
    })
}

/// What tells the generations of Falcon apart.
#[derive(Clone, Copy, Debug)]
struct Falcon {
    sizes: Sizes,
    kv_heads: u64,
    inner: u64,
    bias: bool,
    /// Attention and MLP stand side by side.
    parallel: bool,
    /// They have a norm each.
    two_norms: bool,
    /// Each head has its three parts side by side.
    by_head: bool,
    position: Position,
}

/// How attention knows where a token is.
#[derive(Clone, Copy, Debug)]
enum Position {
    Bias(ValueId),
    Tables(Tables),
}

pub(crate) fn falcon(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    let sizes = Sizes::of(config, "layer_norm_epsilon")?;
    let (new, one) = (config.flag("new_decoder_architecture")?, config.flag("multi_query")?);
    let stated = config.optional_size("num_kv_heads")?.unwrap_or(sizes.heads);
    let kv_heads = match (new, one) {
        (true, _) => stated,
        (false, true) => 1,
        (false, false) => sizes.heads,
    };
    if !sizes.heads.is_multiple_of(kv_heads) {
        return Err(config.wrong("num_kv_heads", format!("a divisor of num_attention_heads = {}", sizes.heads)));
    }
    let parallel = config.flag("parallel_attn")?;
    if new && !parallel {
        return Err(
            config.unsupported("parallel_attn", "new_decoder_architecture needs parallel attention; set it to true")
        );
    }
    let norms = config.optional_size("num_ln_in_parallel_attn")?.unwrap_or(2);
    let frame = Frame { module: "transformer", head: LmHead::with_classifier() };
    frame.build(b, config, request, |b, tokens, ids| {
        let (mut x, table) = b.embedding("word_embeddings", ids, sizes.vocabulary, sizes.hidden)?;
        let position = if config.flag("alibi")? {
            Position::Bias(alibi(b, &sizes, tokens, (sizes.head as f64).powf(-0.5))?)
        } else {
            Position::Tables(b.rope_tables("rotary_emb", tokens, &Rope::of(config, sizes.head, 1.0)?)?)
        };
        let model = Falcon {
            sizes,
            kv_heads,
            inner: config.optional_size("ffn_hidden_size")?.unwrap_or(4 * sizes.hidden),
            bias: config.flag("bias")?,
            parallel,
            two_norms: new && norms == 2,
            by_head: !new && !one,
            position,
        };
        for index in 0..sizes.layers {
            x = b.within(&format!("h.{index}"), |b| model.layer(b, config, tokens, index, x))?;
        }
        Ok((b.norm("ln_f", x, sizes.norm)?, table))
    })
}

impl Falcon {
    fn layer(
        &self,
        b: &mut Builder,
        config: &Config<'_>,
        tokens: Tokens,
        index: u64,
        x: ValueId,
    ) -> Result<ValueId, HfError> {
        let norm = self.sizes.norm;
        let feed =
            |b: &mut Builder, x| b.within("mlp", |b| mlp(b, config, MLP, "activation", x, self.inner, self.bias));
        let attend = |b: &mut Builder, x| b.within("self_attention", |b| self.attention(b, tokens, index, x));
        if !self.parallel {
            let normed = b.norm("input_layernorm", x, norm)?;
            let attended = attend(b, normed)?;
            let x = b.add(x, attended)?;
            let normed = b.norm("post_attention_layernorm", x, norm)?;
            let result = feed(b, normed)?;
            return b.add(x, result);
        }
        let (for_attention, for_mlp) = if self.two_norms {
            (b.norm("ln_attn", x, norm)?, b.norm("ln_mlp", x, norm)?)
        } else {
            let normed = b.norm("input_layernorm", x, norm)?;
            (normed, normed)
        };
        let attended = attend(b, for_attention)?;
        let result = feed(b, for_mlp)?;
        let both = b.add(result, attended)?;
        b.add(x, both)
    }

    fn attention(&self, b: &mut Builder, tokens: Tokens, index: u64, x: ValueId) -> Result<ValueId, HfError> {
        let [mut queries, mut keys, values] = self.projections(b, x)?;
        let mut core = Core { causal: true, ..Core::default() };
        match self.position {
            Position::Bias(mask) => core.mask = Some(mask),
            Position::Tables(tables) => {
                queries = b.rotated(queries, tables)?;
                keys = b.rotated(keys, tables)?;
            }
        }
        let kv = b.cached(index, tokens, None, keys, values)?;
        attend(b, queries, kv, &core, ("dense", self.bias))
    }

    /// Heads of queries, keys and values. Key heads stand after the queries that share them.
    fn projections(&self, b: &mut Builder, x: ValueId) -> Result<[ValueId; 3], HfError> {
        let Sizes { heads, head, .. } = self.sizes;
        let fused = b.linear("query_key_value", x, (heads + 2 * self.kv_heads) * head, self.bias)?;
        if self.by_head {
            return split_by_head(b, fused, &self.sizes);
        }
        let (batch, tokens, group) = (b.extent(x, 0), b.extent(x, 1), heads / self.kv_heads);
        let grouped = b.reshape(fused, &[batch, tokens, self.kv_heads, (group + 2) * head])?;
        let [queries, keys, values] = b.split(grouped, [group * head, head, head])?;
        let queries = b.reshape(queries, &[batch, tokens, heads, head])?;
        let order = [0, 2, 1, 3];
        Ok([b.permute(queries, &order)?, b.permute(keys, &order)?, b.permute(values, &order)?])
    }
}
