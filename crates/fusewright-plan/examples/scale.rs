//! Plans a synthetic transformer of a given size once: for measuring the memory and time of a whole process.
//!
//! `cargo run --release -p fusewright-plan --example scale -- 1000000`

#![allow(clippy::print_stdout, reason = "an example that reports to its user")]

use std::time::Instant;

use fusewright_plan::{Analysis, AttentionFusionPartitioner, FusionBasedPartitioner, Partitioner, Profile};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let nodes = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let graph = fusewright_testing::transformer(nodes);
    let start = Instant::now();
    let analysis = Analysis::of(&graph);
    let standard = FusionBasedPartitioner::default().partition(&analysis, Profile::Default)?;
    let attention = AttentionFusionPartitioner::default().partition(&analysis, Profile::Default)?;
    let elapsed = start.elapsed();
    println!(
        "{} nodes: standard {} kernels, attention {} kernels, analysed, planned and certified in {elapsed:.2?}",
        graph.node_count(),
        standard.total.kernels,
        attention.total.kernels,
    );
    Ok(())
}
