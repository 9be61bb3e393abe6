//! A model between its reader and the planner, as a text: in the page these are two programs.

use fusewright_ir::{Contents, Graph, Loaded, Warning, text};
use serde::{Deserialize, Serialize};

/// Names of formats.
const FORMATS: [&str; 4] = ["onnx", "pt2", "fx-json", "config"];

/// What a reader makes of a file: the graph, before element types are set and attention is opened.
#[derive(Clone, Debug)]
pub struct ReadModel {
    pub(crate) loaded: Loaded,
    pub(crate) source: String,
    pub(crate) format: &'static str,
}

/// What stands above the graph, in one line.
#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    source: String,
    notes: Vec<String>,
    warnings: Vec<(String, String)>,
}

impl ReadModel {
    /// What the reader gives.
    pub(crate) fn new(loaded: Loaded, source: String, format: &'static str) -> Self {
        Self { loaded, source, format }
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.loaded.graph
    }

    /// A line of JSON, then the graph in the text form. Where weights lie is left out: planning does not ask.
    pub fn to_text(&self) -> String {
        let warnings = self.loaded.warnings.iter().map(|warning| (warning.node.clone(), warning.text.clone()));
        let head = Head {
            format: self.format.to_owned(),
            source: self.source.clone(),
            notes: self.loaded.notes.clone(),
            warnings: warnings.collect(),
        };
        // Texts and lists of texts, written to memory.
        let head = serde_json::to_string(&head).unwrap_or_default();
        format!("{head}\n{}", text::print(&self.loaded.graph))
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let (head, graph) = text.split_once('\n').ok_or("the head has no end")?;
        let head: Head = serde_json::from_str(head).map_err(|problem| format!("the head is malformed: {problem}"))?;
        let format = FORMATS.into_iter().find(|format| *format == head.format);
        let format = format.ok_or_else(|| format!("`{}` is no format", head.format))?;
        let graph = text::parse(graph).map_err(|problem| problem.to_string())?;
        let warnings = head.warnings.into_iter().map(|(node, text)| Warning { node, text }).collect();
        let loaded = Loaded { graph, warnings, notes: head.notes, contents: Contents::default() };
        Ok(Self { loaded, source: head.source, format })
    }
}
