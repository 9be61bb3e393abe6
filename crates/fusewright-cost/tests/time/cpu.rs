//! Products and passes on CPUs, held against the few published timings of an i7-12700K.

use fusewright_cost::time::{Gemm, Kernel, Limiter, Prediction, Stream, StreamKind, predict, predict_resident};
use fusewright_ir::DType;

use crate::devices;

fn gemm(m: u64, n: u64, k: u64) -> Kernel {
    Kernel::Gemm(Gemm::plain(1, m, n, k, DType::F32))
}

/// Sum of two vectors of so many elements: 12 bytes each.
fn vector_add(elements: u64) -> Kernel {
    Kernel::Stream(Stream {
        kind: StreamKind::Pointwise,
        rows: 1,
        cols: elements,
        dtype: DType::F32,
        flops: elements,
        bytes: 12 * elements,
    })
}

fn term(prediction: &Prediction, name: &str) -> f64 {
    prediction.terms.iter().filter(|term| term.name == name).map(|term| term.us).sum()
}

#[test]
fn vector_add_follows_the_published_rates_level_by_level() {
    let device = devices::desktop();
    // Elements and GB/s, `branes-ai/graphs` validation: small, in L2, in L3, between, in main memory.
    for (elements, published) in
        [(16_u64, 64.0), (64, 121.0), (256, 287.0), (1024, 163.0), (16_384, 36.0), (65_536, 36.0)]
    {
        let elements = elements * 1024;
        let us = predict_resident(&device, &vector_add(elements)).us;
        let rate = 12.0 * elements as f64 / us / 1e3;
        let ratio = rate / published;
        assert!((0.5..2.0).contains(&ratio), "{elements} elements: {rate:.0} GB/s, published {published}");
    }
}

#[test]
fn a_pass_over_main_memory_is_limited_by_it() {
    let device = devices::desktop();
    assert_eq!(predict(&device, &vector_add(1 << 24)).limiter, Limiter::Memory);
    assert_eq!(predict_resident(&device, &vector_add(1 << 18)).limiter, Limiter::Cache);
    assert_eq!(predict(&device, &vector_add(256)).limiter, Limiter::Launch);
}

#[test]
fn large_products_run_at_the_pace_of_the_slowest_core() {
    // The best that was published for this machine is 562 GFLOP/s, 0.39 of its peak.
    let us = predict(&devices::desktop(), &gemm(4096, 4096, 4096)).us;
    let rate = 2.0 * 4096.0_f64.powi(3) / us / 1e3;
    assert!((rate / 562.0 - 1.0).abs() < 0.05, "{rate:.0} GFLOP/s");
}

#[test]
fn columns_beyond_a_vector_are_stated_as_tails() {
    let device = devices::desktop();
    assert!(term(&predict(&device, &gemm(1024, 1024, 1024)), "vector tails").abs() < 1e-9);
    let odd = predict(&device, &gemm(1024, 9, 1024));
    assert!((term(&odd, "vector tails") / term(&odd, "arithmetic") - 7.0 / 9.0).abs() < 1e-9);
}

#[test]
fn tiles_that_do_not_divide_leave_cores_idle() {
    let device = devices::desktop();
    // 13 tiles on 12 cores.
    let uneven = predict(&device, &gemm(6, 13 * 16, 65_536));
    assert!((term(&uneven, "idle cores") / term(&uneven, "arithmetic") - 11.0 / 13.0).abs() < 1e-9);
}

#[test]
fn small_kernels_stay_on_one_core() {
    let device = devices::desktop();
    assert!(term(&predict(&device, &gemm(32, 32, 32)), "parallel region").abs() < 1e-12);
    assert!(term(&predict(&device, &gemm(1024, 1024, 1024)), "parallel region") > 0.0);
}

#[test]
fn wider_vectors_and_more_cores_are_faster_where_arithmetic_limits() {
    let kernel = gemm(2048, 2048, 2048);
    let caches = [("L1", 512.0, 3000.0), ("L2", 12_288.0, 1000.0), ("L3", 25_600.0, 300.0)];
    let narrow = predict(&devices::cpu(12.0, 0.7, 51.2, 128, caches), &kernel).us;
    let wide = predict(&devices::cpu(12.0, 1.4, 51.2, 256, caches), &kernel).us;
    assert!(wide < 0.6 * narrow);
}
