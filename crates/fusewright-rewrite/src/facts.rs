//! What the analysis of fusewright knows of a document: its graph at two sizes of everything that is open.
//!
//! What a rewrite reads off the graph must hold at every size. It is read off twice, with sizes that no other extent is
//! likely to have, and taken where both readings say the same: an extent that differs between them is an open one.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use fusewright_ir::ops::{Binary, Pointwise};
use fusewright_ir::{
    Bindings, BoundDim, Consumers, Content, Contents, DType, Graph, Loaded, NodeId, Op, Origin, Storage, ValueId,
};
use fusewright_onnx::Names;
use fusewright_pattern::{Attentions, find_attentions_knowing};

use crate::RewriteError;
use crate::document::Document;
use crate::{literal, regular};

/// Sizes for open dims; none is 1, which broadcasts. The second reading begins elsewhere in the list.
const SIZES: [u64; 16] = [3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59];
const SHIFT: usize = 2;
/// Most open lengths of which pairs are tried as equal ones.
const LENGTHS: usize = 6;
/// Lengths beyond the windows that models are known to have; shorter ones for models with a table of positions.
const LONG: [u64; 3] = [1 << 15, 4093, 509];

/// Elements of what no node makes.
#[derive(Clone, Copy)]
struct Numbers<'a> {
    contents: &'a Contents,
    /// The bytes that contents point into.
    outline: &'a Bytes,
}

impl Numbers<'_> {
    /// The shape and all elements, row by row.
    fn all(self, graph: &Graph, value: ValueId) -> Option<(Vec<u64>, Vec<f64>)> {
        self.at(graph, value, 0)?;
        let tensor = graph.tensor(value)?;
        let all = (0..tensor.elements()).map(|at| self.at(graph, value, at)).collect::<Option<_>>()?;
        Some((tensor.shape.to_vec(), all))
    }

    /// The element at a position, counted row by row.
    #[allow(clippy::cast_precision_loss, reason = "numbers that masks and tables are made of are small")]
    fn at(self, graph: &Graph, value: ValueId, at: u64) -> Option<f64> {
        let at = usize::try_from(at).ok()?;
        match self.contents.get(graph.value_name(value))? {
            Content::Floats(values) => values.get(at).copied(),
            Content::Ints(values) => values.get(at).map(|&value| value as f64),
            Content::Stored(place) if place.file.is_none() && place.strides.is_none() && place.first == 0 => {
                let start = usize::try_from(place.offset).ok()?;
                let bytes = self.outline.get(start..start.checked_add(usize::try_from(place.length).ok()?)?)?;
                match place.dtype {
                    DType::F32 => bytes.as_chunks::<4>().0.get(at).map(|bytes| f64::from(f32::from_le_bytes(*bytes))),
                    DType::I64 => bytes.as_chunks::<8>().0.get(at).map(|bytes| i64::from_le_bytes(*bytes) as f64),
                    DType::I32 => bytes.as_chunks::<4>().0.get(at).map(|bytes| f64::from(i32::from_le_bytes(*bytes))),
                    DType::Bool => bytes.get(at).map(|&byte| f64::from(u8::from(byte != 0))),
                    _ => None,
                }
            }
            Content::Stored(_) | Content::Joined(_) | Content::Plus(..) => None,
        }
    }
}

/// One reading of a document.
pub(crate) struct Facts {
    pub(crate) graph: Graph,
    pub(crate) consumers: Consumers,
    pub(crate) attentions: Attentions,
    /// For each value whether its elements depend on what the caller gives.
    pub(crate) varies: Vec<bool>,
    /// Places that could not be read exactly.
    warnings: usize,
    /// What literals and computed numbers hold; offsets are into the outline.
    contents: Contents,
    outline: Bytes,
    /// Types, and numbers that follow from the file, by names of the document.
    pub(crate) tensors: Names,
    /// Names that nodes or inputs of the document define.
    names: HashSet<String>,
    /// Products with a number that the document holds: which operand is multiplied, and the number.
    scaled: HashMap<NodeId, (usize, f64)>,
}

impl Facts {
    fn read(document: &Document, outline: &bytes::Bytes, bindings: &Bindings) -> Result<Self, RewriteError> {
        let (loaded, tensors) = fusewright_onnx::read_names(outline.clone(), &|_| None, bindings)?;
        let Loaded { graph, contents, warnings, .. } = loaded;
        let (storage, consumers) = (Storage::of(&graph), Consumers::of(&graph));
        let numbers = Numbers { contents: &contents, outline };
        let asked: RefCell<HashMap<ValueId, bool>> = RefCell::default();
        let known = |value: ValueId, at: u64| {
            let is_regular =
                || numbers.all(&graph, value).is_some_and(|(shape, all)| regular::is_regular(&shape, &all));
            let wanted = *asked.borrow_mut().entry(value).or_insert_with(is_regular);
            numbers.at(&graph, value, at).filter(|_| wanted)
        };
        let attentions = find_attentions_knowing(&graph, &storage, &consumers, &known);
        let mut varies = vec![false; graph.value_count()];
        for (id, value) in graph.values() {
            let depends = match value.origin {
                Origin::Input => true,
                Origin::Node { node, .. } => graph.node(node).inputs.iter().any(|input| varies[input.index()]),
                _ => false,
            };
            varies[id.index()] = depends;
        }
        let made = document.slots.iter().flat_map(|slot| slot.node().outputs.iter());
        // Where a shape is assumed, nothing that is read off it may be written.
        let names = made.chain(&document.inputs).filter(|name| tensors.contains_key(*name)).cloned().collect();
        let scaled = scaled(document, &graph);
        Ok(Self {
            graph,
            consumers,
            attentions,
            varies,
            warnings: warnings.len(),
            contents,
            outline: outline.clone(),
            tensors,
            names,
            scaled,
        })
    }

    /// The operand that a node multiplies with a number, and the number.
    pub(crate) fn scaled(&self, node: NodeId) -> Option<(usize, f64)> {
        let factor = match &self.graph.node(node).op {
            Op::Pointwise(Pointwise::WithScalar { kind: Binary::Mul, scalar, .. }) => (0, *scalar),
            Op::Pointwise(Pointwise::WithScalar { kind: Binary::Div, scalar, reversed: false }) => (0, scalar.recip()),
            _ => *self.scaled.get(&node)?,
        };
        Some(factor).filter(|(_, factor)| factor.is_finite() && *factor != 0.0)
    }

    /// A document at the sizes that an analysis assumes.
    pub(crate) fn of(document: &Document) -> Result<Self, RewriteError> {
        Self::read(document, &document.outline(), &Bindings::default())
    }

    /// The name that a value has in the document, if it has one there.
    pub(crate) fn name(&self, value: ValueId) -> Option<&str> {
        Some(self.graph.value_name(value)).filter(|name| self.names.contains(*name))
    }

    /// Extents of a value.
    pub(crate) fn shape(&self, value: ValueId) -> &[u64] {
        self.graph.tensor(value).map_or(&[], |tensor| &tensor.shape)
    }

    /// The numbers of a value that no node makes, where they are there; truth values are 0 and 1.
    pub(crate) fn numbers(&self, value: ValueId) -> Option<Vec<f64>> {
        let numbers = Numbers { contents: &self.contents, outline: &self.outline };
        numbers.all(&self.graph, value).map(|(_, numbers)| numbers)
    }

    /// The value is a result of the graph.
    pub(crate) fn is_result(&self, value: ValueId) -> bool {
        self.graph.outputs().contains(&value)
    }

    /// The module that a node belongs to.
    pub(crate) fn scope(&self, node: fusewright_ir::NodeId) -> &str {
        self.graph.text(self.graph.node(node).source.scope)
    }
}

/// A literal with one element may be taken for a weight, and is a number all the same.
fn scaled(document: &Document, graph: &Graph) -> HashMap<NodeId, (usize, f64)> {
    let constants = document.constants();
    let makers = document.makers();
    let number = |name: &String| match literal::floats(constants.get(name.as_str())?)?[..] {
        [number] => Some(f64::from(number)),
        _ => None,
    };
    let factor = |id: NodeId| {
        let node = graph.node(id);
        let Op::Pointwise(Pointwise::Binary(kind @ (Binary::Mul | Binary::Div))) = &node.op else { return None };
        let &[output] = &node.outputs[..] else { return None };
        let made = document.slots.get(*makers.get(graph.value_name(output))?)?.node();
        let op = if *kind == Binary::Mul { "Mul" } else { "Div" };
        let [left, right] = &made.inputs[..] else { return None };
        if !made.is(op) {
            return None;
        }
        let (operand, factor) = match (number(left), number(right)) {
            (_, Some(number)) if *kind == Binary::Div => (0, number.recip()),
            (_, Some(number)) => (0, number),
            (Some(number), None) if *kind == Binary::Mul => (1, number),
            _ => return None,
        };
        let same = graph.tensor(*node.inputs.get(operand)?)?.shape == graph.tensor(output)?.shape;
        same.then_some((operand, factor))
    };
    graph.nodes().filter_map(|(id, _)| Some((id, factor(id)?))).collect()
}

/// Which open extents are given one size: for each the first that it equals, and whether all batches do. Exporters give
/// the extents of each input names of their own, and a model may work only where some are equal.
fn equalities(dims: &[BoundDim]) -> Vec<(Vec<usize>, bool)> {
    let own: Vec<usize> = (0..dims.len()).collect();
    let lengths: Vec<usize> = own.iter().copied().filter(|&at| dims[at].size != 1).take(LENGTHS).collect();
    let mut all = vec![(own.clone(), false), (own.clone(), true)];
    for (position, &first) in lengths.iter().enumerate() {
        for &other in &lengths[position + 1..] {
            let mut equal = own.clone();
            equal[other] = first;
            all.push((equal, true));
        }
    }
    if lengths.len() > 2 {
        let equal = own.iter().map(|at| if lengths.contains(at) { lengths[0] } else { *at });
        all.push((equal.collect(), true));
    }
    all
}

/// Both readings, the same one twice where nothing is open.
pub(crate) struct Readings {
    pub(crate) first: Facts,
    pub(crate) second: Option<Facts>,
}

impl Readings {
    /// Reads a document; `None` where something is open and the model does not work at the sizes of the readings.
    pub(crate) fn of(document: &Document) -> Result<Option<Self>, RewriteError> {
        let outline = document.outline();
        let assumed = Facts::read(document, &outline, &Bindings::default())?;
        if assumed.graph.dims.is_empty() {
            return Ok(Some(Self { first: assumed, second: None }));
        }
        let dims = &assumed.graph.dims;
        let sized = |shift: usize, equal: &[usize], one_batch: bool| -> Bindings {
            let size = |position: usize, assumed: u64| match (one_batch, assumed) {
                (true, 1) => SIZES[shift],
                _ => SIZES[(equal[position] + shift + usize::from(one_batch)) % SIZES.len()],
            };
            let dims = dims.iter().enumerate();
            dims.map(|(position, dim)| (dim.name.clone(), size(position, dim.size))).collect()
        };
        let mut best: Option<(usize, Self)> = None;
        // Unless operators conflict, what is found with equal sizes only may hold for equal sizes only.
        let mut conflicts = false;
        for (equal, one_batch) in equalities(dims) {
            if conflicts || equal.iter().enumerate().all(|(own, &other)| own == other) {
                let read = |shift| Facts::read(document, &outline, &sized(shift, &equal, one_batch));
                let (Ok(first), Ok(second)) = (read(0), read(SHIFT)) else {
                    conflicts = true;
                    continue;
                };
                conflicts |= first.warnings > assumed.warnings;
                let found = first.attentions.sites.len().min(second.attentions.sites.len());
                if best.as_ref().is_none_or(|(known, _)| found > *known) {
                    best = Some((found, Self { first, second: Some(second) }));
                }
                if found >= assumed.attentions.sites.len() {
                    break;
                }
            }
        }
        Ok(best.map(|(_, readings)| readings))
    }
    /// A reading in which every open extent but the batch is so long that no window is wider; `None` where nothing is
    /// open, or where the model does not work at such sizes.
    pub(crate) fn long(&self, document: &Document) -> Option<Facts> {
        self.second.as_ref()?;
        let outline = document.outline();
        let assumed = fusewright_onnx::read(outline.clone(), &|_| None, &Bindings::default()).ok()?.graph.dims;
        LONG.iter().find_map(|&length| {
            let size = |dim: &BoundDim| if dim.size == 1 { 1 } else { length };
            let sizes = assumed.iter().map(|dim| (dim.name.clone(), size(dim))).collect();
            Facts::read(document, &outline, &sizes).ok()
        })
    }
}
