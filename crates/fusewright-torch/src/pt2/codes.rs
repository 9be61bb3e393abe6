//! Numbers that stand for element types, layouts and memory formats.

use super::Pt2Error;

/// The layout of every tensor that has strides.
pub(super) const STRIDED: i64 = 7;

/// Element types by code, in the names of the FX form. Those that the graph has no type for are listed by their names
/// too, so that an error can say which one it is.
const DTYPES: [(i64, &str); 21] = [
    (1, "uint8"),
    (2, "int8"),
    (3, "int16"),
    (4, "int32"),
    (5, "int64"),
    (6, "float16"),
    (7, "float32"),
    (8, "float64"),
    (9, "complex32"),
    (10, "complex64"),
    (11, "complex128"),
    (12, "bool"),
    (13, "bfloat16"),
    (28, "uint16"),
    (29, "float8_e4m3fn"),
    (30, "float8_e5m2"),
    (31, "float8_e4m3fnuz"),
    (32, "float8_e5m2fnuz"),
    (33, "float8_e8m0fnu"),
    (34, "uint32"),
    (35, "uint64"),
];

const LAYOUTS: [(i64, &str); 7] = [
    (1, "torch.sparse_coo"),
    (2, "torch.sparse_csr"),
    (3, "torch.sparse_csc"),
    (4, "torch.sparse_bsr"),
    (5, "torch.sparse_bsc"),
    (6, "torch._mkldnn"),
    (STRIDED, "torch.strided"),
];

const MEMORY_FORMATS: [(i64, &str); 4] = [
    (1, "torch.contiguous_format"),
    (2, "torch.channels_last"),
    (3, "torch.channels_last_3d"),
    (4, "torch.preserve_format"),
];

/// The name of an element type.
pub(super) fn dtype(code: i64, place: &str) -> Result<&'static str, Pt2Error> {
    find(&DTYPES, code, "the element type", place)
}

/// The name of a layout.
pub(super) fn layout(code: i64, place: &str) -> Result<&'static str, Pt2Error> {
    find(&LAYOUTS, code, "the layout", place)
}

/// The name of a memory format.
pub(super) fn memory_format(code: i64, place: &str) -> Result<&'static str, Pt2Error> {
    find(&MEMORY_FORMATS, code, "the memory format", place)
}

fn find(table: &[(i64, &'static str)], code: i64, what: &'static str, place: &str) -> Result<&'static str, Pt2Error> {
    let row = table.iter().find(|row| row.0 == code);
    row.map(|row| row.1).ok_or_else(|| Pt2Error::UnknownCode { place: place.to_owned(), what, code })
}
