//! A plan as a Graphviz graph: one box per kernel, one cluster per layer, edges where a kernel reads what another made.
//!
//! Views and host work launch nothing and are not drawn; edges run through them to the kernel that made the memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use fusewright_ir::{NodeId, ValueId};
use fusewright_plan::{Analysis, Plan};

use crate::figures::{bytes_text, flop_text};
use crate::group_rows::{GroupKind, GroupRow, group_rows};
use crate::layout::{cut_middle, printable};
use crate::module_path;
use crate::text::group_label;

/// The plan as DOT.
pub fn dot(analysis: &Analysis, plan: &Plan) -> String {
    let rows = group_rows(analysis, plan);
    let kernels: Vec<&GroupRow> = rows.iter().filter(|row| row.kind != GroupKind::View).collect();
    let mut layers: BTreeMap<&str, Vec<&GroupRow>> = BTreeMap::new();
    for &row in &kernels {
        layers.entry(module_path::layer(&row.module)).or_default().push(row);
    }
    // Layers in the order in which they begin.
    let mut layers: Vec<(&str, Vec<&GroupRow>)> = layers.into_iter().collect();
    layers.sort_by_key(|(_, rows)| rows.first().map_or(0, |row| row.id));

    let mut out = String::new();
    let title = format!("{}: {} ({} profile)", analysis.graph.name, plan.strategy, plan.profile.name());
    let _ = writeln!(out, "digraph {} {{", quoted(&title));
    let _ = writeln!(out, "  label={}; labelloc=t; fontname=\"sans-serif\";", quoted(&title));
    out.push_str("  node [shape=box, style=\"filled,rounded\", fontname=\"sans-serif\", fontsize=10];\n");
    for (number, (layer, rows)) in layers.iter().enumerate() {
        let indent = if layer.is_empty() { "  " } else { "    " };
        if !layer.is_empty() {
            let _ = writeln!(out, "  subgraph cluster_{number} {{\n    label={};", quoted(layer));
        }
        for row in rows {
            let _ = writeln!(out, "{indent}g{} [label={}, fillcolor=\"{}\"];", row.id, label(row), colour(row.kind));
        }
        if !layer.is_empty() {
            out.push_str("  }\n");
        }
    }
    edges(&mut out, analysis, plan);
    out.push_str("}\n");
    out
}

fn label(row: &GroupRow) -> String {
    let name = cut_middle(&printable(&group_label(row)), 48);
    let flops = match row.flops.contraction {
        0 => String::new(),
        flops => format!(", {}", flop_text(flops)),
    };
    quoted(&format!("{name}\n{}{flops}", bytes_text(row.bytes.moved())))
}

/// Light fills that stay apart in grey too.
fn colour(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::Fused => "#bfe3c6",
        GroupKind::Parallel => "#9ecae1",
        GroupKind::Single | GroupKind::View => "#f2f2f2",
    }
}

fn edges(out: &mut String, analysis: &Analysis, plan: &Plan) {
    let (graph, storage) = (analysis.graph, &analysis.storage);
    let maker = |value: ValueId| graph.producer(storage.root(value)).map(|id| plan.groups.of(id));
    let launches = |&(id, _): &(NodeId, _)| !storage.is_free(id);
    let positions: BTreeMap<ValueId, usize> = graph.inputs().iter().zip(0..).map(|(&input, at)| (input, at)).collect();
    let mut groups: BTreeSet<(u32, u32)> = BTreeSet::new();
    let mut inputs: BTreeSet<(usize, u32)> = BTreeSet::new();
    for (id, node) in graph.nodes().filter(launches) {
        let reader = plan.groups.of(id);
        for &input in node.inputs.iter().filter(|&&input| graph.tensor(input).is_some()) {
            match maker(input) {
                Some(group) if group != reader => drop(groups.insert((group, reader))),
                Some(_) => {}
                None => inputs.extend(positions.get(&storage.root(input)).map(|&at| (at, reader))),
            }
        }
    }
    for (position, &input) in graph.inputs().iter().enumerate() {
        let _ = writeln!(out, "  in{position} [shape=ellipse, label={}];", quoted(graph.value_name(input)));
    }
    for (from, to) in inputs {
        let _ = writeln!(out, "  in{from} -> g{to};");
    }
    for (from, to) in groups {
        let _ = writeln!(out, "  g{from} -> g{to};");
    }
    for (position, &output) in graph.outputs().iter().enumerate().filter(|(_, o)| graph.tensor(**o).is_some()) {
        let _ = writeln!(out, "  out{position} [shape=ellipse, label={}];", quoted(graph.value_name(output)));
        if let Some(group) = maker(output) {
            let _ = writeln!(out, "  g{group} -> out{position};");
        }
    }
}

/// A quoted DOT string; line breaks stay line breaks, other control characters do not.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for (position, line) in text.split('\n').enumerate() {
        if position > 0 {
            out.push_str("\\n");
        }
        for c in printable(line).chars() {
            if matches!(c, '"' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn strings_cannot_leave_their_quotes() {
        assert_eq!(super::quoted("a\"];\nb\\"), r#""a\"];\nb\\""#);
    }
}
