//! Energy of kernels: what the device draws anyway, what arithmetic takes, what moving bytes takes.
//!
//! One basis for all classes of device. Idle power runs for as long as the kernel does. A FLOP takes what the power above
//! idle comes to at the rate that large products sustain, so that a device at full arithmetic draws its board power and no
//! more. A byte takes what its memories take, once for storing it and once for carrying it to the units.

use fusewright_device::Device;
use fusewright_ir::DType;

use crate::time::{Convolution, Kernel, sustained_product_rate};

/// Energy of a byte over what the memories alone take: the rest goes to controllers, crossbars and units that wait.
/// Decode on an H100 takes at least 145 pJ of dynamic energy for each byte of weights (ML.ENERGY), where the memories of its
/// device file add up to 72.
const CARRIED: f64 = 2.25;
/// mJ in a pJ.
const PICOJOULE: f64 = 1e-9;

/// Energy of a kernel by what it is spent on, mJ.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Energy {
    /// Drawn whatever the device does.
    pub idle: f64,
    /// Multiply-accumulates of contractions.
    pub contraction: f64,
    /// All other arithmetic.
    pub other: f64,
    /// Bytes between main memory and the units.
    pub main_memory: f64,
    /// Bytes that only the last shared cache or scratch memory serves.
    pub on_chip: f64,
}

impl Energy {
    /// All of it, mJ.
    pub fn total(&self) -> f64 {
        self.idle + self.contraction + self.other + self.main_memory + self.on_chip
    }

    fn dynamic(&self) -> f64 {
        self.total() - self.idle
    }
}

impl std::ops::AddAssign for Energy {
    fn add_assign(&mut self, other: Self) {
        self.idle += other.idle;
        self.contraction += other.contraction;
        self.other += other.other;
        self.main_memory += other.main_memory;
        self.on_chip += other.on_chip;
    }
}

/// What was done, where no kernel says it: a whole plan, a measured run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activity {
    /// FLOPs of contractions, 2 per multiply-accumulate.
    pub contraction_flops: f64,
    /// Element type of their operands.
    pub dtype: DType,
    /// Other operations.
    pub other_flops: f64,
    /// Bytes between main memory and the units.
    pub main_bytes: f64,
    /// Bytes that only the last shared cache or scratch memory serves, where that is known.
    pub on_chip_bytes: f64,
}

impl Activity {
    /// What a kernel does when all its operands are in main memory. Of causal attention, the half that is needed.
    pub fn of(kernel: &Kernel) -> Self {
        let (contraction_flops, other_flops, dtype) = match kernel {
            Kernel::Gemm(gemm) | Kernel::Convolution(Convolution { product: gemm, .. }) => {
                (kernel.needed_flops(), 0.0, gemm.input)
            }
            Kernel::Attention(attention) => {
                let width = (attention.head_dim as f64 + attention.value_dim as f64).max(1.0);
                // Five operations of softmax for each score, which costs 2 · width in the products.
                (kernel.needed_flops(), 5.0 * kernel.needed_flops() / (2.0 * width), attention.dtype)
            }
            Kernel::Stream(stream) => (0.0, stream.flops as f64, stream.dtype),
        };
        Self { contraction_flops, dtype, other_flops, main_bytes: kernel.bytes() as f64, on_chip_bytes: 0.0 }
    }
}

/// Energy of `activity` that takes `us` microseconds, mJ; never above board power for that time.
pub fn energy(device: &Device, activity: &Activity, us: f64) -> Energy {
    let power = &device.power;
    let idle_w = power.idle_w.value.min(power.board_w.value);
    let span = us.max(0.0) * 1e-3;
    let dynamic_w = power.board_w.value - idle_w;
    let flops = |count: f64, dtype| {
        if count > 0.0 { 1e3 * dynamic_w * count / sustained_product_rate(device, dtype) } else { 0.0 }
    };
    let level = |cost: &Option<fusewright_device::Quantity>| cost.as_ref().map_or(0.0, |cost| cost.value);
    let on_chip_pj = CARRIED * (level(&power.last_level_pj_per_byte) + level(&power.on_chip_pj_per_byte));
    let main_pj = CARRIED * power.dram_pj_per_byte.value + on_chip_pj;
    let mut energy = Energy {
        idle: idle_w * span,
        contraction: flops(activity.contraction_flops, activity.dtype),
        other: flops(activity.other_flops, DType::F32),
        main_memory: main_pj * PICOJOULE * activity.main_bytes,
        on_chip: on_chip_pj * PICOJOULE * activity.on_chip_bytes,
    };
    let most = dynamic_w * span;
    let dynamic = energy.dynamic();
    if dynamic > most {
        let share = most / dynamic;
        energy.contraction *= share;
        energy.other *= share;
        energy.main_memory *= share;
        energy.on_chip *= share;
    }
    energy
}

/// Energy of one kernel that takes `us` microseconds, mJ; never above board power for that time.
pub fn energy_mj(device: &Device, kernel: &Kernel, us: f64) -> f64 {
    energy(device, &Activity::of(kernel), us).total()
}
