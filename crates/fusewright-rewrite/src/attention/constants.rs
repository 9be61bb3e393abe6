//! What a mask of fixed size says that is part of the file: nothing, or that keys which follow the query are hidden.

use std::collections::HashMap;

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
pub(super) fn says(document: &Document, known: &mut Known, source: &str, term: &Term) -> Says {
    let key = format!("{source}:{:?}", term.action);
    if let Some(&says) = known.get(&key) {
        return says;
    }
    let of_graph = document.literals().get(source).and_then(|tensor| Some((tensor.data_type, tensor.bytes()?)));
    let of_node = || document.constants().remove(source).and_then(|tensor| Some((tensor.data_type, tensor.raw?)));
    let elements = of_graph.or_else(of_node);
    let said = elements.and_then(|(data_type, raw)| read(data_type, &raw, term)).unwrap_or(Says::Other);
    known.insert(key, said);
    said
}

fn read(data_type: i32, raw: &[u8], term: &Term) -> Option<Says> {
    if raw.len() > MOST {
        return None;
    }
    // Each element: whether its score stays, or nothing where it is moved by something else.
    let stays: Vec<Option<bool>> = match (data_type, term.action) {
        (1, Action::Add) => {
            let numbers = raw.as_chunks::<4>().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes)));
            numbers.map(|number| if number == 0.0 { Some(true) } else { (number <= HIDDEN).then_some(false) }).collect()
        }
        (9, Action::Keep { when, .. }) => raw.iter().map(|&byte| Some((byte != 0) == when)).collect(),
        _ => return None,
    };
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
