//! What a literal tensor says about itself: type, where its data lies, and its elements where they are few.

use fusewright_ir::{DType, TensorType, checked_elements};

use super::OnnxError;
use super::content::{Content, Elements, LIMIT, is_integer};
use super::proto::Tensor;

/// The element type with this code; the error says what is wrong with it.
pub(crate) fn dtype(code: i32) -> Result<DType, String> {
    Ok(match code {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        9 => DType::Bool,
        10 => DType::F16,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        14 => DType::C64,
        15 => DType::C128,
        16 => DType::Bf16,
        // The variants of the 8-bit floats differ in special values only; an exponent alone takes a byte as well.
        17 | 18 | 24 => DType::F8E4M3,
        19 | 20 => DType::F8E5M2,
        // A 4-bit float takes what a 4-bit integer takes; nothing is computed with either.
        21 | 23 => DType::U4,
        22 => DType::I4,
        0 => return Err("it has no element type".to_owned()),
        8 => return Err("its elements are texts; only numbers are read".to_owned()),
        code => return Err(format!("its element type has the code {code}, which is not known")),
    })
}

/// The type of a literal, checked against the data that lies in the file.
pub(crate) fn tensor_type(tensor: &Tensor) -> Result<TensorType, OnnxError> {
    let bad = |problem: String| OnnxError::Tensor { tensor: tensor.name.clone(), problem };
    let dtype = dtype(tensor.data_type).map_err(bad)?;
    let dims = tensor.dims.iter().map(|&dim| u64::try_from(dim).map_err(|_| bad(format!("it has the extent {dim}"))));
    let ty = TensorType::new(dtype, dims.collect::<Result<Vec<_>, _>>()?);
    let elements = checked_elements(&ty.shape)
        .ok_or_else(|| bad(format!("the shape {:?} has more than 2^48 elements", tensor.dims)))?;
    if let (Some(raw), false) = (&tensor.raw, is_external(tensor)) {
        let expected = dtype.bytes(elements);
        // A raw field that is there but empty is how weights are taken out of a file.
        if !raw.is_empty() && raw.len() as u64 != expected {
            return Err(bad(format!("it has {} bytes of data, its shape takes {expected}", raw.len())));
        }
    }
    Ok(ty)
}

/// The data lies in another file.
pub(crate) fn is_external(tensor: &Tensor) -> bool {
    tensor.location == 1
}

/// The elements of a small tensor whose data lies in the file.
pub(crate) fn content(tensor: &Tensor, ty: &TensorType) -> Option<Content> {
    let count = usize::try_from(ty.elements()).ok().filter(|&count| count as u64 <= LIMIT)?;
    if is_external(tensor) {
        return None;
    }
    let elements = match tensor.raw.as_ref().filter(|raw| !raw.is_empty()) {
        Some(raw) => from_raw(raw, ty.dtype)?,
        None => from_fields(tensor, ty.dtype, count)?,
    };
    Content::new(ty.dtype, ty.shape.iter().copied(), elements)
}

/// Element `index` of a tensor with raw data, as bits. Touches one page.
pub(crate) fn element_bits(tensor: &Tensor, ty: &TensorType, index: u64) -> Option<u64> {
    let raw = tensor.raw.as_ref().filter(|_| !is_external(tensor))?;
    let width = ty.dtype.bytes(1);
    let start = usize::try_from(index.checked_mul(width)?).ok()?;
    let end = start.checked_add(usize::try_from(width).ok()?)?;
    raw.get(start..end).map(|bytes| bytes.iter().rev().fold(0, |bits, &byte| bits << 8 | u64::from(byte)))
}

macro_rules! little_endian {
    ($raw:expr, $type:ty) => {
        $raw.as_chunks::<{ size_of::<$type>() }>().0.iter().map(|bytes| <$type>::from_le_bytes(*bytes))
    };
}

fn from_raw(raw: &[u8], dtype: DType) -> Option<Elements> {
    Some(match dtype {
        DType::F64 => Elements::Floats(little_endian!(raw, f64).collect()),
        DType::F32 => Elements::Floats(little_endian!(raw, f32).map(f64::from).collect()),
        DType::F16 => Elements::Floats(little_endian!(raw, u16).map(half).collect()),
        DType::Bf16 => Elements::Floats(little_endian!(raw, u16).map(brain).collect()),
        DType::I64 => Elements::Ints(little_endian!(raw, i64).collect()),
        DType::U64 => Elements::Ints(little_endian!(raw, u64).map(u64::cast_signed).collect()),
        DType::I32 => Elements::Ints(little_endian!(raw, i32).map(i64::from).collect()),
        DType::U32 => Elements::Ints(little_endian!(raw, u32).map(i64::from).collect()),
        DType::I16 => Elements::Ints(little_endian!(raw, i16).map(i64::from).collect()),
        DType::U16 => Elements::Ints(little_endian!(raw, u16).map(i64::from).collect()),
        DType::I8 => Elements::Ints(little_endian!(raw, i8).map(i64::from).collect()),
        DType::U8 => Elements::Ints(raw.iter().map(|&byte| i64::from(byte)).collect()),
        DType::Bool => Elements::Ints(raw.iter().map(|&byte| i64::from(byte != 0)).collect()),
        _ => return None,
    })
}

/// Elements from the typed fields, which are written where `raw_data` is not.
fn from_fields(tensor: &Tensor, dtype: DType, count: usize) -> Option<Elements> {
    let joined = |parts: &[bytes::Bytes]| {
        let length = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
        // A number takes ten bytes at most.
        (length <= count.saturating_mul(10)).then(|| parts.concat())
    };
    Some(match dtype {
        DType::F32 => Elements::Floats(little_endian!(joined(&tensor.floats)?, f32).map(f64::from).collect()),
        DType::F64 => Elements::Floats(little_endian!(joined(&tensor.doubles)?, f64).collect()),
        DType::I64 => Elements::Ints(varints(&joined(&tensor.longs)?)?),
        DType::U64 | DType::U32 => Elements::Ints(varints(&joined(&tensor.unsigned)?)?),
        DType::F16 => Elements::Floats(varints(&joined(&tensor.ints)?)?.into_iter().map(|v| half(low(v))).collect()),
        DType::Bf16 => Elements::Floats(varints(&joined(&tensor.ints)?)?.into_iter().map(|v| brain(low(v))).collect()),
        dtype if is_integer(dtype) && dtype.bytes(2) > 1 => Elements::Ints(varints(&joined(&tensor.ints)?)?),
        _ => return None,
    })
}

fn varints(mut bytes: &[u8]) -> Option<Vec<i64>> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        values.push(prost::encoding::decode_varint(&mut bytes).ok()?.cast_signed());
    }
    Some(values)
}

fn low(value: i64) -> u16 {
    u16::try_from(value & 0xffff).unwrap_or(0)
}

fn brain(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

/// An IEEE half.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f64::from(bits & 0x3ff);
    let exponent = i32::from(bits >> 10 & 0x1f);
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent.saturating_sub(15)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_numbers() {
        for (bits, value) in [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 2_f64.powi(-24))] {
            assert!((half(bits) - value).abs() < 1e-12, "{bits:#x}");
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
        assert!((brain(0x3f80) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn typed_fields_and_raw_data_hold_the_same() {
        let raw = Tensor {
            dims: vec![2],
            data_type: 7,
            raw: Some([3_i64, -1].map(i64::to_le_bytes).concat().into()),
            ..Tensor::default()
        };
        let mut packed = Vec::new();
        prost::encoding::encode_varint(3, &mut packed);
        prost::encoding::encode_varint(u64::MAX, &mut packed);
        let typed = Tensor { dims: vec![2], data_type: 7, longs: vec![packed.into()], ..Tensor::default() };
        for tensor in [raw, typed] {
            let ty = tensor_type(&tensor).unwrap();
            assert_eq!(content(&tensor, &ty).unwrap().as_ints(), Some([3, -1].as_slice()));
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let tensor = Tensor { dims: vec![4], data_type: 1, raw: Some(vec![0; 12].into()), ..Tensor::default() };
        assert!(tensor_type(&tensor).unwrap_err().to_string().contains("12 bytes of data, its shape takes 16"));
        let tensor = Tensor { dims: vec![1 << 40, 1 << 40], data_type: 1, ..Tensor::default() };
        assert!(tensor_type(&tensor).unwrap_err().to_string().contains("2^48"));
    }
}
