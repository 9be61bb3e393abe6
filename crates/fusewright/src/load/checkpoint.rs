//! The checkpoint beside a configuration: its headers say how many parameters the model really has.

use std::collections::BTreeSet;

use fusewright_hf::safetensors::{self, Header, SafetensorsError};

use super::external::Neighbours;

/// Names that the hub uses for a checkpoint in one file, and for the index of one in several.
const WHOLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// What comparing `parameters` with the checkpoint beside a configuration gives; `None` when there is no checkpoint.
pub(super) fn compare(parameters: u64, neighbours: &Neighbours) -> Option<String> {
    let (name, headers) = match (neighbours.map(INDEX), neighbours.map(WHOLE)) {
        (Some(index), _) => (INDEX, shards(&index, neighbours)),
        (None, Some(whole)) => (WHOLE, safetensors::header(&whole).map(|header| vec![header])),
        (None, None) => return None,
    };
    Some(match headers {
        Ok(headers) if headers.is_empty() => {
            format!("`{name}` lists files that are not there; parameters not compared")
        }
        Ok(headers) => safetensors::compare(parameters, &headers)
            .unwrap_or_else(|| format!("`{name}` holds the same {parameters} parameters")),
        Err(problem) => format!("`{name}` was not compared: {problem}"),
    })
}

/// The headers of all files of a checkpoint; none when one is missing, for then their sum means nothing.
fn shards(index: &[u8], neighbours: &Neighbours) -> Result<Vec<Header>, SafetensorsError> {
    let index = safetensors::index(index)?;
    let files: BTreeSet<&String> = index.files.values().collect();
    let mapped: Option<Vec<_>> = files.into_iter().map(|file| neighbours.map(file)).collect();
    mapped.unwrap_or_default().iter().map(|bytes| safetensors::header(bytes)).collect()
}
