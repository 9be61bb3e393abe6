//! Scatters: a tensor with some of its elements replaced or added to. The graph is in single assignment form, so the
//! result is a new tensor; writes in place through a view are written so too.

use super::{Results, ShapeError, View, axis_position, broadcast, one, tensor};
use crate::{AttributeError, Attributes, Type};

/// The scattering ops. Operands x, values, then the indices; the result is shaped like x.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scatter {
    /// The part of x that a view describes is replaced; operands x, values shaped like the view's result.
    Write {
        /// Which part: a view with one result.
        view: Box<View>,
    },
    /// Single elements along an axis; operands x, values, indices of one shape.
    Elements {
        /// The axis.
        axis: i64,
        /// Values are added instead of replacing.
        add: bool,
    },
    /// Slices along an axis; operands x, values, indices `[n]`.
    Slices {
        /// The axis.
        axis: i64,
        /// Values are added instead of replacing.
        add: bool,
    },
    /// Elements addressed along several axes at once; operands x, values, one index tensor per axis.
    Indexed {
        /// The addressed axes, ascending.
        axes: Vec<u32>,
        /// Values are added instead of replacing.
        add: bool,
    },
    /// Where a mask holds, the values in order; operands x, values, mask.
    Masked,
    /// Slices addressed by index vectors; operands x, values, indices `[.., n]` (ONNX `ScatterND`).
    Nd {
        /// Values are added instead of replacing.
        add: bool,
    },
}

impl Scatter {
    pub(crate) fn mnemonic(&self) -> &'static str {
        match self {
            Scatter::Write { .. } => "write",
            Scatter::Elements { .. } => "scatter",
            Scatter::Slices { .. } => "scatter_slices",
            Scatter::Indexed { .. } => "scatter_indexed",
            Scatter::Masked => "scatter_masked",
            Scatter::Nd { .. } => "scatter_nd",
        }
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        match self {
            Scatter::Write { view } => {
                attributes.set_text("view", view.mnemonic());
                view.write(attributes);
            }
            Scatter::Elements { axis, add } | Scatter::Slices { axis, add } => {
                attributes.set_int("axis", *axis);
                attributes.set_flag("add", *add);
            }
            Scatter::Indexed { axes, add } => {
                attributes.set_ints("axes", axes);
                attributes.set_flag("add", *add);
            }
            Scatter::Nd { add } => attributes.set_flag("add", *add),
            Scatter::Masked => {}
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        Ok(Some(match mnemonic {
            "write" => {
                let name = attributes.text("view")?;
                let view = View::read(&name, attributes)?;
                let view = view.ok_or_else(|| crate::attributes::invalid("view", "the name of a view"))?;
                Scatter::Write { view: Box::new(view) }
            }
            "scatter" => Scatter::Elements { axis: attributes.int("axis")?, add: attributes.flag("add")? },
            "scatter_slices" => Scatter::Slices { axis: attributes.int("axis")?, add: attributes.flag("add")? },
            "scatter_indexed" => Scatter::Indexed { axes: attributes.ints("axes")?, add: attributes.flag("add")? },
            "scatter_masked" => Scatter::Masked,
            "scatter_nd" => Scatter::Nd { add: attributes.flag("add")? },
            _ => return Ok(None),
        }))
    }

    pub(crate) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        let (x, values) = (tensor(inputs, 0)?, tensor(inputs, 1)?);
        let indices = |count: usize| {
            if inputs.len() == count + 2 {
                (2..inputs.len()).map(|index| tensor(inputs, index)).collect::<Result<Vec<_>, _>>()
            } else {
                Err(ShapeError::new(format!("{} takes {} tensors", self.mnemonic(), count + 2)))
            }
        };
        match self {
            Scatter::Write { view } => {
                indices(0)?;
                let part = view.infer(&inputs[..1])?;
                let [Type::Tensor(part)] = part.as_slice() else {
                    return Err(ShapeError::new("write: the view must have one result"));
                };
                if part.shape != values.shape {
                    let (found, wanted) = (values.shape.as_slice(), part.shape.as_slice());
                    return Err(ShapeError::new(format!(
                        "write: the values have shape {found:?}, expected {wanted:?}"
                    )));
                }
            }
            Scatter::Elements { axis, .. } => {
                axis_position(*axis, x.rank())?;
                if indices(1)?[0].rank() != x.rank() {
                    return Err(ShapeError::new("scatter: the indices must have the rank of x"));
                }
            }
            Scatter::Slices { axis, .. } => {
                let position = axis_position(*axis, x.rank())?;
                let count = indices(1)?[0].elements();
                if values.rank() != x.rank() || values.shape[position] != count {
                    return Err(ShapeError::new(format!("scatter_slices: {count} slices of x are needed")));
                }
            }
            Scatter::Indexed { axes, .. } => {
                let indices = indices(axes.len())?;
                let rank = u32::try_from(x.rank()).unwrap_or(u32::MAX);
                if axes.is_empty() || !axes.is_sorted_by(|a, b| a < b) || axes.iter().any(|&axis| axis >= rank) {
                    return Err(ShapeError::new("scatter_indexed: the axes must ascend and exist"));
                }
                broadcast(indices.iter().map(|index| index.shape.as_slice()))?;
            }
            Scatter::Masked => {
                let mask = indices(1)?[0];
                if broadcast([x.shape.as_slice(), mask.shape.as_slice()])? != x.shape {
                    return Err(ShapeError::new("scatter_masked: the mask must broadcast to x"));
                }
            }
            Scatter::Nd { .. } => {
                let addressed = indices(1)?[0].shape.last().copied().unwrap_or(0);
                if addressed > x.rank() as u64 {
                    return Err(ShapeError::new("scatter_nd: the indices address more axes than x has"));
                }
            }
        }
        one(x.with_shape(x.shape.iter().copied()))
    }
}
