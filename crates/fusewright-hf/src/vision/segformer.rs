//! `SegFormer`: stages of attention on maps that shrink, whose keys and values come from a smaller map still.

use fusewright_ir::ops::{Normalization, Pooling, Unary};
use fusewright_ir::{Op, ValueId};

use super::image::{any_images, depths, mean, per_stage};
use crate::HfError;
use crate::attention::Core;
use crate::builder::{Builder, Norm};
use crate::config::Config;
use crate::conv::Conv;
use crate::models::{Head, Request};
use crate::multihead::{Projections, per_head};

const NORM: Norm = Norm::Layer(1e-5);

/// Sizes of one stage.
struct Stage {
    depth: u64,
    width: u64,
    inner: u64,
    patch: u64,
    stride: u64,
    /// The map of keys and values is smaller by this.
    reduction: u64,
    projections: Projections,
}

pub(crate) fn segformer(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    let image = any_images(b, config, request)?;
    let stages = stages(config)?;
    let root = if request.head == Head::None { "" } else { "segformer" };
    let mut maps = Vec::new();
    b.within(root, |b| {
        let mut x = image;
        for (index, stage) in stages.iter().enumerate() {
            x = b.within(&format!("stages.{index}"), |b| stage.build(b, config, x))?;
            maps.push(x);
        }
        Ok(())
    })?;
    let Some(&last) = maps.last() else { return Err(config.wrong("depths", "at least one stage")) };
    let result = match request.head {
        Head::SemanticSegmentation => b.within("decode_head", |b| masks(b, config, &maps))?,
        Head::ImageClassification => {
            let rows = b.permute(last, &[0, 2, 3, 1])?;
            let pooled = mean(b, rows, &[1, 2])?;
            b.linear("classifier", pooled, config.labels()?, true)?
        }
        _ => last,
    };
    b.results(&[result]);
    Ok(())
}

fn stages(config: &Config<'_>) -> Result<Vec<Stage>, HfError> {
    let depths = depths(config, "depths")?;
    let list = |key: &str| per_stage(config, key, depths.len());
    let (widths, heads, ratios) = (list("hidden_sizes")?, list("num_attention_heads")?, list("mlp_ratios")?);
    let (patches, strides, reductions) = (list("patch_sizes")?, list("strides")?, list("sr_ratios")?);
    if config.optional_size("num_encoder_blocks")?.is_some_and(|stages| stages != depths.len() as u64) {
        return Err(config.wrong("num_encoder_blocks", format!("{}, the length of `depths`", depths.len())));
    }
    let sizes = depths.into_iter().zip(widths).zip(heads).zip(ratios).zip(patches).zip(strides).zip(reductions);
    sizes
        .map(|((((((depth, width), heads), ratio), patch), stride), reduction)| {
            let head = per_head(config, "num_attention_heads", width, heads)?;
            let names = ["q_proj", "k_proj", "v_proj", "o_proj"];
            let projections = Projections { names, biases: [true; 4], heads, width: head };
            Ok(Stage { depth, width, inner: width * ratio, patch, stride, reduction, projections })
        })
        .collect()
}

impl Stage {
    /// The map after this stage, channels before height and width.
    fn build(&self, b: &mut Builder, config: &Config<'_>, x: ValueId) -> Result<ValueId, HfError> {
        let conv = Conv {
            out: self.width,
            kernel: &[self.patch; 2],
            stride: &[self.stride; 2],
            padding: self.patch / 2,
            groups: 1,
            bias: true,
        };
        let map = b.conv("patch_embeddings.proj", x, conv)?;
        let size = [b.extent(map, 2), b.extent(map, 3)];
        let x = b.map_rows(map)?;
        let mut x = b.norm("patch_embeddings.layer_norm", x, NORM)?;
        for index in 0..self.depth {
            x = b.within(&format!("blocks.{index}"), |b| self.layer(b, config, size, x))?;
        }
        let x = b.norm("layer_norm", x, NORM)?;
        as_map(b, x, size)
    }

    fn layer(&self, b: &mut Builder, config: &Config<'_>, size: [u64; 2], x: ValueId) -> Result<ValueId, HfError> {
        let normed = b.norm("layernorm_before", x, NORM)?;
        let attended = b.within("attention", |b| self.attention(b, size, normed))?;
        let x = b.add(attended, x)?;
        let normed = b.norm("layernorm_after", x, NORM)?;
        let fed = b.within("mlp", |b| {
            let wide = b.linear("fc1", normed, self.inner, true)?;
            let map = as_map(b, wide, size)?;
            let kernel = &[3, 3];
            let conv = Conv { out: self.inner, kernel, stride: &[1, 1], padding: 1, groups: self.inner, bias: true };
            let map = b.conv("dwconv.dwconv", map, conv)?;
            let wide = b.map_rows(map)?;
            let wide = b.activation(config, "hidden_act", wide)?;
            b.linear("fc2", wide, self.width, true)
        })?;
        b.add(fed, x)
    }

    fn attention(&self, b: &mut Builder, size: [u64; 2], x: ValueId) -> Result<ValueId, HfError> {
        let q = self.projections.queries(b, x)?;
        let memory = if self.reduction > 1 {
            b.within("sequence_reduction", |b| {
                let map = as_map(b, x, size)?;
                let patch = [self.reduction; 2];
                let map = b.conv("sequence_reduction", map, Conv::patches(self.width, &patch))?;
                let rows = b.map_rows(map)?;
                b.norm("layer_norm", rows, NORM)
            })?
        } else {
            x
        };
        let kv = self.projections.keys_values(b, memory)?;
        let attended = b.attend(q, kv, &Core::default())?;
        self.projections.result(b, attended, self.width)
    }
}

/// Rows `[batch, height · width, channels]` as a map with channels first.
fn as_map(b: &mut Builder, x: ValueId, [height, width]: [u64; 2]) -> Result<ValueId, HfError> {
    let (batch, channels) = (b.extent(x, 0), b.width(x));
    let columns = b.permute(x, &[0, 2, 1])?;
    b.reshape(columns, &[batch, channels, height, width])
}

/// A class for each pixel of the first map, from all maps.
fn masks(b: &mut Builder, config: &Config<'_>, maps: &[ValueId]) -> Result<ValueId, HfError> {
    let width = config.size("decoder_hidden_size")?;
    let first = maps.first().map_or([1, 1], |&map| [b.extent(map, 2), b.extent(map, 3)]);
    let mut parts = Vec::new();
    for (index, &map) in maps.iter().enumerate() {
        let size = [b.extent(map, 2), b.extent(map, 3)];
        let rows = b.map_rows(map)?;
        let rows = b.linear(&format!("linear_projections.{index}.proj"), rows, width, true)?;
        let map = as_map(b, rows, size)?;
        let resize = Pooling::Resize { taps: 2, output: first.to_vec() };
        parts.push(b.node("interpolate", Op::Pooling(Box::new(resize)), &[map])?);
    }
    parts.reverse();
    let all = b.concat(&parts, 1)?;
    let fused = b.conv("linear_fuse", all, Conv { bias: false, ..Conv::patches(width, &[1, 1]) })?;
    let normed = b.within("batch_norm", |b| {
        let (weight, bias) = (b.parameter("weight", &[width])?, b.parameter("bias", &[width])?);
        let dtype = b.dtype;
        let mean = b.buffer("running_mean", dtype, &[width])?;
        let variance = b.buffer("running_var", dtype, &[width])?;
        let op = Normalization::BatchNorm { epsilon: 1e-5, training: false };
        b.node("batch_norm", Op::Normalization(op), &[fused, weight, bias, mean, variance])
    })?;
    let positive = b.unary(Unary::Relu, normed)?;
    b.conv("classifier", positive, Conv::patches(config.labels()?, &[1, 1]))
}
