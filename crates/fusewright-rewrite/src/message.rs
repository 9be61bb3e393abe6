//! The messages of the ONNX format that a rewrite looks into and the reader reads otherwise. Field numbers are those of the
//! format.
//!
//! A node has every field that the format defines, with attributes and annotations as bytes, so encoding one that was
//! decoded loses nothing. Everything that may hold weights is a slice of the mapped file.

use bytes::Bytes;
use prost::Message;

pub(crate) use fusewright_onnx::message::{Entry, Opset, Tensor as TensorMessage};

/// One application of an operator.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub(crate) inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) outputs: Vec<String>,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(string, tag = "4")]
    pub(crate) op_type: String,
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub(crate) attributes: Vec<Bytes>,
    #[prost(string, tag = "6")]
    pub(crate) doc: String,
    #[prost(string, tag = "7")]
    pub(crate) domain: String,
    #[prost(string, tag = "8")]
    pub(crate) overload: String,
    #[prost(bytes = "bytes", repeated, tag = "9")]
    pub(crate) metadata: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "10")]
    pub(crate) devices: Vec<Bytes>,
}

/// A setting of a node.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Attribute {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(float, optional, tag = "2")]
    pub(crate) float: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    pub(crate) int: Option<i64>,
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub(crate) text: Option<Bytes>,
    #[prost(message, optional, boxed, tag = "5")]
    pub(crate) tensor: Option<Box<TensorMessage>>,
    #[prost(bytes = "bytes", optional, tag = "6")]
    pub(crate) graph: Option<Bytes>,
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub(crate) floats: Vec<f32>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub(crate) ints: Vec<i64>,
    #[prost(bytes = "bytes", repeated, tag = "11")]
    pub(crate) graphs: Vec<Bytes>,
    #[prost(int32, tag = "20")]
    pub(crate) kind: i32,
    #[prost(string, tag = "21")]
    pub(crate) reference: String,
}

/// A name with whatever is said of it.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Named {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// A graph inside a node, as far as names go.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SubGraph {
    #[prost(message, repeated, tag = "1")]
    pub(crate) nodes: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) initializers: Vec<TensorMessage>,
    #[prost(message, repeated, tag = "12")]
    pub(crate) outputs: Vec<Named>,
}

/// A function of the model, as far as its nodes go.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct FunctionBody {
    #[prost(message, repeated, tag = "7")]
    pub(crate) nodes: Vec<Node>,
}

/// Kinds of attributes.
const FLOAT: i32 = 1;
const INT: i32 = 2;
const STRING: i32 = 3;
#[cfg(test)]
const TENSOR: i32 = 4;
const INTS: i32 = 7;

impl Attribute {
    fn named(name: &str, kind: i32) -> Self {
        Self { name: name.to_owned(), kind, ..Self::default() }
    }

    /// An integer setting, encoded.
    pub(crate) fn of_int(name: &str, value: i64) -> Bytes {
        Self { int: Some(value), ..Self::named(name, INT) }.encode_to_vec().into()
    }

    /// A number, encoded.
    #[allow(clippy::cast_possible_truncation, reason = "the format has single-precision settings")]
    pub(crate) fn of_float(name: &str, value: f64) -> Bytes {
        Self { float: Some(value as f32), ..Self::named(name, FLOAT) }.encode_to_vec().into()
    }

    /// A text, encoded.
    pub(crate) fn of_text(name: &str, value: &'static str) -> Bytes {
        Self { text: Some(Bytes::from_static(value.as_bytes())), ..Self::named(name, STRING) }.encode_to_vec().into()
    }

    /// A list of integers, encoded.
    pub(crate) fn of_ints(name: &str, values: &[i64]) -> Bytes {
        Self { ints: values.to_vec(), ..Self::named(name, INTS) }.encode_to_vec().into()
    }

    /// A tensor, encoded.
    #[cfg(test)]
    pub(crate) fn of_tensor(name: &str, tensor: TensorMessage) -> Bytes {
        Self { tensor: Some(Box::new(tensor)), ..Self::named(name, TENSOR) }.encode_to_vec().into()
    }
}

impl Node {
    /// The setting of this name.
    pub(crate) fn attribute(&self, name: &str) -> Option<Attribute> {
        self.attributes
            .iter()
            .filter_map(|bytes| Attribute::decode(bytes.clone()).ok())
            .find(|found| found.name == name)
    }

    /// An integer setting, or what holds where it is not given.
    #[cfg(test)]
    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.int.unwrap_or(0))
    }

    /// The operator belongs to the standard domain.
    pub(crate) fn is_standard(&self) -> bool {
        self.domain.is_empty() || self.domain == "ai.onnx"
    }

    /// A standard operator of this name.
    pub(crate) fn is(&self, op: &str) -> bool {
        self.op_type == op && self.is_standard()
    }

    /// Names that sub-graphs of this node read: those of their own too, which does no harm.
    pub(crate) fn captured(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut open: Vec<Bytes> = self.graphs().collect();
        while let Some(bytes) = open.pop() {
            let Ok(graph) = SubGraph::decode(bytes) else { continue };
            names.extend(graph.outputs.into_iter().map(|output| output.name));
            for node in graph.nodes {
                open.extend(node.graphs());
                names.extend(node.inputs);
            }
        }
        names
    }

    /// Encoded graphs in this node's settings.
    pub(crate) fn graphs(&self) -> impl Iterator<Item = Bytes> + '_ {
        self.attributes
            .iter()
            // A graph is a field of some length, and few attributes have one.
            .filter_map(|bytes| Attribute::decode(bytes.clone()).ok())
            .flat_map(|attribute| attribute.graph.into_iter().chain(attribute.graphs))
    }
}
