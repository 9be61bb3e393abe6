//! Attention macro-ops: what a source calls one op. `fusewright-pattern` decomposes those that hold projections.

mod multihead;
mod scaled_dot_product;
mod shifted_window;

pub use multihead::{Extents, MultiheadAttention, Operand};
pub use scaled_dot_product::ScaledDotProduct;
pub use shifted_window::{ShiftedWindow, WindowOperand, Windows};

use super::{Results, ShapeError};
use crate::{AttributeError, Attributes, Type, Work};

/// The attention macro-ops.
#[derive(Clone, Debug, PartialEq)]
pub enum Attention {
    /// A whole layer.
    Multihead(Box<MultiheadAttention>),
    /// A whole layer inside windows of a map.
    ShiftedWindow(Box<ShiftedWindow>),
    /// The core.
    ScaledDotProduct(ScaledDotProduct),
}

impl Attention {
    pub(crate) fn mnemonic(&self) -> &'static str {
        match self {
            Attention::Multihead(_) => "multihead_attention",
            Attention::ShiftedWindow(_) => "shifted_window_attention",
            Attention::ScaledDotProduct(_) => "scaled_dot_product_attention",
        }
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        match self {
            Attention::Multihead(layer) => layer.write(attributes),
            Attention::ShiftedWindow(layer) => layer.write(attributes),
            Attention::ScaledDotProduct(core) => core.write(attributes),
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        Ok(Some(match mnemonic {
            "multihead_attention" => Attention::Multihead(Box::new(MultiheadAttention::read(attributes)?)),
            "shifted_window_attention" => Attention::ShiftedWindow(Box::new(ShiftedWindow::read(attributes)?)),
            "scaled_dot_product_attention" => Attention::ScaledDotProduct(ScaledDotProduct::read(attributes)?),
            _ => return Ok(None),
        }))
    }

    pub(crate) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        match self {
            Attention::Multihead(layer) => layer.infer(inputs),
            Attention::ShiftedWindow(layer) => layer.infer(inputs),
            Attention::ScaledDotProduct(core) => core.infer(inputs),
        }
    }

    pub(crate) fn work(&self, inputs: &[&Type], outputs: &[&Type]) -> Work {
        match self {
            Attention::Multihead(layer) => layer.work(inputs),
            Attention::ShiftedWindow(layer) => layer.work(inputs),
            Attention::ScaledDotProduct(core) => core.work(inputs, outputs),
        }
    }
}
