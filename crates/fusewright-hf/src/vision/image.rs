//! Images, and patches of them as tokens.

use fusewright_ir::ops::{Copy, ReduceKind, Reduction};
use fusewright_ir::{Op, ValueId};

use crate::HfError;
use crate::builder::Builder;
use crate::config::Config;
use crate::conv::Conv;
use crate::models::Request;
use crate::sizes::{BATCH, Dim};

/// Height and width under a key that holds one number for both, or two.
pub(super) fn pair(config: &Config<'_>, key: &str) -> Result<[u64; 2], HfError> {
    if config.value(key).is_some_and(serde_json::Value::is_array) {
        let sizes = config.sizes(key)?.unwrap_or_default();
        return match *sizes {
            [height, width] if height > 0 && width > 0 => Ok([height, width]),
            _ => Err(config.wrong(key, "a positive number, or two")),
        };
    }
    let size = config.size(key)?;
    Ok([size, size])
}

/// One number for each of the stages of a model, at least 1 each.
pub(super) fn per_stage(config: &Config<'_>, key: &str, stages: usize) -> Result<Vec<u64>, HfError> {
    let sizes = config.sizes(key)?.unwrap_or_default();
    if sizes.len() != stages || sizes.contains(&0) {
        return Err(config.wrong(key, format!("a list of {stages} positive numbers, one for each stage")));
    }
    Ok(sizes)
}

/// The stages that a list under a key tells the depths of.
pub(super) fn depths(config: &Config<'_>, key: &str) -> Result<Vec<u64>, HfError> {
    const STAGES: usize = 8;
    let depths = config.sizes(key)?.unwrap_or_default();
    let total = depths.iter().fold(0_u64, |sum, &depth| sum.saturating_add(depth));
    if depths.is_empty() || depths.len() > STAGES || total > crate::config::MAX_LAYERS {
        return Err(config.wrong(key, format!("a list of at most {STAGES} numbers of layers")));
    }
    Ok(depths)
}

/// A width times a factor that need not be whole, rounded down.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
pub(super) fn times(config: &Config<'_>, key: &str, width: u64) -> Result<u64, HfError> {
    let ratio = config.float(key)?;
    let product = width as f64 * ratio;
    if (1.0..1e12).contains(&product) { Ok(product as u64) } else { Err(config.wrong(key, "a factor such as 4")) }
}

/// The images that a configuration describes, `[batch, channels, height, width]`.
pub(super) fn images(b: &mut Builder, config: &Config<'_>, batch: u64) -> Result<ValueId, HfError> {
    let [height, width] = pair(config, "image_size")?;
    b.input("pixel_values", b.dtype, &[batch, config.size("num_channels")?, height, width])
}

/// The same where nothing else is a dim.
pub(super) fn image_batch(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<ValueId, HfError> {
    let [batch] = request.dims(b, [BATCH])?;
    images(b, config, batch)
}

/// Images of a model that has no table of positions, so that they may have any size.
pub(super) fn any_images(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<ValueId, HfError> {
    const IMAGE: &str = "image";
    const USUAL: u64 = 224;
    let size = if config.value("image_size").is_some() { pair(config, "image_size")? } else { [USUAL; 2] };
    let [batch, asked] = request.dims(b, [BATCH, Dim { name: IMAGE, default: size[0] }])?;
    let [height, width] = if request.options.bindings.get(IMAGE).is_some() { [asked; 2] } else { size };
    b.input("pixel_values", b.dtype, &[batch, config.size("num_channels")?, height, width])
}

/// Patches as rows `[batch, patches, width]`, and how many there are along height and width.
pub(super) fn patches(
    b: &mut Builder,
    config: &Config<'_>,
    name: &str,
    image: ValueId,
    width: u64,
    bias: bool,
) -> Result<(ValueId, [u64; 2]), HfError> {
    let patch = pair(config, "patch_size")?;
    let map = b.conv(name, image, Conv { bias, ..Conv::patches(width, &patch) })?;
    let grid = [b.extent(map, 2), b.extent(map, 3)];
    Ok((b.map_rows(map)?, grid))
}

/// Learned tokens `[1, 1, width]` of this module before those of x.
pub(super) fn with_tokens(b: &mut Builder, names: &[&str], x: ValueId) -> Result<ValueId, HfError> {
    let (batch, width) = (b.extent(x, 0), b.width(x));
    let mut parts = Vec::new();
    for name in names {
        let token = b.parameter(name, &[1, 1, width])?;
        parts.push(b.expand(token, &[batch, 1, width])?);
    }
    if parts.is_empty() {
        return Ok(x);
    }
    parts.push(x);
    b.concat(&parts, 1)
}

/// The mean over axes that disappear.
pub(super) fn mean(b: &mut Builder, x: ValueId, axes: &[i64]) -> Result<ValueId, HfError> {
    b.node("mean", Op::Reduction(Reduction::Reduce { kind: ReduceKind::Mean, axes: axes.to_vec(), keep: false }), &[x])
}

/// Zeros after the height and width of a map `[batch, height, width, channels]`, up to multiples of a window.
pub(super) fn padded(b: &mut Builder, x: ValueId, window: u64) -> Result<ValueId, HfError> {
    let missing = |extent: u64| i64::try_from(extent.next_multiple_of(window) - extent).unwrap_or(i64::MAX);
    let (bottom, right) = (missing(b.extent(x, 1)), missing(b.extent(x, 2)));
    if bottom == 0 && right == 0 {
        return Ok(x);
    }
    b.node("pad", Copy::Pad { pads: vec![0, 0, 0, bottom, 0, right, 0, 0], value: 0.0 }, &[x])
}
