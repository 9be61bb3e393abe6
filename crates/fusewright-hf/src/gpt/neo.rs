//! GPT-Neo, whose layers see everything or a window in turn, and GPT-J, whose attention and MLP stand side by side.

use fusewright_ir::ValueId;

use super::{Frame, Sizes, attend, mlp, positions};
use crate::HfError;
use crate::attention::{Core, Tokens};
use crate::builder::Builder;
use crate::config::Config;
use crate::decoder::LmHead;
use crate::models::Request;
use crate::rope::Tables;

pub(crate) fn gpt_neo(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    let sizes = Sizes::of(config, "layer_norm_epsilon")?;
    let inner = config.optional_size("intermediate_size")?.unwrap_or(4 * sizes.hidden);
    let windows = windows(config, sizes.layers)?;
    let frame = Frame { module: "transformer", head: LmHead::with_classifier() };
    frame.build(b, config, request, |b, tokens, ids| {
        let (x, table) = b.embedding("wte", ids, sizes.vocabulary, sizes.hidden)?;
        let learned = positions(b, "wpe", tokens, 0, config.size("max_position_embeddings")?, sizes.hidden)?;
        let mut x = b.add(x, learned)?;
        for (index, &window) in (0..).zip(&windows) {
            x = b.within(&format!("h.{index}"), |b| {
                let normed = b.norm("ln_1", x, sizes.norm)?;
                let attended = b.within("attn.attention", |b| {
                    let [queries, keys, values] = projections(b, &sizes, normed)?;
                    // The whole context stays in the cache: the window is a mask.
                    let kv = b.cached(index, tokens, None, keys, values)?;
                    let core = Core { causal: true, window, scale: Some(1.0), ..Core::default() };
                    attend(b, queries, kv, &core, ("out_proj", true))
                })?;
                let x = b.add(attended, x)?;
                let normed = b.norm("ln_2", x, sizes.norm)?;
                let names = ["c_fc", "c_proj"];
                let fed = b.within("mlp", |b| mlp(b, config, names, "activation_function", normed, inner, true))?;
                b.add(x, fed)
            })?;
        }
        Ok((b.norm("ln_f", x, sizes.norm)?, table))
    })
}

/// The window of each layer, from `attention_types`: lists of names, each with how often it repeats.
fn windows(config: &Config<'_>, layers: u64) -> Result<Vec<Option<u64>>, HfError> {
    let expected =
        || config.wrong("attention_types", format!("[[[\"global\", \"local\"], n], ..] for {layers} layers"));
    let local = config.size("window_size")?;
    let mut windows = Vec::new();
    let Some(list) = config.list("attention_types")? else {
        return Ok((0..layers).map(|index| (index % 2 == 1).then_some(local)).collect());
    };
    for item in list {
        let names = item.get(0).and_then(|names| names.as_array()).ok_or_else(expected)?;
        let times = item.get(1).and_then(serde_json::Value::as_u64).ok_or_else(expected)?;
        if names.is_empty() {
            return Err(expected());
        }
        for _ in 0..times {
            for name in names {
                windows.push(match name.as_str() {
                    Some("global") => None,
                    Some("local") => Some(local),
                    _ => return Err(expected()),
                });
            }
            if windows.len() as u64 > layers {
                return Err(expected());
            }
        }
    }
    if windows.len() as u64 == layers { Ok(windows) } else { Err(expected()) }
}

fn projections(b: &mut Builder, sizes: &Sizes, x: ValueId) -> Result<[ValueId; 3], HfError> {
    let mut heads = |name| {
        let projected = b.linear(name, x, sizes.hidden, false)?;
        b.heads(projected, sizes.heads, sizes.head)
    };
    Ok([heads("q_proj")?, heads("k_proj")?, heads("v_proj")?])
}

pub(crate) fn gptj(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    let sizes = Sizes::of(config, "layer_norm_epsilon")?;
    let inner = config.optional_size("n_inner")?.unwrap_or(4 * sizes.hidden);
    let turned = config.optional_size("rotary_dim")?.unwrap_or(sizes.head);
    let rows = config.size("max_position_embeddings")?;
    let frame = Frame { module: "transformer", head: LmHead { bias: true, ..LmHead::default() } };
    frame.build(b, config, request, |b, tokens, ids| {
        let (mut x, table) = b.embedding("wte", ids, sizes.vocabulary, sizes.hidden)?;
        let tables = b.within("rotary", |b| b.looked_up_tables(tokens, rows, turned))?;
        for index in 0..sizes.layers {
            x = b.within(&format!("h.{index}"), |b| {
                let normed = b.norm("ln_1", x, sizes.norm)?;
                let attended = b.within("attn", |b| turned_attention(b, &sizes, tokens, tables, index, normed))?;
                let names = ["fc_in", "fc_out"];
                let fed = b.within("mlp", |b| mlp(b, config, names, "activation_function", normed, inner, true))?;
                let both = b.add(attended, fed)?;
                b.add(both, x)
            })?;
        }
        Ok((b.norm("ln_f", x, sizes.norm)?, table))
    })
}

fn turned_attention(
    b: &mut Builder,
    sizes: &Sizes,
    tokens: Tokens,
    tables: Tables,
    index: u64,
    x: ValueId,
) -> Result<ValueId, HfError> {
    let [queries, keys, values] = projections(b, sizes, x)?;
    let (queries, keys) = (b.rotated(queries, tables)?, b.rotated(keys, tables)?);
    let kv = b.cached(index, tokens, None, keys, values)?;
    attend(b, queries, kv, &Core { causal: true, ..Core::default() }, ("out_proj", false))
}
