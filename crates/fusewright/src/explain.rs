//! Why a plan is as it is.

use fusewright_ir::{Graph, NodeId};
use fusewright_pattern::Library;
use fusewright_report::{ExplainReport, Explained, Subject};

use crate::patterns::find_patterns;
use crate::similar::similar_names;
use crate::{Error, PlanSet};

/// Most names that are offered in place of one that does not exist.
const OFFERED: usize = 4;

/// Names that are compared letter by letter with one that does not exist.
const COMPARED: usize = 20_000;

impl PlanSet<'_> {
    /// Explains the plans: the rules behind each group and what ended it, what the rules of a library nearly fuse, and
    /// one node where a name is given.
    ///
    /// ```
    /// use fusewright::{PlanOptions, Session, Strategy, pattern_library};
    ///
    /// let model = Session::new().load("vit_b_16")?;
    /// let options = PlanOptions { strategies: vec![Strategy::Attention], ..PlanOptions::default() };
    /// let report = model.plan(&options)?.explain(&pattern_library(&[] as &[&str])?, None)?;
    /// let attention = report.plans[0].groups.iter().find(|group| group.pattern.contains("softmax")).expect("it is there");
    /// assert_eq!(attention.times, 12);
    /// assert_eq!(attention.rules[0], "matmul-mul");
    /// # Ok::<(), fusewright::Error>(())
    /// ```
    pub fn explain(&self, library: &Library, node: Option<&str>) -> Result<ExplainReport, Error> {
        let (analysis, model) = (self.analysis(), self.model());
        let node = node.map(|name| find_node(analysis.graph, name)).transpose()?;
        let findings = find_patterns(analysis, library);
        let subject = Subject { analysis, source: model.source(), format: model.format() };
        let device = self.device();
        let explained: Vec<Explained> = self
            .plans()
            .map(|(strategy, plan)| {
                let timing = self.timings().find(|(timed, _, _)| *timed == strategy).map(|(_, _, timing)| timing);
                let timed = device.zip(timing);
                Explained { subject, plan, eager: self.eager(), timed, library, findings: &findings }
            })
            .collect();
        ExplainReport::new(&explained, node).ok_or(Error::NoStrategy)
    }
}

/// The node of this name, or the one that makes the value of this name.
fn find_node(graph: &Graph, name: &str) -> Result<NodeId, Error> {
    let symbol = graph.symbols().find(name);
    let by_name = || graph.nodes().find(|(_, node)| Some(node.name) == symbol).map(|(id, _)| id);
    let by_value = || {
        let (value, _) = graph.values().find(|(_, value)| Some(value.name) == symbol)?;
        graph.producer(value)
    };
    symbol.and_then(|_| by_name().or_else(by_value)).ok_or_else(|| unknown(graph, name))
}

fn unknown(graph: &Graph, name: &str) -> Error {
    let names = || graph.nodes().map(|(id, _)| graph.node_name(id));
    // A layer that was opened into steps is named by them.
    let within = names().filter(|known| !name.is_empty() && known.contains(name)).take(OFFERED);
    let mut similar: Vec<&str> = within.collect();
    if similar.is_empty() {
        similar = similar_names(name, names().take(COMPARED));
    }
    Error::UnknownNode { name: name.to_owned(), similar: similar.into_iter().map(str::to_owned).collect() }
}
