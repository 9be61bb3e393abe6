//! The families with experts, and what they do differently from Llama besides.

use super::families::{HEAD_NORMS, family};
use super::latent::Latent;
use super::moe::{Moe, Scores};
use super::{Mlp, QkNorm, Stack};
use crate::HfError;
use crate::builder::Builder;
use crate::config::Config;
use crate::models::Request;
use crate::rope::Rope;

family!(mixtral(config) {
    let mut moe = Moe::of(config, "num_local_experts", "intermediate_size")?;
    moe.normalised = true;
    Ok(Stack::of(config)?.biased(false, false).all_windowed(config)?.experts(moe, |_| true))
});

/// True for layers with experts: every `decoder_sparse_step`-th, but for those listed as dense.
fn sparse_layer(config: &Config<'_>) -> Result<impl Fn(u64) -> bool, HfError> {
    let step = config.optional_size("decoder_sparse_step")?.unwrap_or(1);
    let mut dense = config.sizes("mlp_only_layers")?.unwrap_or_default();
    dense.sort_unstable();
    Ok(move |index: u64| (index + 1).is_multiple_of(step) && dense.binary_search(&index).is_err())
}

family!(qwen2_moe(config) {
    let mut moe = Moe::of(config, "num_experts", "moe_intermediate_size")?;
    moe.shared = Some(("shared_expert", config.size("shared_expert_intermediate_size")?, true));
    let stack = Stack::of(config)?.biased(config.flag("qkv_bias")?, false).experts(moe, sparse_layer(config)?);
    if !config.flag("use_sliding_window")? {
        return Ok(stack);
    }
    let last = config.count("max_window_layers")?;
    stack.some_windowed(config, |index| index.is_multiple_of(2) && index < last)
});

family!(qwen3_moe(config) {
    let moe = Moe::of(config, "num_experts", "moe_intermediate_size")?;
    let stack = Stack::of(config)?.experts(moe, sparse_layer(config)?);
    let norm = QkNorm::Head(stack.norm, HEAD_NORMS);
    let stack = stack.with_qk_norm(Some(norm));
    if config.flag("use_sliding_window")? { stack.all_windowed(config) } else { Ok(stack) }
});

family!(olmoe(config) {
    let moe = Moe::of(config, "num_experts", "intermediate_size")?;
    let mut stack = Stack::of(config)?.experts(moe, |_| true);
    stack.clip = config.optional_float("clip_qkv")?;
    let norm = QkNorm::Full(stack.norm);
    Ok(stack.with_qk_norm(Some(norm)))
});

family!(gpt_oss(config) {
    let mut moe = Moe::of(config, "num_local_experts", "intermediate_size")?;
    moe.router = "router";
    moe.scores = Scores::SoftmaxOfChosen;
    moe.transposed = false;
    moe.normalised = false;
    let alpha = config.optional_float("swiglu_alpha")?.unwrap_or(1.702);
    moe.clamped = Some([alpha, config.optional_float("swiglu_limit")?.unwrap_or(7.0)]);
    let mut stack = Stack::of(config)?.experts(moe, |_| true);
    stack.sinks = true;
    stack.some_windowed(config, |index| index.is_multiple_of(2))
});

/// Compressed attention and experts with a shared one, as both versions of `DeepSeek` have them.
fn deepseek_stack(config: &Config<'_>, scores: Scores, interleaved: bool) -> Result<Stack, HfError> {
    let mut moe = Moe::of(config, "n_routed_experts", "moe_intermediate_size")?.with_groups(config)?;
    moe.scores = scores;
    moe.factor = config.optional_float("routed_scaling_factor")?.unwrap_or(1.0);
    let shared = config.count("n_shared_experts")? * moe.inner;
    moe.shared = Some(("shared_experts", shared, false));
    let dense = config.count("first_k_dense_replace")?;
    let latent = Latent::of(config)?;
    let mut stack = Stack::of(config)?.experts(moe, |index| index >= dense);
    stack.ropes = vec![Rope { interleaved, ..Rope::of(config, latent.turned(), 1.0)? }];
    stack.latent = Some(latent);
    Ok(stack)
}

family!(deepseek_v2(config) {
    let mut stack = deepseek_stack(config, Scores::Softmax, true)?;
    if let Some(moe) = &mut stack.moe {
        moe.normalised = false;
        if config.optional_text("topk_method")? != Some("group_limited_greedy") {
            moe.groups = None;
        }
        moe.shared_bias = config.flag("mlp_bias")?;
    }
    Ok(stack)
});

family!(deepseek_v3(config) {
    let mut stack = deepseek_stack(config, Scores::Sigmoid, config.flag("rope_interleave")?)?;
    stack.mlp = Mlp::Gated { bias: false };
    Ok(stack)
});

family!(llama4_text(config) {
    let mut moe = Moe::of(config, "num_local_experts", "intermediate_size")?;
    moe.router = "router";
    moe.scores = Scores::SigmoidOfChosen;
    moe.normalised = false;
    moe.transposed = false;
    moe.weighs_input = true;
    moe.shared = Some(("shared_expert", moe.inner, false));
    let step = config.optional_size("interleave_moe_layer_step")?.unwrap_or(1);
    let mut listed = config.sizes("moe_layers")?;
    if let Some(layers) = &mut listed {
        layers.sort_unstable();
    }
    let sparse = |index: u64| match &listed {
        Some(layers) => layers.binary_search(&index).is_ok(),
        None => (index + 1).is_multiple_of(step),
    };
    let mut stack = Stack::of(config)?.turned(config, 1.0, true)?.sometimes_turned(config)?.experts(moe, sparse);
    stack.mlp_module = "feed_forward";
    stack.mlp = Mlp::Gated { bias: false };
    stack.inner = config.size("intermediate_size_mlp")?;
    if config.flag("use_qk_norm")? {
        stack.qk_norm = Some(QkNorm::Turned(1e-6));
    }
    if config.flag("attn_temperature_tuning")? {
        let growth = config.optional_float("attn_scale")?.unwrap_or(0.1);
        stack.temperature = Some([config.optional_float("floor_scale")?.unwrap_or(8192.0), growth]);
    }
    // A chunk is shown as a window of its size: the same work, and the same keys in a cache.
    let chunk = config.optional_size("attention_chunk_size")?;
    for layer in &mut stack.per_layer {
        layer.window = chunk.filter(|_| layer.rope.is_some());
    }
    Ok(stack)
});
