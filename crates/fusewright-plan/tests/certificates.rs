//! Every plan of every partitioner and profile, on random graphs: certified, and checked again by slower means.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_ir::Type;
use fusewright_pattern::decompose;
use fusewright_plan::{
    Analysis, AttentionFusionPartitioner, CompiledPartitioner, EagerPartitioner, FusionBasedPartitioner, Partitioner,
    Plan, Profile,
};
use fusewright_testing::{Sample, cases, graphs};
use proptest::prelude::*;

fn plans(analysis: &Analysis) -> Vec<Plan> {
    let partitioners: [&dyn Partitioner; 4] = [
        &EagerPartitioner,
        &CompiledPartitioner,
        &FusionBasedPartitioner::default(),
        &AttentionFusionPartitioner::default(),
    ];
    [Profile::Reference, Profile::Default]
        .into_iter()
        .flat_map(|profile| partitioners.iter().map(move |partitioner| (partitioner, profile)))
        .map(|(partitioner, profile)| partitioner.partition(analysis, profile).unwrap())
        .collect()
}

/// `reach[a][b]`: node b cannot run before node a, because a chain of memory leads from a to b.
fn reachability(analysis: &Analysis) -> Vec<Vec<bool>> {
    let graph = analysis.graph;
    let count = graph.node_count();
    let mut reach = vec![vec![false; count]; count];
    for (id, node) in graph.nodes() {
        for &input in node.inputs.iter().filter(|&&input| matches!(graph.value(input).ty, Type::Tensor(_))) {
            if let Some(maker) = graph.producer(analysis.storage.root(input)) {
                for row in &mut reach {
                    row[id.index()] |= row[maker.index()];
                }
                reach[maker.index()][id.index()] = true;
            }
        }
    }
    reach
}

fn check(analysis: &Analysis, plan: &Plan) {
    let graph = analysis.graph;
    let reach = reachability(analysis);
    let of = |index: usize| plan.groups.group_of[index];
    for (from, after_from) in reach.iter().enumerate() {
        for through in (0..graph.node_count()).filter(|&through| after_from[through] && of(through) != of(from)) {
            let comes_back = reach[through].iter().enumerate().any(|(back, &reached)| reached && of(back) == of(from));
            assert!(!comes_back, "group {} is not convex", of(from));
        }
    }
    // The schedule is an order of all groups in which nothing is read before it is made.
    let mut position = vec![usize::MAX; plan.groups.count()];
    for (at, &group) in plan.schedule.iter().enumerate() {
        position[group as usize] = at;
    }
    for (from, row) in reach.iter().enumerate() {
        for to in (0..row.len()).filter(|&to| row[to]) {
            assert!(position[of(from) as usize] <= position[of(to) as usize]);
        }
    }
    assert_eq!(plan.sizes.iter().map(|&size| size as usize).sum::<usize>(), plan.nodes);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn every_plan_is_certified(Sample(graph) in graphs(30)) {
        let graph = decompose(&graph).unwrap();
        let analysis = Analysis::of(&graph);
        let plans = plans(&analysis);
        for plan in &plans {
            check(&analysis, plan);
            prop_assert_eq!(plan.certificate.nodes, graph.node_count());
        }
        for profile in plans.chunks(4) {
            let [eager, compiled, standard, attention] = profile else { unreachable!("four partitioners") };
            for (more, less) in [(eager, compiled), (eager, standard), (standard, attention)] {
                prop_assert!(less.total.kernels <= more.total.kernels);
                prop_assert!(less.total.written <= more.total.written);
                prop_assert_eq!(less.total.work, more.total.work);
            }
        }
    }
}
