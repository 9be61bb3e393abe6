//! The optimal plan against all others, on random graphs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_device::find;
use fusewright_pattern::decompose;
use fusewright_plan::{
    Analysis, AttentionFusionPartitioner, CompiledPartitioner, EagerPartitioner, FusionBasedPartitioner,
    OptimalFusionPartitioner, Partitioner, Profile, time_plan,
};
use fusewright_testing::{cases, graphs};
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_other_plan_is_faster_and_the_price_is_the_predicted_time(sample in graphs(24), device in 0_usize..3) {
        let graph = decompose(&sample.0).unwrap();
        let analysis = Analysis::of(&graph);
        let device = find(["h100-sxm", "xeon-8490h", "tpu-v4"][device]).unwrap();
        let optimal = OptimalFusionPartitioner::new(Some(&device)).partition(&analysis, Profile::Default).unwrap();
        let found = optimal.optimality.unwrap();
        let us = time_plan(&analysis, &optimal, &device).total.us;
        if (us - found.price).abs() > 1e-9 * us {
            for group in 0..optimal.groups.count() {
                let names: Vec<&str> = optimal.groups.members(group).iter().map(|&id| graph.node_name(id)).collect();
                println!("{group}: {names:?}");
            }
            println!("{:?}", time_plan(&analysis, &optimal, &device).not_realizable);
            println!("{:?}", time_plan(&analysis, &optimal, &device).groups);
        }
        prop_assert!((us - found.price).abs() <= 1e-9 * us, "{} against {}", found.price, us);
        let others: [&dyn Partitioner; 4] = [&EagerPartitioner, &CompiledPartitioner, &FusionBasedPartitioner::default(), &AttentionFusionPartitioner::default()];
        for other in others {
            let plan = other.partition(&analysis, Profile::Default).unwrap();
            let time = time_plan(&analysis, &plan, &device).total.us;
            prop_assert!(us <= time * (1.0 + 1e-9), "{}: {} beats {}", other.name(), time, us);
        }
    }
}
