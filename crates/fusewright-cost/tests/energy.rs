//! Energy of kernels, held against published measurements.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_cost::time::{Gemm, Kernel, predict};
use fusewright_cost::{Activity, energy, energy_mj};
use fusewright_device::Device;
use fusewright_ir::DType;
use proptest::prelude::*;

fn h100() -> Device {
    fusewright_device::find("h100-sxm").unwrap()
}

/// Picojoules in a millijoule.
const PJ: f64 = 1e9;

#[test]
fn a_flop_of_a_large_product_takes_about_board_power_over_peak() {
    let device = h100();
    let flops = 1e15;
    let activity = Activity {
        contraction_flops: flops,
        dtype: DType::Bf16,
        other_flops: 0.0,
        main_bytes: 0.0,
        on_chip_bytes: 0.0,
    };
    // At 0.75 of the peak. 700 W at the peak itself would be 0.71 pJ.
    let us = 1e6 * flops / (0.75 * 989.4e12);
    let per_flop = energy(&device, &activity, us).total() * PJ / flops;
    assert!((0.71..1.0).contains(&per_flop), "{per_flop} pJ/FLOP");
}

#[test]
fn decode_takes_what_was_measured_for_a_byte_of_weights() {
    // H100, ML.ENERGY: 251 pJ in all, 189 of them dynamic (least 145), at 0.59 of the bandwidth.
    let device = h100();
    let weights = 16e9;
    let activity = Activity {
        contraction_flops: weights,
        dtype: DType::Bf16,
        other_flops: 0.0,
        main_bytes: weights,
        on_chip_bytes: 0.0,
    };
    let us = 1e6 * weights / (0.59 * 3.35e12);
    let spent = energy(&device, &activity, us);
    let (total, dynamic) = (spent.total() * PJ / weights, (spent.total() - spent.idle) * PJ / weights);
    assert!((145.0..189.0).contains(&dynamic), "{dynamic} pJ a byte above idle");
    assert!((189.0..251.0).contains(&total), "{total} pJ a byte");
}

/// A large product at a rate that was measured, TFLOP/s: pJ/FLOP in all.
fn product_pj(device: &str, dtype: DType, rate: f64) -> f64 {
    let device = fusewright_device::find(device).unwrap();
    let kernel = Kernel::Gemm(Gemm::plain(1, 4096, 4096, 4096, dtype));
    let flops = 2.0 * 4096.0_f64.powi(3);
    energy_mj(&device, &kernel, flops / (rate * 1e6)) * PJ / flops
}

#[test]
fn single_precision_on_a_desktop_takes_hundreds_of_picojoules() {
    // i7-12700K, 562 GFLOP/s at best: 229 to 740 pJ/FLOP over sizes.
    let found = product_pj("i7-12700k-ddr4", DType::F32, 0.562);
    assert!((229.0..740.0).contains(&found), "{found} pJ/FLOP");
}

#[test]
fn half_precision_on_a_small_module_takes_a_few_picojoules() {
    // Jetson Orin Nano: 2.0 pJ/FLOP at the median.
    let found = product_pj("jetson-orin-nano", DType::F16, 0.7 * 10.2);
    assert!((1.0..4.0).contains(&found), "{found} pJ/FLOP");
}

proptest! {
    #[test]
    fn no_kernel_draws_more_than_the_board(m in 1_u64..10_000, n in 1_u64..10_000, k in 1_u64..10_000, us in 0.0_f64..1e6) {
        let device = h100();
        let kernel = Kernel::Gemm(Gemm::plain(1, m, n, k, DType::Bf16));
        for us in [us, predict(&device, &kernel).us] {
            let spent = energy_mj(&device, &kernel, us);
            prop_assert!(spent <= 700.0 * us * 1e-3 * (1.0 + 1e-9));
            prop_assert!(spent >= 105.0 * us * 1e-3 * (1.0 - 1e-9));
        }
    }
}
