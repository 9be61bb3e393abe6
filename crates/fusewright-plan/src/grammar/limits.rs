//! What one kernel can hold on a device: the limits that decide how many kernels a group really takes.

use fusewright_device::{Class, Device};
use fusewright_ir::Graph;
use fusewright_pattern::AttentionSite;

/// Rows and columns of the tile of results that a product keeps in registers.
const TILE: f64 = 128.0 * 128.0;

/// Rows of queries, and of keys, that streaming attention holds at a time at least.
const ATTENTION_ROWS: f64 = 64.0;

/// Limits of a kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Outside tensors that the steps after a product may read: each takes registers beside the tile of results.
    pub epilogue_operands: usize,
    /// On-chip bytes that a block of queries with its keys and values may take; `None` where attention cannot stream.
    pub attention_bytes: Option<f64>,
    /// Widest head that streams.
    pub head_dim: u64,
}

impl Limits {
    /// The limits where no device is given: what the smaller of the current GPUs has.
    pub fn generic() -> Self {
        Self { epilogue_operands: 3, attention_bytes: Some(99.0 * 1024.0), head_dim: 256 }
    }

    /// The limits of a device.
    pub fn of(device: &Device) -> Self {
        match device.class {
            Class::Gpu => {
                // The tile's sums are single precision; half of the file holds operands in flight.
                let registers = device.units.registers_kib.as_ref().map_or(256.0, |kib| kib.value) * 1024.0;
                let tiles = registers / (4.0 * TILE);
                let streams = device.gpu.as_ref().is_none_or(|gpu| gpu.streaming_attention);
                let on_chip = device.gpu.as_ref().map_or(64.0, |gpu| gpu.block_on_chip_kib.value) * 1024.0;
                Self {
                    epilogue_operands: (1..16).take_while(|&operands| f64::from(operands) < tiles).count().max(1),
                    attention_bytes: streams.then_some(on_chip),
                    head_dim: 256,
                }
            }
            Class::Systolic => {
                let on_chip = device.systolic.as_ref().map_or(0.0, |systolic| systolic.on_chip_mib.value);
                Self { epilogue_operands: 8, attention_bytes: Some(on_chip * 1_048_576.0), head_dim: u64::MAX }
            }
            Class::Cpu => {
                let caches = device.cpu.as_ref().map_or(&[][..], |cpu| &cpu.caches);
                let per_core = |kib: f64| kib * 1024.0 / device.units.count.value.max(1.0);
                // A block of attention lives in the private cache of a core: the second level where there is one.
                let private = caches.get(1).or(caches.first()).map_or(262_144.0, |cache| per_core(cache.kib.value));
                Self { epilogue_operands: 8, attention_bytes: Some(private), head_dim: u64::MAX }
            }
        }
    }

    /// Whether this attention, computed in elements of `element_bytes`, can stream: a block of queries, two blocks of
    /// keys and values, and, outside registers, nothing else.
    pub fn streams(&self, site: &AttentionSite, element_bytes: f64) -> bool {
        let widths = site.head_dim.max(site.value_dim);
        let block =
            ATTENTION_ROWS * element_bytes * (site.head_dim as f64 + 2.0 * (site.head_dim + site.value_dim) as f64);
        self.attention_bytes.is_some_and(|room| block <= room) && widths <= self.head_dim
    }
}

/// Bytes of an element of the attention's result.
pub(crate) fn site_element_bytes(graph: &Graph, site: &AttentionSite) -> f64 {
    let tensor = graph.node(site.anchor).outputs.first().and_then(|&output| graph.tensor(output));
    tensor.map_or(4.0, |tensor| tensor.dtype.bytes(8) as f64 / 8.0)
}
