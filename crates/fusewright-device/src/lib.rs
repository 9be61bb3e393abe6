//! What the cost model knows of pieces of hardware.
//!
//! A device is one TOML file. Every number carries its source; a file that states something impossible is refused. The
//! files of well-known devices are part of this crate, a user's own file is read the same way. No I/O happens here.
//!
//! ```
//! let device = fusewright_device::find("h100-sxm").expect("it is built in");
//! assert_eq!(device.units.count.value, 132.0);
//! ```

mod check;
mod device;
mod error;
mod figures;
mod parse;
mod quantity;
mod registry;

pub use check::{RULES, Rule, check};
pub use device::{Cache, Class, Cpu, Dataflow, Device, Gpu, Launch, Memory, Peaks, Power, Systolic, Units};
pub use error::{DeviceError, Problem};
pub use figures::Figure;
pub use quantity::{Count, Quantity, Source};
pub use registry::{file, find, ids};
