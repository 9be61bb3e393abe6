//! The checkpoint beside a configuration: its headers say how many parameters the model really has, and where they lie.

use std::collections::{BTreeMap, BTreeSet};

use fusewright_hf::safetensors::{self, Header, SafetensorsError};
use fusewright_ir::Loaded;

use super::external::Neighbours;

/// Names that the hub uses for a checkpoint in one file, and for the index of one in several.
const WHOLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Compares a model with the checkpoint beside its configuration, if there is one, and notes where its weights lie.
pub(super) fn attach(loaded: &mut Loaded, model_type: &str, neighbours: &Neighbours) {
    let (name, headers) = match (neighbours.map(INDEX), neighbours.map(WHOLE)) {
        (Some(index), _) => (INDEX, shards(&index, neighbours)),
        (None, Some(whole)) => {
            let header = safetensors::header(&whole);
            (WHOLE, header.map(|header| BTreeMap::from([(WHOLE.to_owned(), header)])))
        }
        (None, None) => return,
    };
    let headers = match headers {
        Ok(headers) => headers,
        Err(problem) => {
            loaded.notes.push(format!("`{name}` was not compared: {problem}"));
            return;
        }
    };
    if headers.is_empty() {
        loaded.notes.push(format!("`{name}` lists files that are not there; parameters not compared"));
        return;
    }
    let parameters = fusewright_hf::parameters(&loaded.graph);
    let difference = safetensors::compare(parameters, headers.values());
    loaded.notes.push(difference.unwrap_or_else(|| format!("`{name}` holds the same {parameters} parameters")));
    let located =
        fusewright_hf::locate(&loaded.graph, model_type, headers.iter().map(|(file, header)| (file.as_str(), header)));
    let computed = std::mem::replace(&mut loaded.contents, located.contents);
    let missing: Vec<&String> = located.missing.iter().filter(|name| computed.get(name).is_none()).collect();
    if let [first, rest @ ..] = &missing[..] {
        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        loaded.notes.push(format!("`{name}` has no `{first}`{more} of this shape; running the model makes them up"));
    }
    for (name, content) in computed.iter() {
        loaded.contents.insert(name, content.clone());
    }
}

/// The headers of all files of a checkpoint, by name; none when one is missing, for then their sum means nothing.
fn shards(index: &[u8], neighbours: &Neighbours) -> Result<BTreeMap<String, Header>, SafetensorsError> {
    let index = safetensors::index(index)?;
    let files: BTreeSet<String> = index.files.into_values().collect();
    let mapped: Option<Vec<_>> = files.into_iter().map(|file| Some((neighbours.map(&file)?, file))).collect();
    mapped.unwrap_or_default().into_iter().map(|(bytes, file)| Ok((file, safetensors::header(&bytes)?))).collect()
}
