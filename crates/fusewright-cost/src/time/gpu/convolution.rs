//! Time of convolutions: products of unfolded positions, at the share of a product's rate that their layout allows.
//!
//! Matrix units want the channels of a pixel side by side. Where images lie in planes instead, a library gathers
//! operands in small pieces. A convolution with one channel in a group has no sums over channels to give to
//! matrix units: it is a pass over memory, or arithmetic of the general-purpose units where the window is large. Groups
//! of few channels are computed side by side in one tile; where channels lie side by side, only for widths that a library
//! has such kernels for.
//!
//! The figures are shared by all devices. They were found on whole models (`docs/accuracy-models.md`), there being no
//! measurements of single convolutions.

use fusewright_device::Device;

use super::coefficients::{Coefficients, GemmCoefficients};
use super::gemm::{self, Cut};
use super::machine::Machine;
use crate::time::{Convolution, Gemm, Layout};

/// Columns of a tile that groups of few channels fill together.
const TILE_COLUMNS: u64 = 64;

/// What layout decides.
struct LayoutShares {
    /// Of the rate of a product.
    product: f64,
    /// Of the general-purpose arithmetic, where there is one channel in a group.
    depthwise: f64,
    /// Of that arithmetic where the window has more than [`Layout::WINDOW_TAPS`].
    depthwise_wide: f64,
    /// Of that, where channels are in groups of a width that no kernel was written for.
    grouped: f64,
    /// Of the memory rate of a product: neighbouring positions are read by several tiles.
    bandwidth: f64,
    /// Of the rate of a product, where channels are no multiples of what the widest access to memory takes.
    uneven: f64,
}

/// Planes of channels.
const FIRST: LayoutShares =
    LayoutShares { product: 0.68, grouped: 1.0, depthwise: 0.065, depthwise_wide: 0.065, bandwidth: 0.74, uneven: 1.0 };
/// Channels side by side.
const LAST: LayoutShares =
    LayoutShares { product: 1.0, grouped: 0.3, depthwise: 0.2, depthwise_wide: 0.0125, bandwidth: 0.9, uneven: 0.74 };
/// Memory rate where there is one channel in a group.
const DEPTHWISE_BANDWIDTH: f64 = 0.95;

/// How a convolution is cut and what that takes, s.
pub(super) fn cut(device: &Device, convolution: &Convolution, coefficients: &Coefficients) -> Cut {
    let machine = Machine::new(device);
    let product = &convolution.product;
    let shares = match convolution.layout {
        Layout::ChannelsFirst => &FIRST,
        Layout::ChannelsLast => &LAST,
    };
    if product.batch > 1 && product.n == 1 {
        return depthwise(&machine, product, shares, &coefficients.gemm);
    }
    let packed = side_by_side(product);
    let grouped = if product.batch > 1 && !Layout::has_kernel_for_groups(product) { shares.grouped } else { 1.0 };
    let uneven = if gemm::is_wide(product.input, product.n) && gemm::is_wide(product.input, product.k) {
        1.0
    } else {
        shares.uneven
    };
    let set = GemmCoefficients {
        efficiency: coefficients.gemm.efficiency * shares.product * grouped * uneven,
        bandwidth: coefficients.gemm.bandwidth * shares.bandwidth,
        ..coefficients.gemm
    };
    gemm::cut_aligned(device, &packed, &Coefficients { gemm: set, ..*coefficients })
}

/// Neighbouring groups as one wider product, as many as fill a tile.
fn side_by_side(product: &Gemm) -> Gemm {
    if product.batch <= 1 {
        return product.clone();
    }
    let packed = (TILE_COLUMNS / product.n.max(1)).clamp(1, product.batch);
    Gemm {
        batch: product.batch.div_ceil(packed),
        n: product.n.saturating_mul(packed),
        k: product.k.saturating_mul(packed),
        ..product.clone()
    }
}

fn depthwise(machine: &Machine, product: &Gemm, shares: &LayoutShares, set: &GemmCoefficients) -> Cut {
    let share = if product.k > Layout::WINDOW_TAPS { shares.depthwise_wide } else { shares.depthwise };
    let compute = product.flops() / (machine.vector_peak * share);
    let memory = product.bytes as f64 / (machine.bandwidth * DEPTHWISE_BANDWIDTH);
    let start = machine.floor + set.start_us * 1e-6;
    Cut { tile: None, split: 1, waves: 0.0, compute, memory, quantise: 0.0, start, total: compute.max(memory) + start }
}
