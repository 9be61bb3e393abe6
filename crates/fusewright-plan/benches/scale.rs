//! Planning time against the number of nodes: analysis, standard and attention plans, certificates included.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fusewright_plan::{Analysis, AttentionFusionPartitioner, FusionBasedPartitioner, Partitioner, Plan, Profile};
use std::hint::black_box;

fn plan_both(graph: &fusewright_ir::Graph) -> [Plan; 2] {
    let analysis = Analysis::of(graph);
    let standard = FusionBasedPartitioner::default().partition(&analysis, Profile::Default);
    let attention = AttentionFusionPartitioner::default().partition(&analysis, Profile::Default);
    [standard, attention].map(|plan| plan.expect("the synthetic model plans"))
}

fn scale(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan_synthetic_transformer");
    group.sample_size(10);
    for nodes in [1_000, 10_000, 100_000, 1_000_000] {
        let graph = fusewright_testing::transformer(nodes);
        group.throughput(Throughput::Elements(graph.node_count() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(nodes), &graph, |bencher, graph| {
            bencher.iter(|| plan_both(black_box(graph)));
        });
    }
    group.finish();
}

criterion_group!(benches, scale);
criterion_main!(benches);
