//! Opening models: read, bind dims, set the dtype, open attention, verify.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use fusewright_hf::Phase;
use fusewright_ir::{Contents, DType, Graph, Loaded, Warning, verify};
use fusewright_pattern::{Autocast, autocast, decompose};

use crate::files::ModelFiles;
use crate::load::{self, Content, ReadOptions};
use crate::{Error, PlanOptions, PlanReport, PlanSet, ReadModel};

/// How models are opened.
///
/// ```
/// use fusewright::{DType, Session};
///
/// let model = Session::new().with_dtype(DType::Bf16).load("resnet50")?;
/// assert_eq!(model.name(), "resnet50");
/// # Ok::<(), fusewright::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Session {
    pub(crate) dims: BTreeMap<String, u64>,
    pub(crate) dtype: Option<DType>,
    pub(crate) autocast: Option<DType>,
    pub(crate) fast_norms: bool,
    pub(crate) phase: Option<Phase>,
    verify_each: bool,
}

impl Session {
    /// A session that takes models as they are.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a named dim of the models a size.
    #[must_use]
    pub fn with_dim(mut self, name: impl Into<String>, size: u64) -> Self {
        self.dims.insert(name.into(), size);
        self
    }

    /// Gives every floating-point tensor, weights included, this element type.
    #[must_use]
    pub fn with_dtype(mut self, dtype: DType) -> Self {
        self.dtype = Some(dtype);
        self
    }

    /// Runs the models under autocast: contractions in this element type, norms and softmax in `f32`, weights stored as
    /// they are and cast in each pass.
    #[must_use]
    pub fn with_autocast(mut self, lower: DType) -> Self {
        self.autocast = Some(lower);
        self
    }

    /// Under autocast, norms that are written as functions run in its element type too, as the fast norms of timm do.
    #[must_use]
    pub fn with_fast_norms(mut self, fast: bool) -> Self {
        self.fast_norms = fast;
        self
    }

    /// Which pass of a decoder a Hugging Face configuration is built for [default: prefill]. How many tokens are in the
    /// cache when decoding is the dim `context`.
    #[must_use]
    pub fn with_phase(mut self, phase: Phase) -> Self {
        self.phase = Some(phase);
        self
    }

    /// Verifies the graph after each stage instead of after the last one.
    #[must_use]
    pub fn with_verification_of_each_stage(mut self, verify_each: bool) -> Self {
        self.verify_each = verify_each;
        self
    }

    /// Opens a built-in model by name, a file by path, or standard input by `-`.
    pub fn load(&self, model: impl AsRef<OsStr>) -> Result<Model, Error> {
        self.open(&load::find(model.as_ref())?)
    }

    /// Opens a model from its bytes, compressed with gzip or not; `source` names them in messages.
    pub fn load_bytes(&self, content: Vec<u8>, source: impl Into<String>) -> Result<Model, Error> {
        self.open(&Content::unpacked(content, source.into())?)
    }

    /// Opens a model from the bytes of a file of this name, which tells the format where they do not, and what to call
    /// the model; nothing is looked for beside it. `source` names it in messages.
    ///
    /// ```
    /// use fusewright::Session;
    ///
    /// let config = br#"{"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 100}"#;
    /// let model = Session::new().load_named(config.to_vec(), "tiny.json", "dropped file")?;
    /// assert_eq!(model.name(), "tiny");
    /// # Ok::<(), fusewright::Error>(())
    /// ```
    pub fn load_named(&self, content: Vec<u8>, file: &str, source: impl Into<String>) -> Result<Model, Error> {
        self.open(&Content::named(content, file, source.into())?)
    }

    /// Reads a file as [`load_named`](Self::load_named) does, and leaves the rest to
    /// [`open_read`](Self::open_read): sizes of dims and the phase belong to reading.
    pub fn read_named(&self, content: Vec<u8>, file: &str, source: impl Into<String>) -> Result<ReadModel, Error> {
        let content = Content::named(content, file, source.into())?;
        let (loaded, format) = self.read(&content)?;
        Ok(ReadModel::new(loaded, content.source, format))
    }

    /// Opens a model that was read: sets element types, opens attention.
    ///
    /// ```
    /// use fusewright::{ReadModel, Session};
    ///
    /// let config = br#"{"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 100}"#;
    /// let read = Session::new().read_named(config.to_vec(), "tiny.json", "dropped file")?;
    /// let model = Session::new().open_read(ReadModel::from_text(&read.to_text())?)?;
    /// assert_eq!(model.name(), "tiny");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_read(&self, read: ReadModel) -> Result<Model, Error> {
        let ReadModel { loaded, source, format } = read;
        self.prepare(loaded, source, ModelFiles::none(), format)
    }

    /// Takes a graph that was made elsewhere.
    ///
    /// ```
    /// use fusewright::{PlanOptions, Session, ir};
    ///
    /// let graph = ir::text::parse("graph \"g\" {\n input %x: f32[8]\n %y: f32[8] = relu(%x)\n output %y\n}")?;
    /// let model = Session::new().load_graph(graph, "made by hand", "text")?;
    /// assert_eq!(model.report(&PlanOptions::default())?.model.nodes, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn load_graph(&self, graph: Graph, source: impl Into<String>, format: &'static str) -> Result<Model, Error> {
        let source = source.into();
        verify(&graph).map_err(|problem| Error::InvalidGraph { path: source.clone(), problem })?;
        let contents = Contents::default();
        self.prepare(
            Loaded { graph, warnings: Vec::new(), notes: Vec::new(), contents },
            source,
            ModelFiles::none(),
            format,
        )
    }

    pub(crate) fn open(&self, content: &Content) -> Result<Model, Error> {
        let (loaded, format) = self.read(content)?;
        let files = if format == "config" { ModelFiles::of_checkpoint(content) } else { ModelFiles::of(content) };
        self.prepare(loaded, content.source.clone(), files, format)
    }

    fn read(&self, content: &Content) -> Result<(Loaded, &'static str), Error> {
        let bindings = self.dims.iter().map(|(name, &size)| (name.clone(), size)).collect();
        load::read(content, &ReadOptions { bindings, phase: self.phase })
    }

    fn prepare(&self, loaded: Loaded, source: String, files: ModelFiles, format: &'static str) -> Result<Model, Error> {
        let Loaded { mut graph, warnings, notes, contents } = loaded;
        let check = |graph: &Graph, stage| verify(graph).map_err(|problem| Error::BrokenStage { stage, problem });
        if self.verify_each {
            check(&graph, "load")?;
        }
        if let Some(dtype) = self.dtype {
            graph.set_float_dtype(dtype);
            if self.verify_each {
                check(&graph, "dtype")?;
            }
        }
        let mut decomposed = decompose(&graph).map_err(|problem| Error::Decompose { path: source.clone(), problem })?;
        check(&decomposed, "decompose")?;
        if let Some(lower) = self.autocast {
            let how = Autocast { lower, fast_norms: self.fast_norms };
            // Attention that is a single node has steps of both precisions in it, so it is opened first.
            let refused = |problem| Error::Autocast { path: source.clone(), problem };
            graph = autocast(&graph, how).map_err(refused)?;
            decomposed = autocast(&decomposed, how).map_err(refused)?;
            check(&decomposed, "autocast")?;
        }
        Ok(Model { graph, decomposed, source, format, warnings, notes, contents, files })
    }
}

/// A model that was opened.
#[derive(Clone, Debug)]
pub struct Model {
    graph: Graph,
    decomposed: Graph,
    source: String,
    format: &'static str,
    warnings: Vec<Warning>,
    notes: Vec<String>,
    contents: Contents,
    files: ModelFiles,
}

impl Model {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.graph.name
    }

    /// Where it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The format that it was read in.
    pub fn format(&self) -> &'static str {
        self.format
    }

    /// The graph as its source states it.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The file holds fused ops of ONNX Runtime: an optimizer went over it.
    pub fn has_fused_ops(&self) -> bool {
        self.graph.nodes().any(|(_, node)| self.graph.text(node.source.op).starts_with("com.microsoft."))
    }

    /// The graph that is planned: attention layers opened into their steps.
    pub fn decomposed(&self) -> &Graph {
        &self.decomposed
    }

    /// Where the elements of its weights lie.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The files that they lie in.
    pub fn files(&self) -> &ModelFiles {
        &self.files
    }

    /// What could not be read exactly, as node name and explanation.
    pub fn warnings(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.warnings.iter().map(|warning| (warning.node.as_str(), warning.text.as_str()))
    }

    /// What is worth knowing of the file as a whole, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Plans it; every plan that comes back is certified.
    pub fn plan(&self, options: &PlanOptions) -> Result<PlanSet<'_>, Error> {
        PlanSet::of(self, options)
    }

    /// Plans it and reports.
    pub fn report(&self, options: &PlanOptions) -> Result<PlanReport, Error> {
        Ok(self.plan(options)?.report())
    }
}
