//! Swin: attention inside windows of a map, shifted by half a window in every other layer; each stage halves the map.

use fusewright_ir::ValueId;
use fusewright_ir::ops::Copy;

use super::image::{any_images, depths, image_batch, mean, padded, pair, per_stage, times};
use crate::HfError;
use crate::attention::Core;
use crate::builder::{Builder, Norm};
use crate::config::Config;
use crate::conv::Conv;
use crate::models::{Head, Request};
use crate::multihead::{Projections, per_head};

/// Norms that the class gives no epsilon.
const NORM: Norm = Norm::Layer(1e-5);

/// One layer.
struct Layer {
    projections: Projections,
    norm: Norm,
    inner: u64,
    /// Height and width of a window, and of the window that the bias is for.
    window: u64,
    bias_window: u64,
    shift: u64,
}

pub(crate) fn swin(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    let image = if config.flag("use_absolute_embeddings")? {
        image_batch(b, config, request)?
    } else {
        any_images(b, config, request)?
    };
    let root = if request.head == Head::None { "" } else { "swin" };
    let (x, pooled) = b.within(root, |b| {
        let x = encoder(b, config, image)?;
        Ok((x, mean(b, x, &[1])?))
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

fn encoder(b: &mut Builder, config: &Config<'_>, image: ValueId) -> Result<ValueId, HfError> {
    let depths = depths(config, "depths")?;
    let heads = per_stage(config, "num_heads", depths.len())?;
    let (mut width, norm) = (config.size("embed_dim")?, Norm::Layer(config.float("layer_norm_eps")?));
    let mut x = b.within("embeddings", |b| embeddings(b, config, image, width))?;
    for (stage, (&depth, &heads)) in depths.iter().zip(&heads).enumerate() {
        x = b.within(&format!("encoder.layers.{stage}"), |b| {
            for index in 0..depth {
                let layer = Layer::of(config, width, heads, !index.is_multiple_of(2), b.shape(x).get(1..3))?;
                x = b.within(&format!("blocks.{index}"), |b| layer.build(b, config, x))?;
            }
            if stage + 1 < depths.len() {
                x = b.within("downsample", |b| {
                    let merged = b.node("patch_merge", Copy::PatchMerge, &[x])?;
                    let merged = b.norm("norm", merged, NORM)?;
                    b.linear("reduction", merged, 2 * width, false)
                })?;
            }
            Ok(x)
        })?;
        width = b.width(x);
    }
    let rows = b.reshape(x, &[b.extent(x, 0), b.extent(x, 1) * b.extent(x, 2), width])?;
    b.norm("layernorm", rows, norm)
}

/// Patches as a map `[batch, height, width, channels]`.
fn embeddings(b: &mut Builder, config: &Config<'_>, image: ValueId, width: u64) -> Result<ValueId, HfError> {
    let patch = pair(config, "patch_size")?;
    let missing = |axis: usize, patch: u64| {
        let extent = b.extent(image, axis);
        i64::try_from(extent.next_multiple_of(patch) - extent).unwrap_or(i64::MAX)
    };
    let (bottom, right) = (missing(2, patch[0]), missing(3, patch[1]));
    let image = if bottom == 0 && right == 0 {
        image
    } else {
        b.node("pad", Copy::Pad { pads: vec![0, 0, 0, 0, 0, bottom, 0, right], value: 0.0 }, &[image])?
    };
    let map = b.conv("patch_embeddings.projection", image, Conv::patches(width, &patch))?;
    let x = b.permute(map, &[0, 2, 3, 1])?;
    let x = b.norm("norm", x, NORM)?;
    if !config.flag("use_absolute_embeddings")? {
        return Ok(x);
    }
    let [height, width_in_patches] = [b.extent(x, 1), b.extent(x, 2)];
    let positions = b.parameter("position_embeddings", &[1, height * width_in_patches, width])?;
    let positions = b.reshape(positions, &[1, height, width_in_patches, width])?;
    b.add(x, positions)
}

impl Layer {
    fn of(config: &Config<'_>, width: u64, heads: u64, shifted: bool, map: Option<&[u64]>) -> Result<Self, HfError> {
        let full = config.size("window_size")?;
        // A window that covers the map along one side is not shifted.
        let smallest = map.unwrap_or_default().iter().copied().min().unwrap_or(1);
        let (window, shift) = if smallest <= full { (smallest.max(1), 0) } else { (full, full / 2) };
        let bias = config.flag("qkv_bias")?;
        Ok(Self {
            projections: Projections {
                names: ["q_proj", "k_proj", "v_proj", "o_proj"],
                biases: [bias, bias, bias, true],
                heads,
                width: per_head(config, "num_heads", width, heads)?,
            },
            norm: Norm::Layer(config.float("layer_norm_eps")?),
            inner: times(config, "mlp_ratio", width)?,
            window,
            bias_window: full,
            shift: if shifted { shift } else { 0 },
        })
    }

    fn build(&self, b: &mut Builder, config: &Config<'_>, x: ValueId) -> Result<ValueId, HfError> {
        let normed = b.norm("layernorm_before", x, self.norm)?;
        let attended = self.windows(b, normed)?;
        let x = b.add(x, attended)?;
        let normed = b.norm("layernorm_after", x, self.norm)?;
        let fed = b.within("mlp", |b| {
            let wide = b.linear("fc1", normed, self.inner, true)?;
            let wide = b.activation(config, "hidden_act", wide)?;
            b.linear("fc2", wide, b.width(x), true)
        })?;
        b.add(fed, x)
    }

    fn roll(&self, b: &mut Builder, x: ValueId, sign: i64) -> Result<ValueId, HfError> {
        if self.shift == 0 {
            return Ok(x);
        }
        let distance = sign * i64::try_from(self.shift).unwrap_or(i64::MAX);
        b.node("roll", Copy::Roll { shifts: vec![distance; 2], axes: vec![1, 2] }, &[x])
    }

    /// Attention inside the windows of a map.
    fn windows(&self, b: &mut Builder, x: ValueId) -> Result<ValueId, HfError> {
        let (batch, height, width, channels) = (b.extent(x, 0), b.extent(x, 1), b.extent(x, 2), b.extent(x, 3));
        let map = padded(b, x, self.window)?;
        let (whole_height, whole_width) = (b.extent(map, 1), b.extent(map, 2));
        let grid = [whole_height / self.window, whole_width / self.window];
        let map = self.roll(b, map, -1)?;
        let cut = b.reshape(map, &[batch, grid[0], self.window, grid[1], self.window, channels])?;
        let cut = b.permute(cut, &[0, 1, 3, 2, 4, 5])?;
        let rows = [batch * grid[0] * grid[1], self.window * self.window, channels];
        let windows = b.reshape(cut, &rows)?;
        let attended = b.within("attention", |b| {
            let mask = Some(self.mask(b, batch, grid)?);
            self.projections.attend(b, windows, &Core { mask, ..Core::default() })
        })?;
        let map = b.reshape(attended, &[batch, grid[0], grid[1], self.window, self.window, channels])?;
        let map = b.permute(map, &[0, 1, 3, 2, 4, 5])?;
        let map = b.reshape(map, &[batch, whole_height, whole_width, channels])?;
        let mut map = self.roll(b, map, 1)?;
        if whole_height > height {
            map = b.slice(map, 1, 0, height)?;
        }
        if whole_width > width {
            map = b.slice(map, 2, 0, width)?;
        }
        Ok(map)
    }

    /// The bias by distance, and what keeps windows of a shifted map from attending across its seam.
    fn mask(&self, b: &mut Builder, batch: u64, grid: [u64; 2]) -> Result<ValueId, HfError> {
        let bias =
            b.within("relative_position_bias", |b| b.grid_bias([self.bias_window; 2], 0, self.projections.heads))?;
        if self.shift == 0 {
            return Ok(bias);
        }
        let (window, shift) = ([self.window; 2], [self.shift; 2]);
        let mask = b.node("shift_mask", Copy::ShiftMask { grid, window, shift, dtype: b.dtype }, &[])?;
        let (windows, positions) = (b.extent(mask, 0), b.extent(mask, 1));
        let mut mask = b.reshape(mask, &[windows, 1, positions, positions])?;
        if batch > 1 {
            mask = b.node("repeat", Copy::Repeat { counts: vec![batch, 1, 1, 1] }, &[mask])?;
        }
        b.add(bias, mask)
    }
}
