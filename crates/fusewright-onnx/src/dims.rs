//! Sizes for the extents that a model leaves open.
//!
//! An open extent has the name that the exporter gave it, or `input.axis`. Users may also say `batch` for the first
//! axis of the inputs, and `seq` for the second axis of integer inputs.

use std::collections::{BTreeMap, BTreeSet};

use fusewright_ir::{Bindings, Graph, TensorType};

use super::OnnxError;
use super::expression;
use super::flatten::Program;
use super::proto::{Dim, ValueInfo};
use super::tensor::dtype;

/// What first axes and other axes get when nobody says a size.
const DEFAULTS: [u64; 2] = [1, 128];
/// Largest size that may be given.
const MAX: u64 = 1 << 40;

/// The open names of a model with their sizes.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    sizes: BTreeMap<String, u64>,
}

/// An open name, and where it stands.
#[derive(Debug, Default)]
struct Open {
    batch: bool,
    seq: bool,
    /// Spellings `input.axis` that mean it.
    places: BTreeSet<String>,
}

impl Sizes {
    /// Gives every open extent of the inputs a size, and says which were assumed.
    pub(crate) fn bind(program: &Program<'_>, bindings: &Bindings, notes: &mut Vec<String>) -> Result<Self, OnnxError> {
        let mut open = find_open(program);
        close_composed(&mut open);
        let mut sizes = BTreeMap::new();
        for specific in [true, false] {
            for (name, size) in bindings.iter() {
                let direct = open.keys().filter(|key| *key == name);
                let placed = open.iter().filter(|(_, open)| open.places.contains(name)).map(|(key, _)| key);
                let exact: BTreeSet<&String> = direct.chain(placed).collect();
                let meant: BTreeSet<&String> = match (exact.is_empty(), name) {
                    (false, _) => exact,
                    (true, "batch") => open.iter().filter(|(_, open)| open.batch).map(|(key, _)| key).collect(),
                    (true, "seq") => open.iter().filter(|(_, open)| open.seq).map(|(key, _)| key).collect(),
                    _ => BTreeSet::new(),
                };
                if meant.is_empty() {
                    return Err(OnnxError::UnknownDim { name: name.to_owned(), known: known(&open) });
                }
                if size == 0 || size > MAX {
                    return Err(OnnxError::DimRange { name: name.to_owned(), given: size });
                }
                let alias = !open.contains_key(name) && !open.values().any(|open| open.places.contains(name));
                if alias == specific {
                    continue;
                }
                for key in meant {
                    match sizes.get(key) {
                        // What was named by its own name keeps its size.
                        Some(_) if alias => {}
                        Some(&other) if other != size => {
                            return Err(OnnxError::DimConflict { name: key.clone(), given: size, size: other });
                        }
                        _ => {
                            sizes.insert(key.clone(), size);
                        }
                    }
                }
            }
        }
        let [first, others] = DEFAULTS;
        let mut assumed = Vec::new();
        for (name, open) in &open {
            if !sizes.contains_key(name) {
                let size = if open.batch { first } else { others };
                assumed.push(format!("{name} = {size}"));
                sizes.insert(name.clone(), size);
            }
        }
        if !assumed.is_empty() {
            notes.push(format!("sizes that the model leaves open were assumed: {}", assumed.join(", ")));
        }
        Ok(Self { sizes })
    }

    /// The size of a name or of an expression over names.
    pub(crate) fn evaluate(&self, text: &str) -> Option<u64> {
        match self.sizes.get(text) {
            Some(&size) => Some(size),
            None => expression::evaluate(text, &|name| self.sizes.get(name).copied()),
        }
    }

    /// Writes the names into the graph.
    pub(crate) fn record(&self, graph: &mut Graph) {
        for (name, &size) in &self.sizes {
            graph.bind_dim(name.clone(), size);
        }
    }

    /// The type of an input.
    pub(crate) fn input_type(&self, input: &ValueInfo) -> Result<TensorType, OnnxError> {
        let bad = |problem: String| OnnxError::Input { input: input.name.clone(), problem };
        let Some(tensor) = input.ty.as_ref().and_then(|ty| ty.tensor.as_ref()) else {
            return Err(bad("it is not a tensor; only tensors are read".to_owned()));
        };
        let dtype = dtype(tensor.data_type).map_err(bad)?;
        let Some(shape) = &tensor.shape else {
            return Err(bad("it has no shape, not even a number of axes; export it with one".to_owned()));
        };
        let extent = |(axis, dim): (usize, &Dim)| match dim {
            Dim { value: Some(value), .. } => {
                u64::try_from(*value).map_err(|_| bad(format!("its axis {axis} has the extent {value}")))
            }
            dim => {
                let text = open_text(&input.name, axis, dim);
                self.evaluate(&text)
                    .ok_or_else(|| bad(format!("the extent `{text}` of its axis {axis} is not an expression")))
            }
        };
        let extents = shape.dims.iter().enumerate().map(extent).collect::<Result<Vec<_>, _>>()?;
        Ok(TensorType::new(dtype, extents))
    }
}

/// The name or expression of an open extent.
fn open_text(input: &str, axis: usize, dim: &Dim) -> String {
    match dim.parameter.as_deref() {
        Some("" | "?") | None => format!("{input}.{axis}"),
        Some(text) => text.to_owned(),
    }
}

fn find_open(program: &Program<'_>) -> BTreeMap<String, Open> {
    let mut open: BTreeMap<String, Open> = BTreeMap::new();
    for (_, input) in &program.inputs {
        let Some(tensor) = input.ty.as_ref().and_then(|ty| ty.tensor.as_ref()) else { continue };
        let integer = matches!(tensor.data_type, 6 | 7);
        for (axis, dim) in tensor.shape.iter().flat_map(|shape| &shape.dims).enumerate() {
            if dim.value.is_some() {
                continue;
            }
            let text = open_text(&input.name, axis, dim);
            let looks = text.to_ascii_lowercase();
            let entry = open.entry(text).or_default();
            entry.batch |= axis == 0 || matches!(looks.as_str(), "batch" | "batch_size");
            entry.seq |= axis == 1 && integer
                || matches!(looks.as_str(), "seq" | "seq_len" | "sequence" | "sequence_length" | "seq_length");
            entry.places.insert(format!("{}.{axis}", input.name));
        }
    }
    open
}

/// Expressions are not open themselves; the names in them are.
fn close_composed(open: &mut BTreeMap<String, Open>) {
    let is_composed =
        |text: &str| expression::names(text).next() != Some(text) && expression::evaluate(text, &|_| Some(1)).is_some();
    let composed: Vec<String> = open.keys().filter(|text| is_composed(text)).cloned().collect();
    for text in composed {
        let Some(place) = open.get(&text) else { continue };
        if place.places.contains(&text) {
            continue;
        }
        open.remove(&text);
        for name in expression::names(&text) {
            open.entry(name.to_owned()).or_default();
        }
    }
}

fn known(open: &BTreeMap<String, Open>) -> String {
    if open.is_empty() {
        return "; all its sizes are fixed".to_owned();
    }
    let mut names: Vec<String> = open.keys().map(|name| format!("`{name}`")).collect();
    for (alias, any) in [("batch", open.values().any(|open| open.batch)), ("seq", open.values().any(|open| open.seq))] {
        if any && !open.contains_key(alias) {
            names.push(format!("`{alias}`"));
        }
    }
    format!("; it has {}", names.join(", "))
}
