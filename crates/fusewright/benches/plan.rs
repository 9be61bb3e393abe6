//! What a user waits for: planning ViT-B/16 in the library, and everything from the embedded bytes to the report.

use criterion::{Criterion, criterion_group, criterion_main};
use fusewright::{PlanOptions, Session};
use fusewright_plan::{Analysis, AttentionFusionPartitioner, FusionBasedPartitioner, Partitioner, Profile};
use std::hint::black_box;

fn vit_b_16(criterion: &mut Criterion) {
    let model = Session::new().load("vit_b_16").expect("a built-in model");
    for profile in [Profile::Default, Profile::Reference] {
        criterion.bench_function(&format!("plan vit_b_16 standard + attention, {}", profile.name()), |bencher| {
            bencher.iter(|| {
                let analysis = Analysis::of(black_box(model.decomposed()));
                let standard = FusionBasedPartitioner::default().partition(&analysis, profile);
                let attention = AttentionFusionPartitioner::default().partition(&analysis, profile);
                (standard.expect("certified"), attention.expect("certified"))
            });
        });
    }
    criterion.bench_function("load vit_b_16", |bencher| {
        bencher.iter(|| Session::new().load(black_box("vit_b_16")).expect("a built-in model"));
    });
    criterion.bench_function("report vit_b_16", |bencher| {
        bencher.iter(|| black_box(&model).report(&PlanOptions::default()).expect("certified"));
    });
}

criterion_group!(benches, vit_b_16);
criterion_main!(benches);
