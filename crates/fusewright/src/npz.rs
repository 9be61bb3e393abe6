//! Tensors in NumPy's archives: `numpy.savez` writes what `run --inputs` reads, `numpy.load` reads what `run --outputs`
//! writes.

use std::io::{Read, Write};

use fusewright_exec::{Tensor, from_bytes, to_bytes};
use fusewright_ir::DType;
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveWriter};

/// How a tensor begins.
const MAGIC: &[u8] = b"\x93NUMPY";

/// Element types by their names in NumPy; `None` stands for little-endian bytes that have no name of their own.
const TYPES: [(&str, DType); 12] = [
    ("<f4", DType::F32),
    ("<f8", DType::F64),
    ("<f2", DType::F16),
    ("<i8", DType::I64),
    ("<i4", DType::I32),
    ("<i2", DType::I16),
    ("|i1", DType::I8),
    ("|u1", DType::U8),
    ("<u2", DType::U16),
    ("<u4", DType::U32),
    ("<u8", DType::U64),
    ("|b1", DType::Bool),
];

/// The tensors of an archive by name, in its order. The error says what is wrong and where.
pub(crate) fn read(archive: &[u8]) -> Result<Vec<(String, Tensor)>, String> {
    let broken = |problem: &dyn std::fmt::Display| format!("it is no archive of NumPy (.npz): {problem}");
    let zip = ZipArchive::from_slice(archive).map_err(|error| broken(&error))?;
    let mut tensors = Vec::new();
    for record in zip.entries() {
        let record = record.map_err(|error| broken(&error))?;
        let file = String::from_utf8_lossy(record.file_path().as_ref()).into_owned();
        let entry = zip.get_entry(record.wayfinder()).map_err(|error| broken(&error))?;
        let mut bytes = Vec::new();
        let copied = match record.compression_method() {
            CompressionMethod::STORE => entry.verifying_reader(entry.data()).read_to_end(&mut bytes),
            CompressionMethod::DEFLATE => {
                entry.verifying_reader(flate2::bufread::DeflateDecoder::new(entry.data())).read_to_end(&mut bytes)
            }
            other => return Err(format!("`{file}` is compressed by {other}, expected stored or deflated bytes")),
        };
        copied.map_err(|error| format!("`{file}` is damaged: {error}"))?;
        let tensor = tensor(&bytes).map_err(|problem| format!("`{file}`: {problem}"))?;
        tensors.push((file.strip_suffix(".npy").unwrap_or(&file).to_owned(), tensor));
    }
    Ok(tensors)
}

/// One tensor: a magic number, a version, the length of a header in Python's notation, the header, the elements.
fn tensor(bytes: &[u8]) -> Result<Tensor, String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin as a tensor of NumPy")?;
    let wide = rest.first().is_some_and(|&version| version >= 2);
    let (length, start): (usize, usize) = match (rest.get(2..4), rest.get(2..6)) {
        (_, Some(&[a, b, c, d])) if wide => (u32::from_le_bytes([a, b, c, d]) as usize, 6),
        (Some(&[a, b]), _) if !wide => (usize::from(u16::from_le_bytes([a, b])), 4),
        _ => return Err("its header is cut off".to_owned()),
    };
    let end = start.checked_add(length).filter(|&end| end <= rest.len()).ok_or("its header is cut off")?;
    let header = String::from_utf8_lossy(&rest[start..end]);
    let field = |key: &str| header.split_once(key).map(|(_, value)| value.trim_start_matches([' ', ':']));
    let descr = field("'descr'").and_then(|value| value.strip_prefix('\'')?.split('\'').next());
    let descr = descr.ok_or("its header names no element type")?;
    let dtype = TYPES.iter().find(|row| row.0 == descr).map(|row| row.1);
    let dtype = dtype.ok_or_else(|| {
        format!("its element type is `{descr}`, expected a little-endian number or truth value such as `<f4` or `<i8`")
    })?;
    if field("'fortran_order'").is_some_and(|value| value.starts_with("True")) {
        return Err("its columns come first; save numpy.ascontiguousarray of it".to_owned());
    }
    let shape = field("'shape'").and_then(|value| value.strip_prefix('(')?.split(')').next());
    let shape = shape.ok_or("its header has no shape")?;
    let extents = shape.split(',').map(str::trim).filter(|text| !text.is_empty());
    let extents: Vec<usize> =
        extents.map(|text| text.parse().map_err(|_| format!("its shape is ({shape})"))).collect::<Result<_, _>>()?;
    from_bytes(dtype, &extents, rest[end..].to_vec())
}

/// An archive of these tensors. What NumPy has no type for becomes `f32`.
pub(crate) fn write(tensors: &[(String, Tensor)]) -> Result<Vec<u8>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the archive cannot be made: {error}");
    let mut archive = ZipArchiveWriter::new(Vec::new());
    for (name, tensor) in tensors {
        let known = TYPES.iter().any(|row| row.1 == tensor.dtype());
        let tensor = if known { tensor.clone() } else { tensor.cast(DType::F32) };
        let descr = TYPES.iter().find(|row| row.1 == tensor.dtype()).map_or("<f4", |row| row.0);
        let shape = tensor.shape().iter().fold(String::new(), |text, extent| text + &extent.to_string() + ", ");
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
        // The elements start at a multiple of 64.
        let filled = (MAGIC.len() + 4 + header.len() + 1).next_multiple_of(64);
        header.extend(std::iter::repeat_n(' ', filled - MAGIC.len() - 4 - header.len() - 1));
        header.push('\n');
        let length = u16::try_from(header.len()).map_err(|error| failed(&error))?;
        let elements = to_bytes(&tensor).ok_or_else(|| failed(&"a type has no form in files"))?;
        let file = format!("{}.npy", name.trim_start_matches('/'));
        let (mut entry, config) = archive.new_file(file.as_str()).start().map_err(|error| failed(&error))?;
        let mut writer = config.wrap(&mut entry);
        for part in [MAGIC, &[1, 0], &length.to_le_bytes(), header.as_bytes(), &elements] {
            writer.write_all(part).map_err(|error| failed(&error))?;
        }
        let (_, output) = writer.finish().map_err(|error| failed(&error))?;
        entry.finish(output).map_err(|error| failed(&error))?;
    }
    archive.finish().map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_come_back() {
        let tensors = vec![
            ("x".to_owned(), Tensor::from_floats(DType::F32, &[2, 3], vec![1.0, -2.0, 3.5, 0.0, f32::NAN, 6.0])),
            ("ids".to_owned(), Tensor::from_ints(DType::I64, &[2], vec![7, -1])),
            ("flag".to_owned(), Tensor::from_bools(&[], vec![1])),
        ];
        let found = read(&write(&tensors).unwrap()).unwrap();
        for ((name, expected), (found_name, found)) in tensors.iter().zip(&found) {
            assert_eq!((name, expected.shape(), expected.dtype()), (found_name, found.shape(), found.dtype()));
            assert_eq!(to_bytes(expected), to_bytes(found));
        }
    }

    #[test]
    fn what_is_no_archive_is_named() {
        assert!(read(b"PK nothing").unwrap_err().contains("no archive of NumPy"));
        assert!(tensor(b"\x93NUMPY\x01\x00\xff").unwrap_err().contains("cut off"));
        let header = b"\x93NUMPY\x01\x00\x40\x00{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }       \n";
        assert!(tensor(header).is_err());
    }
}
