//! What groups of nodes cost, counted exactly: arithmetic, bytes moved, kernels, memory.
//!
//! A kernel reads each outside value once and writes what somebody outside reads; what a group makes and uses itself
//! moves no bytes. A value's bytes are those of the memory behind it, so views and broadcasts count at stored size and
//! a slice counts as the slice.

pub mod bounds;
mod energy;
mod group;
mod kv_cache;
mod memory;
mod set;
pub mod time;

pub use bounds::{floor_bytes, floor_us};
pub use energy::{Activity, Energy, energy, energy_mj};
pub use group::{GroupCost, Groups, group_costs};
pub use kv_cache::{KvCache, kv_cache};
pub use memory::{LiveValue, input_bytes, live_values, peak_memory};
pub use set::{SetCosts, region_cost};
