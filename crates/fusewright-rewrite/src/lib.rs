//! Rewrites ONNX models: the same function in fewer, larger operators.
//!
//! A rewrite works on the messages of the file. What it does not touch is written back byte for byte: unknown
//! operators, functions, sub-graphs, annotations, names, open dims. Where something can be changed is read off the graph
//! that fusewright plans with, at two sizes of everything that is open, so that what is written holds at every size.
//! Weights stay in the mapped file until they are written.
//!
//! ```
//! use fusewright_rewrite::{Options, rewrite};
//!
//! let nothing = bytes::Bytes::from_static(b"no model");
//! assert!(rewrite(&nothing, &|_| None, &Options::default()).is_err());
//! ```

mod annotate;
mod attention;
mod beside;
mod cleanup;
mod constants;
mod document;
mod emit;
mod error;
mod facts;
mod layout;
mod lengths;
mod literal;
mod message;
mod order;
mod packing;
mod patterns;
mod payload;
mod recipe;
mod redundant;
mod regular;
mod report;
mod target;
mod tensors;
#[cfg(test)]
mod tests;
mod version;
mod wire;
mod write;

use std::collections::BTreeSet;
use std::io::{self, Write};

use bytes::Bytes;
use fusewright_ir::Bindings;

pub use annotate::{NOTES, Note, annotate};
pub use error::RewriteError;
pub use report::{Change, Report, Rewrite, Skip};
pub use target::Target;
pub use tensors::Files;

use document::Document;
use facts::{Facts, Readings};

/// The domain of ONNX Runtime's operators.
pub(crate) const MICROSOFT: &str = "com.microsoft";
/// From this version of the standard operators on there is `Attention`.
const ATTENTION: i64 = 23;

/// Which projections that read one tensor become one product.
#[derive(Clone, Copy, Debug)]
pub enum Packing<'a> {
    /// None.
    Never,
    /// All.
    Always,
    /// Those whose products have these results.
    These(&'a BTreeSet<String>),
}

/// What a model is rewritten for.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Which operators it may use.
    pub target: Target,
    /// The version of the standard operators that it is brought to; that of the model where absent.
    pub opset: Option<i64>,
    /// Projections that become one product.
    pub pack: Packing<'a>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { target: Target::Onnx, opset: None, pack: Packing::Never }
    }
}

/// A rewritten model, not written yet.
#[derive(Clone, Debug)]
pub struct Rewritten {
    document: Document,
    report: Report,
}

impl Rewritten {
    /// What was changed.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Version of the standard operators.
    pub fn opset(&self) -> i64 {
        self.document.version("").unwrap_or(0)
    }

    /// The weights need a file of their own: they did not lie in the model's file, or it would be too large.
    pub fn needs_data_file(&self) -> bool {
        self.document.needs_data_file()
    }

    /// Writes the model. Where `beside` gives a name and a second stream, weights go there, and the model calls the file
    /// by that name.
    pub fn write(&self, out: &mut dyn Write, beside: Option<(&str, &mut dyn Write)>) -> io::Result<()> {
        self.document.write(out, beside)
    }
}

/// Rewrites a model. `files` gives the files beside it by their relative names, mapped.
pub fn rewrite(model: &Bytes, files: &Files<'_>, options: &Options<'_>) -> Result<Rewritten, RewriteError> {
    // The reader refuses what is broken, with its place.
    fusewright_onnx::read(model.clone(), &|name| files(name).map(|file| file.len() as u64), &Bindings::default())?;
    let mut document = Document::read(model, files)?;
    let mut report = Report { before: document.counts(), ..Report::default() };
    if let Some(opset) = options.opset {
        version::bring(&mut document, opset)?;
    }
    cleanup::clean(&mut document, &mut report);
    let version = document.version("").unwrap_or(0);
    if options.target == Target::Ort || version >= ATTENTION {
        match Readings::of(&document)? {
            Some(readings) => simplify(&mut document, readings, options.target, &mut report)?,
            None => report.notes.push(
                "attention is left as it is: what is open cannot be told from what is fixed, since the model does not work \
                 at other sizes than those of its export"
                    .to_owned(),
            ),
        }
    }
    cleanup::clean(&mut document, &mut report);
    let facts = Facts::of(&document)?;
    patterns::rewrite(&mut document, &facts, options.target, &mut report);
    packing::rewrite(&mut document, options.pack, &mut report);
    cleanup::clean(&mut document, &mut report);
    report.after = document.counts();
    fusewright_onnx::read(document.outline(), &|_| None, &Bindings::default()).map_err(RewriteError::Broken)?;
    Ok(Rewritten { document, report })
}

/// A rewrite that gives how many places it changed.
type Step = fn(&mut Document, &Readings, Target, &mut Report) -> u64;

/// Everything that holds at every size only where two readings agree.
fn simplify(
    document: &mut Document,
    mut readings: Readings,
    target: Target,
    report: &mut Report,
) -> Result<(), RewriteError> {
    let folded: Step = |document, readings, _, report| {
        constants::fold(document, readings, report) + redundant::remove(document, readings, report)
    };
    for step in [folded, attention::rotary::rewrite] {
        if step(document, &readings, target, report) == 0 {
            continue;
        }
        cleanup::clean(document, report);
        // Names that the readings know may be gone.
        match Readings::of(document)? {
            Some(again) => readings = again,
            None => return Ok(()),
        }
    }
    attention::rewrite(document, &readings, target, report);
    Ok(())
}
