//! CLIP and `SigLIP`: a tower for text, a tower for images, and how well the results of both agree.

use fusewright_ir::ops::{Binary, Contraction, ReduceKind, Reduction, Unary};
use fusewright_ir::{DType, Op, ValueId};

use super::image::{image_batch, images, patches};
use crate::HfError;
use crate::attention::{Core, KeysValues};
use crate::builder::{Builder, Norm};
use crate::config::Config;
use crate::encoder::{at_most, text_dims};
use crate::models::{Head, Request};
use crate::multihead::{Projections, per_head};
use crate::sizes::{BATCH, Dim, PROMPT};

/// The families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Clip,
    Siglip,
}

/// The layers of a tower.
struct Tower<'c> {
    config: &'c Config<'c>,
    hidden: u64,
    norm: Norm,
    projections: Projections,
}

impl<'c> Tower<'c> {
    fn of(config: &'c Config<'c>) -> Result<Self, HfError> {
        let (hidden, heads) = (config.size("hidden_size")?, config.size("num_attention_heads")?);
        Ok(Self {
            config,
            hidden,
            norm: Norm::Layer(config.float("layer_norm_eps")?),
            projections: Projections {
                names: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"],
                biases: [true; 4],
                heads,
                width: per_head(config, "num_attention_heads", hidden, heads)?,
            },
        })
    }

    fn run(&self, b: &mut Builder, mut x: ValueId, causal: bool) -> Result<ValueId, HfError> {
        let core = Core { causal, ..Core::default() };
        for index in 0..self.config.layers("num_hidden_layers")? {
            x = b.within(&format!("encoder.layers.{index}"), |b| {
                let normed = b.norm("layer_norm1", x, self.norm)?;
                let attended = self.projections.attend(b, normed, &core)?;
                let x = b.add(x, attended)?;
                let normed = b.norm("layer_norm2", x, self.norm)?;
                let fed = self.mlp(b, normed)?;
                b.add(x, fed)
            })?;
        }
        Ok(x)
    }

    fn mlp(&self, b: &mut Builder, x: ValueId) -> Result<ValueId, HfError> {
        b.within("mlp", |b| {
            let wide = b.linear("fc1", x, self.config.size("intermediate_size")?, true)?;
            let wide = b.activation(self.config, "hidden_act", wide)?;
            b.linear("fc2", wide, self.hidden, true)
        })
    }
}

/// All tokens of a tower, and what stands for the whole.
type Encoded = (ValueId, Option<ValueId>);

impl Family {
    /// The tower for texts of no more tokens than there are positions.
    fn text(self, b: &mut Builder, config: &Config<'_>, ids: ValueId) -> Result<Encoded, HfError> {
        let tower = Tower::of(config)?;
        let x = b.within("embeddings", |b| {
            let (x, _) = b.embedding("token_embedding", ids, config.size("vocab_size")?, tower.hidden)?;
            let positions = b.positions(0, b.extent(ids, 1))?;
            let longest = config.size("max_position_embeddings")?;
            let (rows, _) = b.embedding("position_embedding", positions, longest, tower.hidden)?;
            b.add(x, rows)
        })?;
        let x = tower.run(b, x, self == Family::Clip)?;
        let x = b.norm("final_layer_norm", x, tower.norm)?;
        // The end of the text, which CLIP looks for, stands last.
        let mut pooled = b.select(x, 1, b.extent(x, 1).saturating_sub(1))?;
        if self == Family::Siglip {
            let out = config.optional_size("projection_size")?.unwrap_or(tower.hidden);
            pooled = b.linear("head", pooled, out, true)?;
        }
        Ok((x, Some(pooled)))
    }

    /// The tower for images.
    fn vision(self, b: &mut Builder, config: &Config<'_>, image: ValueId) -> Result<Encoded, HfError> {
        let (tower, siglip) = (Tower::of(config)?, self == Family::Siglip);
        let x = b.within("embeddings", |b| {
            let (mut x, _) = patches(b, config, "patch_embedding", image, tower.hidden, siglip)?;
            if !siglip {
                let class = b.parameter("class_embedding", &[tower.hidden])?;
                let class = b.reshape(class, &[1, 1, tower.hidden])?;
                let class = b.expand(class, &[b.extent(x, 0), 1, tower.hidden])?;
                x = b.concat(&[class, x], 1)?;
            }
            let count = b.extent(x, 1);
            let positions = b.positions(0, count)?;
            let (rows, _) = b.embedding("position_embedding", positions, count, tower.hidden)?;
            b.add(x, rows)
        })?;
        if siglip {
            let x = tower.run(b, x, false)?;
            let x = b.norm("post_layernorm", x, tower.norm)?;
            // Without the key, the class has the head.
            let headless = config.value("vision_use_head").is_some() && !config.flag("vision_use_head")?;
            let pooled = if headless { None } else { Some(b.within("head", |b| pooling_head(b, &tower, x))?) };
            return Ok((x, pooled));
        }
        let x = b.norm("pre_layrnorm", x, tower.norm)?;
        let x = tower.run(b, x, false)?;
        let first = b.select(x, 1, 0)?;
        Ok((x, Some(b.norm("post_layernorm", first, tower.norm)?)))
    }

    fn both(self, b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
        let [text_type, vision_type] = match self {
            Family::Clip => ["clip_text_model", "clip_vision_model"],
            Family::Siglip => ["siglip_text_model", "siglip_vision_model"],
        };
        let text = config.nested("text_config", text_type)?;
        let vision = config.nested("vision_config", vision_type)?;
        let longest = text.size("max_position_embeddings")?;
        let prompt = Dim { default: PROMPT.default.min(longest), ..PROMPT };
        let [batch, tokens] = request.dims(b, [BATCH, prompt])?;
        at_most(PROMPT.name, tokens, longest)?;
        let ids = b.input("input_ids", DType::I64, &[batch, tokens])?;
        let image = images(b, &vision, batch)?;
        let (all, image) = b.within("vision_model", |b| self.vision(b, &vision, image))?;
        let image = image.unwrap_or(all);
        let (all, text) = b.within("text_model", |b| self.text(b, &text, ids))?;
        let text = text.unwrap_or(all);
        let (image, text) = match self {
            Family::Clip => {
                let out = config.size("projection_dim")?;
                (b.linear("visual_projection", image, out, false)?, b.linear("text_projection", text, out, false)?)
            }
            Family::Siglip => (image, text),
        };
        let (image, text) = (unit(b, image)?, unit(b, text)?);
        let columns = b.permute(image, &[1, 0])?;
        let scores = b.matmul(text, columns)?;
        let scalar: &[u64] = if self == Family::Clip { &[] } else { &[1] };
        let scale = b.parameter("logit_scale", scalar)?;
        let scale = b.unary(Unary::Exp, scale)?;
        let mut scores = b.mul(scores, scale)?;
        if self == Family::Siglip {
            let bias = b.parameter("logit_bias", &[1])?;
            scores = b.add(scores, bias)?;
        }
        let by_image = b.permute(scores, &[1, 0])?;
        b.results(&[by_image]);
        b.results(&[scores]);
        Ok(())
    }
}

/// Rows of length one.
fn unit(b: &mut Builder, x: ValueId) -> Result<ValueId, HfError> {
    let norm = Reduction::Reduce { kind: ReduceKind::Norm, axes: vec![-1], keep: true };
    let norm = b.node("norm", Op::Reduction(norm), &[x])?;
    b.binary(Binary::Div, x, norm)
}

/// One learned query that attends to all patches, and an MLP.
fn pooling_head(b: &mut Builder, tower: &Tower<'_>, x: ValueId) -> Result<ValueId, HfError> {
    let (batch, hidden) = (b.extent(x, 0), tower.hidden);
    let Projections { heads, width, .. } = tower.projections;
    let probe = b.parameter("probe", &[1, 1, hidden])?;
    let probe = b.expand(probe, &[batch, 1, hidden])?;
    let attended = b.within("attention", |b| {
        let weight = b.parameter("in_proj_weight", &[3 * hidden, hidden])?;
        let bias = b.parameter("in_proj_bias", &[3 * hidden])?;
        let projected = |b: &mut Builder, x, start, rows| {
            let weight = b.slice(weight, 0, start, rows)?;
            let bias = b.slice(bias, 0, start, rows)?;
            b.node("linear", Op::Contraction(Contraction::Linear), &[x, weight, bias])
        };
        let query = projected(b, probe, 0, hidden)?;
        let both = projected(b, x, hidden, 2 * hidden)?;
        let [key, value] = b.split(both, [hidden, hidden])?;
        let query = b.heads(query, heads, width)?;
        let (keys, values) = (b.heads(key, heads, width)?, b.heads(value, heads, width)?);
        let attended = b.attend(query, KeysValues { keys, values, cached: 0 }, &Core::default())?;
        let merged = b.merged(attended)?;
        b.linear("out_proj", merged, hidden, true)
    })?;
    let normed = b.norm("layernorm", attended, tower.norm)?;
    let fed = tower.mlp(b, normed)?;
    let sum = b.add(attended, fed)?;
    b.select(sum, 1, 0)
}

fn outputs(b: &mut Builder, (x, pooled): Encoded) {
    b.results(&[x]);
    if let Some(pooled) = pooled {
        b.results(&[pooled]);
    }
}

fn text_alone(family: Family, b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    let [batch, tokens] = text_dims(b, request, config.size("max_position_embeddings")?)?;
    let ids = b.input("input_ids", DType::I64, &[batch, tokens])?;
    if request.head != Head::Projection {
        let encoded = family.text(b, config, ids)?;
        outputs(b, encoded);
        return Ok(());
    }
    let (x, pooled) = b.within("text_model", |b| family.text(b, config, ids))?;
    let out = b.linear("text_projection", pooled.unwrap_or(x), config.size("projection_dim")?, false)?;
    outputs(b, (out, Some(x)));
    Ok(())
}

fn vision_alone(family: Family, b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    let image = image_batch(b, config, request)?;
    if request.head != Head::Projection {
        let encoded = family.vision(b, config, image)?;
        outputs(b, encoded);
        return Ok(());
    }
    let (x, pooled) = b.within("vision_model", |b| family.vision(b, config, image))?;
    let out = b.linear("visual_projection", pooled.unwrap_or(x), config.size("projection_dim")?, false)?;
    outputs(b, (out, Some(x)));
    Ok(())
}

pub(crate) fn clip(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    Family::Clip.both(b, config, request)
}

pub(crate) fn clip_text(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    text_alone(Family::Clip, b, config, request)
}

pub(crate) fn clip_vision(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    vision_alone(Family::Clip, b, config, request)
}

pub(crate) fn siglip(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    Family::Siglip.both(b, config, request)
}

pub(crate) fn siglip_text(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    text_alone(Family::Siglip, b, config, request)
}

pub(crate) fn siglip_vision(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    vision_alone(Family::Siglip, b, config, request)
}
