//! Small models, each with a place where a rewrite fires and one where it nearly does.

mod annotate;
mod attention;
mod constants;
mod files;
mod grouped;
mod model;
mod patterns;
mod random;

use bytes::Bytes;
use fusewright_ir::{Bindings, Graph, Type};
use prost::Message;

use crate::message::Node;
use crate::{Options, Packing, Rewritten, Target, rewrite};

/// Rewrites a model that has everything in one file.
fn rewritten(model: &Bytes, target: Target) -> Rewritten {
    rewrite(model, &|_| None, &Options { target, opset: None, pack: Packing::Never }).unwrap()
}

/// The written model.
fn written(rewritten: &Rewritten) -> Bytes {
    let mut out = Vec::new();
    rewritten.write(&mut out, None).unwrap();
    out.into()
}

fn graph(model: &Bytes) -> Graph {
    fusewright_onnx::read(model.clone(), &|_| None, &Bindings::default()).unwrap().graph
}

/// Names and types of inputs and results.
fn interface(graph: &Graph) -> Vec<(String, Type)> {
    let both = graph.inputs().iter().chain(graph.outputs());
    both.map(|&value| (graph.value_name(value).to_owned(), graph.value(value).ty.clone())).collect()
}

/// The nodes of a written model.
fn nodes(model: &Bytes) -> Vec<Node> {
    let fields = crate::wire::fields(model).unwrap();
    let graph = fields.iter().find(|field| field.number == 7).and_then(|field| field.content.clone()).unwrap();
    let nodes = crate::wire::fields(&graph).unwrap().into_iter().filter(|field| field.number == 1);
    nodes.map(|field| Node::decode(field.content.unwrap()).unwrap()).collect()
}

fn ops(model: &Bytes) -> Vec<String> {
    nodes(model).into_iter().map(|node| node.op_type).collect()
}
