//! Convolutions as modules.

use fusewright_ir::ops::{Convolution, Padding};
use fusewright_ir::{Op, ValueId};

use crate::HfError;
use crate::builder::Builder;

/// A convolution of as many spatial axes as the kernel has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conv<'k> {
    pub(crate) out: u64,
    pub(crate) kernel: &'k [u64],
    /// The same along every axis unless the kernel is one patch.
    pub(crate) stride: &'k [u64],
    /// Zeros on both sides of every axis.
    pub(crate) padding: u64,
    pub(crate) groups: u64,
    pub(crate) bias: bool,
}

impl<'k> Conv<'k> {
    /// Patches side by side, each made one row.
    pub(crate) fn patches(out: u64, patch: &'k [u64]) -> Self {
        Self { out, kernel: patch, stride: patch, padding: 0, groups: 1, bias: true }
    }
}

impl Builder {
    /// A convolution of `[batch, channels, ..]` as the module `name`, with its parameters.
    pub(crate) fn conv(&mut self, name: &str, x: ValueId, conv: Conv<'_>) -> Result<ValueId, HfError> {
        self.within(name, |b| {
            let mut shape = vec![conv.out, b.extent(x, 1) / conv.groups.max(1)];
            shape.extend(conv.kernel);
            let weight = b.parameter("weight", &shape)?;
            let mut inputs = vec![x, weight];
            if conv.bias {
                inputs.push(b.parameter("bias", &[conv.out])?);
            }
            let op = Convolution {
                stride: conv.stride.to_vec(),
                padding: Padding::Explicit(vec![conv.padding; conv.kernel.len()]),
                dilation: vec![1; conv.kernel.len()],
                groups: conv.groups,
                transposed: None,
            };
            let name = if conv.kernel.len() == 1 { "conv1d" } else { "conv2d" };
            b.node(name, Op::Convolution(Box::new(op)), &inputs)
        })
    }

    /// A map `[batch, channels, height, width]` as rows `[batch, height · width, channels]`.
    pub(crate) fn map_rows(&mut self, x: ValueId) -> Result<ValueId, HfError> {
        let [batch, channels] = [self.extent(x, 0), self.extent(x, 1)];
        let flat = self.reshape(x, &[batch, channels, self.extent(x, 2) * self.extent(x, 3)])?;
        self.permute(flat, &[0, 2, 1])
    }
}
