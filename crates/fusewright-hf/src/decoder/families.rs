//! The families with one MLP for all tokens: what each does differently from Llama.

use fusewright_ir::ops::Unary;

use super::moe::Moe;
use super::{Activation, Block, Layer, Mlp, Projection, QkNorm, Stack};
use crate::HfError;
use crate::builder::{Builder, Norm};
use crate::config::Config;
use crate::models::{Head, Request};
use crate::rope::Rope;

/// Names of the norms of query and key heads.
pub(super) const HEAD_NORMS: [&str; 2] = ["q_norm", "k_norm"];

impl Stack {
    /// The epsilon under `key`, or the usual one.
    fn epsilon(config: &Config<'_>, key: &str) -> Result<f64, HfError> {
        Ok(config.optional_float(key)?.unwrap_or(1e-5))
    }

    /// Biases of query, key and value projections, and of the one after attention.
    pub(super) fn biased(mut self, qkv: bool, out: bool) -> Self {
        self.projection = Projection::Separate { bias: qkv };
        self.out_bias = out;
        self
    }

    /// All layers see `sliding_window` tokens, if there is such a key.
    pub(super) fn all_windowed(mut self, config: &Config<'_>) -> Result<Self, HfError> {
        let window = config.optional_size("sliding_window")?;
        for layer in &mut self.per_layer {
            layer.window = window;
        }
        Ok(self)
    }

    /// Layers see `sliding_window` tokens where `layer_types` says so, else where `default` does.
    pub(super) fn some_windowed(mut self, config: &Config<'_>, default: impl Fn(u64) -> bool) -> Result<Self, HfError> {
        let window = config.optional_size("sliding_window")?;
        let types = config.texts("layer_types")?;
        if types.as_ref().is_some_and(|types| types.len() < self.per_layer.len()) {
            return Err(config.wrong("layer_types", format!("one entry for each of {} layers", self.layers)));
        }
        for (index, layer) in (0..).zip(&mut self.per_layer) {
            let stated = types.as_ref().and_then(|types| types.get(usize::try_from(index).ok()?));
            let slides = stated.map_or_else(|| default(index), |&name| name == "sliding_attention");
            layer.window = window.filter(|_| slides);
        }
        Ok(self)
    }

    /// Rotary tables that turn the part `fraction` of a head, unless the configuration says otherwise.
    pub(super) fn turned(mut self, config: &Config<'_>, fraction: f64, interleaved: bool) -> Result<Self, HfError> {
        self.ropes = vec![Rope { interleaved, ..Rope::of(config, self.head_dim, fraction)? }];
        Ok(self)
    }

    /// The experts of the layers that `sparse` chooses.
    pub(super) fn experts(mut self, moe: Moe, sparse: impl Fn(u64) -> bool) -> Self {
        self.moe = Some(moe);
        for (index, layer) in (0..).zip(&mut self.per_layer) {
            layer.sparse = sparse(index);
        }
        self
    }

    pub(super) fn with_qk_norm(mut self, norm: Option<QkNorm>) -> Self {
        self.qk_norm = norm;
        self
    }
}

/// A builder that fills in a stack and builds it.
macro_rules! family {
    ($(#[$doc:meta])* $name:ident($config:ident) $body:block) => {
        $(#[$doc])*
        pub(crate) fn $name(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
            let stack = |$config: &Config<'_>| -> Result<Stack, HfError> { $body };
            stack(config)?.build(b, config, request)
        }
    };
}

pub(super) use family;

family!(llama(config) { Stack::of(config) });

family!(mistral(config) { Stack::of(config)?.biased(false, false).all_windowed(config) });

family!(granite(config) {
    let mut stack = Stack::of(config)?;
    stack.scale = config.optional_float("attention_multiplier")?;
    stack.embedding_factor = config.optional_float("embedding_multiplier")?.unwrap_or(1.0);
    stack.residual_factor = config.optional_float("residual_multiplier")?.unwrap_or(1.0);
    stack.logits_factor = 1.0 / config.optional_float("logits_scaling")?.unwrap_or(1.0);
    Ok(stack)
});

/// True for layers from `max_window_layers` on, where windows are in use at all.
fn late_window(config: &Config<'_>) -> Result<impl Fn(u64) -> bool, HfError> {
    let (used, first) = (config.flag("use_sliding_window")?, config.count("max_window_layers")?);
    Ok(move |index| used && index >= first)
}

family!(qwen2(config) {
    let stack = Stack::of(config)?.biased(true, false);
    if config.flag("use_sliding_window")? { stack.some_windowed(config, late_window(config)?) } else { Ok(stack) }
});

family!(qwen3(config) {
    let stack = Stack::of(config)?;
    let norm = QkNorm::Head(stack.norm, HEAD_NORMS);
    let stack = stack.with_qk_norm(Some(norm));
    if config.flag("use_sliding_window")? { stack.some_windowed(config, late_window(config)?) } else { Ok(stack) }
});

impl Stack {
    /// Layers turn queries and keys where `no_rope_layers` has a 1, else but for every n-th.
    pub(super) fn sometimes_turned(mut self, config: &Config<'_>) -> Result<Self, HfError> {
        let interval = config.optional_size("no_rope_layer_interval")?.unwrap_or(4);
        let turned = config.sizes("no_rope_layers")?.filter(|list| !list.is_empty());
        for (index, layer) in (0_u64..).zip(&mut self.per_layer) {
            let stated = turned.as_ref().and_then(|list| list.get(usize::try_from(index).ok()?));
            let turns = stated.map_or_else(|| !(index + 1).is_multiple_of(interval), |&flag| flag != 0);
            layer.rope = turns.then_some(0);
        }
        Ok(self)
    }
}

family!(smollm3(config) {
    let stack = Stack::of(config)?.sometimes_turned(config)?;
    let still: Vec<bool> = stack.per_layer.iter().map(|layer| layer.rope.is_none()).collect();
    if !config.flag("use_sliding_window")? {
        return Ok(stack);
    }
    stack.some_windowed(config, |index| usize::try_from(index).is_ok_and(|index| still.get(index) == Some(&true)))
});

/// Files of the first Gemma say "gelu" and mean its approximation.
fn gemma_activation(config: &Config<'_>, key: &'static str) -> Result<Activation, HfError> {
    let exact = config.text(key)? == "gelu";
    Ok(if exact { Activation::Fixed(Unary::GeluTanh) } else { Activation::Key(key) })
}

fn gemma_stack(config: &Config<'_>, activation: &'static str) -> Result<Stack, HfError> {
    let mut stack = Stack::of(config)?;
    stack.embedding_factor = (stack.hidden as f64).sqrt();
    stack.activation = gemma_activation(config, activation)?;
    stack.mlp = Mlp::Gated { bias: false };
    Ok(stack)
}

/// What Gemma 2 added: norms around both halves, bounded scores and logits, another scale.
fn gemma2_stack(config: &Config<'_>) -> Result<Stack, HfError> {
    let mut stack = gemma_stack(config, "hidden_activation")?;
    stack.block =
        Block::Sandwich(["post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"]);
    stack.scale = config.optional_float("query_pre_attn_scalar")?.map(|scalar| scalar.powf(-0.5));
    stack.softcap = config.optional_float("attn_logit_softcapping")?;
    stack.logits_cap = config.optional_float("final_logit_softcapping")?;
    Ok(stack)
}

family!(gemma(config) { gemma_stack(config, "hidden_act") });

family!(gemma2(config) { gemma2_stack(config)?.some_windowed(config, |index| index.is_multiple_of(2)) });

family!(gemma3_text(config) {
    let stack = gemma2_stack(config)?;
    let norm = QkNorm::Head(stack.norm, HEAD_NORMS);
    let pattern = config.optional_size("sliding_window_pattern")?.unwrap_or(6);
    let mut stack = stack
        .with_qk_norm(Some(norm))
        .some_windowed(config, |index| !(index + 1).is_multiple_of(pattern))?;
    let slides = |layer: &Layer| layer.window.is_some();
    let (local, global) = (stack.per_layer.iter().any(slides), stack.per_layer.iter().any(|layer| !slides(layer)));
    let table = |layer_type, frequencies| -> Result<Rope, HfError> {
        Ok(Rope { frequencies, ..Rope::of_layers(config, layer_type, stack.head_dim, 1.0)? })
    };
    let mut ropes = Vec::new();
    if local {
        // Stretching concerns layers that see everything.
        ropes.push(Rope { factor: 1.0, ..table("sliding_attention", "sliding_attention_inv_freq")? });
    }
    if global {
        ropes.push(table("full_attention", "full_attention_inv_freq")?);
    }
    for layer in &mut stack.per_layer {
        layer.rope = Some(usize::from(local && layer.window.is_none()));
    }
    stack.ropes = ropes;
    if config.flag("use_bidirectional_attention")? {
        stack.causal = false;
        for layer in &mut stack.per_layer {
            // The window is halved, as it reaches to both sides.
            layer.window = layer.window.map(|window| window / 2 + 1);
        }
    }
    Ok(stack)
});

family!(phi3(config) {
    let mut stack = Stack::of(config)?.all_windowed(config)?;
    stack.projection = Projection::Fused;
    stack.out_bias = false;
    stack.mlp = Mlp::FusedGated;
    Ok(stack)
});

family!(olmo(config) {
    let mut stack = Stack::of(config)?;
    stack.norm = Norm::Plain(1e-5);
    stack.clip = config.optional_float("clip_qkv")?;
    stack.mlp = Mlp::Gated { bias: false };
    Ok(stack)
});

family!(olmo2(config) {
    let mut stack = Stack::of(config)?;
    stack.block = Block::Post;
    stack.mlp = Mlp::Gated { bias: false };
    let norm = QkNorm::Full(stack.norm);
    Ok(stack.with_qk_norm(Some(norm)))
});

family!(starcoder2(config) {
    let bias = config.flag("use_bias")?;
    let mut stack = Stack::of(config)?.biased(bias, bias).all_windowed(config)?;
    stack.norm = Norm::Layer(Stack::epsilon(config, "norm_epsilon")?);
    stack.mlp = Mlp::Plain { names: ["c_fc", "c_proj"], bias };
    Ok(stack)
});

family!(cohere(config) {
    let mut stack = Stack::of(config)?.turned(config, 1.0, true)?;
    let epsilon = Stack::epsilon(config, "layer_norm_eps")?;
    stack.norm = Norm::LayerNoBias(epsilon);
    stack.block = Block::Parallel;
    stack.mlp = Mlp::Gated { bias: false };
    stack.logits_factor = config.optional_float("logit_scale")?.unwrap_or(1.0);
    let norm = config.flag("use_qk_norm")?.then_some(QkNorm::HeadMatrix(epsilon));
    Ok(stack.with_qk_norm(norm))
});

family!(stablelm(config) {
    let bias = config.flag("use_qkv_bias")?;
    let mut stack = Stack::of(config)?.biased(bias, false).turned(config, 0.25, false)?;
    let epsilon = Stack::epsilon(config, "layer_norm_eps")?;
    stack.norm = Norm::Layer(epsilon);
    stack.mlp = Mlp::Gated { bias: false };
    if config.flag("use_parallel_residual")? {
        stack.block = Block::Parallel;
    }
    let norm = config.flag("qk_layernorm")?.then_some(QkNorm::HeadModules(Norm::LayerNoBias(epsilon)));
    Ok(stack.with_qk_norm(norm))
});

family!(glm(config) {
    let bias = config.flag("attention_bias")?;
    let mut stack = Stack::of(config)?.biased(bias, false).turned(config, 0.5, true)?;
    stack.mlp = Mlp::FusedGated;
    Ok(stack)
});

family!(glm4(config) {
    let bias = config.flag("attention_bias")?;
    let mut stack = Stack::of(config)?.biased(bias, false).turned(config, 0.5, true)?;
    stack.mlp = Mlp::FusedGated;
    stack.block = Block::Sandwich(["post_self_attn_layernorm", "post_attention_layernorm", "post_mlp_layernorm"]);
    Ok(stack)
});

family!(phi(config) {
    let mut stack = Stack::of(config)?.biased(true, true).turned(config, 0.5, false)?;
    let norm = Norm::Layer(Stack::epsilon(config, "layer_norm_eps")?);
    stack.norm = norm;
    stack.final_norm = "final_layernorm";
    stack.block = Block::Parallel;
    stack.out = "dense";
    stack.mlp = Mlp::Plain { names: ["fc1", "fc2"], bias: true };
    stack.head_bias = true;
    let norm = config.flag("qk_layernorm")?.then_some(QkNorm::Head(norm, ["q_layernorm", "k_layernorm"]));
    Ok(stack.with_qk_norm(norm))
});

/// The language model of a configuration that has a vision tower beside it.
pub(crate) fn language_model(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    let usual = match config.model_type.as_str() {
        "gemma3" => "gemma3_text",
        "llama4" => "llama4_text",
        "mistral3" => "mistral",
        _ => "llama",
    };
    let text = config.nested("text_config", usual)?;
    b.note("only the language model is built: the vision tower and what projects its result are left out");
    if let Some(dtype) = text.dtype()? {
        b.dtype = dtype;
    }
    let head = if request.head == Head::None { Head::None } else { Head::CausalLm };
    let request = Request { head, options: request.options };
    (crate::models::find(&text.model_type)?.build)(b, &text, &request)
}
