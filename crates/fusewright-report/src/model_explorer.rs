//! A plan as node data of Model Explorer: a number and a colour for each node of the model's file.
//!
//! Nodes are named as the file names them: nodes of an ONNX file, of the graph of a `.pt2`. A node that the reader made
//! several of stands there once, with their sum. The file names no graph, so that it applies to the one that is shown.

use std::collections::BTreeMap;

use fusewright_ir::{Graph, NodeId, Source};
use fusewright_plan::{Analysis, Plan, Timing};
use serde::Serialize;

use crate::group_rows::GroupKind;
use crate::json;
use crate::node_notes::NodeNotes;

/// Light fills of fused groups; neighbours in the order of launches differ.
const FUSED: [&str; 6] = ["#bfe3c6", "#fdd9a0", "#c9c5ec", "#f6bfc7", "#b5e2ea", "#e3e29a"];
/// Fill of what is parallel projections.
const PARALLEL: &str = "#9ecae1";
/// Fill of a kernel of one op.
const SINGLE: &str = "#f2f2f2";

#[derive(Serialize)]
struct NodeData {
    results: BTreeMap<String, NodeResult>,
}

#[derive(Serialize)]
struct NodeResult {
    value: f64,
    #[serde(rename = "bgColor", skip_serializing_if = "Option::is_none")]
    fill: Option<&'static str>,
    #[serde(rename = "textColor", skip_serializing_if = "Option::is_none")]
    ink: Option<&'static str>,
}

/// The plan as node data: what a group takes, in equal parts on its ops that do work, so that sums over a layer are
/// right; predicted microseconds with a timing, else bytes moved. Nodes of one group have one colour; what launches
/// nothing has none.
pub fn model_explorer(analysis: &Analysis, plan: &Plan, timing: Option<&Timing>) -> String {
    let notes = NodeNotes::of(analysis, plan, timing);
    let mut results: BTreeMap<String, NodeResult> = BTreeMap::new();
    let names = file_names(analysis.graph);
    let mut colour = 0;
    for &group in &plan.schedule {
        let group = group as usize;
        let members = plan.groups.members(group);
        let works = |id: NodeId| !analysis.storage.is_free(id);
        let workers = members.iter().filter(|&&id| works(id)).count();
        let whole = timing.map_or(plan.costs[group].moved() as f64, |timing| timing.groups[group].us);
        let kind = notes.kind(group);
        let fill = match kind {
            GroupKind::Fused => {
                colour += 1;
                Some(FUSED[colour % FUSED.len()])
            }
            GroupKind::Parallel => Some(PARALLEL),
            GroupKind::Single => Some(SINGLE),
            GroupKind::View => None,
        };
        for &id in members {
            let value = if works(id) && kind != GroupKind::View { whole / workers as f64 } else { 0.0 };
            let name = names[id.index()];
            let ink = fill.map(|_| "#000000");
            let known = results.entry(name.to_owned()).or_insert(NodeResult { value: 0.0, fill, ink });
            known.value += value;
            known.fill = known.fill.or(fill);
            known.ink = known.ink.or(ink);
        }
    }
    json::indented(&NodeData { results })
}

/// The name of each node in the file. Where a reader makes several nodes of one they follow each other and are numbered
/// from the second on: `norm`, `norm.2`, `norm.3`.
fn file_names(graph: &Graph) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::with_capacity(graph.node_count());
    let mut last: Option<(&str, u64, Source)> = None;
    for (id, node) in graph.nodes() {
        let name = graph.node_name(id);
        let numbered = name.rsplit_once('.').and_then(|(base, number)| Some((base, number.parse::<u64>().ok()?)));
        let (name, number) = match (numbered, last) {
            (Some((base, number)), Some((before, count, source)))
                if base == before && number == count + 1 && source == node.source =>
            {
                (base, number)
            }
            _ => (name, 1),
        };
        last = Some((name, number, node.source));
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use fusewright_ir::text;

    #[test]
    fn nodes_that_one_node_became_have_its_name() {
        let graph = text::parse(
            r#"
            graph "g" {
              input %x: f32[8]
              %a: f32[8] = relu(%x) @function "Norm" named "norm"
              %b: f32[8] = relu(%a) @function "Norm" named "norm.2"
              %c: f32[8] = relu(%b) @function "Norm" named "norm.3"
              %d: f32[8] = relu(%c) @function "Norm" named "norm.5"
              %e: f32[8] = relu(%d) @function "Other" named "norm.6"
              output %e
            }"#,
        )
        .unwrap();
        assert_eq!(super::file_names(&graph), ["norm", "norm", "norm", "norm.5", "norm.6"]);
    }
}
