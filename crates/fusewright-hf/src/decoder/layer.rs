//! One layer of a decoder: attention and MLP between norms.

use fusewright_ir::ops::{Binary, Copy, Normalization, Unary};
use fusewright_ir::{Op, ValueId};

use super::{Activation, Block, Layer, Mlp, Projection, QkNorm, Stack};
use crate::HfError;
use crate::attention::{Core, Tokens};
use crate::builder::Builder;
use crate::config::Config;
use crate::rope::Tables;

impl Stack {
    #[allow(clippy::too_many_arguments, reason = "what a layer depends on")]
    pub(super) fn layer(
        &self,
        b: &mut Builder,
        config: &Config<'_>,
        tokens: Tokens,
        index: u64,
        layer: Layer,
        rope: Option<Tables>,
        x: ValueId,
    ) -> Result<ValueId, HfError> {
        let attend = |b: &mut Builder, x| {
            b.within("self_attn", |b| match &self.latent {
                Some(latent) => latent.attention(b, self, tokens, index, rope, x),
                None => self.attention(b, tokens, index, layer, rope, x),
            })
        };
        let feed = |b: &mut Builder, x| {
            b.within(self.mlp_module, |b| match &self.moe {
                Some(moe) if layer.sparse => moe.build(b, config, self.activation, x),
                _ => self.mlp(b, config, x),
            })
        };
        let join = |b: &mut Builder, residual, x| {
            let x = b.scaled(x, self.residual_factor)?;
            b.add(residual, x)
        };
        match self.block {
            Block::Pre => {
                let normed = b.norm("input_layernorm", x, self.norm)?;
                let attended = attend(b, normed)?;
                let x = join(b, x, attended)?;
                let normed = b.norm("post_attention_layernorm", x, self.norm)?;
                let result = feed(b, normed)?;
                join(b, x, result)
            }
            Block::Parallel => {
                let normed = b.norm("input_layernorm", x, self.norm)?;
                let attended = attend(b, normed)?;
                let result = feed(b, normed)?;
                let both = b.add(attended, result)?;
                b.add(both, x)
            }
            Block::Sandwich([after_attention, before_mlp, after_mlp]) => {
                let normed = b.norm("input_layernorm", x, self.norm)?;
                let attended = attend(b, normed)?;
                let attended = b.norm(after_attention, attended, self.norm)?;
                let x = join(b, x, attended)?;
                let normed = b.norm(before_mlp, x, self.norm)?;
                let result = feed(b, normed)?;
                let result = b.norm(after_mlp, result, self.norm)?;
                join(b, x, result)
            }
            Block::Post => {
                let attended = attend(b, x)?;
                let attended = b.norm("post_attention_layernorm", attended, self.norm)?;
                let x = join(b, x, attended)?;
                let result = feed(b, x)?;
                let result = b.norm("post_feedforward_layernorm", result, self.norm)?;
                join(b, x, result)
            }
        }
    }

    fn attention(
        &self,
        b: &mut Builder,
        tokens: Tokens,
        index: u64,
        layer: Layer,
        rope: Option<Tables>,
        x: ValueId,
    ) -> Result<ValueId, HfError> {
        let [queries, keys, values] = self.projections(b, x)?;
        let mut queries = b.heads(queries, self.heads, self.head_dim)?;
        let mut keys = b.heads(keys, self.kv_heads, self.head_dim)?;
        let values = b.heads(values, self.kv_heads, self.head_dim)?;
        if let Some(norm) = self.qk_norm {
            queries = head_norm(b, norm, 0, queries)?;
            keys = head_norm(b, norm, 1, keys)?;
        }
        if let Some(tables) = rope {
            queries = b.rotated(queries, tables)?;
            keys = b.rotated(keys, tables)?;
            if let Some(QkNorm::Turned(epsilon)) = self.qk_norm {
                let norm = Op::Normalization(Normalization::RmsNorm { axes: 1, epsilon });
                queries = b.node("rms_norm", norm.clone(), &[queries])?;
                keys = b.node("rms_norm", norm, &[keys])?;
            }
        } else if let Some(temperature) = self.temperature {
            queries = tempered(b, tokens, temperature, queries)?;
        }
        let kv = b.cached(index, tokens, layer.window, keys, values)?;
        let sinks = if self.sinks { Some(b.parameter("sinks", &[self.heads])?) } else { None };
        let core = Core {
            causal: self.causal,
            window: layer.window.filter(|_| self.causal),
            scale: self.scale,
            softcap: self.softcap,
            sinks,
            ..Core::default()
        };
        let attended = b.attend(queries, kv, &core)?;
        let merged = b.merged(attended)?;
        b.linear(self.out, merged, self.hidden, self.out_bias)
    }

    fn projections(&self, b: &mut Builder, x: ValueId) -> Result<[ValueId; 3], HfError> {
        let (q_width, kv_width) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let mut qkv = match self.projection {
            Projection::Separate { bias } => [
                b.linear("q_proj", x, q_width, bias)?,
                b.linear("k_proj", x, kv_width, bias)?,
                b.linear("v_proj", x, kv_width, bias)?,
            ],
            Projection::Fused => {
                let all = b.linear("qkv_proj", x, q_width + 2 * kv_width, false)?;
                b.split(all, [q_width, kv_width, kv_width])?
            }
        };
        if let Some(QkNorm::Full(norm)) = self.qk_norm {
            let [queries, keys, values] = qkv;
            qkv = [b.norm("q_norm", queries, norm)?, b.norm("k_norm", keys, norm)?, values];
        }
        if let Some(limit) = self.clip {
            for x in &mut qkv {
                *x = b.clamp(*x, Some(-limit), Some(limit))?;
            }
        }
        Ok(qkv)
    }

    pub(super) fn mlp(&self, b: &mut Builder, config: &Config<'_>, x: ValueId) -> Result<ValueId, HfError> {
        match self.mlp {
            Mlp::Gated { bias } => gated(b, config, self.activation, x, self.inner, bias),
            Mlp::FusedGated => {
                let both = b.linear("gate_up_proj", x, 2 * self.inner, false)?;
                let [gate, up] = b.split(both, [self.inner, self.inner])?;
                let gate = self.activation.apply(b, config, gate)?;
                let product = b.mul(up, gate)?;
                b.linear("down_proj", product, self.hidden, false)
            }
            Mlp::Plain { names: [first, second], bias } => {
                let inner = b.linear(first, x, self.inner, bias)?;
                let inner = self.activation.apply(b, config, inner)?;
                b.linear(second, inner, self.hidden, bias)
            }
        }
    }
}

/// `down(act(gate(x)) · up(x))`, as wide as x.
pub(super) fn gated(
    b: &mut Builder,
    config: &Config<'_>,
    activation: Activation,
    x: ValueId,
    inner: u64,
    bias: bool,
) -> Result<ValueId, HfError> {
    let gate = b.linear("gate_proj", x, inner, bias)?;
    let gate = activation.apply(b, config, gate)?;
    let up = b.linear("up_proj", x, inner, bias)?;
    let product = b.mul(gate, up)?;
    b.linear("down_proj", product, b.width(x), bias)
}

/// The norm of query (0) or key (1) heads `[batch, heads, tokens, width]`.
fn head_norm(b: &mut Builder, norm: QkNorm, which: usize, x: ValueId) -> Result<ValueId, HfError> {
    let heads = b.extent(x, 1);
    match norm {
        QkNorm::Full(_) | QkNorm::Turned(_) => Ok(x),
        QkNorm::Head(norm, [query, key]) => b.norm(if which == 0 { query } else { key }, x, norm),
        QkNorm::HeadMatrix(epsilon) => b.within(if which == 0 { "q_norm" } else { "k_norm" }, |b| {
            let normed =
                b.node("layer_norm", Op::Normalization(Normalization::LayerNorm { axes: 1, epsilon }), &[x])?;
            let width = b.width(x);
            let weight = b.parameter("weight", &[heads, width])?;
            let weight = b.reshape(weight, &[1, heads, 1, width])?;
            b.mul(normed, weight)
        }),
        QkNorm::HeadModules(norm) => b.within(if which == 0 { "q_layernorm" } else { "k_layernorm" }, |b| {
            let mut parts = Vec::new();
            for head in 0..heads {
                let part = b.slice(x, 1, head, 1)?;
                parts.push(b.norm(&format!("norms.{head}"), part, norm)?);
            }
            b.concat(&parts, 1)
        }),
    }
}

/// Queries times `1 + growth · ln(1 + ⌊(position + 1) / step⌋)`.
fn tempered(b: &mut Builder, tokens: Tokens, [step, growth]: [f64; 2], q: ValueId) -> Result<ValueId, HfError> {
    let positions = b.positions(tokens.context, tokens.new)?;
    let positions = b.with_scalar(Binary::Add, positions, 1.0)?;
    let steps = b.with_scalar(Binary::FloorDiv, positions, step)?;
    let steps = b.node("to", Copy::Cast { dtype: b.dtype }, &[steps])?;
    let steps = b.with_scalar(Binary::Add, steps, 1.0)?;
    let logarithms = b.unary(Unary::Log, steps)?;
    let scales = b.with_scalar(Binary::Mul, logarithms, growth)?;
    let scales = b.with_scalar(Binary::Add, scales, 1.0)?;
    let scales = b.reshape(scales, &[1, 1, tokens.new, 1])?;
    b.mul(q, scales)
}
