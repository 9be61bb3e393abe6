//! The op of a node: one variant per family, and the dispatch to it.

use smallvec::SmallVec;

use crate::ops::{
    Attention, Contraction, Convolution, Copy, Gather, Host, Normalization, Opaque, Pointwise, Pooling, Reduction,
    Results, Scatter, ShapeError, View,
};
use crate::{AttributeError, Attributes, DType, Type, Work};

/// What a node computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Sums of products: linear, matmul, einsum.
    Contraction(Contraction),
    /// Convolutions.
    Convolution(Box<Convolution>),
    /// Pooling.
    Pooling(Box<Pooling>),
    /// Norms and softmax.
    Normalization(Normalization),
    /// Element by element.
    Pointwise(Pointwise),
    /// Axes folded.
    Reduction(Reduction),
    /// Other descriptions of the same memory.
    View(Box<View>),
    /// Memory moved or filled.
    Copy(Box<Copy>),
    /// Rows or elements picked by index.
    Gather(Gather),
    /// Rows or elements replaced by index.
    Scatter(Scatter),
    /// Attention macro-ops.
    Attention(Attention),
    /// Work on the host.
    Host(Host),
    /// Carried, not understood.
    Opaque(Box<Opaque>),
}

impl From<View> for Op {
    fn from(view: View) -> Self {
        Op::View(Box::new(view))
    }
}

impl From<Copy> for Op {
    fn from(copy: Copy) -> Self {
        Op::Copy(Box::new(copy))
    }
}

impl Op {
    /// Name in the text form.
    pub fn mnemonic(&self) -> &'static str {
        match self {
            Op::Contraction(op) => op.mnemonic(),
            Op::Convolution(op) => op.mnemonic(),
            Op::Pooling(op) => op.mnemonic(),
            Op::Normalization(op) => op.mnemonic(),
            Op::Pointwise(op) => op.mnemonic(),
            Op::Reduction(op) => op.mnemonic(),
            Op::View(op) => op.mnemonic(),
            Op::Copy(op) => op.mnemonic(),
            Op::Gather(op) => op.mnemonic(),
            Op::Scatter(op) => op.mnemonic(),
            Op::Attention(op) => op.mnemonic(),
            Op::Host(op) => op.mnemonic(),
            Op::Opaque(_) => "opaque",
        }
    }

    /// Settings as attributes.
    pub fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::default();
        match self {
            Op::Contraction(op) => op.write(&mut attributes),
            Op::Convolution(op) => op.write(&mut attributes),
            Op::Pooling(op) => op.write(&mut attributes),
            Op::Normalization(op) => op.write(&mut attributes),
            Op::Pointwise(op) => op.write(&mut attributes),
            Op::Reduction(op) => op.write(&mut attributes),
            Op::View(op) => op.write(&mut attributes),
            Op::Copy(op) => op.write(&mut attributes),
            Op::Gather(op) => op.write(&mut attributes),
            Op::Scatter(op) => op.write(&mut attributes),
            Op::Attention(op) => op.write(&mut attributes),
            Op::Host(op) => op.write(&mut attributes),
            Op::Opaque(op) => op.write(&mut attributes),
        }
        attributes
    }

    /// The op with this mnemonic and these attributes; `Ok(None)` when no op has the name.
    pub fn from_parts(mnemonic: &str, mut attributes: Attributes) -> Result<Option<Op>, AttributeError> {
        let given = &mut attributes;
        let op = if let Some(op) = Contraction::read(mnemonic, given)? {
            Op::Contraction(op)
        } else if let Some(op) = Convolution::read(mnemonic, given)? {
            Op::Convolution(Box::new(op))
        } else if let Some(op) = Pooling::read(mnemonic, given)? {
            Op::Pooling(Box::new(op))
        } else if let Some(op) = Normalization::read(mnemonic, given)? {
            Op::Normalization(op)
        } else if let Some(op) = Pointwise::read(mnemonic, given)? {
            Op::Pointwise(op)
        } else if let Some(op) = Reduction::read(mnemonic, given)? {
            Op::Reduction(op)
        } else if let Some(op) = View::read(mnemonic, given)? {
            op.into()
        } else if let Some(op) = Copy::read(mnemonic, given)? {
            op.into()
        } else if let Some(op) = Gather::read(mnemonic, given)? {
            Op::Gather(op)
        } else if let Some(op) = Scatter::read(mnemonic, given)? {
            Op::Scatter(op)
        } else if let Some(op) = Attention::read(mnemonic, given)? {
            Op::Attention(op)
        } else if let Some(op) = Host::read(mnemonic, given)? {
            Op::Host(op)
        } else if let Some(op) = Opaque::read(mnemonic, given)? {
            Op::Opaque(Box::new(op))
        } else {
            return Ok(None);
        };
        attributes.finish()?;
        Ok(Some(op))
    }

    /// The result types for operands of these types; `Ok(None)` where only the source knows them (host and opaque ops).
    pub fn infer(&self, inputs: &[&Type]) -> Result<Option<Results>, ShapeError> {
        match self {
            Op::Contraction(op) => op.infer(inputs),
            Op::Convolution(op) => op.infer(inputs),
            Op::Pooling(op) => op.infer(inputs),
            Op::Normalization(op) => op.infer(inputs),
            Op::Pointwise(op) => op.infer(inputs),
            Op::Reduction(op) => op.infer(inputs),
            Op::View(op) => op.infer(inputs),
            Op::Copy(op) => op.infer(inputs),
            Op::Gather(op) => op.infer(inputs),
            Op::Scatter(op) => op.infer(inputs),
            Op::Attention(op) => op.infer(inputs),
            Op::Host(Host::Assert) => Ok(SmallVec::new()),
            Op::Host(_) | Op::Opaque(_) => return Ok(None),
        }
        .map(Some)
    }

    /// The arithmetic of one application.
    pub fn work(&self, inputs: &[&Type], outputs: &[&Type]) -> Work {
        match self {
            Op::Contraction(op) => op.work(inputs, outputs),
            Op::Convolution(op) => op.work(inputs, outputs),
            Op::Pooling(op) => op.work(inputs, outputs),
            Op::Normalization(op) => op.work(inputs, outputs),
            Op::Pointwise(op) => op.work(inputs, outputs),
            Op::Reduction(op) => op.work(inputs, outputs),
            Op::Attention(op) => op.work(inputs, outputs),
            Op::View(_) | Op::Copy(_) | Op::Gather(_) | Op::Scatter(_) | Op::Host(_) | Op::Opaque(_) => Work::default(),
        }
    }

    /// True for host work: no device bytes, nothing launched.
    pub fn is_host(&self) -> bool {
        matches!(self, Op::Host(_))
    }

    pub(crate) fn set_float_dtype(&mut self, new: DType) {
        if let Op::Copy(copy) = self
            && let Copy::Cast { dtype }
            | Copy::Full { dtype, .. }
            | Copy::Range { dtype, .. }
            | Copy::Steps { dtype, .. }
            | Copy::ShiftMask { dtype, .. } = &mut **copy
            && dtype.is_float()
        {
            *dtype = new;
        }
    }
}
