//! Time of kernels on GPUs, in a replayed launch graph.

mod attention;
mod coefficients;
mod convolution;
mod fitted;
mod gemm;
mod machine;
mod norm;
mod occupancy;
mod stream;
mod tiles;
mod whole_models;

use fusewright_device::Device;

use super::{AttentionLibrary, Kernel, Limiter, Prediction, StreamKind, Term, roofline_us};
use gemm::Unit;
use machine::Machine;

pub use coefficients::{
    AttentionCoefficients, ByRow, Coefficients, Errors, GemmCoefficients, NormCoefficients, QuantiseCoefficients,
    StreamCoefficients,
};
pub use gemm::{Grid, grid};
pub use occupancy::{Limit, Occupancy};
pub use tiles::Tile;

/// Predicts the time of a kernel.
pub(super) fn predict(device: &Device, kernel: &Kernel) -> Prediction {
    predict_with(device, kernel, Coefficients::of(&device.family))
}

/// Predicts the time of a kernel with coefficients other than those of the device's family: what a fit calls.
pub fn predict_with(device: &Device, kernel: &Kernel, coefficients: &Coefficients) -> Prediction {
    let errors = &coefficients.errors;
    let (parts, spread) = match kernel {
        Kernel::Gemm(gemm) => {
            let spread = match gemm::unit(device, gemm.input) {
                Unit::Matrix => errors.gemm,
                Unit::MatrixEightBit => errors.gemm_f8,
                Unit::Vector => errors.gemm_vector,
            };
            let cut = gemm::cut(device, gemm, coefficients);
            (Parts::from(&cut), spread)
        }
        Kernel::Convolution(convolution) => {
            (Parts::from(&convolution::cut(device, convolution, coefficients)), errors.gemm)
        }
        Kernel::Attention(attention) => {
            let found = attention::parts(device, attention, coefficients);
            let spread = match attention.library {
                AttentionLibrary::PyTorch => errors.sdpa,
                AttentionLibrary::FlashAttention => errors.attention,
            };
            let attention::Parts { compute, memory, start, total } = found;
            (Parts { compute, memory, quantise: 0.0, start, total }, spread)
        }
        Kernel::Stream(stream) => {
            let spread = match stream.kind {
                StreamKind::Softmax => errors.softmax,
                StreamKind::LayerNorm | StreamKind::BlockNorm | StreamKind::RmsNorm => errors.norm,
                StreamKind::Pointwise | StreamKind::Copy | StreamKind::Reduction | StreamKind::Resample => {
                    errors.pointwise
                }
            };
            let stream::Parts { compute, memory, start, total } =
                stream::parts(&Machine::new(device), stream, coefficients);
            (Parts { compute, memory, quantise: 0.0, start, total }, spread)
        }
    };
    parts.prediction(roofline_us(device, kernel), spread)
}

/// What a kernel's time is made of, s.
struct Parts {
    compute: f64,
    memory: f64,
    quantise: f64,
    start: f64,
    total: f64,
}

impl From<&gemm::Cut> for Parts {
    fn from(cut: &gemm::Cut) -> Self {
        let &gemm::Cut { compute, memory, quantise, start, total, .. } = cut;
        Self { compute, memory, quantise, start, total }
    }
}

impl Parts {
    fn prediction(&self, roof_us: f64, spread: f64) -> Prediction {
        let named = [
            ("arithmetic", self.compute),
            ("main memory", self.memory),
            ("quantisation", self.quantise),
            ("launch", self.start),
        ];
        let terms = named.into_iter().filter(|(_, s)| *s > 0.0).map(|(name, s)| Term { name, us: s * 1e6 }).collect();
        let limiter = if self.start > self.compute.max(self.memory) {
            Limiter::Launch
        } else if self.compute > self.memory {
            Limiter::Compute
        } else {
            Limiter::Memory
        };
        Prediction { us: (self.total * 1e6).max(roof_us), spread, terms, limiter }
    }
}
