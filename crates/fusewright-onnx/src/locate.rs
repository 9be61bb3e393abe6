//! Where the elements of a literal lie, for whoever runs the model.

use bytes::Bytes;
use fusewright_ir::{Content, DType, Stored, TensorType};

use super::content::{self, Elements};
use super::external;
use super::proto::Tensor;
use super::tensor;

/// The file that is being read, known by the address of its bytes: byte strings of the message are parts of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole {
    start: usize,
    end: usize,
}

impl Whole {
    pub(crate) fn of(model: &Bytes) -> Self {
        let start = model.as_ptr() as usize;
        Self { start, end: start.saturating_add(model.len()) }
    }

    /// The place of a part of the file; `None` for bytes that were copied.
    fn place(self, part: &Bytes, dtype: DType) -> Option<Content> {
        let first = part.as_ptr() as usize;
        let end = first.checked_add(part.len())?;
        let inside = !part.is_empty() && first >= self.start && end <= self.end;
        let offset = first.checked_sub(self.start).filter(|_| inside)? as u64;
        Some(Content::Stored(Stored { file: None, offset, length: part.len() as u64, dtype, strides: None, first: 0 }))
    }

    /// What a literal of this type holds; `None` where the file has no elements for it.
    pub(crate) fn content(self, tensor: &Tensor, ty: &TensorType) -> Option<Content> {
        if tensor::is_external(tensor) {
            let (file, offset, length) = external::place(tensor, ty.bytes())?;
            let file = Some(file.into());
            return Some(Content::Stored(Stored { file, offset, length, dtype: ty.dtype, strides: None, first: 0 }));
        }
        let raw = tensor.raw.as_ref().filter(|raw| !raw.is_empty());
        let plain = match (raw, ty.dtype) {
            (Some(raw), _) => Some(raw),
            (None, DType::F32) => single(&tensor.floats),
            (None, DType::F64) => single(&tensor.doubles),
            _ => None,
        };
        if let Some(bytes) = plain.filter(|bytes| bytes.len() as u64 == ty.bytes()) {
            return self.place(bytes, ty.dtype);
        }
        tensor::content(tensor, ty).map(|content| known(&content))
    }
}

fn single(parts: &[Bytes]) -> Option<&Bytes> {
    if let [part] = parts { Some(part) } else { None }
}

/// Elements that were computed while reading.
pub(crate) fn known(content: &content::Content) -> Content {
    match &content.elements {
        Elements::Ints(values) => Content::Ints(values.as_slice().into()),
        Elements::Floats(values) => Content::Floats(values.as_slice().into()),
    }
}
