//! T5 and its relatives: RMS norms before, no biases, a bias by distance that the first layer of each stack holds for
//! all of them (in UMT5 each layer has its own).

use fusewright_ir::{DType, ValueId};

use super::cross::Memory;
use super::dims::Sizes;
use crate::attention::Core;
use crate::builder::{Builder, Norm};
use crate::config::Config;
use crate::models::{Head, Request};
use crate::multihead::Projections;
use crate::position_bias::Buckets;
use crate::{HfError, Phase};

/// Both stacks.
struct T5<'c> {
    config: &'c Config<'c>,
    hidden: u64,
    inner: u64,
    /// The MLP multiplies two linears.
    gated: bool,
    /// Name of the activation.
    activation: &'c str,
    norm: Norm,
    projections: Projections,
    buckets: u64,
    longest: u64,
    /// Each layer has a bias of its own.
    bias_everywhere: bool,
}

/// One of the stacks.
#[derive(Clone, Copy)]
struct Stack {
    name: &'static str,
    layers: u64,
    memory: Option<Memory>,
}

pub(crate) fn t5(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    build(b, config, request, false)
}

pub(crate) fn umt5(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    build(b, config, request, true)
}

fn build(b: &mut Builder, config: &Config<'_>, request: &Request<'_>, bias_everywhere: bool) -> Result<(), HfError> {
    let t5 = T5::of(config, bias_everywhere)?;
    let sizes = Sizes::of_text(b, request, [u64::MAX; 2])?;
    let words = config.size("vocab_size")?;
    let layers = config.layers("num_layers")?;
    let table = b.within("shared", |b| b.parameter("weight", &[words, t5.hidden]))?;
    let memory = if b.phase == Phase::Prefill {
        let ids = b.input("input_ids", DType::I64, &[sizes.batch, sizes.source])?;
        let x = b.rows_of("shared", ids, table)?;
        Memory::Encoded(t5.stack(b, Stack { name: "encoder", layers, memory: None }, sizes, x)?)
    } else {
        Memory::Cached(sizes)
    };
    let ids = sizes.target_ids(b)?;
    let x = b.rows_of("shared", ids, table)?;
    let layers =
        if config.value("num_decoder_layers").is_some() { config.layers("num_decoder_layers")? } else { layers };
    let mut x = t5.stack(b, Stack { name: "decoder", layers, memory: Some(memory) }, sizes, x)?;
    if request.head == Head::ConditionalGeneration {
        // A checkpoint may say that its head is not tied; the class ties it and leaves out the factor.
        let untied = config.states("tie_word_embeddings") && !config.flag("tie_word_embeddings")?;
        if untied {
            b.note("`tie_word_embeddings` is false: the class shares the token table with the head all the same");
        } else if scales_output(&config.model_type) {
            x = b.scaled(x, inverse_root(t5.hidden))?;
        }
        x = b.tied_linear("lm_head", x, table, false)?;
    }
    b.results(&[x]);
    Ok(())
}

/// MT5 leaves the decoder's result as it is.
fn scales_output(model_type: &str) -> bool {
    model_type != "mt5"
}

fn inverse_root(width: u64) -> f64 {
    1.0 / (width as f64).sqrt()
}

impl<'c> T5<'c> {
    fn of(config: &'c Config<'c>, bias_everywhere: bool) -> Result<Self, HfError> {
        let spelled = config.text("feed_forward_proj")?;
        let (gated, activation) = match spelled.strip_prefix("gated-") {
            // The class reads this name as the approximation.
            Some("gelu") => (true, "gelu_new"),
            Some(activation) => (true, activation),
            None => (false, spelled),
        };
        let (heads, width) = (config.size("num_heads")?, config.size("d_kv")?);
        Ok(Self {
            config,
            hidden: config.size("d_model")?,
            inner: config.size("d_ff")?,
            gated,
            activation,
            norm: Norm::Rms(config.float("layer_norm_epsilon")?),
            projections: Projections { names: ["q", "k", "v", "o"], biases: [false; 4], heads, width },
            buckets: config.size("relative_attention_num_buckets")?,
            longest: config.optional_size("relative_attention_max_distance")?.unwrap_or(128),
            bias_everywhere,
        })
    }

    fn stack(&self, b: &mut Builder, stack: Stack, sizes: Sizes, mut x: ValueId) -> Result<ValueId, HfError> {
        b.within(stack.name, |b| {
            let mut bias = None;
            for index in 0..stack.layers {
                (x, bias) = b.within(&format!("block.{index}"), |b| self.layer(b, stack, sizes, index, bias, x))?;
            }
            b.norm("final_layer_norm", x, self.norm)
        })
    }

    fn layer(
        &self,
        b: &mut Builder,
        stack: Stack,
        sizes: Sizes,
        index: u64,
        bias: Option<ValueId>,
        x: ValueId,
    ) -> Result<(ValueId, Option<ValueId>), HfError> {
        let (x, bias) = b.within("layer.0", |b| {
            let normed = b.norm("layer_norm", x, self.norm)?;
            let (attended, bias) = b.within("SelfAttention", |b| {
                let bias = match bias {
                    Some(bias) if !self.bias_everywhere => bias,
                    _ => self.bias(b, stack, sizes)?,
                };
                let core = Core { scale: Some(1.0), mask: Some(bias), ..Core::default() };
                let attended = match stack.memory {
                    None => self.projections.attend(b, normed, &core)?,
                    Some(_) => self.projections.attend_cached(b, index, sizes.target, normed, &core)?,
                };
                Ok((attended, bias))
            })?;
            Ok((b.add(x, attended)?, bias))
        })?;
        let (mut x, mut last) = (x, "layer.1");
        if let Some(memory) = stack.memory {
            x = b.within("layer.1", |b| {
                let normed = b.norm("layer_norm", x, self.norm)?;
                let core = Core { scale: Some(1.0), ..Core::default() };
                let attended =
                    b.within("EncDecAttention", |b| self.projections.attend_memory(b, index, memory, normed, &core))?;
                b.add(x, attended)
            })?;
            last = "layer.2";
        }
        let x = b.within(last, |b| {
            let normed = b.norm("layer_norm", x, self.norm)?;
            let fed = b.within("DenseReluDense", |b| self.mlp(b, normed))?;
            b.add(x, fed)
        })?;
        Ok((x, Some(bias)))
    }

    fn bias(&self, b: &mut Builder, stack: Stack, sizes: Sizes) -> Result<ValueId, HfError> {
        let buckets = Buckets { count: self.buckets, longest: self.longest, both_ways: stack.memory.is_none() };
        let (queries, context) = match stack.memory {
            None => (sizes.source, 0),
            Some(_) => (sizes.target.new, sizes.target.context),
        };
        b.distance_bias("relative_attention_bias", buckets, self.projections.heads, queries, context)
    }

    fn mlp(&self, b: &mut Builder, x: ValueId) -> Result<ValueId, HfError> {
        let wide = b.linear(if self.gated { "wi_0" } else { "wi" }, x, self.inner, false)?;
        let mut wide = b.activation_named(self.config, "feed_forward_proj", self.activation, wide)?;
        if self.gated {
            let factor = b.linear("wi_1", x, self.inner, false)?;
            wide = b.mul(wide, factor)?;
        }
        b.linear("wo", wide, self.hidden, false)
    }
}
