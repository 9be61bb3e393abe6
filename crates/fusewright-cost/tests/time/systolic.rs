//! Products and attention on systolic arrays.

use fusewright_cost::time::{Attention, AttentionLibrary, Gemm, Kernel, Limiter, Prediction, predict, systolic_cycles};
use fusewright_device::Dataflow;
use fusewright_ir::DType;

use crate::devices;

fn gemm(m: u64, n: u64, k: u64) -> Kernel {
    Kernel::Gemm(Gemm::plain(1, m, n, k, DType::Bf16))
}

fn term(prediction: &Prediction, name: &str) -> f64 {
    prediction.terms.iter().filter(|term| term.name == name).map(|term| term.us).sum()
}

fn on_arrays(prediction: &Prediction) -> f64 {
    ["arithmetic", "tile edges", "idle arrays", "fill and drain"].iter().map(|name| term(prediction, name)).sum()
}

#[test]
fn one_plain_array_takes_the_cycles_of_the_closed_form() {
    let flows = [
        ("output-stationary", Dataflow::OutputStationary),
        ("weight-stationary", Dataflow::WeightStationary),
        ("input-stationary", Dataflow::InputStationary),
    ];
    for (name, dataflow) in flows {
        let device = devices::systolic(name, false, 1, 32);
        for (m, n, k) in [(64, 64, 64), (100, 70, 50), (197, 48, 64), (33, 65, 129), (128, 96, 32), (32, 32, 32)] {
            let us = on_arrays(&predict(&device, &gemm(m, n, k)));
            let cycles = systolic_cycles(dataflow, 32, 32, m, n, k) as f64;
            assert!((us - cycles / 1500.0).abs() < 1e-9, "{name} {m}x{n}x{k}: {us} µs, {cycles} cycles at 1.5 GHz");
        }
    }
}

#[test]
fn double_buffered_weights_hide_their_loading() {
    let device = devices::systolic("weight-stationary", true, 1, 128);
    let us = on_arrays(&predict(&device, &gemm(4096, 1024, 512)));
    assert!((us - (4.0 * 8.0 * 4096.0 + 254.0) / 1500.0).abs() < 1e-9);
    // With fewer rows than the array has, loading is what takes the time.
    let few = on_arrays(&predict(&device, &gemm(1, 1024, 512)));
    assert!((few - (4.0 * 8.0 * 128.0 + 254.0) / 1500.0).abs() < 1e-9);
}

#[test]
fn widths_beyond_a_tile_are_stated_as_edges() {
    let device = devices::systolic("weight-stationary", true, 4, 128);
    let fits = predict(&device, &gemm(4096, 1024, 1024));
    let spills = predict(&device, &gemm(4096, 1025, 1024));
    assert!(term(&fits, "tile edges").abs() < 1e-9);
    // One column more opens a ninth column of tiles.
    assert!((term(&spills, "tile edges") / term(&spills, "arithmetic") - (9.0 * 128.0 / 1025.0 - 1.0)).abs() < 1e-9);
    assert!(on_arrays(&spills) > 1.12 * on_arrays(&fits));
}

#[test]
fn arrays_share_folds_or_what_streams() {
    let one = devices::systolic("weight-stationary", true, 1, 128);
    let four = devices::systolic("weight-stationary", true, 4, 128);
    let speedup = |kernel: &Kernel| on_arrays(&predict(&one, kernel)) / on_arrays(&predict(&four, kernel));
    assert!(speedup(&gemm(8192, 2048, 2048)) > 3.9);
    // A single fold: the arrays hold the same weights and take a quarter of the rows each.
    assert!(speedup(&gemm(65_536, 128, 128)) > 3.9);
    // Five folds on four arrays of which none is long enough to split.
    let five = predict(&four, &gemm(128, 640, 128));
    assert!(term(&five, "idle arrays") + term(&five, "fill and drain") > 0.5 * term(&five, "arithmetic"));
}

#[test]
fn eight_bit_products_run_at_their_own_peak() {
    let device = devices::systolic("weight-stationary", true, 4, 128);
    let bf16 = on_arrays(&predict(&device, &gemm(8192, 4096, 4096)));
    let i8 = on_arrays(&predict(&device, &Kernel::Gemm(Gemm::plain(1, 8192, 4096, 4096, DType::I8))));
    assert!((bf16 / i8 - 2.0).abs() < 1e-9);
}

#[test]
fn limiter_is_memory_below_the_batch_that_balances() {
    let device = devices::systolic("weight-stationary", true, 4, 128);
    assert_eq!(predict(&device, &gemm(64, 8192, 8192)).limiter, Limiter::Memory);
    assert_eq!(predict(&device, &gemm(4096, 8192, 8192)).limiter, Limiter::Compute);
    assert_eq!(predict(&device, &gemm(8, 128, 128)).limiter, Limiter::Launch);
}

fn attention(queries: u64, keys: u64, causal: bool) -> Attention {
    Attention {
        batch: 1,
        heads: 16,
        kv_heads: 16,
        queries,
        keys,
        head_dim: 128,
        value_dim: 128,
        causal,
        dtype: DType::Bf16,
        bytes: 0,
        library: AttentionLibrary::PyTorch,
    }
    .with_operand_bytes()
}

#[test]
fn scores_spill_only_when_a_block_of_rows_does_not_fit() {
    let device = devices::systolic("weight-stationary", true, 4, 128);
    let fits = predict(&device, &Kernel::Attention(attention(4096, 4096, false)));
    assert!(term(&fits, "main memory again").abs() < 1e-12);
    assert!(term(&fits, "vector unit") > 0.0);
    let spills = predict(&device, &Kernel::Attention(attention(128, 1 << 20, false)));
    assert!(term(&spills, "main memory again") > term(&spills, "main memory"));
}

#[test]
fn causal_attention_takes_little_more_than_half() {
    let device = devices::systolic("weight-stationary", true, 4, 128);
    let full = predict(&device, &Kernel::Attention(attention(4096, 4096, false)));
    let causal = predict(&device, &Kernel::Attention(attention(4096, 4096, true)));
    let ratio = on_arrays(&causal) / on_arrays(&full);
    assert!((ratio - 33.0 / 64.0).abs() < 1e-9, "{ratio}");
}
