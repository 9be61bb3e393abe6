//! Reports of random graphs: figures add up, and every writer copes.

use fusewright_ir::Graph;
use fusewright_plan::{
    Analysis, AttentionFusionPartitioner, EagerPartitioner, FusionBasedPartitioner, Partitioner, Plan, Profile,
};
use fusewright_report::{
    GroupRow, PlanReport, StrategyReport, Subject, TextOptions, csv, dot, graph_json, markdown, text,
};
use fusewright_testing::{cases, graphs};
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

fn plans(analysis: &Analysis, profile: Profile) -> Vec<Plan> {
    let partitioners: [&dyn Partitioner; 3] =
        [&EagerPartitioner, &FusionBasedPartitioner::default(), &AttentionFusionPartitioner::default()];
    partitioners.iter().map(|p| p.partition(analysis, profile).expect("plans are certified")).collect()
}

/// Reports a graph in a profile and hands the report to `check`.
fn with_report(graph: &Graph, profile: Profile, check: impl FnOnce(&PlanReport, &Analysis, &[Plan])) {
    let analysis = Analysis::of(graph);
    let plans = plans(&analysis, profile);
    let subject = Subject { analysis: &analysis, source: "random", format: "text" };
    let all: Vec<&Plan> = plans.iter().collect();
    let report = PlanReport::new(&subject, &plans[0], &all).with_groups(&subject, &all);
    check(&report, &analysis, &plans);
}

fn figures_add_up(report: &PlanReport, strategy: &StrategyReport) {
    let patterns = &strategy.patterns;
    assert_eq!(patterns.iter().map(|p| p.count).sum::<u64>(), strategy.groups);
    assert_eq!(patterns.iter().map(|p| p.nodes).sum::<u64>(), strategy.nodes);
    assert_eq!(patterns.iter().map(|p| p.kernels_saved).sum::<i64>(), strategy.kernels_saved);
    assert_eq!(patterns.iter().map(|p| p.bytes_saved).sum::<i64>(), strategy.bytes_saved);
    assert!(patterns.iter().all(|p| p.bytes_saved >= 0 && p.kernels_saved >= 0), "fusing never costs");

    let groups = report.groups.iter().flatten().filter(|group| group.strategy == strategy.name);
    let rows: Vec<&GroupRow> = groups.collect();
    assert_eq!(rows.len() as u64, strategy.groups + strategy.outside.groups);
    assert_eq!(rows.iter().map(|row| row.bytes.moved()).sum::<u64>(), strategy.bytes.moved());
    assert_eq!(rows.iter().map(|row| row.flops.contraction).sum::<u64>(), report.flops.contraction);
    assert_eq!(rows.iter().map(|row| row.nodes.len() as u64).sum::<u64>(), report.model.nodes);
    assert_eq!(rows.iter().filter(|row| row.kind.name() != "view").count() as u64, strategy.kernels);
    let ids = 0..rows.len() as u64;
    assert!(rows.iter().all(|row| row.depends_on.iter().all(|id| ids.contains(id) && *id != row.id)));
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn figures_of_every_plan_add_up(sample in graphs(40)) {
        for profile in [Profile::Reference, Profile::Default] {
            with_report(&sample.0, profile, |report, _, _| {
                for strategy in &report.strategies {
                    figures_add_up(report, strategy);
                    floor_holds(report, strategy);
                }
            });
        }
    }

    #[test]
    fn every_writer_copes(sample in graphs(40)) {
        with_report(&sample.0, Profile::Default, |report, analysis, plans| {
            for top in [0, 2] {
                let page = text(report, TextOptions { top, ..TextOptions::default() });
                assert!(page.lines().all(|line| line.width() <= 80), "{page}");
                assert!(markdown(report, top).lines().count() > 10);
            }
            let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("JSON");
            assert_eq!(json["model"]["nodes"], report.model.nodes);
            assert_eq!(csv(report).lines().count(), 1 + report.groups.as_ref().map_or(0, Vec::len));
            let graph: serde_json::Value = serde_json::from_str(&graph_json(analysis.graph)).expect("JSON");
            assert_eq!(graph["nodes"].as_array().map(Vec::len), Some(analysis.graph.node_count()));
            for plan in plans {
                let picture = dot(analysis, plan);
                assert_eq!(picture.matches('{').count(), picture.matches('}').count());
            }
        });
    }
}

/// No plan moves fewer bytes than the floor.
fn floor_holds(report: &PlanReport, strategy: &StrategyReport) {
    assert!(strategy.bytes.moved() >= report.floor.bytes);
}
