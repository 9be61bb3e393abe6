//! Models that see images. The size of an image is that of the configuration; a model without a
//! table of positions takes any size.

mod clip;
mod convnext;
mod image;
mod segformer;
mod swin;
mod vit;

pub(crate) use clip::{clip, clip_text, clip_vision, siglip, siglip_text, siglip_vision};
pub(crate) use convnext::convnext;
pub(crate) use segformer::segformer;
pub(crate) use swin::swin;
pub(crate) use vit::{beit, deit, dinov2, vit};
