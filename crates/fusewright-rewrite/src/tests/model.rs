//! Building ONNX models.

use bytes::Bytes;
use prost::Message;

use crate::emit::{F32, I64};
use crate::message::{Attribute, Entry, Node, Opset, TensorMessage};
use crate::wire::header;

/// An extent: a number, or an open one by name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dim {
    Fixed(i64),
    Open(&'static str),
}

#[derive(Clone, PartialEq, Message)]
struct DimMessage {
    #[prost(int64, optional, tag = "1")]
    value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    parameter: Option<String>,
}

/// A model under construction.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) graph: Vec<u8>,
    /// Fields after the graph.
    pub(super) after: Vec<u8>,
    pub(super) opset: i64,
}

fn put(bytes: &mut Vec<u8>, number: u64, content: &[u8]) {
    bytes.extend(header(number, content.len() as u64));
    bytes.extend(content);
}

impl Model {
    pub(super) fn new(opset: i64) -> Self {
        Self { graph: Vec::new(), after: Vec::new(), opset }
    }

    fn info(&mut self, number: u64, name: &str, dims: &[Dim], data_type: i32) {
        let mut shape = Vec::new();
        for dim in dims {
            let message = match dim {
                Dim::Fixed(extent) => DimMessage { value: Some(*extent), parameter: None },
                Dim::Open(name) => DimMessage { value: None, parameter: Some((*name).to_owned()) },
            };
            put(&mut shape, 1, &message.encode_to_vec());
        }
        let mut tensor = vec![0x08, u8::try_from(data_type).unwrap()];
        put(&mut tensor, 2, &shape);
        let mut ty = Vec::new();
        put(&mut ty, 1, &tensor);
        let mut info = Vec::new();
        put(&mut info, 1, name.as_bytes());
        put(&mut info, 2, &ty);
        put(&mut self.graph, number, &info);
    }

    pub(super) fn input(&mut self, name: &str, dims: &[Dim], data_type: i32) -> &mut Self {
        self.info(11, name, dims, data_type);
        self
    }

    pub(super) fn output(&mut self, name: &str, dims: &[Dim]) -> &mut Self {
        self.info(12, name, dims, F32);
        self
    }

    /// A weight of these extents.
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    pub(super) fn weight(&mut self, name: &str, dims: &[i64]) -> &mut Self {
        let count = dims.iter().product::<i64>();
        let values: Vec<f32> = (0..count).map(|at| at as f32 / 64.0 - 1.0).collect();
        self.floats(name, dims, &values)
    }

    pub(super) fn floats(&mut self, name: &str, dims: &[i64], values: &[f32]) -> &mut Self {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let (name, dims, raw) = (name.to_owned(), dims.to_vec(), Some(raw.into()));
        self.tensor(&TensorMessage { name, dims, data_type: F32, raw, ..TensorMessage::default() })
    }

    pub(super) fn tensor(&mut self, tensor: &TensorMessage) -> &mut Self {
        put(&mut self.graph, 5, &tensor.encode_to_vec());
        self
    }

    pub(super) fn ints(&mut self, name: &str, values: &[i64]) -> &mut Self {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let dims = vec![i64::try_from(values.len()).unwrap()];
        let (name, raw) = (name.to_owned(), Some(raw.into()));
        self.tensor(&TensorMessage { name, dims, data_type: I64, raw, ..TensorMessage::default() })
    }

    pub(super) fn number(&mut self, name: &str, value: f32) -> &mut Self {
        let raw = Some(value.to_le_bytes().to_vec().into());
        self.tensor(&TensorMessage { name: name.to_owned(), data_type: F32, raw, ..TensorMessage::default() })
    }

    pub(super) fn node(&mut self, op: &str, inputs: &[&str], output: &str, attributes: Vec<Bytes>) -> &mut Self {
        let scopes = "['', 'encoder', 'encoder.layer.0', 'op']";
        let place = Entry { key: "pkg.torch.onnx.name_scopes".to_owned(), value: scopes.to_owned() };
        let node = Node {
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
            outputs: vec![output.to_owned()],
            name: format!("node_{output}"),
            op_type: op.to_owned(),
            attributes,
            metadata: vec![place.encode_to_vec().into()],
            ..Node::default()
        };
        put(&mut self.graph, 1, &node.encode_to_vec());
        self
    }

    pub(super) fn perm(&mut self, input: &str, output: &str, order: &[i64]) -> &mut Self {
        self.node("Transpose", &[input], output, vec![Attribute::of_ints("perm", order)])
    }

    pub(super) fn bytes(&self) -> Bytes {
        let mut model = vec![0x08, 0x0a];
        put(&mut model, 2, b"by hand");
        put(&mut model, 7, &self.graph);
        put(&mut model, 8, &Opset { domain: String::new(), version: self.opset }.encode_to_vec());
        model.extend(&self.after);
        model.into()
    }
}
