//! What the cost model needs to know of a piece of hardware.

use serde::{Deserialize, Serialize};

use crate::{Count, Quantity};

/// Kinds of hardware that need models of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Many multiprocessors that run thread blocks.
    Gpu,
    /// Arrays of multiply-accumulators that operands are pumped through, and a vector unit.
    Systolic,
    /// Cores with SIMD units and caches.
    Cpu,
}

impl Class {
    /// Public name.
    pub fn name(self) -> &'static str {
        match self {
            Class::Gpu => "gpu",
            Class::Systolic => "systolic",
            Class::Cpu => "cpu",
        }
    }
}

/// A device. Rates are dense: no structured sparsity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Public id, in kebab-case, as given to `--hw`.
    pub id: String,
    /// Full name.
    pub name: String,
    /// Counts changes of the file; plans state it.
    pub revision: u32,
    /// Which models of time it gets.
    pub class: Class,
    /// Architecture, e.g. `hopper`: devices of one family share the coefficients that were fitted on any of them.
    pub family: String,
    /// Publications that the numbers were read in.
    pub references: Vec<String>,
    /// Arithmetic.
    pub peak: Peaks,
    /// Memory.
    pub memory: Memory,
    /// The repeated part: multiprocessors, cores, arrays.
    pub units: Units,
    /// Power.
    pub power: Power,
    /// Costs of starting a kernel.
    pub launch: Launch,
    /// What only GPUs have.
    pub gpu: Option<Gpu>,
    /// What only systolic accelerators have.
    pub systolic: Option<Systolic>,
    /// What only CPUs have.
    pub cpu: Option<Cpu>,
}

/// Highest rates of arithmetic, TFLOP/s (10¹² operations a second for integers), a multiply-accumulate being two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peaks {
    /// Double precision.
    pub f64: Option<Quantity>,
    /// Single precision without reduced mantissas: what pointwise work and exact products get.
    pub f32: Option<Quantity>,
    /// Single precision stored, products in 10-bit mantissas.
    pub tf32: Option<Quantity>,
    /// Half precision with sums in single precision.
    pub f16: Option<Quantity>,
    /// Brain float with sums in single precision.
    pub bf16: Option<Quantity>,
    /// Eight-bit floats.
    pub f8: Option<Quantity>,
    /// Eight-bit integers.
    pub i8: Option<Quantity>,
}

impl Peaks {
    /// All rates, from the widest type to the narrowest, by their names in a file.
    pub fn by_dtype(&self) -> [(&'static str, Option<&Quantity>); 7] {
        [
            ("f64", self.f64.as_ref()),
            ("f32", self.f32.as_ref()),
            ("tf32", self.tf32.as_ref()),
            ("f16", self.f16.as_ref()),
            ("bf16", self.bf16.as_ref()),
            ("f8", self.f8.as_ref()),
            ("i8", self.i8.as_ref()),
        ]
    }

    /// The rate by its name in a file, e.g. `bf16`.
    pub fn get(&self, dtype: &str) -> Option<&Quantity> {
        self.by_dtype().into_iter().find(|(name, _)| *name == dtype).and_then(|(_, rate)| rate)
    }
}

/// Memory of the device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Rate of main memory, 10⁹ bytes a second. For accelerators without memory of their own: the link to the host.
    pub bandwidth_gb_s: Quantity,
    /// Size of main memory, 10⁹ bytes; absent where the device has none, or as much as was bought.
    pub capacity_gb: Option<Quantity>,
    /// Last cache or scratch memory that all units share, MiB; absent where there is none.
    pub last_level_mib: Option<Quantity>,
    /// Its rate, 10⁹ bytes a second.
    pub last_level_gb_s: Option<Quantity>,
}

/// The repeated part of the device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Units {
    /// How many: multiprocessors, compute units, cores, matrix arrays.
    pub count: Quantity,
    /// Clock under load, GHz.
    pub clock_ghz: Quantity,
    /// Multiply-accumulates of one unit in one clock in its fastest 16-bit (or, failing that, other) contraction mode.
    pub fma_per_clock: Quantity,
    /// The field of `peak` that `fma_per_clock` belongs to, e.g. `bf16`.
    pub fma_dtype: String,
    /// Memory of one unit that a kernel manages or that caches its data first, KiB: shared memory, LDS, L1 data cache.
    pub on_chip_kib: Option<Quantity>,
    /// Register file of one unit, KiB.
    pub registers_kib: Option<Quantity>,
}

/// Power.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// Most that the device takes for long, W.
    pub board_w: Quantity,
    /// What it takes doing nothing, W.
    pub idle_w: Quantity,
    /// Energy of a byte from or to main memory, pJ.
    pub dram_pj_per_byte: Quantity,
    /// Energy of a byte from or to the memory of `memory.last_level_mib`, pJ.
    pub last_level_pj_per_byte: Option<Quantity>,
    /// Energy of a byte from or to the memory nearest to the arithmetic, pJ: `units.on_chip_kib`, or the scratch memory
    /// of a systolic accelerator.
    pub on_chip_pj_per_byte: Option<Quantity>,
}

/// Costs of starting a kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// Shortest kernel of a replayed launch graph, µs.
    pub floor_us: Quantity,
    /// What an eager framework spends on the host for each kernel, µs.
    pub dispatch_us: Quantity,
}

/// What only GPUs have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// Compute capability of CUDA devices, e.g. `9.0`.
    pub compute_capability: Option<String>,
    /// Largest share of `on_chip_kib` that one block may take, KiB.
    pub block_on_chip_kib: Quantity,
    /// Threads resident on one unit at most.
    pub threads_per_unit: Count,
    /// Threads that run in lockstep.
    pub warp: Count,
    /// Streaming attention kernels of the common libraries run here.
    pub streaming_attention: bool,
}

/// Which operand of a product stays in a systolic array while the others pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dataflow {
    /// Sums stay.
    OutputStationary,
    /// Weights stay.
    WeightStationary,
    /// Activations stay.
    InputStationary,
}

impl Dataflow {
    /// Public name.
    pub fn name(self) -> &'static str {
        match self {
            Dataflow::OutputStationary => "output-stationary",
            Dataflow::WeightStationary => "weight-stationary",
            Dataflow::InputStationary => "input-stationary",
        }
    }
}

/// What only systolic accelerators have. `units.count` arrays of `rows` × `columns` multiply-accumulators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Systolic {
    /// Rows of an array.
    pub rows: Count,
    /// Columns of an array.
    pub columns: Count,
    /// What stays in the array.
    pub dataflow: Dataflow,
    /// The next weights are loaded while the present ones are in use.
    pub double_buffered: bool,
    /// Scratch memory for operands and results, MiB.
    pub on_chip_mib: Quantity,
    /// Rate of the vector unit, 10⁹ operations a second.
    pub vector_gflop_s: Quantity,
}

/// What only CPUs have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    /// Width of vector registers, bits.
    pub simd_bits: Count,
    /// Vector units of a core that multiply and accumulate at once.
    pub fma_ports: Count,
    /// Cost of entering and leaving a parallel region, µs.
    pub parallel_us: Quantity,
    /// Arithmetic of the slowest core over the mean of all, where cores differ: work shared out equally waits for it.
    pub slowest_core_share: Option<Quantity>,
    /// Caches from the nearest to the farthest.
    pub caches: Vec<Cache>,
}

/// A level of cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Its name, e.g. `L2`.
    pub name: String,
    /// Largest working set over all cores that stays here or nearer, KiB: the size of the level, and that of the nearer
    /// one too where the two never hold the same data.
    pub kib: Quantity,
    /// Rate over all cores, 10⁹ bytes a second.
    pub bandwidth_gb_s: Quantity,
}
