//! Decoders whose modules are named as those of Llama: `model.layers.N.self_attn`, `.mlp`, `model.norm`, `lm_head`.
//!
//! What tells the families apart is data ([`Stack`], [`Layer`]); each family fills it in from its configuration.

mod families;
mod head;
mod latent;
mod layer;
mod moe;
mod sparse;

pub(crate) use families::{
    cohere, gemma, gemma2, gemma3_text, glm, glm4, granite, language_model, llama, mistral, olmo, olmo2, phi, phi3,
    qwen2, qwen3, smollm3, stablelm, starcoder2,
};
pub(crate) use head::{LmHead, finish, tokens};
pub(crate) use sparse::{deepseek_v2, deepseek_v3, gpt_oss, llama4_text, mixtral, olmoe, qwen2_moe, qwen3_moe};

use crate::HfError;
use crate::attention::Tokens;
use crate::builder::{Builder, Norm};
use crate::config::Config;
use crate::models::{Head, Request};
use crate::rope::{Rope, Tables};
use fusewright_ir::ops::Unary;
use fusewright_ir::{DType, ValueId};
use latent::Latent;
use moe::Moe;

/// Where the norms of a layer stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Before attention and before the MLP.
    Pre,
    /// One norm, read by attention and MLP, whose results are added together.
    Parallel,
    /// Before and after both: names of the norm after attention, before the MLP, after the MLP.
    Sandwich([&'static str; 3]),
    /// After both only.
    Post,
}

/// How queries and keys are normalised before they turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum QkNorm {
    /// Each head by itself, with weights that all heads share; names of the modules.
    Head(Norm, [&'static str; 2]),
    /// Each head by itself, with weights of its own: one matrix `[heads, width]`.
    HeadMatrix(f64),
    /// Each head by itself, with a module of its own.
    HeadModules(Norm),
    /// The whole width at once.
    Full(Norm),
    /// Each head by itself, after it turned, without weights; heads that do not turn are left alone.
    Turned(f64),
}

/// Where queries, keys and values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Projection {
    /// Three linears, with or without bias.
    Separate { bias: bool },
    /// One linear, `qkv_proj`.
    Fused,
}

/// The dense MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mlp {
    /// `down(act(gate(x)) · up(x))`.
    Gated { bias: bool },
    /// The same with gate and up in one linear.
    FusedGated,
    /// Two linears of these names.
    Plain { names: [&'static str; 2], bias: bool },
}

/// The function inside the MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// The one that a key of the configuration names.
    Key(&'static str),
    /// This one.
    Fixed(Unary),
}

impl Activation {
    pub(crate) fn apply(self, b: &mut Builder, config: &Config<'_>, x: ValueId) -> Result<ValueId, HfError> {
        match self {
            Activation::Key(key) => b.activation(config, key, x),
            Activation::Fixed(kind) => b.unary(kind, x),
        }
    }
}

/// A stack of layers, embedding and head included.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    pub(crate) hidden: u64,
    pub(crate) layers: u64,
    pub(crate) heads: u64,
    pub(crate) kv_heads: u64,
    pub(crate) head_dim: u64,
    pub(crate) inner: u64,
    pub(crate) norm: Norm,
    pub(crate) final_norm: &'static str,
    pub(crate) block: Block,
    pub(crate) projection: Projection,
    pub(crate) out: &'static str,
    pub(crate) out_bias: bool,
    pub(crate) qk_norm: Option<QkNorm>,
    /// Queries, keys and values are kept below this.
    pub(crate) clip: Option<f64>,
    pub(crate) mlp: Mlp,
    /// Name of the module of MLP or experts.
    pub(crate) mlp_module: &'static str,
    pub(crate) activation: Activation,
    pub(crate) scale: Option<f64>,
    pub(crate) softcap: Option<f64>,
    pub(crate) embedding_factor: f64,
    pub(crate) residual_factor: f64,
    pub(crate) logits_factor: f64,
    pub(crate) logits_cap: Option<f64>,
    pub(crate) head_bias: bool,
    /// Each head has one more score, without a value.
    pub(crate) sinks: bool,
    /// Queries of layers that do not turn grow with the logarithm of their position, in steps: size of a step, growth.
    pub(crate) temperature: Option<[f64; 2]>,
    /// A token sees those before it only.
    pub(crate) causal: bool,
    /// Compressed attention instead of the plain one.
    pub(crate) latent: Option<Latent>,
    /// The experts of layers that have them.
    pub(crate) moe: Option<Moe>,
    /// The tables that layers choose from.
    pub(crate) ropes: Vec<Rope>,
    /// What differs from layer to layer.
    pub(crate) per_layer: Vec<Layer>,
}

/// What may differ from layer to layer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Layer {
    /// Experts instead of the dense MLP.
    pub(crate) sparse: bool,
    /// How many tokens up to itself a token sees.
    pub(crate) window: Option<u64>,
    /// Which table turns queries and keys.
    pub(crate) rope: Option<usize>,
}

impl Stack {
    /// What Llama does, with the sizes of a configuration.
    pub(crate) fn of(config: &Config<'_>) -> Result<Self, HfError> {
        let (hidden, heads) = (config.size("hidden_size")?, config.size("num_attention_heads")?);
        let layers = config.layers("num_hidden_layers")?;
        let head_dim = match config.optional_size("head_dim")? {
            Some(width) => width,
            None if hidden >= heads => hidden / heads,
            None => return Err(config.wrong("num_attention_heads", format!("at most hidden_size = {hidden}"))),
        };
        let kv_heads = config.optional_size("num_key_value_heads")?.unwrap_or(heads);
        if !heads.is_multiple_of(kv_heads) {
            return Err(config.wrong("num_key_value_heads", format!("a divisor of num_attention_heads = {heads}")));
        }
        let epsilon = ["rms_norm_eps", "layer_norm_eps", "norm_epsilon", "layer_norm_epsilon"];
        let mut norm_epsilon = None;
        for key in epsilon {
            norm_epsilon = norm_epsilon.or(config.optional_float(key)?);
        }
        let bias = config.flag("attention_bias")?;
        Ok(Self {
            hidden,
            layers,
            heads,
            kv_heads,
            head_dim,
            inner: config.size("intermediate_size")?,
            norm: Norm::Rms(norm_epsilon.unwrap_or(1e-5)),
            final_norm: "norm",
            block: Block::Pre,
            projection: Projection::Separate { bias },
            out: "o_proj",
            out_bias: bias,
            qk_norm: None,
            clip: None,
            mlp: Mlp::Gated { bias: config.flag("mlp_bias")? },
            mlp_module: "mlp",
            activation: Activation::Key("hidden_act"),
            scale: None,
            softcap: None,
            embedding_factor: 1.0,
            residual_factor: 1.0,
            logits_factor: 1.0,
            logits_cap: None,
            head_bias: false,
            sinks: false,
            temperature: None,
            causal: true,
            latent: None,
            moe: None,
            ropes: vec![Rope::of(config, head_dim, 1.0)?],
            per_layer: (0..layers).map(|_| Layer { rope: Some(0), ..Layer::default() }).collect(),
        })
    }

    /// Builds the whole model.
    pub(crate) fn build(&self, b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
        let tokens = tokens(b, request)?;
        let ids = b.input("input_ids", DType::I64, &[tokens.batch, tokens.new])?;
        let module = if request.head == Head::None { "" } else { "model" };
        let (x, table) = b.within(module, |b| {
            let (x, table) = b.embedding("embed_tokens", ids, config.size("vocab_size")?, self.hidden)?;
            let x = b.scaled(x, self.embedding_factor)?;
            let tables = self.tables(b, tokens)?;
            let x = self.run(b, config, tokens, &tables, x)?;
            Ok((b.norm(self.final_norm, x, self.norm)?, table))
        })?;
        finish(b, config, request, x, table, self.into())
    }

    fn tables(&self, b: &mut Builder, tokens: Tokens) -> Result<Vec<Tables>, HfError> {
        self.ropes.iter().map(|rope| b.rope_tables("rotary_emb", tokens, rope)).collect()
    }

    fn run(
        &self,
        b: &mut Builder,
        config: &Config<'_>,
        tokens: Tokens,
        tables: &[Tables],
        mut x: ValueId,
    ) -> Result<ValueId, HfError> {
        for (index, layer) in (0..self.layers).zip(&self.per_layer) {
            let rope = layer.rope.and_then(|table| tables.get(table).copied());
            x = b.within(&format!("layers.{index}"), |b| self.layer(b, config, tokens, index, *layer, rope, x))?;
        }
        Ok(x)
    }
}
