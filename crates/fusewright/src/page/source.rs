//! The model that travels in a page: what of its file the planner needs, under a name that says what to call it.

use std::ffi::OsStr;
use std::path::Path;

use fusewright_page::{EmbeddedModel, Reader, Tables};

use crate::models::BuiltInGraph;
use crate::skeleton::skeleton;
use crate::{Error, load};

/// A model's file without its weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// A file's name: what the model is called, with the extension of its format.
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What reads them; what nothing reads has been refused before.
    pub reader: Reader,
}

impl ModelFile {
    /// The model as a page takes it, with what its planner chooses from.
    pub fn embedded<'a>(&'a self, tables: &'a Tables) -> EmbeddedModel<'a> {
        EmbeddedModel { name: &self.name, bytes: &self.bytes, reader: self.reader, tables }
    }
}

/// The file behind a built-in name, a path, or `-`, without its weights.
pub fn model_file(model: impl AsRef<OsStr>) -> Result<ModelFile, Error> {
    let content = load::find(model.as_ref())?;
    let path = content.path.as_deref();
    let extension = match content.built_in.map(|row| row.graph) {
        Some(BuiltInGraph::Capture { .. } | BuiltInGraph::Config(_)) => Some("json"),
        None => path.and_then(Path::extension).and_then(OsStr::to_str).filter(|end| ["onnx", "pt2"].contains(end)),
    };
    let stem = content.model_name().unwrap_or_else(|| "model".to_owned());
    let name = format!("{stem}.{}", extension.unwrap_or("json"));
    // Without a telling extension the content tells the format, unless a wrong one speaks against it.
    let is_json = content.bytes.first() == Some(&b'{');
    let name = if extension.is_some() || is_json { name } else { stem };
    let bytes = skeleton(&content.bytes[..], &name)?;
    let reader = load::reader_of(&content).unwrap_or(Reader::Torch);
    Ok(ModelFile { name, bytes, reader })
}
