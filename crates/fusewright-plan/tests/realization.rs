//! From groups to the kernels that a device runs, and what they cost there.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_cost::floor_us;
use fusewright_cost::time::{Kernel, StreamKind};
use fusewright_device::{Device, find, ids};
use fusewright_ir::{DType, Graph, text, verify};
use fusewright_pattern::decompose;
use fusewright_plan::{
    Analysis, AttentionFusionPartitioner, EagerPartitioner, FusionBasedPartitioner, Partitioner, Profile, Reason,
    Timing, time_plan,
};
use fusewright_testing::{Sample, cases, graphs};
use proptest::prelude::*;

fn device(id: &str) -> Device {
    find(id).unwrap()
}

fn graph(source: &str) -> Graph {
    let graph = text::parse(source).unwrap();
    verify(&graph).unwrap();
    graph
}

fn timed(graph: &Graph, partitioner: &dyn Partitioner, device: &Device) -> Timing {
    let analysis = Analysis::of(graph);
    let plan = partitioner.partition(&analysis, Profile::Default).unwrap();
    time_plan(&analysis, &plan, device)
}

const ATTENTION: &str = r#"
graph "attention" {
  input %q: f16[2, 12, 512, 64]
  input %k: f16[2, 12, 512, 64]
  input %v: f16[2, 12, 512, 64]
  input %mask: f16[2, 1, 1, 512]
  parameter %w: f16[768, 768]
  %kt: f16[2, 12, 64, 512] = permute(%k) {axes = [0, 1, 3, 2]}
  %s: f16[2, 12, 512, 512] = matmul(%q, %kt)
  %scaled: f16[2, 12, 512, 512] = mul(%s) {scalar = 0.125}
  %masked: f16[2, 12, 512, 512] = add(%scaled, %mask)
  %p: f16[2, 12, 512, 512] = softmax(%masked) {axis = -1}
  %c: f16[2, 12, 512, 64] = matmul(%p, %v)
  %ct: f16[2, 512, 12, 64] = permute(%c) {axes = [0, 2, 1, 3]}
  %cm: f16[2, 512, 768] = reshape(%ct) {shape = [2, 512, 768]}
  %o: f16[2, 512, 768] = linear(%cm, %w)
  output %o
}"#;

#[test]
fn attention_streams_where_the_device_can_and_its_projection_is_a_kernel_of_its_own() {
    let graph = graph(ATTENTION);
    let timing = timed(&graph, &AttentionFusionPartitioner::default(), &device("h100-sxm"));
    let [first, second] = &timing.kernels[..] else { panic!("{:?}", timing.kernels) };
    let Kernel::Attention(attention) = &first.kernel else { panic!("{first:?}") };
    assert_eq!((attention.batch, attention.heads, attention.kv_heads), (2, 12, 12));
    assert_eq!((attention.queries, attention.keys, attention.head_dim, attention.value_dim), (512, 512, 64, 64));
    // Queries, keys and values in, mask too; the result out, already in the order that the projection reads.
    assert_eq!(attention.bytes, 2 * (4 * 2 * 12 * 512 * 64 + 2 * 512));
    let Kernel::Gemm(projection) = &second.kernel else { panic!("{second:?}") };
    assert_eq!((projection.batch, projection.m, projection.n, projection.k), (1, 1024, 768, 768));
    assert_eq!(timing.not_realizable, [(Reason::SeveralProducts, 1)]);
}

#[test]
fn attention_that_does_not_stream_writes_its_scores() {
    let graph = graph(ATTENTION);
    let timing = timed(&graph, &AttentionFusionPartitioner::default(), &device("v100-sxm2"));
    let kinds: Vec<&str> = timing
        .kernels
        .iter()
        .map(|kernel| match &kernel.kernel {
            Kernel::Gemm(_) | Kernel::Convolution(_) => "product",
            Kernel::Attention(_) => "attention",
            Kernel::Stream(stream) if stream.kind == StreamKind::Softmax => "softmax",
            Kernel::Stream(_) => "pass",
        })
        .collect();
    // Scale and mask ride on the first product, the copy that merges the heads on the second.
    assert_eq!(kinds, ["product", "softmax", "product", "product"]);
    assert_eq!(timing.not_realizable, [(Reason::AttentionDoesNotFit, 1)]);
    let scores = 2 * 12 * 512 * 512 * 2;
    assert_eq!(timing.kernels[1].kernel.bytes(), 2 * scores);
}

#[test]
fn a_norm_after_a_product_is_a_kernel_of_its_own() {
    let graph = graph(
        r#"
        graph "mlp" {
          input %x: f16[1024, 768]
          parameter %g: f16[768]
          parameter %w1: f16[3072, 768]
          parameter %w2: f16[768, 3072]
          %n: f16[1024, 768] = layer_norm(%x, %g) {axes = 1, epsilon = 1e-5}
          %h: f16[1024, 3072] = linear(%n, %w1)
          %a: f16[1024, 3072] = gelu(%h)
          %y: f16[1024, 768] = linear(%a, %w2)
          output %y
        }"#,
    );
    let timing = timed(&graph, &FusionBasedPartitioner::default(), &device("a100-sxm-80"));
    assert_eq!(timing.groups.len(), 1);
    assert_eq!(timing.groups[0].kernels, 3);
    // The norm writes what the product reads: the traffic between kernels of a group is counted.
    assert_eq!(timing.kernels[0].kernel.bytes(), 2 * (2 * 1024 * 768 + 768));
    let Kernel::Gemm(wide) = &timing.kernels[1].kernel else { panic!() };
    assert_eq!(wide.bytes, 2 * (1024 * 768 + 768 * 3072 + 1024 * 3072));
}

fn projections(tokens: u64, width: u64) -> Graph {
    graph(&format!(
        r#"
        graph "projections" {{
          input %x: bf16[{tokens}, {width}]
          parameter %wq: bf16[{width}, {width}]
          parameter %wk: bf16[{width}, {width}]
          parameter %wv: bf16[{width}, {width}]
          %q: bf16[{tokens}, {width}] = linear(%x, %wq)
          %k: bf16[{tokens}, {width}] = linear(%x, %wk)
          %v: bf16[{tokens}, {width}] = linear(%x, %wv)
          output %q
          output %k
          output %v
        }}"#
    ))
}

#[test]
fn merges_are_taken_where_they_pay_and_refused_where_they_cost() {
    let a100 = device("a100-sxm-80");
    let merges = |tokens, width, device| {
        let graph = projections(tokens, width);
        let analysis = Analysis::of(&graph);
        let partitioner = AttentionFusionPartitioner { device, ..AttentionFusionPartitioner::default() };
        let plan = partitioner.partition(&analysis, Profile::Default).unwrap();
        (plan.merges.len(), plan.refused_merges)
    };
    // Measured on this device: 23.9 µs apart, 10.7 µs merged.
    assert_eq!(merges(128, 1024, Some(&a100)), (1, Vec::new()));
    // Somewhere on the way to large products one wide grid leaves the last wave nearly empty.
    let widths = [1024, 2048, 3072, 4096, 5120, 6144];
    let shapes = widths.into_iter().flat_map(|width| [257, 512, 769, 1024, 1536, 2048].map(|tokens| (tokens, width)));
    let refused: Vec<_> = shapes.filter(|&(tokens, width)| merges(tokens, width, Some(&a100)).0 == 0).collect();
    assert!(!refused.is_empty() && refused.len() < 18, "{refused:?}");
    let (tokens, width) = refused[0];
    let (_, reasons) = merges(tokens, width, Some(&a100));
    assert!(1.01 * reasons[0].merged_us > reasons[0].apart_us, "{reasons:?}");
    assert_eq!(reasons[0].merge.members.len(), 3);
    assert_eq!(merges(tokens, width, None).0, 1, "without a device every merge is taken");
}

proptest! {
    #![proptest_config(cases())]

    /// On every device: each working node is in one kernel, no plan beats the floor, no kernel beats its roofline.
    #[test]
    fn prices_of_random_graphs_hold_together(Sample(graph) in graphs(30), pick in 0_usize..1000, half in any::<bool>()) {
        let mut graph = decompose(&graph).unwrap();
        if half {
            graph.set_float_dtype(DType::F16);
        }
        let names: Vec<&str> = ids().collect();
        let device = device(names[pick % names.len()]);
        let analysis = Analysis::of(&graph);
        let floor = floor_us(&graph, &analysis.storage, &device);
        let attention = AttentionFusionPartitioner { device: Some(&device), ..AttentionFusionPartitioner::default() };
        for partitioner in [&EagerPartitioner as &dyn Partitioner, &FusionBasedPartitioner::default(), &attention] {
            let plan = partitioner.partition(&analysis, Profile::Default).unwrap();
            let timing = time_plan(&analysis, &plan, &device);
            prop_assert!(timing.total.us.is_finite());
            prop_assert!(timing.total.us >= floor * (1.0 - 1e-9), "{} < {floor}", timing.total.us);
            prop_assert!(timing.total.kernels >= plan.total.kernels);
            for kernel in &timing.kernels {
                prop_assert!(kernel.prediction.us >= kernel.roofline_us * (1.0 - 1e-9), "{kernel:?}");
            }
            let by_group: f64 = timing.groups.iter().map(|group| group.us).sum();
            prop_assert!((by_group - timing.total.us).abs() <= 1e-6 * timing.total.us.max(1.0));
        }
    }
}
