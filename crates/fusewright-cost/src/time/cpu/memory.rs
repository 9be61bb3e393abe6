//! Which memory of a CPU serves a set of bytes, and how fast.

use super::{Machine, Operands, USABLE_CACHE_SHARE, attained};
use crate::time::parts::Parts;
use crate::time::{Limiter, Term};

/// Traffic of a kernel, bytes at each level.
pub(super) struct Traffic<'a> {
    machine: &'a Machine<'a>,
    /// From main memory.
    main: f64,
    /// Time at the caches, µs: they work one behind the other, so the slowest counts.
    caches_us: f64,
}

impl<'a> Traffic<'a> {
    /// The bytes that the kernel has to move, from where its operands lie.
    pub(super) fn of_operands(machine: &'a Machine<'a>, bytes: u64) -> Self {
        let mut traffic = Self { machine, main: 0.0, caches_us: 0.0 };
        match machine.operands {
            Operands::InMainMemory => traffic.main = bytes as f64,
            Operands::InCache => traffic.again(bytes as f64, bytes as f64),
        }
        traffic
    }

    /// `bytes` that are read again, of a working set of `held` bytes over all cores: from the nearest level that holds it.
    pub(super) fn again(&mut self, bytes: f64, held: f64) {
        let level = self.machine.cpu.caches.iter().find(|cache| cache.kib.value * 1024.0 * USABLE_CACHE_SHARE >= held);
        let Some(cache) = level else {
            self.main += bytes;
            return;
        };
        // Near caches belong to a core each, the last one to all of them.
        let last = self.machine.cpu.caches.last().is_some_and(|last| last.name == cache.name);
        let part = if last { self.machine.part_of_bandwidth() } else { self.machine.part() };
        self.caches_us = self.caches_us.max(bytes / (attained(&cache.bandwidth_gb_s) * part));
    }

    /// `bytes` that level `index` of the caches is filled with, from the level behind it.
    pub(super) fn fill(&mut self, index: usize, bytes: f64) {
        match self.machine.cpu.caches.get(index + 1) {
            Some(behind) => self.again(bytes, behind.kib.value * 1024.0 * USABLE_CACHE_SHARE),
            None => self.main += bytes,
        }
    }

    pub(super) fn add_to(self, parts: &mut Parts) {
        let rate = attained(&self.machine.device.memory.bandwidth_gb_s) * self.machine.part_of_bandwidth();
        parts.side_by_side(Limiter::Memory, &[Term { name: "main memory", us: self.main / rate }]);
        parts.side_by_side(Limiter::Cache, &[Term { name: "caches", us: self.caches_us }]);
    }
}
