//! Types that a file states, with its open sizes bound.

use fusewright_ir::{TensorType, checked_elements};

use super::dims::Sizes;
use super::proto::ValueType;
use super::tensor::dtype;

/// The tensor type that a file states for a value; `None` when it leaves something open.
pub(crate) fn stated(ty: &ValueType, sizes: &Sizes) -> Option<TensorType> {
    let tensor = ty.tensor.as_ref()?;
    let dims = tensor.shape.as_ref()?.dims.iter().map(|dim| match (dim.value, &dim.parameter) {
        (Some(value), _) => u64::try_from(value).ok(),
        (None, Some(text)) => sizes.evaluate(text),
        (None, None) => None,
    });
    let ty = TensorType::new(dtype(tensor.data_type).ok()?, dims.collect::<Option<Vec<_>>>()?);
    checked_elements(&ty.shape).map(|_| ty)
}
