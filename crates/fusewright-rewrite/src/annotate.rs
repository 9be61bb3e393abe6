//! Notes on the nodes of a model, which viewers show beside them: nothing else of the file changes.
//!
//! A node of the file may be several of the graph, or none. Those that belong to it are found backwards from its results,
//! up to names that the file gives: nodes of an inlined function belong to the call.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use fusewright_ir::{Graph, NodeId};
use prost::Message;

use crate::document::Document;
use crate::message::Entry;
use crate::wire::{self, Field};
use crate::{Files, Report, RewriteError, Rewritten};

/// What every key of a note begins with. Notes that are there already go when a model is annotated again.
pub const NOTES: &str = "fusewright.";
/// Field of a model that holds notes on it.
const MODEL_NOTES: u64 = 14;

/// A key, which begins with [`NOTES`], and a text.
pub type Note = (&'static str, String);

/// Writes notes on a model and on its nodes. `graph` is what the reader made of the model, attention opened or not, and
/// `notes` gives those of a node that became these nodes of the graph.
pub fn annotate(
    model: &Bytes,
    files: &Files<'_>,
    graph: &Graph,
    notes_of_model: Vec<Note>,
    notes: &dyn Fn(&[NodeId]) -> Vec<Note>,
) -> Result<Rewritten, RewriteError> {
    let mut document = Document::read(model, files)?;
    let became = became(&document, graph);
    for (slot, nodes) in document.slots.iter_mut().zip(&became) {
        let notes = if nodes.is_empty() { Vec::new() } else { notes(nodes) };
        if !notes.is_empty() || slot.node().metadata.iter().any(is_note) {
            slot.annotate(notes.into_iter().map(entry))?;
        }
    }
    document.after.retain(|field| field.number != MODEL_NOTES || !field.content.as_ref().is_some_and(is_note));
    document.after.extend(notes_of_model.into_iter().map(|note| {
        let content = entry(note);
        let whole = [wire::header(MODEL_NOTES, content.len() as u64), content.to_vec()].concat();
        Field { number: MODEL_NOTES, content: Some(content), whole: whole.into() }
    }));
    let counts = document.counts();
    let report = Report { before: counts.clone(), after: counts, ..Report::default() };
    Ok(Rewritten { document, report })
}

fn entry((key, value): Note) -> Bytes {
    Entry { key: key.to_owned(), value }.encode_to_vec().into()
}

/// The encoded entry is a note of an earlier run.
pub(crate) fn is_note(entry: &Bytes) -> bool {
    Entry::decode(entry.clone()).is_ok_and(|entry| entry.key.starts_with(NOTES))
}

/// For each node of the document the nodes of the graph that it became, in their order.
fn became(document: &Document, graph: &Graph) -> Vec<Vec<NodeId>> {
    let literals = document.tensors.iter().map(|tensor| tensor.name.as_str());
    let inputs = document.inputs.iter().map(String::as_str);
    let made = document.slots.iter().flat_map(|slot| &slot.node().outputs).map(String::as_str);
    let known: HashSet<&str> = literals.chain(inputs).chain(made).collect();
    let mut makers: HashMap<&str, NodeId> = HashMap::new();
    for (id, node) in graph.nodes() {
        makers.extend(node.outputs.iter().map(|&output| (graph.value_name(output), id)));
    }
    let became = |outputs: &[String]| {
        let mut open: Vec<NodeId> = outputs.iter().filter_map(|output| makers.get(output.as_str()).copied()).collect();
        let mut found = BTreeSet::new();
        while let Some(id) = open.pop() {
            if found.insert(id) {
                let inputs = graph.node(id).inputs.iter().filter(|&&input| !known.contains(graph.value_name(input)));
                open.extend(inputs.filter_map(|&input| graph.producer(input)));
            }
        }
        found.into_iter().collect()
    };
    document.slots.iter().map(|slot| became(&slot.node().outputs)).collect()
}
