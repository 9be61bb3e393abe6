//! A model as a list of nodes and literals that can be changed, everything else as it stands in the file.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use prost::Message;

use crate::RewriteError;
use crate::annotate::is_note;
use crate::message::{FunctionBody, Named, Node, Opset, SubGraph, TensorMessage};
use crate::tensors::{Files, Tensor};
use crate::wire::{self, Field};

/// Field numbers of a model, of a node and of a graph.
const MODEL_GRAPH: u64 = 7;
const MODEL_OPSETS: u64 = 8;
const MODEL_FUNCTIONS: u64 = 25;
const NODE_METADATA: u64 = 9;
const GRAPH_NODES: u64 = 1;
const GRAPH_TENSORS: u64 = 5;
const GRAPH_INPUTS: u64 = 11;
const GRAPH_OUTPUTS: u64 = 12;
const GRAPH_INFOS: u64 = 13;

/// A node of the model, or a new one.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    node: Node,
    /// The message as it stands in the file, while the node is as it was.
    whole: Option<Bytes>,
    captured: Vec<String>,
}

impl Slot {
    fn read(message: Bytes) -> Result<Self, RewriteError> {
        let node = Node::decode(message.clone())?;
        let captured = node.captured();
        Ok(Self { node, whole: Some(message), captured })
    }

    /// A new node.
    pub(crate) fn made(node: Node) -> Self {
        let captured = node.captured();
        Self { node, whole: None, captured }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// The node to change it; its message is written anew.
    pub(crate) fn change(&mut self) -> &mut Node {
        self.whole = None;
        &mut self.node
    }

    /// Gives the node these encoded notes in place of those that it has; its other bytes stay.
    pub(crate) fn annotate(&mut self, notes: impl Iterator<Item = Bytes>) -> Result<(), RewriteError> {
        let mut message = Vec::new();
        for field in wire::fields(&self.message())? {
            if field.number != NODE_METADATA || !field.content.as_ref().is_some_and(is_note) {
                message.extend_from_slice(&field.whole);
            }
        }
        for note in notes {
            message.extend(wire::header(NODE_METADATA, note.len() as u64));
            message.extend_from_slice(&note);
        }
        *self = Self::read(message.into())?;
        Ok(())
    }

    /// Names that the node reads, those of sub-graphs included.
    pub(crate) fn reads(&self) -> impl Iterator<Item = &str> {
        self.node.inputs.iter().chain(&self.captured).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The encoded message.
    pub(crate) fn message(&self) -> Bytes {
        self.whole.clone().unwrap_or_else(|| self.node.encode_to_vec().into())
    }
}

/// A model that can be changed.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// Fields of the model before its graph, after it, and of its graph, as far as they are not told apart.
    pub(crate) before: Vec<Field>,
    pub(crate) after: Vec<Field>,
    pub(crate) graph: Vec<Field>,
    pub(crate) opsets: Vec<Opset>,
    /// Names of the graph's inputs and results.
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    /// Recorded types by name.
    pub(crate) infos: Vec<(String, Bytes)>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) tensors: Vec<Tensor>,
    /// Operators that are functions of the model, by domain and name.
    pub(crate) functions: HashSet<(String, String)>,
}

impl Document {
    /// Reads a model. `files` gives the files beside it, whose content is looked up and not read.
    pub(crate) fn read(model: &Bytes, files: &Files<'_>) -> Result<Self, RewriteError> {
        let mut document = Self {
            before: Vec::new(),
            after: Vec::new(),
            graph: Vec::new(),
            opsets: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            infos: Vec::new(),
            slots: Vec::new(),
            tensors: Vec::new(),
            functions: HashSet::new(),
        };
        for field in wire::fields(model)? {
            match (field.number, &field.content) {
                (MODEL_GRAPH, Some(graph)) => document.read_graph(graph, files)?,
                (MODEL_OPSETS, Some(opset)) => document.opsets.push(Opset::decode(opset.clone())?),
                (MODEL_FUNCTIONS, Some(function)) => {
                    document.read_function(function)?;
                    document.after.push(field);
                }
                (number, _) if number < MODEL_GRAPH => document.before.push(field),
                _ => document.after.push(field),
            }
        }
        for slot in &document.slots {
            refuse_nested_external(slot.node())?;
        }
        Ok(document)
    }

    fn read_graph(&mut self, graph: &Bytes, files: &Files<'_>) -> Result<(), RewriteError> {
        for field in wire::fields(graph)? {
            let Some(content) = field.content.clone() else {
                self.graph.push(field);
                continue;
            };
            match field.number {
                GRAPH_NODES => self.slots.push(Slot::read(content)?),
                GRAPH_TENSORS => self.tensors.push(Tensor::read(content, files)?),
                GRAPH_INFOS => self.infos.push((Named::decode(content)?.name, field.whole)),
                GRAPH_INPUTS => {
                    self.inputs.push(Named::decode(content)?.name);
                    self.graph.push(field);
                }
                GRAPH_OUTPUTS => {
                    self.outputs.push(Named::decode(content)?.name);
                    self.graph.push(field);
                }
                _ => self.graph.push(field),
            }
        }
        Ok(())
    }

    fn read_function(&mut self, function: &Bytes) -> Result<(), RewriteError> {
        let fields = wire::fields(function)?;
        let text = |number: u64| {
            let found = fields.iter().find(|field| field.number == number).and_then(|field| field.content.clone());
            found.map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
        };
        self.functions.insert((text(10), text(1)));
        for node in FunctionBody::decode(function.clone())?.nodes {
            refuse_nested_external(&node)?;
        }
        Ok(())
    }

    /// The version of a domain's operators.
    pub(crate) fn version(&self, domain: &str) -> Option<i64> {
        let same = |opset: &&Opset| opset.domain == domain || domain.is_empty() && opset.domain == "ai.onnx";
        self.opsets.iter().find(same).map(|opset| opset.version)
    }

    /// Declares that operators of a domain are used.
    pub(crate) fn import(&mut self, domain: &str, version: i64) {
        if self.version(domain).is_none() {
            self.opsets.push(Opset { domain: domain.to_owned(), version });
        }
    }

    /// Position of the node that makes each name.
    pub(crate) fn makers(&self) -> HashMap<&str, usize> {
        let mut makers = HashMap::new();
        for (position, slot) in self.slots.iter().enumerate() {
            for output in slot.node().outputs.iter().filter(|output| !output.is_empty()) {
                makers.insert(output.as_str(), position);
            }
        }
        makers
    }

    /// For each name how often it is read, by nodes, their sub-graphs, and as a result of the graph.
    pub(crate) fn readers(&self) -> HashMap<&str, usize> {
        let mut readers: HashMap<&str, usize> = HashMap::new();
        for name in self.slots.iter().flat_map(Slot::reads).chain(self.outputs.iter().map(String::as_str)) {
            *readers.entry(name).or_default() += 1;
        }
        readers
    }

    /// A literal by name: an initializer that no caller can replace.
    pub(crate) fn literals(&self) -> HashMap<&str, &Tensor> {
        let given: HashSet<&str> = self.inputs.iter().map(String::as_str).collect();
        let own = self.tensors.iter().filter(|tensor| !given.contains(tensor.name.as_str()));
        own.map(|tensor| (tensor.name.as_str(), tensor)).collect()
    }

    /// Small literals by name, initializers and Constant nodes alike.
    pub(crate) fn constants(&self) -> HashMap<&str, TensorMessage> {
        let mut constants: HashMap<&str, TensorMessage> = HashMap::new();
        for slot in &self.slots {
            let node = slot.node();
            if let ("Constant", true, Some(output)) = (node.op_type.as_str(), node.is_standard(), node.outputs.first())
                && let Some(tensor) = node.attribute("value").and_then(|attribute| attribute.tensor)
            {
                constants.insert(output, *tensor);
            }
        }
        // A literal of the graph may be large; only small ones are read.
        for (name, tensor) in sorted(self.literals()) {
            if let Some(message) = tensor.message() {
                constants.insert(name, message);
            }
        }
        constants
    }

    /// Takes out nodes whose results nobody reads, literals that nobody reads, and types of names that are gone. Gives
    /// the number of nodes that went.
    pub(crate) fn prune(&mut self) -> usize {
        let mut wanted: HashSet<&str> = self.outputs.iter().map(String::as_str).collect();
        let mut keep = vec![false; self.slots.len()];
        for (slot, keep) in self.slots.iter().zip(&mut keep).rev() {
            *keep = slot.node().outputs.iter().any(|output| wanted.contains(output.as_str()))
                || slot.node().outputs.iter().all(String::is_empty);
            if *keep {
                wanted.extend(slot.reads());
            }
        }
        let given: HashSet<&str> = self.inputs.iter().map(String::as_str).collect();
        let tensors: Vec<bool> = self
            .tensors
            .iter()
            .map(|tensor| wanted.contains(tensor.name.as_str()) || given.contains(tensor.name.as_str()))
            .collect();
        let before = self.slots.len();
        let mut keep = keep.into_iter();
        self.slots.retain(|_| keep.next().unwrap_or(true));
        let mut tensors = tensors.into_iter();
        self.tensors.retain(|_| tensors.next().unwrap_or(true));
        let made: HashSet<&str> = self.slots.iter().flat_map(|slot| &slot.node().outputs).map(String::as_str).collect();
        let literal: HashSet<&str> = self.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        let inputs: HashSet<&str> = self.inputs.iter().map(String::as_str).collect();
        let known = |name: &str| made.contains(name) || literal.contains(name) || inputs.contains(name);
        let infos = self.infos.iter().filter(|(name, _)| known(name)).cloned().collect();
        self.infos = infos;
        before - self.slots.len()
    }

    /// Operators with how often they occur, sorted by name.
    pub(crate) fn counts(&self) -> std::collections::BTreeMap<String, u64> {
        let mut counts = std::collections::BTreeMap::new();
        for slot in &self.slots {
            let node = slot.node();
            let name =
                if node.is_standard() { node.op_type.clone() } else { format!("{}.{}", node.domain, node.op_type) };
            *counts.entry(name).or_default() += 1;
        }
        counts
    }
}

/// Entries in the order of their names.
pub(crate) fn sorted<V>(map: HashMap<&str, V>) -> Vec<(&str, V)> {
    let mut entries: Vec<_> = map.into_iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    entries
}

/// Weights inside nodes may not lie in other files: the model would lose them when it is moved.
fn refuse_nested_external(node: &Node) -> Result<(), RewriteError> {
    let refuse = |tensor: &TensorMessage| match tensor.location {
        1 => Err(RewriteError::NestedExternal { tensor: tensor.name.clone() }),
        _ => Ok(()),
    };
    let mut open: Vec<Bytes> = node.graphs().collect();
    if let Some(tensor) = node.attribute("value").and_then(|attribute| attribute.tensor) {
        refuse(&tensor)?;
    }
    while let Some(bytes) = open.pop() {
        let graph = SubGraph::decode(bytes)?;
        graph.initializers.iter().try_for_each(refuse)?;
        for node in &graph.nodes {
            open.extend(node.graphs());
            if let Some(tensor) = node.attribute("value").and_then(|attribute| attribute.tensor) {
                refuse(&tensor)?;
            }
        }
    }
    Ok(())
}
