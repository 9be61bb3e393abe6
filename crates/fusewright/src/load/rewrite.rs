//! ONNX files for the rewriter, with the files beside them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bytes::Bytes;
use fusewright_rewrite::{Files, Options, RewriteError, Rewritten};

use super::Content;
use super::external::Neighbours;
use super::format::{Format, format_of};
use crate::Error;

/// Rewrites an ONNX file; anything else is refused with its name.
pub(crate) fn rewrite(content: &Content, options: &Options) -> Result<Rewritten, Error> {
    with_files(content, "optimize", &|bytes, files| fusewright_rewrite::rewrite(bytes, files, options))
}

/// Makes a new model of an ONNX file and the files beside it; `what` is what does so, for whoever gives another file.
pub(crate) fn with_files(
    content: &Content,
    what: &'static str,
    make: &dyn Fn(&Bytes, &Files<'_>) -> Result<Rewritten, RewriteError>,
) -> Result<Rewritten, Error> {
    let refuse = |format: &'static str| Err(Error::NotOnnx { path: content.source.clone(), format, what });
    match format_of(content) {
        Format::Onnx => {}
        Format::Fx => return refuse("a traced graph without weights"),
        Format::Pt2 => return refuse("an exported PyTorch program"),
        Format::Config => return refuse("a configuration without weights"),
        Format::Unsupported(format) => return refuse(format),
    }
    let neighbours = Neighbours::of(content);
    let mapped: RefCell<BTreeMap<String, Option<Bytes>>> = RefCell::default();
    let files = |name: &str| {
        let mut mapped = mapped.borrow_mut();
        // A link that leads out of the folder has no size.
        let map = || neighbours.size(name).and_then(|_| neighbours.map(name));
        mapped.entry(name.to_owned()).or_insert_with(map).clone()
    };
    let rewritten = make(&content.bytes, &files);
    if let Some(name) = neighbours.outside() {
        return Err(Error::OutsideFolder { path: content.source.clone(), name });
    }
    rewritten.map_err(|problem| Error::Rewrite { path: content.source.clone(), problem })
}
