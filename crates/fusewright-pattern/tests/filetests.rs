//! File tests: each `filetests/*.fir` is a graph in the text form, then, below `====`, the attentions that it holds.
//! `BLESS=1` rewrites the expectations.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::path::Path;

use fusewright_ir::{Consumers, Graph, NodeId, Storage, text, verify};
use fusewright_pattern::{AttentionKind, AttentionSite, find_attentions};

const SEPARATOR: &str = "====\n";

fn describe(source: &str) -> String {
    let graph = text::parse(source).unwrap();
    verify(&graph).unwrap();
    let storage = Storage::of(&graph);
    let found = find_attentions(&graph, &storage, &Consumers::of(&graph));
    let mut out = String::new();
    for site in &found.sites {
        describe_site(&mut out, &graph, site);
    }
    for miss in &found.misses {
        let stopped = miss.node.map_or("nothing", |node| graph.node_name(node));
        let (softmax, value) = (graph.node_name(miss.softmax), graph.value_name(miss.value));
        let _ = writeln!(out, "missed {softmax}: {}; {value}, stopped by {stopped}", miss.step.reason());
    }
    if out.is_empty() { "nothing\n".to_owned() } else { out }
}

fn describe_site(out: &mut String, graph: &Graph, site: &AttentionSite) {
    let name = |id: NodeId| graph.node_name(id);
    let kind = if site.kind == AttentionKind::SelfAttention { "self" } else { "cross" };
    let scale = site.scale.map_or("unknown".to_owned(), |scale| scale.to_string());
    let _ = write!(
        out,
        "{}: {kind}, {} heads on {}, widths {} and {}, {} on {}, mask {:?}, scale {scale}",
        name(site.anchor),
        site.heads,
        site.kv_heads,
        site.head_dim,
        site.value_dim,
        site.queries,
        site.keys,
        site.mask,
    );
    for (holds, fact) in
        [(site.causal, "causal"), (site.bias, "bias"), (site.sinks, "sinks"), (site.is_packed(), "packed")]
    {
        if holds {
            let _ = write!(out, ", {fact}");
        }
    }
    if let Some(cap) = site.softcap {
        let _ = write!(out, ", softcap {cap}");
    }
    let projections = site.projections.map(|projection| projection.map_or("none", name));
    let chain: Vec<&str> = site.chain.iter().map(|&id| name(id)).collect();
    let _ = writeln!(out, "\n  projections {}\n  chain {}", projections.join(" "), chain.join(" "));
}

#[test]
fn attentions_are_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let content = std::fs::read_to_string(&file).unwrap();
        let (source, expected) = content.split_once(SEPARATOR).unwrap_or((&content, ""));
        let found = describe(source);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, format!("{source}{SEPARATOR}{found}")).unwrap();
        } else {
            assert_eq!(found, expected, "{}", file.display());
        }
    }
}
