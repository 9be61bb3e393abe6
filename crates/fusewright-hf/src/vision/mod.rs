//! Models that see images. The size of an image is that of the configuration.

mod clip;
mod image;
mod swin;
mod vit;

pub(crate) use clip::{clip, clip_text, clip_vision, siglip, siglip_text, siglip_vision};
pub(crate) use swin::swin;
pub(crate) use vit::{beit, deit, dinov2, vit};
