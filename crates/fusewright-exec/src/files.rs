//! From places in files to tensors. Who runs a model gives the bytes of its files, mapped; nothing here opens any.

use bytes::Bytes;
use fusewright_ir::{Content, DType, Stored};

use crate::ExecError;
use crate::tensor::{Class, Tensor, class};

/// The files of a model.
pub trait Files: Sync {
    /// The bytes of the file that was read (`None`), unpacked, or of one beside it; the error says what is wrong.
    fn bytes(&self, name: Option<&str>) -> Result<Bytes, String>;

    /// The file is there. Models are handed around without their weights; these are made up then.
    fn has(&self, name: Option<&str>) -> bool {
        self.bytes(name).is_ok()
    }
}

/// A model without files.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn bytes(&self, _: Option<&str>) -> Result<Bytes, String> {
        Err("the model has no files".to_owned())
    }
}

/// A tensor of this type and shape with the elements that its source holds.
pub(crate) fn fetch(
    name: &str,
    content: &Content,
    dtype: DType,
    shape: &[usize],
    files: &dyn Files,
) -> Result<Tensor, ExecError> {
    let failed = |problem: String| ExecError::Weight { name: name.to_owned(), problem };
    let count: usize = shape.iter().product();
    let counted = |found: usize| {
        if found == count { Ok(()) } else { Err(failed(format!("it has {found} elements, its shape takes {count}"))) }
    };
    match content {
        Content::Ints(values) => {
            counted(values.len())?;
            Ok(Tensor::from_ints(DType::I64, shape, values.to_vec()).cast(dtype))
        }
        Content::Floats(values) => {
            counted(values.len())?;
            let values = values.iter().map(|&value| crate::ops::narrow(value)).collect();
            Ok(Tensor::from_floats(DType::F32, shape, values).cast(dtype))
        }
        Content::Stored(stored) => Ok(elements(stored, shape, files).map_err(failed)?.cast(dtype)),
        Content::Plus(stored, more) => {
            let mut values = elements(stored, shape, files).map_err(failed)?.cast(DType::F32).floats().into_owned();
            values.iter_mut().for_each(|value| *value = crate::ops::narrow(f64::from(*value) + more));
            Ok(Tensor::from_floats(DType::F32, shape, values).cast(dtype))
        }
        Content::Joined(parts) => {
            let mut values = Vec::new();
            for stored in parts.iter() {
                let bytes = part(stored, files).map_err(failed)?;
                let flat = decode(bytes.clone(), stored.dtype, &[elements_in(&bytes, stored.dtype)]).map_err(failed)?;
                values.extend_from_slice(&flat.cast(DType::F32).floats());
            }
            counted(values.len())?;
            Ok(Tensor::from_floats(DType::F32, shape, values).cast(dtype))
        }
    }
}

/// The elements of a tensor of this shape, of the type that they are stored in.
fn elements(stored: &Stored, shape: &[usize], files: &dyn Files) -> Result<Tensor, String> {
    let count: usize = shape.iter().product();
    let bytes = part(stored, files)?;
    let dense = stored.strides.as_deref().is_none_or(|strides| {
        let expected = crate::strided::contiguous_strides(shape);
        let same = |((&a, &b), &extent): ((&i64, &isize), &usize)| extent == 1 || a == b as i64;
        strides.len() == shape.len() && strides.iter().zip(&expected).zip(shape).all(same)
    });
    let first = usize::try_from(stored.first).map_err(|_| "its offset is too large".to_owned())?;
    if dense {
        let width = usize::try_from(stored.dtype.bytes(1)).unwrap_or(1);
        let bits = usize::try_from(stored.dtype.bytes(count as u64)).unwrap_or(usize::MAX);
        let start = first.saturating_mul(width);
        let whole = bytes.len();
        if start.saturating_add(bits) > whole {
            return Err(format!("it takes {bits} bytes from byte {start}, {whole} are there"));
        }
        return decode(bytes.slice(start..start + bits), stored.dtype, shape);
    }
    let flat = decode(bytes.clone(), stored.dtype, &[elements_in(&bytes, stored.dtype)])?;
    let strides: Vec<isize> =
        stored.strides.iter().flatten().filter_map(|&stride| isize::try_from(stride).ok()).collect();
    let reach = shape.iter().zip(&strides).map(|(&extent, &stride)| {
        extent.saturating_sub(1).saturating_mul(usize::try_from(stride).unwrap_or(usize::MAX))
    });
    let last = reach.fold(first, usize::saturating_add);
    if strides.len() != shape.len() || count > 0 && last >= flat.elements() {
        return Err(format!("its strides reach element {last} of {}", flat.elements()));
    }
    Ok(flat.view(shape.to_vec(), strides, first).contiguous())
}

fn elements_in(bytes: &Bytes, dtype: DType) -> usize {
    bytes.len() / usize::try_from(dtype.bytes(1)).unwrap_or(1).max(1)
}

/// The bytes of a tensor's storage.
fn part(stored: &Stored, files: &dyn Files) -> Result<Bytes, String> {
    let whole = files.bytes(stored.file.as_deref())?;
    let start = usize::try_from(stored.offset).ok();
    let end = stored.offset.checked_add(stored.length).and_then(|end| usize::try_from(end).ok());
    match start.zip(end).filter(|&(_, end)| end <= whole.len()) {
        Some((start, end)) => Ok(whole.slice(start..end)),
        None => {
            Err(format!("it lies at byte {} with {} bytes, the file has {}", stored.offset, stored.length, whole.len()))
        }
    }
}

macro_rules! numbers {
    ($bytes:expr, $type:ty, $f:expr) => {
        $bytes.as_chunks::<{ size_of::<$type>() }>().0.iter().map(|bytes| $f(<$type>::from_le_bytes(*bytes))).collect()
    };
}

/// Little-endian elements; floats of 32 bits stay where they are if they lie on a multiple of four bytes.
fn decode(bytes: Bytes, dtype: DType, shape: &[usize]) -> Result<Tensor, String> {
    let floats = |values: Vec<f32>| Tensor::from_floats(dtype, shape, values);
    Ok(match dtype {
        DType::F32 if cfg!(target_endian = "little") && bytemuck::try_cast_slice::<u8, f32>(&bytes).is_ok() => {
            Tensor::mapped(dtype, shape, bytes)
        }
        DType::F32 => floats(numbers!(bytes, f32, |v| v)),
        DType::F64 => floats(numbers!(bytes, f64, crate::ops::narrow)),
        DType::F16 => floats(numbers!(bytes, u16, |v| half::f16::from_bits(v).to_f32())),
        DType::Bf16 => floats(numbers!(bytes, u16, |v| half::bf16::from_bits(v).to_f32())),
        DType::I64 => Tensor::from_ints(dtype, shape, numbers!(bytes, i64, |v| v)),
        DType::I32 => Tensor::from_ints(dtype, shape, numbers!(bytes, i32, i64::from)),
        DType::I16 => Tensor::from_ints(dtype, shape, numbers!(bytes, i16, i64::from)),
        DType::I8 => Tensor::from_ints(dtype, shape, numbers!(bytes, i8, i64::from)),
        DType::U8 => Tensor::from_ints(dtype, shape, bytes.iter().map(|&byte| i64::from(byte)).collect()),
        DType::U16 => Tensor::from_ints(dtype, shape, numbers!(bytes, u16, i64::from)),
        DType::U32 => Tensor::from_ints(dtype, shape, numbers!(bytes, u32, i64::from)),
        DType::U64 => Tensor::from_ints(dtype, shape, numbers!(bytes, u64, u64::cast_signed)),
        DType::Bool => Tensor::from_bools(shape, bytes.iter().map(|&byte| u8::from(byte != 0)).collect()),
        other => return Err(format!("elements of type {} are not computed with", other.name())),
    })
}

/// The elements of a tensor as little-endian bytes of its type, the form of files; `None` for types without one here.
pub fn to_bytes(tensor: &Tensor) -> Option<Vec<u8>> {
    fn joined<const N: usize>(parts: impl Iterator<Item = [u8; N]>) -> Vec<u8> {
        parts.flatten().collect()
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "values are in the range of their type"
    )]
    Some(match (class(tensor.dtype()), tensor.dtype()) {
        (Class::Float, DType::F32) => joined(tensor.floats().iter().map(|v| v.to_le_bytes())),
        (Class::Float, DType::F64) => joined(tensor.floats().iter().map(|&v| f64::from(v).to_le_bytes())),
        (Class::Float, DType::F16) => joined(tensor.floats().iter().map(|&v| half::f16::from_f32(v).to_le_bytes())),
        (Class::Bool, _) => tensor.bools().into_owned(),
        (Class::Int, DType::I64 | DType::U64) => joined(tensor.ints().iter().map(|v| v.to_le_bytes())),
        (Class::Int, DType::I32 | DType::U32) => joined(tensor.ints().iter().map(|&v| (v as i32).to_le_bytes())),
        (Class::Int, DType::I16 | DType::U16) => joined(tensor.ints().iter().map(|&v| (v as i16).to_le_bytes())),
        (Class::Int, DType::I8 | DType::U8) => tensor.ints().iter().map(|&v| v as u8).collect(),
        _ => return None,
    })
}

/// A tensor from little-endian bytes of this type; the error says what does not fit.
pub fn from_bytes(dtype: DType, shape: &[usize], bytes: Vec<u8>) -> Result<Tensor, String> {
    let count = shape.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent));
    let expected = count.map(|count| dtype.bytes(count as u64));
    if expected != Some(bytes.len() as u64) {
        return Err(format!("{} bytes for {} of shape {shape:?}", bytes.len(), dtype.name()));
    }
    decode(bytes.into(), dtype, shape)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// One file with the numbers 0, 1, 2, … in single precision.
    struct Counting(usize);

    impl Files for Counting {
        fn bytes(&self, name: Option<&str>) -> Result<Bytes, String> {
            match name {
                Some("numbers") => Ok((0..self.0).flat_map(|at| (at as f32).to_le_bytes()).collect::<Vec<u8>>().into()),
                _ => Err("it is not there".to_owned()),
            }
        }
    }

    fn stored(from: u64, count: u64, strides: Option<&[i64]>, first: u64) -> Stored {
        Stored {
            file: Some(Arc::from("numbers")),
            offset: from * 4,
            length: count * 4,
            dtype: DType::F32,
            strides: strides.map(Into::into),
            first,
        }
    }

    fn fetched(content: &Content, shape: &[usize]) -> Result<Vec<f32>, String> {
        let tensor = fetch("w", content, DType::F32, shape, &Counting(24)).map_err(|error| error.to_string())?;
        Ok(tensor.floats().into_owned())
    }

    #[test]
    fn elements_are_where_a_place_says() {
        let plain = fetched(&Content::Stored(stored(2, 6, None, 0)), &[2, 3]).unwrap();
        assert_eq!(plain, [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        let turned = fetched(&Content::Stored(stored(2, 6, Some(&[1, 2]), 0)), &[2, 3]).unwrap();
        assert_eq!(turned, [2.0, 4.0, 6.0, 3.0, 5.0, 7.0]);
        let part = fetched(&Content::Stored(stored(0, 12, Some(&[3, 1]), 6)), &[2, 3]).unwrap();
        assert_eq!(part, [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
    }

    #[test]
    fn parts_are_joined_and_numbers_added() {
        let parts: Arc<[Stored]> = [stored(8, 2, None, 0), stored(0, 4, None, 0)].into();
        assert_eq!(fetched(&Content::Joined(parts.clone()), &[3, 2]).unwrap(), [8.0, 9.0, 0.0, 1.0, 2.0, 3.0]);
        assert!(fetched(&Content::Joined(parts), &[3, 3]).unwrap_err().contains("6 elements"));
        assert_eq!(fetched(&Content::Plus(stored(1, 2, None, 0), 1.0), &[2]).unwrap(), [2.0, 3.0]);
    }

    #[test]
    fn places_outside_of_a_file_or_its_storage_are_refused() {
        let cases = [
            (stored(20, 6, None, 0), "the file has 96"),
            (stored(u64::MAX / 4, 6, None, 0), "the file has 96"),
            (stored(0, 4, None, 0), "16 are there"),
            (stored(0, 6, None, u64::MAX), "are there"),
            (stored(0, 6, Some(&[3, 2]), 0), "reach element 7"),
            (stored(0, 6, Some(&[3]), 0), "reach element"),
            (stored(0, 6, Some(&[i64::MAX, 1]), 0), "reach element"),
            (stored(0, 6, Some(&[-3, 1]), 3), "reach element"),
        ];
        for (place, expected) in cases {
            let problem = fetched(&Content::Stored(place), &[2, 3]).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
        let elsewhere = Stored { file: None, ..stored(0, 6, None, 0) };
        assert!(fetched(&Content::Stored(elsewhere), &[2, 3]).unwrap_err().contains("not there"));
    }
}
