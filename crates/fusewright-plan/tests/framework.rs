//! What PyTorch launches beside the kernels that the graph names.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_cost::time::{Kernel, Layout, StreamKind};
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
    let steps = ["product", "softmax", "pass", "reduction", "pass", "product", "copy", "copy"];
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

/// A norm over the channels of an image, and two convolutions of its result.
const NORM_OF_IMAGE: &str = r#"
graph "norm of image" {
  input %x: f16[8, 64, 56, 56]
  parameter %n: f16[64]
  parameter %w: f16[64, 64, 3, 3]
  %rows: f16[8, 56, 56, 64] = permute(%x) {axes = [0, 2, 3, 1]}
  %normed: f16[8, 56, 56, 64] = layer_norm(%rows, %n) {axes = 1, epsilon = 1e-6}
  %image: f16[8, 64, 56, 56] = permute(%normed) {axes = [0, 3, 1, 2]}
  %c: f16[8, 64, 56, 56] = conv(%image, %w) {stride = [1, 1], padding = [1, 1], dilation = [1, 1], groups = 1}
  %act: f16[8, 64, 56, 56] = gelu(%c)
  %d: f16[8, 64, 56, 56] = conv(%act, %w) {stride = [1, 1], padding = [1, 1], dilation = [1, 1], groups = 1}
  %again: f16[8, 56, 56, 64] = permute(%d) {axes = [0, 2, 3, 1]}
  %y: f16[8, 56, 56, 64] = layer_norm(%again, %n) {axes = 1, epsilon = 1e-6}
  output %y
}"#;

#[test]
fn images_lie_as_they_come_where_nothing_compiles() {
    let eager = timed(NORM_OF_IMAGE, &EagerPartitioner, "h100-sxm");
    // The first norm takes a copy of its operand; what follows lies with its channels innermost.
    assert_eq!(names(&eager), ["copy", "block norm", "convolution", "pass", "convolution", "block norm"]);
    let layouts = |timing: &Timing| -> Vec<Layout> {
        let of = |kernel: &Kernel| if let Kernel::Convolution(it) = kernel { Some(it.layout) } else { None };
        timing.kernels.iter().filter_map(|kernel| of(&kernel.kernel)).collect()
    };
    assert_eq!(layouts(&eager), [Layout::ChannelsLast; 2]);
    assert_eq!(layouts(&timed(CONVOLUTION, &EagerPartitioner, "h100-sxm")), [Layout::ChannelsFirst]);
}

#[test]
fn group_norms_read_their_operand_once_more() {
    let source = r#"
graph "group norm" {
  input %x: f16[8, 64, 56, 56]
  parameter %w: f16[64]
  parameter %b: f16[64]
  %y: f16[8, 64, 56, 56] = group_norm(%x, %w, %b) {groups = 8, epsilon = 1e-5}
  output %y
}"#;
    let eager = timed(source, &EagerPartitioner, "h100-sxm");
    assert_eq!(names(&eager), ["reduction", "pass"]);
    let Kernel::Stream(moments) = &eager.kernels[0].kernel else { panic!("{:?}", eager.kernels) };
    assert_eq!(moments.bytes, 2 * 8 * 64 * 56 * 56);
    assert_eq!(names(&timed(source, &CompiledPartitioner, "h100-sxm")), ["reduction", "pass"]);
}

#[test]
fn a_pad_is_computed_as_it_is_read_by_a_compiler() {
    let source = r#"
graph "pad" {
  input %x: f16[8, 64, 55, 55]
  parameter %w: f16[64, 64, 3, 3]
  %act: f16[8, 64, 55, 55] = gelu(%x)
  %padded: f16[8, 64, 57, 57] = pad(%act) {pads = [0, 0, 0, 0, 1, 1, 1, 1], value = 0.0}
  %y: f16[8, 64, 55, 55] = conv(%padded, %w) {stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 1}
  output %y
}"#;
    assert_eq!(names(&timed(source, &EagerPartitioner, "h100-sxm")), ["pass", "copy", "convolution"]);
    assert_eq!(timed(source, &CompiledPartitioner, "h100-sxm").kernels.len(), 2);
}

/// A norm whose result a window reads and something else beside it.
const POOLED_NORM: &str = r#"
graph "pooled norm" {
  input %x: f16[8, 64, 56, 56]
  parameter %w: f16[64]
  parameter %b: f16[64]
  %n: f16[8, 64, 56, 56] = group_norm(%x, %w, %b) {groups = 1, epsilon = 1e-5}
  %p: f16[8, 64, 56, 56] = avg_pool(%n) {kernel = [3, 3], stride = [1, 1], padding = [1, 1], dilation = [1, 1]}
  %y: f16[8, 64, 56, 56] = sub(%p, %n)
  output %y
}"#;

#[test]
fn what_a_window_reads_is_in_memory_before() {
    let compiled = timed(POOLED_NORM, &CompiledPartitioner, "h100-sxm");
    assert_eq!(compiled.kernels.iter().map(|kernel| kernel.group).max(), Some(1), "{:?}", names(&compiled));
}

/// Two passes over what a convolution makes, of as many images.
fn chain(images: u64) -> String {
    format!(
        "graph \"chain\" {{\n  input %x: f16[{images}, 64, 56, 56]\n  %a: f16[{images}, 64, 56, 56] = gelu(%x)\n  \
         %b: f16[{images}, 64, 56, 56] = relu(%a)\n  output %b\n}}"
    )
}

#[test]
fn what_was_just_made_is_found_in_the_last_cache_if_it_fits() {
    let share = |images: u64, device: &str| {
        let timing = timed(&chain(images), &EagerPartitioner, device);
        timing.cached_us / timing.total.us
    };
    // 13 MB of 52: the second pass reads nothing from main memory.
    assert!(share(32, "h100-sxm") > 0.05, "{}", share(32, "h100-sxm"));
    assert!(share(2048, "h100-sxm") < 0.02, "{}", share(2048, "h100-sxm"));
    assert!(share(32, "xeon-8490h") == 0.0);
    // The price of a plan does not know of it.
    let timing = timed(&chain(32), &EagerPartitioner, "h100-sxm");
    assert!(timing.kernels.iter().all(|kernel| kernel.prediction.us >= kernel.roofline_us));
}

#[test]
fn the_host_runs_ahead_of_long_kernels() {
    let dispatch = find("h100-sxm").unwrap().launch.dispatch_us.value;
    let short = timed(&chain(1), &EagerPartitioner, "h100-sxm");
    // Both wait for the host: all but the last kernel is hidden behind it.
    let last = short.kernels[1].prediction.us;
    let all = short.framework_us + short.total.us - short.cached_us;
    assert!(all <= 2.0 * dispatch + last && all >= 2.0 * dispatch, "{all}");
    let long = timed(&chain(2048), &EagerPartitioner, "h100-sxm");
    assert!((long.framework_us - dispatch).abs() < 1e-6, "{}", long.framework_us);
}

#[test]
fn images_with_channels_innermost_are_interpolated_element_by_element() {
    let source = r#"
graph "interpolation" {
  input %x: f16[8, 197, 64]
  %tokens: f16[8, 196, 64] = slice(%x) {axis = 1, start = 1, length = 196, step = 1}
  %channels: f16[8, 64, 196] = permute(%tokens) {axes = [0, 2, 1]}
  %image: f16[8, 64, 14, 14] = reshape(%channels) {shape = [8, 64, 14, 14]}
  %wide: f32[8, 64, 14, 14] = cast(%image) {dtype = "f32"}
  %y: f32[8, 64, 28, 28] = resize(%wide) {taps = 2, output = [28, 28]}
  output %y
}"#;
    let kinds = |source: &str| {
        let timing = timed(source, &EagerPartitioner, "h100-sxm");
        let Some(Kernel::Stream(last)) = timing.kernels.last().map(|kernel| &kernel.kernel) else { panic!() };
        last.kind
    };
    assert_eq!(kinds(source), StreamKind::Reduction);
    let rows = source.lines().filter(|line| !line.contains("%tokens") && !line.contains("%channels"));
    let planes = rows.collect::<Vec<_>>().join("\n").replace("%x: f16[8, 197, 64]", "%x: f16[8, 64, 14, 14]");
    let planes = planes.replace("  %image: f16[8, 64, 14, 14] = reshape(%channels) {shape = [8, 64, 14, 14]}\n", "");
    assert_eq!(kinds(&planes.replace("%image", "%x")), StreamKind::Resample);
}
