//! One line per format: which reader takes the bytes.

use fusewright_hf::{self as hf, Phase};
use fusewright_ir::{Bindings, Loaded};
use fusewright_torch::{fx, pt2};

use super::external::Neighbours;
use super::format::{Format, format_of};
use super::{Content, checkpoint};
use crate::Error;
use crate::models::BuiltIn;
use fusewright_page::Reader;

/// What a model is read for.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadOptions {
    /// Sizes of named dims.
    pub(crate) bindings: Bindings,
    /// Which pass of a decoder; only a configuration leaves it open.
    pub(crate) phase: Option<Phase>,
}

/// Reads a graph in whatever format it is; gives the name of the format too.
pub(crate) fn read(content: &Content, options: &ReadOptions) -> Result<(Loaded, &'static str), Error> {
    let path = || content.source.clone();
    let format = format_of(content);
    if let Format::Unsupported(format) = format {
        return Err(Error::UnsupportedFormat { path: path(), format });
    }
    if options.phase.is_some() && format != Format::Config {
        return Err(Error::FixedPhase { path: path() });
    }
    let bindings = &options.bindings;
    let (mut loaded, format) = match format {
        Format::Fx if cfg!(feature = "torch") => {
            let exporter = content.built_in.and_then(BuiltIn::exporter);
            let loaded = fx::read(&content.bytes, bindings);
            // The document names its model itself.
            return Ok((loaded.map_err(|problem| Error::Fx { path: path(), problem, exporter })?, "fx-json"));
        }
        Format::Pt2 if cfg!(feature = "torch") => {
            let loaded = pt2::read(&content.bytes, bindings);
            (loaded.map_err(|problem| Error::Pt2 { path: path(), problem })?, "pt2")
        }
        Format::Onnx if cfg!(feature = "onnx") => (onnx(content, bindings)?, "onnx"),
        Format::Config if cfg!(feature = "config") => (config(content, options)?, "config"),
        // Told before, or what a program without this reader is never given.
        _ => return Err(Error::UnsupportedFormat { path: path(), format: "a file that another reader takes" }),
    };
    if let Some(name) = content.model_name() {
        loaded.graph.name = name;
    }
    Ok((loaded, format))
}

fn onnx(content: &Content, bindings: &Bindings) -> Result<Loaded, Error> {
    let neighbours = Neighbours::of(content);
    let loaded = fusewright_onnx::read(content.bytes.clone(), &|name| neighbours.size(name), bindings);
    if let Some(name) = neighbours.outside() {
        return Err(Error::OutsideFolder { path: content.source.clone(), name });
    }
    loaded.map_err(|problem| Error::Onnx { path: content.source.clone(), problem })
}

/// A graph from a configuration, and its weights where a checkpoint lies beside it.
fn config(content: &Content, options: &ReadOptions) -> Result<Loaded, Error> {
    let hf_options = hf::Options { bindings: options.bindings.clone(), phase: options.phase.unwrap_or(Phase::Prefill) };
    let failed = |problem| Error::Config { path: content.source.clone(), problem };
    let mut loaded = hf::read(&content.bytes, &hf_options).map_err(failed)?;
    // Until it gets the name of its file, a graph has that of its model type.
    let model_type = loaded.graph.name.clone();
    checkpoint::attach(&mut loaded, &model_type, &Neighbours::of(content));
    Ok(loaded)
}

/// The reader that takes this content; `None` for what every reader refuses in the same words.
pub(crate) fn reader_of(content: &Content) -> Option<Reader> {
    match format_of(content) {
        Format::Fx | Format::Pt2 => Some(Reader::Torch),
        Format::Onnx => Some(Reader::Onnx),
        Format::Config => Some(Reader::Config),
        Format::Unsupported(_) => None,
    }
}
