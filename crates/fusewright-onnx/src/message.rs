//! Messages of the ONNX format that hold literals, for whoever reads them and whoever writes them. Field numbers are those
//! of the format.
//!
//! Everything that may hold weights is a byte string, which a decoder over [`Bytes`] takes as a slice: the packed
//! number fields of a tensor too, whose wire form is that of a byte string.

use bytes::Bytes;
use prost::Message;

/// A literal tensor.
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    /// Extents, outermost first.
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    /// Code of the element type.
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    /// Packed elements of single precision.
    #[prost(bytes = "bytes", repeated, tag = "4")]
    pub floats: Vec<Bytes>,
    /// Packed elements of integers up to 32 bits, halves and truth values.
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub ints: Vec<Bytes>,
    /// Packed elements of integers of 64 bits.
    #[prost(bytes = "bytes", repeated, tag = "7")]
    pub longs: Vec<Bytes>,
    /// What nodes call it.
    #[prost(string, tag = "8")]
    pub name: String,
    /// Elements as little-endian bytes, whatever their type.
    #[prost(bytes = "bytes", optional, tag = "9")]
    pub raw: Option<Bytes>,
    /// Packed elements of double precision.
    #[prost(bytes = "bytes", repeated, tag = "10")]
    pub doubles: Vec<Bytes>,
    /// Packed elements of unsigned integers of 32 and 64 bits.
    #[prost(bytes = "bytes", repeated, tag = "11")]
    pub unsigned: Vec<Bytes>,
    /// File, offset and length of elements that lie elsewhere.
    #[prost(message, repeated, tag = "13")]
    pub external: Vec<Entry>,
    /// 1 where they do.
    #[prost(int32, tag = "14")]
    pub location: i32,
}

/// A key with its value.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Entry {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// The version of one domain's operators that a model was written for.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Opset {
    /// The domain; empty for the standard.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// The version.
    #[prost(int64, tag = "2")]
    pub version: i64,
}
