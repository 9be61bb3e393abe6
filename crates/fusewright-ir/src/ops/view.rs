//! Views: other descriptions of the same memory. They cost nothing unless [`Storage`](crate::Storage) finds that the
//! described layout cannot exist without a copy.

use smallvec::SmallVec;

use super::{Results, ShapeError, axis_position, broadcast, check_size, one, tensor};
use crate::{AttributeError, Attributes, DType, Shape, TensorType, Type};

/// What a subscript does with one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Index {
    /// Keeps `length` indices from `start`, `step` apart.
    Range {
        /// First index.
        start: u64,
        /// Number of indices.
        length: u64,
        /// Distance between indices.
        step: u64,
    },
    /// Takes one index; the axis disappears.
    At(u64),
    /// Inserts an axis of extent 1 here.
    New,
}

/// The view ops; operand x comes first, further operands are host values that the source computed sizes with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// Another shape with the same elements in the same order (view, flatten, squeeze, unsqueeze…).
    Reshape {
        /// The new shape.
        shape: Shape,
    },
    /// Axes in another order.
    Permute {
        /// Source axis of each result axis.
        axes: SmallVec<[u32; 6]>,
    },
    /// Extents of 1 repeated without copying.
    Expand {
        /// The new shape.
        shape: Shape,
    },
    /// A range of one axis.
    Slice {
        /// The axis.
        axis: u32,
        /// First index.
        start: u64,
        /// Number of indices.
        length: u64,
        /// Distance between indices.
        step: u64,
    },
    /// One index of an axis, which disappears.
    Select {
        /// The axis.
        axis: u32,
        /// Which index.
        index: u64,
    },
    /// A bracket expression such as `x[:, 0, None]`: one entry per axis of x, new axes between them.
    Subscript {
        /// The entries.
        items: Vec<Index>,
    },
    /// Consecutive ranges of one axis, one result each.
    Split {
        /// The axis.
        axis: u32,
        /// Extents of the results.
        sizes: Vec<u64>,
    },
    /// Each index of an axis as a result, the axis disappears.
    Unbind {
        /// The axis.
        axis: u32,
    },
    /// The same bytes as elements of another type (a complex number as two floats, or back).
    Reinterpret {
        /// The new element type.
        dtype: DType,
        /// The new shape.
        shape: Shape,
    },
    /// Results are the operands themselves, one for one: tuples, `getitem`, `detach`, identity modules.
    Alias,
}

impl View {
    pub(crate) fn mnemonic(&self) -> &'static str {
        match self {
            View::Reshape { .. } => "reshape",
            View::Permute { .. } => "permute",
            View::Expand { .. } => "expand",
            View::Slice { .. } => "slice",
            View::Select { .. } => "select",
            View::Subscript { .. } => "subscript",
            View::Split { .. } => "split",
            View::Unbind { .. } => "unbind",
            View::Reinterpret { .. } => "reinterpret",
            View::Alias => "alias",
        }
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        let size = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        match self {
            View::Reshape { shape } | View::Expand { shape } => attributes.set_ints("shape", shape),
            View::Permute { axes } => attributes.set_ints("axes", axes),
            View::Slice { axis, start, length, step } => {
                attributes.set_int("axis", i64::from(*axis));
                attributes.set_int("start", size(*start));
                attributes.set_int("length", size(*length));
                attributes.set_int("step", size(*step));
            }
            View::Select { axis, index } => {
                attributes.set_int("axis", i64::from(*axis));
                attributes.set_int("index", size(*index));
            }
            View::Subscript { items } => {
                let texts: Vec<String> = items.iter().map(index_text).collect();
                attributes.set_text("items", &texts.join(" "));
            }
            View::Split { axis, sizes } => {
                attributes.set_int("axis", i64::from(*axis));
                attributes.set_ints("sizes", sizes);
            }
            View::Unbind { axis } => attributes.set_int("axis", i64::from(*axis)),
            View::Reinterpret { dtype, shape } => {
                attributes.set_text("dtype", dtype.name());
                attributes.set_ints("shape", shape);
            }
            View::Alias => {}
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        let axis = |attributes: &mut Attributes| {
            u32::try_from(attributes.int("axis")?).map_err(|_| crate::attributes::invalid("axis", "non-negative"))
        };
        Ok(Some(match mnemonic {
            "reshape" => View::Reshape { shape: attributes.ints("shape")?.into() },
            "expand" => View::Expand { shape: attributes.ints("shape")?.into() },
            "permute" => View::Permute { axes: attributes.ints("axes")?.into() },
            "slice" => View::Slice {
                axis: axis(attributes)?,
                start: attributes.size("start")?,
                length: attributes.size("length")?,
                step: attributes.size("step")?,
            },
            "select" => View::Select { axis: axis(attributes)?, index: attributes.size("index")? },
            "subscript" => {
                let texts = attributes.text("items")?;
                let items = texts.split_whitespace().map(index_from_text).collect::<Option<Vec<_>>>();
                let expected = "entries such as `0:5:1` (start:length:step), `@3` or `new`";
                View::Subscript { items: items.ok_or_else(|| crate::attributes::invalid("items", expected))? }
            }
            "split" => View::Split { axis: axis(attributes)?, sizes: attributes.ints("sizes")? },
            "unbind" => View::Unbind { axis: axis(attributes)? },
            "reinterpret" => View::Reinterpret {
                dtype: DType::from_name(&attributes.text("dtype")?)
                    .ok_or_else(|| crate::attributes::invalid("dtype", "a dtype name such as \"c64\""))?,
                shape: attributes.ints("shape")?.into(),
            },
            "alias" => View::Alias,
            _ => return Ok(None),
        }))
    }

    pub(crate) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        if matches!(self, View::Alias) {
            return Ok(inputs.iter().map(|&ty| ty.clone()).collect());
        }
        let x = tensor(inputs, 0)?;
        let extent = |axis: u32| -> Result<(usize, u64), ShapeError> {
            let position = axis_position(i64::from(axis), x.rank())?;
            Ok((position, x.shape[position]))
        };
        match self {
            View::Reshape { shape } => {
                check_size(shape)?;
                let result = x.with_shape(shape.iter().copied());
                if result.elements() != x.elements() {
                    let (found, wanted) = (x.shape.as_slice(), shape.as_slice());
                    return Err(ShapeError::new(format!("reshape: {found:?} and {wanted:?} differ in elements")));
                }
                one(result)
            }
            View::Reinterpret { dtype, shape } => {
                check_size(shape)?;
                let result = TensorType::new(*dtype, shape.iter().copied());
                if result.bytes() == x.bytes() {
                    one(result)
                } else {
                    Err(ShapeError::new(format!("reinterpret: {} bytes as {}", x.bytes(), result.bytes())))
                }
            }
            View::Expand { shape } => {
                let joined = broadcast([x.shape.as_slice(), shape.as_slice()])?;
                if joined == *shape {
                    one(x.with_shape(joined))
                } else {
                    Err(ShapeError::new(format!("expand: {:?} does not expand to {shape:?}", x.shape)))
                }
            }
            View::Permute { axes } => {
                let mut seen = vec![false; x.rank()];
                let fresh = |&axis: &u32| seen.get_mut(axis as usize).is_some_and(|s| !std::mem::replace(s, true));
                if axes.len() != x.rank() || !axes.iter().all(fresh) {
                    return Err(ShapeError::new(format!("permute: axes must be a permutation of 0..{}", x.rank())));
                }
                one(x.with_shape(axes.iter().map(|&axis| x.shape[axis as usize])))
            }
            View::Slice { axis, start, length, step } => {
                let (position, available) = extent(*axis)?;
                check_range(*start, *length, *step, available)?;
                let mut shape = x.shape.clone();
                shape[position] = *length;
                one(x.with_shape(shape))
            }
            View::Select { axis, index } => {
                let (position, available) = extent(*axis)?;
                if *index >= available {
                    return Err(ShapeError::new(format!("select: index {index} leaves an axis of extent {available}")));
                }
                one(without_axis(x, position))
            }
            View::Subscript { items } => {
                let mut shape = Shape::new();
                let mut axes = x.shape.iter();
                let mut next = || axes.next().ok_or_else(|| ShapeError::new("subscript: more entries than axes"));
                for item in items {
                    match *item {
                        Index::New => shape.push(1),
                        Index::At(index) => check_range(index, 1, 1, *next()?)?,
                        Index::Range { start, length, step } => {
                            check_range(start, length, step, *next()?)?;
                            shape.push(length);
                        }
                    }
                }
                if axes.next().is_some() {
                    return Err(ShapeError::new("subscript: every axis needs an entry"));
                }
                one(x.with_shape(shape))
            }
            View::Split { axis, sizes } => {
                let (position, available) = extent(*axis)?;
                if sizes.iter().try_fold(0_u64, |sum, &size| sum.checked_add(size)) != Some(available) {
                    return Err(ShapeError::new(format!("split: the sizes must add up to {available}")));
                }
                let part = |&size: &u64| {
                    let mut shape = x.shape.clone();
                    shape[position] = size;
                    Type::Tensor(x.with_shape(shape))
                };
                Ok(sizes.iter().map(part).collect())
            }
            View::Unbind { axis } => {
                let (position, available) = extent(*axis)?;
                if available > 1 << 20 {
                    return Err(ShapeError::new("unbind: more than 2^20 results"));
                }
                Ok((0..available).map(|_| Type::Tensor(without_axis(x, position))).collect())
            }
            View::Alias => unreachable!("handled above"),
        }
    }
}

fn check_range(start: u64, length: u64, step: u64, available: u64) -> Result<(), ShapeError> {
    let last = length.checked_sub(1).map(|n| n.saturating_mul(step).saturating_add(start));
    if step == 0 || last.is_some_and(|last| last >= available) {
        return Err(ShapeError::new(format!("the range leaves an axis of extent {available}")));
    }
    Ok(())
}

fn index_text(index: &Index) -> String {
    match index {
        Index::Range { start, length, step } => format!("{start}:{length}:{step}"),
        Index::At(index) => format!("@{index}"),
        Index::New => "new".to_owned(),
    }
}

fn index_from_text(text: &str) -> Option<Index> {
    if text == "new" {
        return Some(Index::New);
    }
    if let Some(index) = text.strip_prefix('@') {
        return Some(Index::At(index.parse().ok()?));
    }
    let mut numbers = text.split(':').map(|number| number.parse::<u64>().ok());
    let range = Index::Range { start: numbers.next()??, length: numbers.next()??, step: numbers.next()?? };
    numbers.next().is_none().then_some(range)
}

fn without_axis(x: &TensorType, position: usize) -> TensorType {
    let mut shape = x.shape.clone();
    shape.remove(position);
    x.with_shape(shape)
}
