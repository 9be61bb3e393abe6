//! What PyTorch launches beside the kernels that the graph names.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_cost::time::{Kernel, StreamKind};
use fusewright_device::find;
use fusewright_ir::{text, verify};
use fusewright_plan::{Analysis, CompiledPartitioner, EagerPartitioner, Partitioner, Profile, Timing, time_plan};

fn timed(source: &str, partitioner: &dyn Partitioner, device: &str) -> Timing {
    let graph = text::parse(source).unwrap();
    verify(&graph).unwrap();
    let analysis = Analysis::of(&graph);
    let plan = partitioner.partition(&analysis, Profile::Default).unwrap();
    time_plan(&analysis, &plan, &find(device).unwrap())
}

fn names(timing: &Timing) -> Vec<&'static str> {
    let name = |kernel: &Kernel| match kernel {
        Kernel::Gemm(_) => "product",
        Kernel::Convolution(_) => "convolution",
        Kernel::Attention(_) => "attention",
        Kernel::Stream(stream) => match stream.kind {
            StreamKind::Softmax => "softmax",
            StreamKind::LayerNorm => "norm",
            StreamKind::BlockNorm => "block norm",
            StreamKind::Copy => "copy",
            StreamKind::Reduction => "reduction",
            _ => "pass",
        },
    };
    timing.kernels.iter().map(|kernel| name(&kernel.kernel)).collect()
}

const CONVOLUTION: &str = r#"
graph "convolution" {
  input %x: f16[8, 64, 56, 56]
  parameter %w: f16[64, 64, 3, 3]
  parameter %b: f16[64]
  %y: f16[8, 64, 56, 56] = conv(%x, %w, %b) {stride = [1, 1], padding = [1, 1], dilation = [1, 1], groups = 1}
  output %y
}"#;

#[test]
fn the_bias_of_a_convolution_is_a_pass_of_its_own_where_nothing_compiles() {
    let eager = timed(CONVOLUTION, &EagerPartitioner, "h100-sxm");
    assert_eq!(names(&eager), ["convolution", "pass"]);
    let Kernel::Stream(pass) = &eager.kernels[1].kernel else { panic!("{:?}", eager.kernels) };
    assert_eq!(pass.bytes, 2 * 2 * 8 * 64 * 56 * 56);
    assert_eq!(names(&timed(CONVOLUTION, &CompiledPartitioner, "h100-sxm")), ["convolution"]);
    assert_eq!(names(&timed(CONVOLUTION, &EagerPartitioner, "xeon-8490h")), ["convolution"]);
    let without = CONVOLUTION.replace("  parameter %b: f16[64]\n", "").replace(", %b)", ")");
    assert_eq!(names(&timed(&without, &EagerPartitioner, "h100-sxm")), ["convolution"]);
}

#[test]
fn wide_windows_over_channels_apart_take_their_bias_along() {
    let apart = |extent: u64, padding: u64| {
        let source = CONVOLUTION.replace("f16[64, 64, 3, 3]", &format!("f16[64, 1, {extent}, {extent}]"));
        source
            .replace("padding = [1, 1]", &format!("padding = [{padding}, {padding}]"))
            .replace("groups = 1", "groups = 64")
    };
    assert_eq!(names(&timed(&apart(3, 1), &EagerPartitioner, "h100-sxm")), ["convolution", "pass"]);
    assert_eq!(names(&timed(&apart(7, 3), &EagerPartitioner, "h100-sxm")), ["convolution"]);
}

/// Windows of an image: five axes.
const WINDOWS: &str = r#"
graph "windows" {
  input %q: f16[8, 16, 4, 49, 32]
  input %k: f16[8, 16, 4, 49, 32]
  input %v: f16[8, 16, 4, 49, 32]
  %y: f16[8, 16, 4, 49, 32] = scaled_dot_product_attention(%q, %k, %v)
  output %y
}"#;

#[test]
fn attention_over_five_axes_is_written_out_in_single_precision() {
    let eager = timed(WINDOWS, &EagerPartitioner, "h100-sxm");
    let casts = ["copy", "copy", "copy", "pass", "pass"];
    let steps = ["product", "softmax", "pass", "reduction", "pass", "product", "copy"];
    assert_eq!(names(&eager), [&casts[..], &steps[..]].concat());
    let compiled = timed(WINDOWS, &CompiledPartitioner, "h100-sxm");
    assert_eq!(names(&compiled), ["copy", "copy", "copy", "product", "softmax", "product", "copy"]);
    let four = WINDOWS.replace("8, 16, 4, 49, 32", "128, 4, 49, 32");
    assert_eq!(names(&timed(&four, &EagerPartitioner, "h100-sxm")), ["attention"]);
}

#[test]
fn short_rows_of_a_norm_cost_a_block_each_where_nothing_compiles() {
    let norm = |rows: u64, cols: u64| {
        format!(
            "graph \"norm\" {{\n  input %x: f32[{rows}, {cols}]\n  parameter %w: f32[{cols}]\n  parameter %b: f32[{cols}]\n  \
             %y: f32[{rows}, {cols}] = layer_norm(%x, %w, %b) {{axes = 1, epsilon = 1e-5}}\n  output %y\n}}"
        )
    };
    let both = |source: &str| {
        let us = |partitioner: &dyn Partitioner| timed(source, partitioner, "h100-sxm").kernels[0].prediction.us;
        us(&EagerPartitioner) / us(&CompiledPartitioner)
    };
    let eager = timed(&norm(802_816, 96), &EagerPartitioner, "h100-sxm");
    assert_eq!(names(&eager), ["block norm"]);
    // Measured: 1260 µs, at half a terabyte a second.
    assert!((1000.0..1500.0).contains(&eager.kernels[0].prediction.us), "{:?}", eager.kernels);
    assert!(both(&norm(802_816, 96)) > 3.0);
    assert!((both(&norm(18_816, 4096)) - 1.0).abs() < 0.1);
}
