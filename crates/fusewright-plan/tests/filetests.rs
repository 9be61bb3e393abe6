//! File tests: each `filetests/*.fir` is a graph in the text form, then, below `====`, the plans it must get.
//! `BLESS=1` rewrites the expectations.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::path::Path;

use fusewright_ir::{text, verify};
use fusewright_pattern::decompose;
use fusewright_plan::{
    Analysis, AttentionFusionPartitioner, CompiledPartitioner, EagerPartitioner, FusionBasedPartitioner, Partitioner,
    Plan, Profile,
};

const SEPARATOR: &str = "====\n";

fn describe(source: &str) -> String {
    let graph = text::parse(source).unwrap();
    verify(&graph).unwrap();
    let graph = decompose(&graph).unwrap();
    verify(&graph).unwrap();
    let analysis = Analysis::of(&graph);
    let mut out = String::new();
    for profile in [Profile::Reference, Profile::Default] {
        let partitioners: [&dyn Partitioner; 3] =
            [&EagerPartitioner, &FusionBasedPartitioner::default(), &AttentionFusionPartitioner::default()];
        for partitioner in partitioners {
            describe_plan(&mut out, &analysis, &partitioner.partition(&analysis, profile).unwrap());
        }
    }
    describe_plan(&mut out, &analysis, &CompiledPartitioner.partition(&analysis, Profile::Default).unwrap());
    out
}

fn describe_plan(out: &mut String, analysis: &Analysis, plan: &Plan) {
    let _ = writeln!(
        out,
        "{} {}: {} nodes, {} groups, {} kernels, read {}, written {}, internal {}, peak {}",
        plan.profile.name(),
        plan.strategy,
        plan.nodes,
        plan.counted,
        plan.total.kernels,
        plan.total.read,
        plan.total.written,
        plan.total.internal,
        plan.peak_memory,
    );
    for group in (0..plan.counted).filter(|&group| plan.sizes[group] > 1) {
        let names: Vec<&str> = plan.groups.members(group).iter().map(|&id| analysis.graph.node_name(id)).collect();
        let _ = writeln!(out, "  {}: {}", plan.pattern(group), names.join(" "));
    }
}

#[test]
fn plans_are_as_written() {
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
