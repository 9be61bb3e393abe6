//! What a mask of fixed size says that is part of the file: nothing, or that keys which follow the query are hidden.

use std::collections::HashMap;

use bytes::Bytes;

use super::fills::Fills;
use super::scores::{Action, HIDDEN, Term};
use crate::document::Document;

/// Largest mask that is read, bytes.
const MOST: usize = 64 << 20;

/// What a mask does to the scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// Every score stays as it is.
    Nothing,
    /// A key stays if it does not follow the query.
    Causal,
    /// Something else, or the file does not know.
    Other,
}

/// What was read, by the mask's name and its action.
pub(super) type Known = HashMap<String, Says>;

/// What `source`, applied as `term` tells, says.
pub(super) fn says(document: &Document, fills: &Fills, known: &mut Known, source: &str, term: &Term) -> Says {
    let key = format!("{source}:{:?}", term.action);
    if let Some(&says) = known.get(&key) {
        return says;
    }
    let said = stays(document, fills, source, term.action).and_then(|stays| told(&stays, term)).unwrap_or(Says::Other);
    known.insert(key, said);
    said
}

/// For each element whether its score stays, or nothing where it is moved by something else.
fn stays(document: &Document, fills: &Fills, source: &str, action: Action) -> Option<Vec<Option<bool>>> {
    let added = |number: f64| if number == 0.0 { Some(true) } else { (number <= HIDDEN).then_some(false) };
    match (elements(document, source), action) {
        (Some((1, raw)), Action::Add) => {
            let numbers = raw.as_chunks::<4>().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes)));
            Some(numbers.map(added).collect())
        }
        (Some((9, raw)), Action::Keep { when, .. }) => {
            Some(raw.iter().map(|&byte| Some((byte != 0) == when)).collect())
        }
        // Exporters leave the choice between two numbers in the graph where the mask is large.
        (None, Action::Add) => {
            let [yes, no] = fills.both(source)?.map(added);
            let makers = document.makers();
            let node = document.slots.get(*makers.get(source)?)?.node();
            let (9, raw) = elements(document, node.inputs.first()?)? else { return None };
            Some(raw.iter().map(|&byte| if byte == 0 { no } else { yes }).collect())
        }
        _ => None,
    }
}

/// The element type and the elements of a literal that is not too large.
fn elements(document: &Document, name: &str) -> Option<(i32, Bytes)> {
    let of_graph = document.literals().get(name).and_then(|tensor| Some((tensor.data_type, tensor.bytes()?)));
    let of_node = || document.constants().remove(name).and_then(|tensor| Some((tensor.data_type, tensor.raw?)));
    of_graph.or_else(of_node).filter(|(_, raw)| raw.len() <= MOST)
}

fn told(stays: &[Option<bool>], term: &Term) -> Option<Says> {
    if !stays.is_empty() && stays.iter().all(|&stays| stays == Some(true)) {
        return Some(Says::Nothing);
    }
    let (&[ref lead @ .., queries, keys], &[.., rows, columns]) = (&term.shape[..], &term.scores[..]) else {
        return None;
    };
    let square = queries == keys && (queries, keys) == (rows, columns) && lead.iter().all(|&extent| extent == 1);
    let width = usize::try_from(keys).ok().filter(|&width| square && width.checked_mul(width) == Some(stays.len()))?;
    let causal = |(at, &stays): (usize, &Option<bool>)| stays == Some(at % width <= at / width);
    Some(if stays.iter().enumerate().all(causal) { Says::Causal } else { Says::Other })
}
