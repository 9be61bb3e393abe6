//! Elements of small literals.

use bytes::Bytes;

use crate::message::TensorMessage;

/// Most elements that are looked at.
const MOST: usize = 4096;

fn joined(parts: &[Bytes]) -> Option<Vec<u8>> {
    let length: usize = parts.iter().map(Bytes::len).sum();
    (length <= MOST * 10).then(|| parts.concat())
}

fn varints(bytes: &[u8]) -> Option<Vec<i64>> {
    let mut rest = bytes;
    let mut values = Vec::new();
    while !rest.is_empty() {
        values.push(prost::encoding::decode_varint(&mut rest).ok()?.cast_signed());
    }
    Some(values)
}

/// The integers of an `int64`, `int32` or `bool` literal.
pub(crate) fn ints(tensor: &TensorMessage) -> Option<Vec<i64>> {
    let raw = tensor.raw.as_ref().filter(|raw| !raw.is_empty() && raw.len() <= MOST * 8);
    match (tensor.data_type, raw) {
        (7, Some(raw)) => Some(raw.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()),
        (6, Some(raw)) => {
            Some(raw.as_chunks::<4>().0.iter().map(|bytes| i64::from(i32::from_le_bytes(*bytes))).collect())
        }
        (9, Some(raw)) => Some(raw.iter().map(|&byte| i64::from(byte != 0)).collect()),
        (7, None) => varints(&joined(&tensor.longs)?),
        (6 | 9, None) => varints(&joined(&tensor.ints)?),
        _ => None,
    }
}

/// The numbers of a single-precision literal.
pub(crate) fn floats(tensor: &TensorMessage) -> Option<Vec<f32>> {
    if tensor.data_type != 1 {
        return None;
    }
    let raw = tensor.raw.as_ref().filter(|raw| !raw.is_empty() && raw.len() <= MOST * 4);
    let bytes = match raw {
        Some(raw) => raw.to_vec(),
        None => joined(&tensor.floats)?,
    };
    Some(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}
