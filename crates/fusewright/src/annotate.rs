//! An ONNX file with the plan in it: what the best plan does with each node, where viewers show it.

use std::ffi::OsStr;
use std::path::Path;

use fusewright_report::{NodeNotes, model_notes};
use fusewright_rewrite::Rewritten;

use crate::{Error, PlanSet, load, model_output};

/// A model with notes, not written yet.
#[derive(Clone, Debug)]
pub struct Annotated(Rewritten);

impl PlanSet<'_> {
    /// The ONNX file that the model of these plans was read from, with notes on its nodes: in which group of the best
    /// plan each is, and what that group does. Everything else of the file stays, weights are copied.
    ///
    /// ```
    /// use fusewright::{PlanOptions, Session};
    ///
    /// let model = Session::new().load("vit_b_16")?;
    /// let refused = model.plan(&PlanOptions::default())?.annotated("vit_b_16").unwrap_err();
    /// assert!(refused.to_string().contains("--annotate reads and writes ONNX files"));
    /// # Ok::<(), fusewright::Error>(())
    /// ```
    pub fn annotated(&self, file: impl AsRef<OsStr>) -> Result<Annotated, Error> {
        let (plan, timing) = self.best_timed();
        let content = load::find(file.as_ref())?;
        let notes = NodeNotes::of(self.analysis(), plan, timing);
        let of_model = model_notes(self.analysis(), plan, self.device());
        let written = load::with_files(&content, "--annotate", &|bytes, files| {
            let graph = self.analysis().graph;
            fusewright_rewrite::annotate(bytes, files, graph, of_model.clone(), &|nodes| notes.on(nodes))
        });
        written.map(Annotated)
    }
}

impl Annotated {
    /// Whether a file of this name, or the file of its data, is there already.
    pub fn check_output(&self, path: &Path, force: bool) -> Result<(), Error> {
        model_output::check(&self.0, path, force)
    }

    /// Writes the model, and beside it `NAME.data` where its weights lie in other files; both appear whole or not at
    /// all.
    pub fn write(&self, path: &Path, force: bool) -> Result<(), Error> {
        model_output::write(&self.0, path, force)
    }
}
