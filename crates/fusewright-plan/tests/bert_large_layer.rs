//! One BERT-large encoder layer, B = 8, L = 512, counted by hand.
//!
//! Words moved when nothing is fused, with the bias and norm vectors themselves not counted (they are scalars here): the element counts follow from the dimensions N = 1024, U = 4096, H = 16 and are listed in `spcl/substation`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_ir::{DType, text, total_work, verify};
use fusewright_plan::{Analysis, AttentionFusionPartitioner, EagerPartitioner, Partitioner, Profile};

const LAYER: &str = include_str!("bert_large_layer.fir");

const TN: u64 = 8 * 512 * 1024;
const SCORES: u64 = 8 * 16 * 512 * 512;
const MASK: u64 = 8 * 512;

#[test]
fn unfused_words_and_flops_are_those_counted_by_hand() {
    let mut graph = text::parse(LAYER).unwrap();
    verify(&graph).unwrap();
    assert_eq!(total_work(&graph).contraction_flops(), 111_669_149_696);
    for (dtype, word) in [(DType::F32, 4), (DType::F16, 2)] {
        graph.set_float_dtype(dtype);
        verify(&graph).unwrap();
        let analysis = Analysis::of(&graph);
        let plan = EagerPartitioner.partition(&analysis, Profile::Default).unwrap();
        // The hand count leaves out the copy that merges the heads again, 2 tn words, and the padding mask.
        assert_eq!(plan.total.kernels, 22 + 1);
        assert_eq!(plan.total.moved(), (524_288_000 + 2 * TN + MASK) * word);
    }
}

#[test]
fn fused_attention_moves_its_operands_only() {
    let graph = text::parse(LAYER).unwrap();
    let analysis = Analysis::of(&graph);
    let plan = AttentionFusionPartitioner::default().partition(&analysis, Profile::Default).unwrap();
    assert_eq!((plan.merges.len(), plan.attention_chains), (1, 1));
    let group = |name: &str| {
        let (id, _) = graph.nodes().find(|&(id, _)| graph.node_name(id) == name).unwrap();
        &plan.costs[plan.groups.of(id) as usize]
    };
    // One wide product: the input once, three weights, three results.
    let merged = group("q");
    assert_eq!((merged.read, merged.written), (4 * (TN + 3 * 1024 * 1024), 4 * 3 * TN));
    // Queries, keys, values, mask and the output projection in, its result out; no scores anywhere.
    let attention = group("s");
    assert_eq!((attention.read, attention.written), (4 * (3 * TN + MASK + 1024 * 1024), 4 * TN));
    assert_eq!(attention.internal, 4 * (4 * SCORES + 2 * TN));
}
