//! Vision transformers whose layers all work on the same patches: ViT, `DeiT`, `BEiT`, `DINOv2`.

use fusewright_ir::ValueId;
use fusewright_ir::ops::{Binary, Unary};

use super::image::{image_batch, mean, patches, times, with_tokens};
use crate::HfError;
use crate::attention::Core;
use crate::builder::{Builder, Norm};
use crate::config::Config;
use crate::models::{Head, Request};
use crate::multihead::{Projections, per_head};

/// The families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Vit,
    Deit,
    Beit,
    Dinov2,
}

pub(crate) fn vit(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    Vit::of(Family::Vit, config)?.build(b, config, request)
}

pub(crate) fn deit(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    Vit::of(Family::Deit, config)?.build(b, config, request)
}

pub(crate) fn beit(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    Vit::of(Family::Beit, config)?.build(b, config, request)
}

pub(crate) fn dinov2(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    Vit::of(Family::Dinov2, config)?.build(b, config, request)
}

struct Vit {
    family: Family,
    hidden: u64,
    inner: u64,
    layers: u64,
    norm: Norm,
    projections: Projections,
    /// Positions are a table of parameters.
    positions: bool,
    /// What layers add is multiplied by a vector of parameters.
    layer_scale: bool,
    /// The MLP multiplies two linears.
    gated: bool,
    /// Each layer has a bias by distance on the grid; or all share one.
    own_bias: bool,
    shared_bias: bool,
    /// The mean of the patches stands for the image, not its own token.
    mean_pooling: bool,
}

impl Vit {
    fn of(family: Family, config: &Config<'_>) -> Result<Self, HfError> {
        let (hidden, heads) = (config.size("hidden_size")?, config.size("num_attention_heads")?);
        let (beit, dinov2) = (family == Family::Beit, family == Family::Dinov2);
        let gated = dinov2 && config.flag("use_swiglu_ffn")?;
        let inner = match (dinov2, gated) {
            (false, _) => config.size("intermediate_size")?,
            (true, false) => times(config, "mlp_ratio", hidden)?,
            // Two thirds, in steps of eight, so that three linears have the weights of two.
            (true, true) => (times(config, "mlp_ratio", hidden)? * 2 / 3).next_multiple_of(8),
        };
        let bias = beit || config.flag("qkv_bias")?;
        Ok(Self {
            family,
            hidden,
            inner,
            layers: config.layers("num_hidden_layers")?,
            norm: Norm::Layer(config.float("layer_norm_eps")?),
            projections: Projections {
                names: ["attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj"],
                biases: [bias, bias && !beit, bias, true],
                heads,
                width: per_head(config, "num_attention_heads", hidden, heads)?,
            },
            positions: !beit || config.flag("use_absolute_position_embeddings")?,
            layer_scale: dinov2 || beit && config.float("layer_scale_init_value")? > 0.0,
            gated,
            own_bias: beit && config.flag("use_relative_position_bias")?,
            shared_bias: beit && config.flag("use_shared_relative_position_bias")?,
            mean_pooling: beit && config.flag("use_mean_pooling")?,
        })
    }

    fn root(&self, head: Head) -> &'static str {
        match (head, self.family) {
            (Head::None, _) => "",
            (_, Family::Vit) => "vit",
            (_, Family::Deit) => "deit",
            (_, Family::Beit) => "beit",
            (_, Family::Dinov2) => "dinov2",
        }
    }

    fn build(&self, b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
        let image = image_batch(b, config, request)?;
        let (x, pooled) = b.within(self.root(request.head), |b| {
            let x = self.encoder(b, config, image)?;
            Ok((x, self.pooled(b, config, request.head, x)?))
        })?;
        if request.head == Head::None {
            b.results(&[x]);
            if let Some(pooled) = pooled {
                b.results(&[pooled]);
            }
            return Ok(());
        }
        let labels = config.labels()?;
        let logits = match (request.head, self.family) {
            (Head::DistilledImageClassification, _) => {
                let (first, second) = (b.select(x, 1, 0)?, b.select(x, 1, 1)?);
                let first = b.linear("cls_classifier", first, labels, true)?;
                let second = b.linear("distillation_classifier", second, labels, true)?;
                let sum = b.add(first, second)?;
                b.with_scalar(Binary::Div, sum, 2.0)?
            }
            (_, Family::Dinov2) => {
                let first = b.select(x, 1, 0)?;
                let rest = patch_mean(b, x)?;
                let both = b.concat(&[first, rest], 1)?;
                b.linear("classifier", both, labels, true)?
            }
            _ => {
                let first = match pooled {
                    Some(pooled) => pooled,
                    None => b.select(x, 1, 0)?,
                };
                b.linear("classifier", first, labels, true)?
            }
        };
        b.results(&[logits]);
        Ok(())
    }

    /// What stands for the whole image.
    fn pooled(&self, b: &mut Builder, config: &Config<'_>, head: Head, x: ValueId) -> Result<Option<ValueId>, HfError> {
        match self.family {
            Family::Vit | Family::Deit if head == Head::None => {
                let first = b.select(x, 1, 0)?;
                let out = config.optional_size("pooler_output_size")?.unwrap_or(self.hidden);
                let pooled = b.linear("pooler.dense", first, out, true)?;
                b.activation(config, "pooler_act", pooled).map(Some)
            }
            Family::Vit | Family::Deit => Ok(None),
            Family::Beit if self.mean_pooling => {
                let rest = patch_mean(b, x)?;
                b.norm("pooler.layernorm", rest, self.norm).map(Some)
            }
            Family::Beit | Family::Dinov2 => b.select(x, 1, 0).map(Some),
        }
    }

    fn encoder(&self, b: &mut Builder, config: &Config<'_>, image: ValueId) -> Result<ValueId, HfError> {
        let (mut x, grid) = b.within("embeddings", |b| {
            let (x, grid) = patches(b, config, "patch_embeddings.projection", image, self.hidden, true)?;
            let mut tokens = vec!["cls_token"];
            if self.family == Family::Deit {
                tokens.push("distillation_token");
            }
            let x = with_tokens(b, &tokens, x)?;
            // A token for hidden patches is there even where no patch is hidden.
            if self.family == Family::Dinov2 {
                b.parameter("mask_token", &[1, self.hidden])?;
            } else if self.family == Family::Beit && config.flag("use_mask_token")? {
                b.parameter("mask_token", &[1, 1, self.hidden])?;
            }
            if !self.positions {
                return Ok((x, grid));
            }
            let positions = b.parameter("position_embeddings", &[1, b.extent(x, 1), self.hidden])?;
            Ok((b.add(x, positions)?, grid))
        })?;
        let heads = self.projections.heads;
        let shared = if self.shared_bias {
            Some(b.within("shared_position_bias", |b| b.grid_bias(grid, 3, heads))?)
        } else {
            None
        };
        for index in 0..self.layers {
            let name = if self.family == Family::Dinov2 { "encoder.layer" } else { "layers" };
            x = b.within(&format!("{name}.{index}"), |b| {
                let mut mask = shared;
                if self.own_bias {
                    let own = b.within("relative_position_bias", |b| b.grid_bias(grid, 3, heads))?;
                    mask = Some(match shared {
                        Some(shared) => b.add(own, shared)?,
                        None => own,
                    });
                }
                self.layer(b, config, mask, x)
            })?;
        }
        if self.mean_pooling { Ok(x) } else { b.norm("layernorm", x, self.norm) }
    }

    fn layer(
        &self,
        b: &mut Builder,
        config: &Config<'_>,
        mask: Option<ValueId>,
        x: ValueId,
    ) -> Result<ValueId, HfError> {
        let dinov2 = self.family == Family::Dinov2;
        let [before, after] = if dinov2 { ["norm1", "norm2"] } else { ["layernorm_before", "layernorm_after"] };
        let [first, second] =
            if dinov2 { ["layer_scale1.lambda1", "layer_scale2.lambda1"] } else { ["lambda_1", "lambda_2"] };
        let normed = b.norm(before, x, self.norm)?;
        let attended = self.projections.attend(b, normed, &Core { mask, ..Core::default() })?;
        let attended = self.layer_scaled(b, first, attended)?;
        let x = b.add(attended, x)?;
        let normed = b.norm(after, x, self.norm)?;
        let fed = b.within("mlp", |b| self.mlp(b, config, normed))?;
        let fed = self.layer_scaled(b, second, fed)?;
        b.add(fed, x)
    }

    fn layer_scaled(&self, b: &mut Builder, name: &str, x: ValueId) -> Result<ValueId, HfError> {
        if !self.layer_scale {
            return Ok(x);
        }
        let (module, name) = name.rsplit_once('.').unwrap_or(("", name));
        b.within(module, |b| {
            let factors = b.parameter(name, &[self.hidden])?;
            b.mul(x, factors)
        })
    }

    fn mlp(&self, b: &mut Builder, config: &Config<'_>, x: ValueId) -> Result<ValueId, HfError> {
        if self.gated {
            let gate = b.linear("gate_proj", x, self.inner, true)?;
            let gate = b.unary(Unary::Silu, gate)?;
            let up = b.linear("up_proj", x, self.inner, true)?;
            let product = b.mul(gate, up)?;
            return b.linear("down_proj", product, self.hidden, true);
        }
        let wide = b.linear("fc1", x, self.inner, true)?;
        let wide = b.activation(config, "hidden_act", wide)?;
        b.linear("fc2", wide, self.hidden, true)
    }
}

/// The mean of all tokens but the first.
fn patch_mean(b: &mut Builder, x: ValueId) -> Result<ValueId, HfError> {
    let patches = b.extent(x, 1).saturating_sub(1);
    let rest = b.slice(x, 1, 1, patches)?;
    mean(b, rest, &[1])
}
