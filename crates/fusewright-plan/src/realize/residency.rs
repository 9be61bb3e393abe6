//! What a kernel finds in the last cache of a GPU: part of what the kernels before it have made.
//!
//! Results are on their way through the cache when they are written, and stay until as much other traffic has followed as
//! the cache holds. A reader starts with what was written first, so what counts is the traffic from the begin of the kernel
//! that wrote a value to the end of the one that reads it, and the share of it that fits. A value that stays is spared both
//! ways: it is read from the cache, and never written to main memory, as its room is handed out and overwritten next. Where
//! only a share fits, lines leave in an order that is not the best, so the square of it is spared. Inputs and weights of the
//! graph are never taken to be there.
//!
//! The form was chosen on the whole models of `docs/accuracy-models.md`.

use fusewright_cost::time::{Attention, Convolution, Gemm, Kernel, Stream};
use fusewright_device::{Class, Device};
use fusewright_ir::NodeId;

use crate::Analysis;

const MIB: f64 = 1024.0 * 1024.0;

/// The traffic of a kernel that wrote a value, as bytes moved since the start.
#[derive(Clone, Copy, Debug)]
struct Written {
    begin: f64,
    end: f64,
    /// Some kernel has read it.
    read: bool,
}

/// The last cache in the course of a plan.
#[derive(Debug)]
pub(crate) struct Residency<'a> {
    analysis: &'a Analysis<'a>,
    /// Bytes that it holds; 0 where a device has none that counts.
    capacity: f64,
    /// Time of a byte from main memory that one from the cache is spared.
    spared: f64,
    moved: f64,
    /// By root of values.
    written: Vec<Option<Written>>,
}

impl<'a> Residency<'a> {
    /// Before the first kernel.
    pub(crate) fn of(analysis: &'a Analysis<'a>, device: &Device) -> Self {
        let memory = &device.memory;
        let (capacity, rate) = match (device.class, &memory.last_level_mib, &memory.last_level_gb_s) {
            (Class::Gpu, Some(mib), Some(rate)) => (mib.value * MIB, rate.value),
            _ => (0.0, memory.bandwidth_gb_s.value),
        };
        let spared = (1.0 - memory.bandwidth_gb_s.value / rate).clamp(0.0, 1.0);
        Self { analysis, capacity, spared, moved: 0.0, written: vec![None; analysis.graph.value_count()] }
    }

    /// The launches of the next kernel of a plan with the bytes that they move from and to main memory, or would take as
    /// long there.
    pub(crate) fn next(&mut self, members: &[NodeId], launches: &[Kernel]) -> Vec<Kernel> {
        let begin = self.moved;
        let mut rest = self.moved;
        let mut found = Vec::with_capacity(launches.len());
        for (at, kernel) in launches.iter().enumerate() {
            let bytes = kernel.bytes() as f64;
            let resident = if at == 0 {
                self.outside(members, bytes)
            } else {
                // What follows within a group reads what was just made there.
                bytes / 2.0 * self.share(Written { begin: rest, end: self.moved, read: false }, bytes)
            };
            rest = self.moved;
            self.moved += bytes;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count of bytes")]
            let spared = (resident.min(bytes) * self.spared) as u64;
            found.push(with_bytes(kernel, kernel.bytes().saturating_sub(spared)));
        }
        let written = Written { begin, end: self.moved, read: false };
        for &id in members {
            for &output in &self.analysis.graph.node(id).outputs {
                self.written[self.analysis.storage.root(output).index()] = Some(written);
            }
        }
        found
    }

    /// Bytes that need not be moved because a kernel finds what kernels before it made.
    fn outside(&mut self, members: &[NodeId], own: f64) -> f64 {
        let analysis = self.analysis;
        let (graph, storage) = (analysis.graph, &analysis.storage);
        let mut seen = Vec::new();
        let mut resident = 0.0;
        for &id in members.iter().filter(|&&id| !storage.is_free(id)) {
            for &input in &graph.node(id).inputs {
                let root = storage.root(input);
                let (Some(written), Some(tensor)) = (self.written[root.index()], graph.tensor(input)) else { continue };
                let made_here = graph.producer(root).is_some_and(|maker| members.binary_search(&maker).is_ok());
                if !made_here && !seen.contains(&input) {
                    seen.push(input);
                    let bytes = tensor.dtype.bytes(storage.distinct_elements(input)) as f64;
                    let share = self.share(written, own);
                    // What it is spared of being written counts once, with the first reader.
                    let ways = if written.read { 1.0 } else { 2.0 };
                    resident += ways * bytes * share * share;
                    self.written[root.index()] = Some(Written { read: true, ..written });
                }
            }
        }
        resident
    }

    /// Share of a value that a kernel finds which moves `own` bytes.
    fn share(&self, written: Written, own: f64) -> f64 {
        let since = self.moved - written.end;
        let traffic = written.end - written.begin + own;
        if traffic <= 0.0 { 0.0 } else { ((self.capacity - since) / traffic).clamp(0.0, 1.0) }
    }
}

fn with_bytes(kernel: &Kernel, bytes: u64) -> Kernel {
    match kernel {
        Kernel::Gemm(gemm) => Kernel::Gemm(Gemm { bytes, ..gemm.clone() }),
        Kernel::Convolution(convolution) => Kernel::Convolution(Convolution {
            product: Gemm { bytes, ..convolution.product.clone() },
            layout: convolution.layout,
        }),
        Kernel::Attention(attention) => Kernel::Attention(Attention { bytes, ..attention.clone() }),
        Kernel::Stream(stream) => Kernel::Stream(Stream { bytes, ..stream.clone() }),
    }
}
