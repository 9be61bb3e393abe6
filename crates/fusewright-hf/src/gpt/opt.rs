//! OPT: learned positions whose table starts two rows late, and token vectors that may be narrower than the layers.

use super::{Frame, Sizes, attend, mlp, positions};
use crate::HfError;
use crate::attention::Core;
use crate::builder::{Builder, Norm};
use crate::config::Config;
use crate::decoder::LmHead;
use crate::models::Request;

/// Rows at the beginning of the table of positions that no token has.
const SKIPPED: u64 = 2;

pub(crate) fn opt(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    let sizes = Sizes::of(config, "layer_norm_eps")?;
    let norm = if config.flag("layer_norm_elementwise_affine")? { Norm::Layer(1e-5) } else { Norm::Plain(1e-5) };
    let (bias, before) = (config.flag("enable_bias")?, config.flag("do_layer_norm_before")?);
    let (inner, rows) = (config.size("ffn_dim")?, config.size("max_position_embeddings")?);
    let narrow = config.optional_size("word_embed_proj_dim")?.unwrap_or(sizes.hidden);
    let final_norm = before && !config.flag("_remove_final_layer_norm")?;
    let frame = Frame { module: "model.decoder", head: LmHead::default() };
    frame.build(b, config, request, |b, tokens, ids| {
        let (mut x, table) = b.embedding("embed_tokens", ids, sizes.vocabulary, narrow)?;
        if narrow != sizes.hidden {
            x = b.linear("project_in", x, sizes.hidden, false)?;
        }
        let learned = positions(b, "embed_positions", tokens, SKIPPED, rows, sizes.hidden)?;
        x = b.add(x, learned)?;
        for index in 0..sizes.layers {
            x = b.within(&format!("layers.{index}"), |b| {
                let normed = if before { b.norm("self_attn_layer_norm", x, norm)? } else { x };
                let attended = b.within("self_attn", |b| {
                    let queries = b.linear("q_proj", normed, sizes.hidden, bias)?;
                    let queries = b.scaled(queries, (sizes.head as f64).powf(-0.5))?;
                    let keys = b.linear("k_proj", normed, sizes.hidden, bias)?;
                    let values = b.linear("v_proj", normed, sizes.hidden, bias)?;
                    let mut heads = |part| b.heads(part, sizes.heads, sizes.head);
                    let (queries, keys, values) = (heads(queries)?, heads(keys)?, heads(values)?);
                    let kv = b.cached(index, tokens, None, keys, values)?;
                    let core = Core { causal: true, scale: Some(1.0), ..Core::default() };
                    attend(b, queries, kv, &core, ("out_proj", bias))
                })?;
                let mut x = b.add(x, attended)?;
                if !before {
                    x = b.norm("self_attn_layer_norm", x, norm)?;
                }
                let normed = if before { b.norm("final_layer_norm", x, norm)? } else { x };
                let fed = mlp(b, config, ["fc1", "fc2"], "activation_function", normed, inner, bias)?;
                let x = b.add(x, fed)?;
                if before { Ok(x) } else { b.norm("final_layer_norm", x, norm) }
            })?;
        }
        if final_norm {
            x = b.norm("final_layer_norm", x, norm)?;
        }
        if narrow != sizes.hidden {
            x = b.linear("project_out", x, narrow, false)?;
        }
        Ok((x, table))
    })
}
