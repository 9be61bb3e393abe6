//! What the cost model knows of pieces of hardware.
//!
//! A device is one TOML file. Every number carries its source; a file that states something impossible is refused. The
//! files of well-known devices are part of this crate, a user's own file is read the same way. No I/O happens here.

mod device;
mod quantity;

pub use device::{Cache, Class, Cpu, Dataflow, Device, Gpu, Launch, Memory, Peaks, Power, Systolic, Units};
pub use quantity::{Quantity, Source};
