//! New nodes and literals for a document, named after the module that they come from.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use prost::Message;

use crate::document::{Document, Slot};
use crate::message::{Attribute, Entry, Node};
use crate::payload::Payload;
use crate::recipe::OpenRecipe;
use crate::tensors::Tensor;

/// Codes of element types.
pub(crate) const F32: i32 = 1;
pub(crate) const I32: i32 = 6;
pub(crate) const I64: i32 = 7;

/// Annotations of a node that hold for whatever takes its place: where it stands in the module tree.
const PLACES: [&str; 3] = ["namespace", "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"];

/// Where new nodes come from: a node of the document that they take the place of.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// What their names begin with, the separator included.
    prefix: String,
    metadata: Vec<Bytes>,
    /// The node that they stand before.
    before: usize,
}

impl Place {
    /// The place of a node, in a module.
    pub(crate) fn of(document: &Document, position: usize, scope: &str, before: usize) -> Self {
        let node = document.slots.get(position).map(Slot::node);
        let name = node.map_or("", |node| node.name.as_str());
        // The older exporter names nodes by their path; others say the module elsewhere.
        let prefix = match name.rsplit_once('/') {
            Some((path, _)) if name.starts_with('/') => format!("{path}/"),
            _ if scope.is_empty() => String::new(),
            _ => format!("{scope}/"),
        };
        let is_place =
            |bytes: &&Bytes| Entry::decode((*bytes).clone()).is_ok_and(|entry| PLACES.contains(&entry.key.as_str()));
        let metadata = node.map(|node| node.metadata.iter().filter(is_place).cloned().collect()).unwrap_or_default();
        Self { prefix, metadata, before }
    }
}

/// Collects what is added to a document and what is taken out, and does both at once.
pub(crate) struct Emitter {
    /// The version of the standard operators.
    pub(crate) version: i64,
    taken: HashSet<String>,
    added: BTreeMap<usize, Vec<Slot>>,
    removed: HashSet<usize>,
    tensors: Vec<Tensor>,
    ints: HashMap<Vec<i64>, String>,
    shorts: HashMap<Vec<i32>, String>,
    numbers: HashMap<(u32, i32), String>,
}

impl Emitter {
    pub(crate) fn new(document: &Document) -> Self {
        let mut taken: HashSet<String> = document.inputs.iter().cloned().collect();
        for slot in &document.slots {
            let node = slot.node();
            taken.insert(node.name.clone());
            taken.extend(node.outputs.iter().cloned());
            // Names of a sub-graph may not be defined outside.
            taken.extend(slot.reads().map(str::to_owned));
        }
        taken.extend(document.tensors.iter().map(|tensor| tensor.name.clone()));
        Self {
            version: document.version("").unwrap_or(0),
            taken,
            added: BTreeMap::new(),
            removed: HashSet::new(),
            tensors: Vec::new(),
            ints: HashMap::new(),
            shorts: HashMap::new(),
            numbers: HashMap::new(),
        }
    }

    fn unique(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 1;
        while !self.taken.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }

    /// Adds a node; its result has the given name, or one of its own. Gives the name of the result.
    pub(crate) fn node(
        &mut self,
        place: &Place,
        (domain, op): (&str, &str),
        inputs: &[&str],
        attributes: Vec<Bytes>,
        output: Option<&str>,
    ) -> String {
        let name = self.unique(&format!("{}{op}", place.prefix));
        let output = output.map_or_else(|| self.unique(&format!("{name}_output_0")), str::to_owned);
        let node = Node {
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
            outputs: vec![output.clone()],
            name,
            op_type: op.to_owned(),
            attributes,
            domain: domain.to_owned(),
            metadata: place.metadata.clone(),
            ..Node::default()
        };
        self.added.entry(place.before).or_default().push(Slot::made(node));
        output
    }

    /// Takes a node out.
    pub(crate) fn remove(&mut self, position: usize) {
        self.removed.insert(position);
    }

    /// A list of integers as a literal.
    pub(crate) fn ints(&mut self, values: &[i64]) -> String {
        if let Some(name) = self.ints.get(values) {
            return name.clone();
        }
        let text: Vec<String> = values.iter().map(i64::to_string).collect();
        let name = self.unique(&format!("ints_{}", text.join("_")));
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let dims = vec![i64::try_from(values.len()).unwrap_or(0)];
        self.tensors.push(Tensor::made(name.clone(), dims, I64, Payload::plain(bytes.into())));
        self.ints.insert(values.to_vec(), name.clone());
        name
    }

    /// A list of short integers as a literal.
    pub(crate) fn shorts(&mut self, values: &[i32]) -> String {
        if let Some(name) = self.shorts.get(values) {
            return name.clone();
        }
        let text: Vec<String> = values.iter().map(i32::to_string).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let dims = vec![i64::try_from(values.len()).unwrap_or(0)];
        let name = self.tensor(&format!("shorts_{}", text.join("_")), dims, I32, Payload::plain(bytes.into()));
        self.shorts.insert(values.to_vec(), name.clone());
        name
    }

    /// A single-precision number as a literal without axes.
    #[allow(clippy::cast_possible_truncation, reason = "the tensor has single precision")]
    pub(crate) fn number(&mut self, value: f64) -> String {
        let value = value as f32;
        let key = (value.to_bits(), F32);
        if let Some(name) = self.numbers.get(&key) {
            return name.clone();
        }
        let name = self.unique(&format!("number_{value}"));
        let payload = Payload::plain(value.to_le_bytes().to_vec().into());
        self.tensors.push(Tensor::made(name.clone(), Vec::new(), F32, payload));
        self.numbers.insert(key, name.clone());
        name
    }

    /// Adds a literal; gives its name.
    pub(crate) fn tensor(&mut self, wanted: &str, dims: Vec<i64>, data_type: i32, payload: Payload) -> String {
        let name = self.unique(wanted);
        self.tensors.push(Tensor::made(name.clone(), dims, data_type, payload));
        name
    }

    /// Adds a node that gives the parts of a tensor, under the given names.
    pub(crate) fn split(&mut self, place: &Place, inputs: &[&str], attributes: Vec<Bytes>, outputs: Vec<String>) {
        let name = self.unique(&format!("{}Split", place.prefix));
        let inputs = inputs.iter().map(|&input| input.to_owned()).collect();
        let (op_type, metadata) = ("Split".to_owned(), place.metadata.clone());
        let node = Node { inputs, outputs, name, op_type, attributes, metadata, ..Node::default() };
        self.added.entry(place.before).or_default().push(Slot::made(node));
    }

    /// Carries a recipe out; gives the name of the result.
    pub(crate) fn recipe(&mut self, place: &Place, recipe: &OpenRecipe, source: &str, output: Option<&str>) -> String {
        let mut left = [recipe.slice.is_some(), recipe.split.is_some(), recipe.order.is_some(), recipe.join.is_some()]
            .into_iter()
            .filter(|&needed| needed)
            .count();
        let mut current = source.to_owned();
        let mut name_of = || {
            left -= 1;
            if left == 0 { output } else { None }
        };
        if let Some((start, length)) = recipe.slice {
            let end = start.saturating_add(length);
            let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
            let (start, end, axes) = (self.ints(&[number(start)]), self.ints(&[number(end)]), self.ints(&[-1]));
            current = self.node(place, ("", "Slice"), &[&current, &start, &end, &axes], Vec::new(), name_of());
        }
        if let Some(shape) = &recipe.split {
            let shape = self.ints(shape);
            current = self.node(place, ("", "Reshape"), &[&current, &shape], Vec::new(), name_of());
        }
        if let Some(order) = &recipe.order {
            let order: Vec<i64> = order.iter().filter_map(|&at| i64::try_from(at).ok()).collect();
            let attributes = vec![Attribute::of_ints("perm", &order)];
            current = self.node(place, ("", "Transpose"), &[&current], attributes, name_of());
        }
        if let Some(shape) = &recipe.join {
            let shape = self.ints(shape);
            current = self.node(place, ("", "Reshape"), &[&current, &shape], Vec::new(), name_of());
        }
        current
    }

    /// Puts everything into the document.
    pub(crate) fn apply(self, document: &mut Document) {
        let Self { mut added, removed, tensors, .. } = self;
        let mut slots = Vec::with_capacity(document.slots.len());
        for (position, slot) in std::mem::take(&mut document.slots).into_iter().enumerate() {
            slots.extend(added.remove(&position).into_iter().flatten());
            if !removed.contains(&position) {
                slots.push(slot);
            }
        }
        slots.extend(added.into_values().flatten());
        document.slots = slots;
        document.tensors.extend(tensors);
        document.order();
    }
}
