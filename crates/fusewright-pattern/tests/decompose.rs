//! Decomposition keeps what a graph computes: its work, and the types of its results.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_ir::ops::Attention;
use fusewright_ir::{Graph, Op, total_work, verify};
use fusewright_pattern::decompose;
use fusewright_testing::{Sample, cases, graphs};
use proptest::prelude::*;

fn result_types(graph: &Graph) -> Vec<fusewright_ir::Type> {
    graph.outputs().iter().map(|&output| graph.value(output).ty.clone()).collect()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn work_and_result_types_stay(Sample(graph) in graphs(30)) {
        let opened = decompose(&graph).unwrap();
        verify(&opened).unwrap();
        prop_assert_eq!(total_work(&opened), total_work(&graph));
        prop_assert_eq!(result_types(&opened), result_types(&graph));
        prop_assert!(!opened.nodes().any(|(_, node)| matches!(node.op, Op::Attention(Attention::Multihead(_) | Attention::ShiftedWindow(_)))));
    }
}
