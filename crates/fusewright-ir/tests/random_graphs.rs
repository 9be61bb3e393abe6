//! Properties of every random graph: it verifies, and its text form says all of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_ir::{Graph, text, total_work, verify};
use fusewright_testing::{Sample, cases, graphs};
use proptest::prelude::*;

fn facts(graph: &Graph) -> Vec<String> {
    let node = |(id, node): (_, &fusewright_ir::Node)| format!("{} {node:?}", graph.node_name(id));
    let value = |(id, value): (_, &fusewright_ir::Value)| format!("{} {:?}", graph.value_name(id), value.ty);
    graph.nodes().map(node).map(|text| without_symbols(&text)).chain(graph.values().map(value)).collect()
}

/// Ids of interned strings and values depend on the order of definition, which the text form does not keep.
fn without_symbols(text: &str) -> String {
    text.split("inputs:").next().unwrap_or(text).to_owned()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn text_form_round_trips(Sample(graph) in graphs(40)) {
        verify(&graph).unwrap();
        let printed = text::print(&graph);
        let parsed = text::parse(&printed).unwrap();
        verify(&parsed).unwrap();
        prop_assert_eq!(&text::print(&parsed), &printed);
        prop_assert_eq!(total_work(&parsed), total_work(&graph));
        let (mut before, mut after) = (facts(&graph), facts(&parsed));
        before.sort();
        after.sort();
        prop_assert_eq!(before, after);
    }
}
