//! Tensors at run time: elements behind a shape and strides, shared until somebody needs a copy.
//!
//! Floats of every width are computed as `f32`, integers as `i64`, truth values as bytes; the element type of the graph is kept beside them, and results are rounded to it.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use fusewright_ir::DType;

use crate::strided::{contiguous_strides, copy_strided};

/// Floats of a tensor: made by a node, or a part of a mapped file.
#[derive(Debug)]
pub(crate) enum Floats {
    Owned(Vec<f32>),
    Mapped(Bytes),
}

impl Floats {
    pub(crate) fn as_slice(&self) -> &[f32] {
        match self {
            Floats::Owned(values) => values,
            Floats::Mapped(bytes) => bytemuck::try_cast_slice(bytes).unwrap_or(&[]),
        }
    }
}

/// The elements behind a tensor.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Float(Arc<Floats>),
    Int(Arc<Vec<i64>>),
    Bool(Arc<Vec<u8>>),
}

/// A tensor with its elements.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<isize>,
    pub(crate) first: usize,
    pub(crate) data: Data,
}

/// How elements of a type are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Float,
    Int,
    Bool,
    /// Complex numbers: nothing computes with them.
    None,
}

pub(crate) fn class(dtype: DType) -> Class {
    match dtype {
        DType::Bool => Class::Bool,
        DType::C64 | DType::C128 => Class::None,
        dtype if dtype.is_float() => Class::Float,
        _ => Class::Int,
    }
}

impl Tensor {
    fn row_major(dtype: DType, shape: &[usize], data: Data) -> Self {
        Self { dtype, shape: shape.to_vec(), strides: contiguous_strides(shape), first: 0, data }
    }

    /// Floats, row-major; as many as the shape says.
    pub fn from_floats(dtype: DType, shape: &[usize], values: Vec<f32>) -> Self {
        debug_assert_eq!(values.len(), shape.iter().product::<usize>());
        Self::row_major(dtype, shape, Data::Float(Arc::new(Floats::Owned(values))))
    }

    pub(crate) fn mapped(dtype: DType, shape: &[usize], bytes: Bytes) -> Self {
        Self::row_major(dtype, shape, Data::Float(Arc::new(Floats::Mapped(bytes))))
    }

    /// Integers of any width, row-major.
    pub fn from_ints(dtype: DType, shape: &[usize], values: Vec<i64>) -> Self {
        Self::row_major(dtype, shape, Data::Int(Arc::new(values)))
    }

    /// Truth values, row-major.
    pub fn from_bools(shape: &[usize], values: Vec<u8>) -> Self {
        Self::row_major(DType::Bool, shape, Data::Bool(Arc::new(values)))
    }

    /// Element type in the graph.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    pub(crate) fn class(&self) -> Class {
        match self.data {
            Data::Float(_) => Class::Float,
            Data::Int(_) => Class::Int,
            Data::Bool(_) => Class::Bool,
        }
    }

    /// Address and bytes of the memory behind the tensor: which tensors share it, and how much is alive.
    pub(crate) fn memory(&self) -> (usize, u64) {
        match &self.data {
            Data::Float(data) => (Arc::as_ptr(data) as usize, 4 * data.as_slice().len() as u64),
            Data::Int(data) => (Arc::as_ptr(data) as usize, 8 * data.len() as u64),
            Data::Bool(data) => (Arc::as_ptr(data) as usize, data.len() as u64),
        }
    }

    pub(crate) fn is_contiguous(&self) -> bool {
        let mut step = 1_isize;
        self.shape.iter().zip(&self.strides).rev().all(|(&extent, &stride)| {
            let fits = extent <= 1 || stride == step;
            step *= extent.max(1).cast_signed();
            fits
        })
    }

    /// The same elements described otherwise.
    pub(crate) fn view(&self, shape: Vec<usize>, strides: Vec<isize>, first: usize) -> Self {
        Self { dtype: self.dtype, shape, strides, first, data: self.data.clone() }
    }

    /// Row-major without gaps: itself, or a copy.
    pub(crate) fn contiguous(&self) -> Tensor {
        if self.is_contiguous() { self.clone() } else { self.copied() }
    }

    /// A fresh row-major copy.
    pub(crate) fn copied(&self) -> Tensor {
        let data = match &self.data {
            Data::Float(data) => Data::Float(Arc::new(Floats::Owned(self.gathered(data.as_slice())))),
            Data::Int(data) => Data::Int(Arc::new(self.gathered(data))),
            Data::Bool(data) => Data::Bool(Arc::new(self.gathered(data))),
        };
        Self::row_major(self.dtype, &self.shape, data)
    }

    fn gathered<T: Copy + Send + Sync + Default>(&self, data: &[T]) -> Vec<T> {
        copy_strided(data, self.first, &self.shape, &self.strides)
    }

    /// All elements as floats in row-major order.
    pub fn floats(&self) -> Cow<'_, [f32]> {
        match &self.data {
            Data::Float(data) => {
                let data = data.as_slice();
                if self.is_contiguous() {
                    Cow::Borrowed(&data[self.first..self.first + self.elements()])
                } else {
                    Cow::Owned(self.gathered(data))
                }
            }
            #[expect(clippy::cast_possible_truncation, reason = "floats are computed as f32")]
            Data::Int(data) => Cow::Owned(self.gathered(data).into_iter().map(|value| value as f64 as f32).collect()),
            Data::Bool(data) => Cow::Owned(self.gathered(data).into_iter().map(f32::from).collect()),
        }
    }

    /// All elements as integers in row-major order; floats lose their fraction.
    pub fn ints(&self) -> Cow<'_, [i64]> {
        match &self.data {
            Data::Int(data) if self.is_contiguous() => Cow::Borrowed(&data[self.first..self.first + self.elements()]),
            Data::Int(data) => Cow::Owned(self.gathered(data)),
            #[expect(clippy::cast_possible_truncation, reason = "a conversion to integers drops the fraction")]
            Data::Float(_) => Cow::Owned(self.floats().iter().map(|&value| value as i64).collect()),
            Data::Bool(data) => Cow::Owned(self.gathered(data).into_iter().map(i64::from).collect()),
        }
    }

    /// All elements as truth values in row-major order: what is not zero holds.
    pub fn bools(&self) -> Cow<'_, [u8]> {
        match &self.data {
            Data::Bool(data) if self.is_contiguous() => Cow::Borrowed(&data[self.first..self.first + self.elements()]),
            Data::Bool(data) => Cow::Owned(self.gathered(data)),
            Data::Float(_) => Cow::Owned(self.floats().iter().map(|&value| u8::from(value != 0.0)).collect()),
            Data::Int(_) => Cow::Owned(self.ints().iter().map(|&value| u8::from(value != 0)).collect()),
        }
    }

    /// The floats behind the tensor where they lie, with the position of the first one.
    pub(crate) fn raw_floats(&self) -> Option<&[f32]> {
        match &self.data {
            Data::Float(data) => Some(data.as_slice()),
            _ => None,
        }
    }

    /// The same numbers as elements of another type.
    #[must_use]
    pub fn cast(&self, dtype: DType) -> Tensor {
        let shape = &self.shape;
        match (self.class(), class(dtype)) {
            (Class::Float, Class::Float) => {
                let narrower = matches!(dtype, DType::F16 | DType::Bf16 | DType::F8E4M3 | DType::F8E5M2);
                let same = Self { dtype, ..self.clone() };
                if narrower && dtype != self.dtype { same.rounded() } else { same }
            }
            (_, Class::Float) => Self::from_floats(dtype, shape, self.floats().into_owned()).rounded(),
            (Class::Int, Class::Int) if bits(dtype) >= bits(self.dtype) && !unsigned(dtype) => {
                Self { dtype, ..self.clone() }
            }
            (_, Class::Int) => {
                Self::from_ints(dtype, shape, self.ints().iter().map(|&value| wrapped(value, dtype)).collect())
            }
            (Class::Bool, Class::Bool) | (_, Class::None) => self.clone(),
            (_, Class::Bool) => Self::from_bools(shape, self.bools().into_owned()),
        }
    }

    /// Floats rounded to what their type in the graph can hold.
    pub(crate) fn rounded(self) -> Tensor {
        let round: fn(f32) -> f32 = match self.dtype {
            DType::F16 => |value| half::f16::from_f32(value).to_f32(),
            DType::Bf16 => |value| half::bf16::from_f32(value).to_f32(),
            _ => return self,
        };
        let Data::Float(_) = self.data else { return self };
        let values = self.floats().iter().map(|&value| round(value)).collect();
        Self::from_floats(self.dtype, &self.shape, values)
    }
}

fn bits(dtype: DType) -> u64 {
    dtype.bytes(1)
}

fn unsigned(dtype: DType) -> bool {
    matches!(dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64 | DType::U4)
}

/// An integer brought into the range of a narrower type, as a conversion in C does.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "conversion wraps on purpose")]
fn wrapped(value: i64, dtype: DType) -> i64 {
    match dtype {
        DType::I32 => i64::from(value as i32),
        DType::I16 => i64::from(value as i16),
        DType::I8 => i64::from(value as i8),
        DType::U8 => i64::from(value as u8),
        DType::U16 => i64::from(value as u16),
        DType::U32 => i64::from(value as u32),
        _ => value,
    }
}
