//! A plan as a Mermaid flowchart, for pages that draw these: a box per kernel, a subgraph per layer. Meant for small
//! graphs; those who draw Mermaid refuse some hundred edges.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use fusewright_plan::{Analysis, Plan};

use crate::figures::bytes_text;
use crate::group_rows::{GroupKind, GroupRow, group_rows};
use crate::layout::{cut_middle, printable};
use crate::module_path;
use crate::text::group_label;

/// The plan as Mermaid.
pub fn mermaid(analysis: &Analysis, plan: &Plan) -> String {
    let rows = group_rows(analysis, plan);
    let kernels: Vec<&GroupRow> = rows.iter().filter(|row| row.kind != GroupKind::View).collect();
    let mut layers: BTreeMap<&str, Vec<&GroupRow>> = BTreeMap::new();
    for &row in &kernels {
        layers.entry(module_path::layer(&row.module)).or_default().push(row);
    }
    // Layers in the order in which they begin.
    let mut layers: Vec<(&str, Vec<&GroupRow>)> = layers.into_iter().collect();
    layers.sort_by_key(|(_, rows)| rows.first().map_or(0, |row| row.id));
    let mut out = String::from("flowchart TD\n");
    for (number, (layer, rows)) in layers.iter().enumerate() {
        if !layer.is_empty() {
            let _ = writeln!(out, "  subgraph l{number}[\"{}\"]", quoted(layer));
        }
        for row in rows {
            let name = quoted(&cut_middle(&printable(&group_label(row)), 48));
            let _ =
                writeln!(out, "    g{}[\"{name}<br>{}\"]:::{}", row.id, bytes_text(row.bytes.moved()), row.kind.name());
        }
        if !layer.is_empty() {
            out.push_str("  end\n");
        }
    }
    let drawn: BTreeSet<u64> = kernels.iter().map(|row| row.id).collect();
    for row in &kernels {
        for from in row.depends_on.iter().filter(|from| drawn.contains(from)) {
            let _ = writeln!(out, "  g{from} --> g{}", row.id);
        }
    }
    out.push_str("  classDef fused fill:#bfe3c6,color:#000\n  classDef parallel fill:#9ecae1,color:#000\n");
    out.push_str("  classDef single fill:#f2f2f2,color:#000\n");
    out
}

/// Text between quotes; what Mermaid or a page could take for more is written as codes.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '"' | '<' | '>' | '&' | '#' | '`' | ';' | '\\' => {
                let _ = write!(out, "#{};", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_cannot_leave_its_quotes() {
        assert_eq!(super::quoted("a\"]<b>"), "a#34;]#60;b#62;");
    }
}
