//! `ConvNeXt`: convolutions channel by channel and linears, in stages that halve the map.

use fusewright_ir::ValueId;

use super::image::{any_images, depths, mean, per_stage};
use crate::HfError;
use crate::builder::{Builder, Norm};
use crate::config::Config;
use crate::conv::Conv;
use crate::models::{Head, Request};

const NORM: Norm = Norm::Layer(1e-6);

pub(crate) fn convnext(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    let image = any_images(b, config, request)?;
    let root = if request.head == Head::None { "" } else { "convnext" };
    let (x, pooled) = b.within(root, |b| {
        let x = stages(b, config, image)?;
        let pooled = mean(b, x, &[-2, -1])?;
        let norm = Norm::Layer(config.float("layer_norm_eps")?);
        Ok((x, b.norm("layernorm", pooled, norm)?))
    })?;
    if request.head == Head::None {
        b.results(&[x]);
        b.results(&[pooled]);
        return Ok(());
    }
    let logits = b.linear("classifier", pooled, config.labels()?, true)?;
    b.results(&[logits]);
    Ok(())
}

fn stages(b: &mut Builder, config: &Config<'_>, image: ValueId) -> Result<ValueId, HfError> {
    let depths = depths(config, "depths")?;
    let widths = per_stage(config, "hidden_sizes", depths.len())?;
    if config.optional_size("num_stages")?.is_some_and(|stages| stages != depths.len() as u64) {
        return Err(config.wrong("num_stages", format!("{}, the length of `depths`", depths.len())));
    }
    let patch = config.size("patch_size")?;
    let scaled = config.float("layer_scale_init_value")? > 0.0;
    let mut x = image;
    for (stage, (&depth, &width)) in depths.iter().zip(&widths).enumerate() {
        if stage == 0 {
            x = b.within("embeddings", |b| {
                let x = b.conv("patch_embeddings", x, Conv::patches(width, &[patch, patch]))?;
                channel_norm(b, "layernorm", x)
            })?;
        } else {
            x = b.within(&format!("encoder.stages.{stage}.downsampling_layer"), |b| {
                let x = channel_norm(b, "0", x)?;
                b.conv("1", x, Conv::patches(width, &[2, 2]))
            })?;
        }
        for index in 0..depth {
            x = b.within(&format!("encoder.stages.{stage}.layers.{index}"), |b| layer(b, config, scaled, x))?;
        }
    }
    Ok(x)
}

/// A norm of the channels of a map that has them before height and width.
fn channel_norm(b: &mut Builder, name: &str, x: ValueId) -> Result<ValueId, HfError> {
    let last = b.permute(x, &[0, 2, 3, 1])?;
    let normed = b.norm(name, last, NORM)?;
    b.permute(normed, &[0, 3, 1, 2])
}

fn layer(b: &mut Builder, config: &Config<'_>, scaled: bool, x: ValueId) -> Result<ValueId, HfError> {
    let width = b.extent(x, 1);
    let conv = Conv { out: width, kernel: &[7, 7], stride: &[1, 1], padding: 3, groups: width, bias: true };
    let near = b.conv("dwconv", x, conv)?;
    let last = b.permute(near, &[0, 2, 3, 1])?;
    let normed = b.norm("layernorm", last, NORM)?;
    let wide = b.linear("pwconv1", normed, 4 * width, true)?;
    let wide = b.activation(config, "hidden_act", wide)?;
    let mut narrow = b.linear("pwconv2", wide, width, true)?;
    if scaled {
        let factors = b.parameter("layer_scale_parameter", &[width])?;
        narrow = b.mul(factors, narrow)?;
    }
    let first = b.permute(narrow, &[0, 3, 1, 2])?;
    b.add(x, first)
}
