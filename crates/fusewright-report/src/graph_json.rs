//! A graph as JSON, for programs that want to see or run what was planned.
//!
//! Values and nodes are listed in order of definition; operands, results and the graph's own inputs and outputs are
//! positions in `values`.

use fusewright_ir::{Attribute, Attributes, Form, Graph, Node, NodeId, Origin, Type, Value, ValueId};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::json;

/// The graph as one line of JSON with a newline at the end.
pub fn graph_json(graph: &Graph) -> String {
    let document = GraphDocument {
        schema_version: 1,
        name: &graph.name,
        training: graph.training,
        dims: graph.dims.iter().map(|dim| DimDocument { name: &dim.name, size: dim.size }).collect(),
        values: graph.values().map(|(id, value)| ValueDocument::of(graph, id, value)).collect(),
        nodes: graph.nodes().map(|(id, node)| NodeDocument::of(graph, id, node)).collect(),
        inputs: positions(graph.inputs()),
        outputs: positions(graph.outputs()),
    };
    json::compact(&document)
}

#[derive(Serialize)]
struct GraphDocument<'a> {
    schema_version: u32,
    name: &'a str,
    training: bool,
    dims: Vec<DimDocument<'a>>,
    values: Vec<ValueDocument<'a>>,
    nodes: Vec<NodeDocument<'a>>,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}

#[derive(Serialize)]
struct DimDocument<'a> {
    name: &'a str,
    size: u64,
}

#[derive(Serialize)]
struct ValueDocument<'a> {
    id: usize,
    name: &'a str,
    kind: &'static str,
    dtype: Option<&'static str>,
    shape: Option<&'a [u64]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strides: Option<&'a [i64]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part_of: Option<PartDocument>,
}

#[derive(Serialize)]
struct PartDocument {
    value: usize,
    start: u64,
}

impl<'a> ValueDocument<'a> {
    fn of(graph: &'a Graph, id: ValueId, value: &'a Value) -> Self {
        let kind = match (&value.ty, &value.origin) {
            (Type::Host(_), _) => "host",
            (_, Origin::Input) => "input",
            (_, Origin::Parameter) => "parameter",
            (_, Origin::Buffer) => "buffer",
            (_, Origin::Part { .. }) => "part",
            (_, Origin::Constant) => "constant",
            (_, Origin::Node { .. }) => "activation",
        };
        let tensor = value.ty.as_tensor();
        Self {
            id: id.index(),
            name: graph.value_name(id),
            kind,
            dtype: tensor.map(|tensor| tensor.dtype.name()),
            shape: tensor.map(|tensor| tensor.shape.as_slice()),
            strides: tensor.and_then(|tensor| tensor.strides.as_deref()),
            value: if let Type::Host(known) = value.ty { known } else { None },
            part_of: match value.origin {
                Origin::Part { of, start } => Some(PartDocument { value: of.index(), start }),
                _ => None,
            },
        }
    }
}

#[derive(Serialize)]
struct NodeDocument<'a> {
    name: &'a str,
    op: &'static str,
    attributes: AttributesDocument,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
    form: &'static str,
    source_op: &'a str,
    scope: &'a str,
}

impl<'a> NodeDocument<'a> {
    fn of(graph: &'a Graph, id: NodeId, node: &'a Node) -> Self {
        Self {
            name: graph.node_name(id),
            op: node.op.mnemonic(),
            attributes: AttributesDocument(node.op.attributes()),
            inputs: positions(&node.inputs),
            outputs: positions(&node.outputs),
            form: match node.source.form {
                Form::Module => "module",
                Form::Function => "function",
                Form::Method => "method",
            },
            source_op: graph.text(node.source.op),
            scope: graph.text(node.source.scope),
        }
    }
}

/// Attributes as an object in their own order; what JSON has no number for is a string.
struct AttributesDocument(Attributes);

impl Serialize for AttributesDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, attribute) in self.0.iter() {
            match attribute {
                Attribute::Int(value) => map.serialize_entry(name, value)?,
                Attribute::Float(value) if value.is_finite() => map.serialize_entry(name, value)?,
                Attribute::Float(value) if value.is_nan() => map.serialize_entry(name, "nan")?,
                Attribute::Float(value) => map.serialize_entry(name, if *value > 0.0 { "inf" } else { "-inf" })?,
                Attribute::Bool(value) => map.serialize_entry(name, value)?,
                Attribute::Ints(values) => map.serialize_entry(name, values)?,
                Attribute::Text(text) => map.serialize_entry(name, text)?,
            }
        }
        map.end()
    }
}

fn positions(values: &[ValueId]) -> Vec<usize> {
    values.iter().map(|value| value.index()).collect()
}
