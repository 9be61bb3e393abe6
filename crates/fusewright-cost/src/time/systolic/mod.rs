//! Time of kernels on systolic arrays.
//!
//! Products run on the arrays, everything else on the vector unit, and both are fed from main memory through scratch
//! memory on chip. Compilers for these machines schedule the three side by side, so a kernel takes as long as the slowest
//! of them. Nothing here was fitted: no measurements of such devices were at hand, and [`SPREAD`] says so.

mod array;
mod attention;
mod cycles;

use fusewright_device::{Device, Systolic};

use super::parts::{Parts, roofline_prediction, whole};
use super::{Convolution, Gemm, Kernel, Limiter, Prediction, Stream, StreamKind, Term};
use crate::bounds::{compulsory_words, tiled_words};
use array::{ArrayTime, array_time};
pub use cycles::{systolic_cycles, systolic_utilisation};

/// Not a measured error: a guess of how far the closed forms may be off, wide on purpose.
const SPREAD: f64 = 0.5;
/// Share of main-memory bandwidth that long transfers reach; the value measured on accelerators with the same memory.
const MEMORY_SHARE: f64 = 0.85;
/// Share of scratch memory for the tiles in use; the other half receives the next ones.
const WORKING_SHARE: f64 = 0.5;

/// Predicts the time of a kernel.
pub(super) fn predict(device: &Device, kernel: &Kernel) -> Prediction {
    let Some(array) = &device.systolic else {
        return roofline_prediction(device, kernel);
    };
    match kernel {
        Kernel::Gemm(gemm) | Kernel::Convolution(Convolution { product: gemm, .. }) => {
            product(device, array, kernel, gemm)
        }
        Kernel::Attention(attention) => attention::predict(device, array, kernel, attention),
        Kernel::Stream(stream) => pass(device, array, kernel, stream),
    }
}

fn product(device: &Device, array: &Systolic, kernel: &Kernel, gemm: &Gemm) -> Prediction {
    let time = array_time(device, array, gemm.input, gemm.batch, (gemm.m, gemm.n, gemm.k));
    let element = gemm.input.bytes(1024) as f64 / 1024.0;
    let words = whole(working_bytes(array) / element);
    let again = tiled_words(gemm.m, gemm.n, gemm.k, words) - compulsory_words(gemm.m, gemm.n, gemm.k) as f64;
    let again = (again * element * gemm.batch as f64).max(0.0);
    let mut parts = Parts::new(device, kernel, SPREAD);
    add_array(&mut parts, time);
    add_memory(&mut parts, device, gemm.bytes, again);
    parts.finish()
}

/// Softmax and norms walk a row twice: where a row does not fit on chip, it is read again.
fn pass(device: &Device, array: &Systolic, kernel: &Kernel, stream: &Stream) -> Prediction {
    let elements = stream.rows as f64 * stream.cols as f64;
    let operations = match stream.kind {
        StreamKind::Copy | StreamKind::Resample => 0.0,
        _ => (stream.flops as f64).max(elements),
    };
    let row_bytes = stream.cols as f64 * stream.dtype.bytes(1024) as f64 / 1024.0;
    let walks_twice = matches!(
        stream.kind,
        StreamKind::Softmax | StreamKind::LayerNorm | StreamKind::BlockNorm | StreamKind::RmsNorm
    );
    let spills = walks_twice && row_bytes > working_bytes(array);
    let again = if spills { elements / stream.cols.max(1) as f64 * row_bytes } else { 0.0 };
    let mut parts = Parts::new(device, kernel, SPREAD);
    add_vector(&mut parts, array, operations);
    add_memory(&mut parts, device, stream.bytes, again);
    parts.finish()
}

/// Scratch memory for tiles in use, bytes.
fn working_bytes(array: &Systolic) -> f64 {
    array.on_chip_mib.value * 1024.0 * 1024.0 * WORKING_SHARE
}

fn add_array(parts: &mut Parts, time: ArrayTime) {
    let terms = [
        Term { name: "arithmetic", us: time.needed },
        Term { name: "tile edges", us: time.edges },
        Term { name: "idle arrays", us: time.idle },
        Term { name: "fill and drain", us: time.fill },
    ];
    parts.side_by_side(Limiter::Compute, &terms);
}

fn add_vector(parts: &mut Parts, array: &Systolic, operations: f64) {
    let us = if operations > 0.0 { operations / (array.vector_gflop_s.value * 1e3) } else { 0.0 };
    parts.side_by_side(Limiter::Compute, &[Term { name: "vector unit", us }]);
}

/// Bytes that have to move, and bytes that move again because scratch memory is too small.
fn add_memory(parts: &mut Parts, device: &Device, bytes: u64, again: f64) {
    let rate = device.memory.bandwidth_gb_s.value * 1e3 * MEMORY_SHARE;
    let terms =
        [Term { name: "main memory", us: bytes as f64 / rate }, Term { name: "main memory again", us: again / rate }];
    parts.side_by_side(Limiter::Memory, &terms);
}
