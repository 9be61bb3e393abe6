//! The optimal plan against all others: on random graphs, and on a layer that was counted by hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_device::find;
use fusewright_ir::{DType, text};
use fusewright_pattern::decompose;
use fusewright_plan::{
    Analysis, AttentionFusionPartitioner, CompiledPartitioner, EagerPartitioner, FusionBasedPartitioner,
    OptimalFusionPartitioner, Partitioner, Profile, time_plan,
};
use fusewright_testing::{cases_up_to, graphs, transformer};
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases_up_to(500))]

    #[test]
    fn no_other_plan_is_faster_and_the_price_is_the_predicted_time(sample in graphs(24), device in 0_usize..4) {
        let graph = decompose(&sample.0).unwrap();
        let analysis = Analysis::of(&graph);
        let device = find(["h100-sxm", "xeon-8490h", "tpu-v4", "jetson-orin-nano"][device]).unwrap();
        let optimal = OptimalFusionPartitioner::new(Some(&device)).partition(&analysis, Profile::Default).unwrap();
        let found = optimal.optimality.unwrap();
        prop_assert!(found.is_proven());
        let timing = time_plan(&analysis, &optimal, &device);
        let us = timing.total.us;
        prop_assert!((us - found.price).abs() <= 1e-9 * us, "{} against {us}", found.price);
        let others: [&dyn Partitioner; 4] = [
            &EagerPartitioner,
            &CompiledPartitioner,
            &FusionBasedPartitioner::default(),
            &AttentionFusionPartitioner::default(),
        ];
        for other in others {
            let plan = other.partition(&analysis, Profile::Default).unwrap();
            let time = time_plan(&analysis, &plan, &device).total.us;
            prop_assert!(us <= time * (1.0 + 1e-9), "{}: {time} beats {us}", other.name());
        }
    }
}

/// The BERT-large encoder layer of `bert_large_layer.rs`: projections as one product, attention, output projection with
/// bias and residual, norm, two linear layers with their epilogues, norm.
#[test]
fn a_layer_of_bert_large_takes_seven_launches() {
    let mut layer = text::parse(include_str!("bert_large_layer.fir")).unwrap();
    layer.set_float_dtype(DType::F16);
    let analysis = Analysis::of(&layer);
    for device in [None, find("a100-sxm-40"), find("h100-sxm"), find("mi300x")] {
        let plan = OptimalFusionPartitioner::new(device.as_ref()).partition(&analysis, Profile::Default).unwrap();
        let found = plan.optimality.unwrap();
        assert!(found.is_proven());
        assert!(plan.total.kernels <= 7, "{} launches", plan.total.kernels);
        assert_eq!(plan.merges.len(), 1);
    }
}

#[test]
fn effort_grows_with_depth_only() {
    let effort = |layers: usize| {
        let graph = decompose(&transformer(40 * layers)).unwrap();
        let analysis = Analysis::of(&graph);
        let device = find("h100-sxm");
        let plan = OptimalFusionPartitioner::new(device.as_ref()).partition(&analysis, Profile::Default).unwrap();
        let found = plan.optimality.unwrap();
        assert!(found.is_proven());
        (found.looked_at, found.widest)
    };
    let (few, narrow) = effort(8);
    let (many, wide) = effort(80);
    assert!(many <= 10 * few, "{few} choices for 8 layers, {many} for 80");
    assert_eq!(narrow, wide);
}

/// Where the effort is spent, the plan is still good, and what is not known is said.
#[test]
fn a_search_that_hurries_states_its_gap() {
    let graph = decompose(&transformer(480)).unwrap();
    let analysis = Analysis::of(&graph);
    let device = find("h100-sxm");
    let whole = OptimalFusionPartitioner::new(device.as_ref());
    let hurried = OptimalFusionPartitioner { effort: 0, ..whole.clone() };
    let best = whole.partition(&analysis, Profile::Default).unwrap().optimality.unwrap();
    let found = hurried.partition(&analysis, Profile::Default).unwrap().optimality.unwrap();
    assert!(found.bound <= best.price && best.price <= found.price);
    assert!(found.gap() >= 0.0);
}
