//! The kernels that a group takes on a device, each with what its predicted time is made of.

use std::collections::BTreeMap;

use fusewright_cost::time::gpu::grid;
use fusewright_cost::time::{Gemm, Kernel, StreamKind, Term};
use fusewright_device::{Class, Device};
use fusewright_plan::{TimedKernel, Timing};
use serde::Serialize;

/// A part of a predicted time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TermReport {
    /// What takes the time.
    pub name: String,
    /// How long it takes by itself, µs. Terms overlap: they need not add up to the time.
    pub us: f64,
}

/// A launch on the device.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeviceKernel {
    /// `gemm`, `convolution`, `attention`, `pointwise`, `softmax`, `layernorm`, `rmsnorm`, `reduction`, `copy` or
    /// `resample`.
    pub op: String,
    /// Element type of its operands.
    pub dtype: String,
    /// Its extents by name: `batch`, `m`, `n`, `k` of a product or convolution; `b`, `h`, `h_kv`, `s_q`, `s_kv`, `d`, `d_v` of an
    /// attention; `rows`, `cols` of a pass.
    pub extents: BTreeMap<String, u64>,
    /// Bytes read and written.
    pub bytes: u64,
    /// Predicted time, µs.
    pub us: f64,
    /// What it mostly waits for.
    pub limiter: String,
    /// What the time is made of.
    pub terms: Vec<TermReport>,
    /// Of a tiled product on a GPU: how many blocks share a multiprocessor, and what limits that.
    pub occupancy: Option<String>,
}

impl DeviceKernel {
    fn of(timed: &TimedKernel, device: &Device) -> Self {
        let product = |g: &Gemm| vec![("batch", g.batch), ("m", g.m), ("n", g.n), ("k", g.k)];
        let (op, dtype, extents): (_, _, Vec<(&str, u64)>) = match &timed.kernel {
            Kernel::Gemm(g) => ("gemm", g.input, product(g)),
            Kernel::Convolution(c) => ("convolution", c.product.input, product(&c.product)),
            Kernel::Attention(a) => (
                "attention",
                a.dtype,
                vec![
                    ("b", a.batch),
                    ("h", a.heads),
                    ("h_kv", a.kv_heads),
                    ("s_q", a.queries),
                    ("s_kv", a.keys),
                    ("d", a.head_dim),
                    ("d_v", a.value_dim),
                ],
            ),
            Kernel::Stream(s) => (stream_name(s.kind), s.dtype, vec![("rows", s.rows), ("cols", s.cols)]),
        };
        let term = |term: &Term| TermReport { name: term.name.to_owned(), us: term.us };
        Self {
            op: op.to_owned(),
            dtype: dtype.name().to_owned(),
            extents: extents.into_iter().map(|(name, extent)| (name.to_owned(), extent)).collect(),
            bytes: timed.kernel.bytes(),
            us: timed.prediction.us,
            limiter: timed.prediction.limiter.name().to_owned(),
            terms: timed.prediction.terms.iter().map(term).collect(),
            occupancy: occupancy(device, &timed.kernel),
        }
    }

    /// The kernels of every group.
    pub(crate) fn by_group(timing: &Timing, device: &Device) -> Vec<Vec<DeviceKernel>> {
        let mut kernels = vec![Vec::new(); timing.groups.len()];
        for timed in &timing.kernels {
            kernels[timed.group as usize].push(DeviceKernel::of(timed, device));
        }
        kernels
    }
}

fn occupancy(device: &Device, kernel: &Kernel) -> Option<String> {
    match kernel {
        Kernel::Gemm(gemm) if device.class == Class::Gpu => Some(grid(device, gemm)?.occupancy.to_string()),
        _ => None,
    }
}

fn stream_name(kind: StreamKind) -> &'static str {
    match kind {
        StreamKind::Resample => "resample",
        StreamKind::Copy => "copy",
        StreamKind::Pointwise => "pointwise",
        StreamKind::Reduction => "reduction",
        StreamKind::RmsNorm => "rmsnorm",
        StreamKind::LayerNorm | StreamKind::BlockNorm => "layernorm",
        StreamKind::Softmax => "softmax",
    }
}
