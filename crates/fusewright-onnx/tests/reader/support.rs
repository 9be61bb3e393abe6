//! Models written byte by byte, so that tests need no exporter and can lie.

use bytes::Bytes;
use fusewright_ir::{Bindings, Loaded, text};
use fusewright_onnx::OnnxError;

/// A message under construction.
#[derive(Clone, Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    pub(crate) fn int(mut self, field: u8, value: i64) -> Self {
        varint(&mut self.0, u64::from(field) << 3);
        varint(&mut self.0, value.cast_unsigned());
        self
    }

    pub(crate) fn float(mut self, field: u8, value: f32) -> Self {
        varint(&mut self.0, u64::from(field) << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, field: u8, value: &[u8]) -> Self {
        varint(&mut self.0, u64::from(field) << 3 | 2);
        varint(&mut self.0, value.len() as u64);
        self.0.extend(value);
        self
    }

    pub(crate) fn text(self, field: u8, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub(crate) fn message(self, field: u8, value: &Message) -> Self {
        self.bytes(field, &value.0)
    }
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
}

/// A setting of a node.
#[derive(Clone)]
pub(crate) enum Set<'a> {
    Int(&'a str, i64),
    Ints(&'a str, &'a [i64]),
    Float(&'a str, f32),
    Text(&'a str, &'a str),
    Graph(&'a str, Message),
    /// The attribute of the surrounding function with this name.
    Given(&'a str, &'a str),
}

pub(crate) fn node(op: &str, inputs: &[&str], outputs: &[&str], settings: &[Set<'_>]) -> Message {
    let (domain, op) = op.rsplit_once("::").unwrap_or(("", op));
    let mut node = Message::default().text(4, op).text(7, domain);
    for input in inputs {
        node = node.text(1, input);
    }
    for output in outputs {
        node = node.text(2, output);
    }
    for setting in settings {
        let attribute = match setting {
            Set::Int(name, value) => Message::default().text(1, name).int(3, *value),
            Set::Float(name, value) => Message::default().text(1, name).float(2, *value),
            Set::Text(name, value) => Message::default().text(1, name).text(4, value),
            Set::Graph(name, value) => Message::default().text(1, name).message(6, value),
            Set::Given(name, outer) => Message::default().text(1, name).text(21, outer),
            Set::Ints(name, values) => {
                values.iter().fold(Message::default().text(1, name), |attribute, &value| attribute.int(8, value))
            }
        };
        node = node.message(5, &attribute);
    }
    node
}

/// A value with its type: `f32[2, batch]`, `i64[]`.
pub(crate) fn value(name: &str, ty: &str) -> Message {
    let (dtype, rest) = ty.split_once('[').unwrap();
    let mut shape = Message::default();
    for dim in rest.trim_end_matches(']').split(',').map(str::trim).filter(|dim| !dim.is_empty()) {
        let dim = match dim.parse::<i64>() {
            Ok(extent) => Message::default().int(1, extent),
            Err(_) => Message::default().text(2, dim),
        };
        shape = shape.message(1, &dim);
    }
    let tensor = Message::default().int(1, code(dtype)).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

fn code(dtype: &str) -> i64 {
    ["", "f32", "u8", "i8", "u16", "i16", "i32", "i64", "", "bool", "f16", "f64"]
        .iter()
        .position(|name| *name == dtype)
        .unwrap()
        .try_into()
        .unwrap()
}

/// A literal without data, as weights are once they are taken out.
pub(crate) fn weight(name: &str, dims: &[i64]) -> Message {
    dims.iter().fold(Message::default().text(8, name).int(2, 1), |tensor, &dim| tensor.int(1, dim))
}

/// A literal of integers.
pub(crate) fn ints(name: &str, values: &[i64]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Message::default().text(8, name).int(2, 7).int(1, values.len().try_into().unwrap()).bytes(9, &raw)
}

/// A literal number.
pub(crate) fn number(name: &str, value: f32) -> Message {
    Message::default().text(8, name).int(2, 1).bytes(9, &value.to_le_bytes())
}

/// The parts of a graph.
#[derive(Clone, Default)]
pub(crate) struct Parts {
    pub(crate) inputs: Vec<Message>,
    pub(crate) literals: Vec<Message>,
    pub(crate) nodes: Vec<Message>,
    pub(crate) outputs: Vec<Message>,
    pub(crate) recorded: Vec<Message>,
}

impl Parts {
    pub(crate) fn graph(&self) -> Message {
        let lists =
            [(1, &self.nodes), (5, &self.literals), (11, &self.inputs), (12, &self.outputs), (13, &self.recorded)];
        let entries = lists.into_iter().flat_map(|(field, list)| list.iter().map(move |entry| (field, entry)));
        entries.fold(Message::default().text(2, "g"), |graph, (field, entry)| graph.message(field, entry))
    }

    pub(crate) fn model(&self, opset: i64) -> Message {
        let version = |domain: &str, version: i64| Message::default().text(1, domain).int(2, version);
        Message::default()
            .int(1, 10)
            .message(8, &version("", opset))
            .message(8, &version("local", 1))
            .message(7, &self.graph())
    }
}

pub(crate) fn read(model: &Message) -> Result<Loaded, OnnxError> {
    fusewright_onnx::read(Bytes::from(model.0.clone()), &|_| None, &Bindings::default())
}

/// The nodes of a graph as text, without names and places: `f32[2] = relu(%x)`.
pub(crate) fn steps(loaded: &Loaded) -> Vec<String> {
    let printed = text::print(&loaded.graph);
    let lines = printed.lines().map(str::trim).filter(|line| line.starts_with('%'));
    lines.map(|line| line.split(" @").next().unwrap().split_once(": ").unwrap().1.to_owned()).collect()
}
