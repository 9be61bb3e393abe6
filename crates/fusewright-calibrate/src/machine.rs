//! What the system says about the machine: cores, caches, memory, vector width.
//!
//! Linux tells all of it in files. Elsewhere the core count comes from the standard library and the caches are those of an
//! ordinary processor, marked as estimates.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZero;
use std::path::Path;

/// A level of cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) name: String,
    /// Bytes over all cores.
    pub(crate) bytes: u64,
}

/// The machine, as far as it can be asked.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) cores: usize,
    /// From the nearest to the farthest, each larger than the one before.
    pub(crate) caches: Vec<Level>,
    /// The caches were read rather than assumed.
    pub(crate) caches_known: bool,
    /// Bytes of one core's nearest cache.
    pub(crate) nearest_of_core: u64,
    /// Bytes of main memory, where known.
    pub(crate) memory: Option<u64>,
    pub(crate) simd_bits: u32,
}

/// Main memory to measure in when nobody says how large the caches are.
const LEAST_BEYOND: u64 = 192 << 20;

impl Machine {
    pub(crate) fn read() -> Self {
        let available = std::thread::available_parallelism().map_or(1, NonZero::get);
        let root = Path::new("/sys/devices/system/cpu");
        let cpus = online(&fs::read_to_string(root.join("online")).unwrap_or_default());
        let distinct: BTreeSet<String> = cpus.iter().filter_map(|cpu| core_of(root, *cpu)).collect();
        let cores = if distinct.is_empty() { available } else { distinct.len().min(available) };
        let found = caches(root, &cpus);
        let caches_known = !found.is_empty();
        let of_cores = |kib: u64| (kib << 10) * cores as u64;
        let assumed = || {
            let level = |name: &str, bytes| Level { name: name.to_owned(), bytes };
            vec![level("L1", of_cores(32)), level("L2", of_cores(512)), level("L3", of_cores(1024).max(8 << 20))]
        };
        let caches = growing(if caches_known { found } else { assumed() });
        let nearest_of_core = caches.first().map_or(0, |level| level.bytes / cores.max(1) as u64);
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let name = field(&cpuinfo, "model name").unwrap_or(std::env::consts::ARCH).to_owned();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory = field(&meminfo, "MemTotal").and_then(kib_of);
        Self { name, cores, caches, caches_known, nearest_of_core, memory, simd_bits: simd_bits() }
    }

    /// How many programs want to run, where the system tells, if that is more than there are cores.
    pub(crate) fn busy(&self) -> Option<f64> {
        let text = fs::read_to_string("/proc/loadavg").ok()?;
        let load = text.split_whitespace().next()?.parse::<f64>().ok()?;
        (load > 0.5 * self.cores as f64).then_some(load)
    }

    /// Bytes that fit well into a level and not into the one before.
    pub(crate) fn working_set(&self, index: usize) -> u64 {
        let size = self.caches[index].bytes;
        let nearer = index.checked_sub(1).map_or(0, |nearer| self.caches[nearer].bytes);
        (size / 2).max((size.saturating_sub(nearer)) / 4 + nearer)
    }

    /// Bytes that no cache holds, and that main memory has room for.
    pub(crate) fn beyond_caches(&self) -> u64 {
        let last = self.caches.last().map_or(0, |level| level.bytes);
        let wanted = last.saturating_mul(6).max(LEAST_BEYOND);
        self.memory.map_or(wanted, |memory| wanted.min(memory / 4))
    }
}

/// A level that is no larger than the one before holds other data than it: then it is the sum that holds a working set.
fn growing(mut levels: Vec<Level>) -> Vec<Level> {
    let mut before = 0;
    for level in &mut levels {
        if level.bytes <= before {
            level.bytes += before;
        }
        before = level.bytes;
    }
    levels
}

/// Numbers of a list such as `0-3,8`.
fn online(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.trim().parse::<usize>().ok()?..=to.trim().parse().ok()?)
    };
    list.trim().split(',').filter_map(range).flatten().take(1 << 16).collect()
}

/// Which core of which package a logical processor belongs to.
fn core_of(root: &Path, cpu: usize) -> Option<String> {
    let topology = root.join(format!("cpu{cpu}/topology"));
    let read = |file: &str| fs::read_to_string(topology.join(file)).ok();
    Some(format!("{}:{}", read("physical_package_id")?.trim(), read("core_id")?.trim()))
}

/// Data caches of all processors, each instance once, summed by level.
fn caches(root: &Path, cpus: &[usize]) -> Vec<Level> {
    let mut instances = BTreeSet::new();
    for cpu in cpus {
        for index in 0..8 {
            let folder = root.join(format!("cpu{cpu}/cache/index{index}"));
            let read = |file: &str| fs::read_to_string(folder.join(file)).ok().map(|text| text.trim().to_owned());
            let Some(kind) = read("type") else { break };
            if kind == "Instruction" {
                continue;
            }
            let (Some(level), Some(bytes)) =
                (read("level").and_then(|level| level.parse::<u8>().ok()), read("size").as_deref().and_then(kib_of))
            else {
                continue;
            };
            let sharers = read("shared_cpu_list").unwrap_or_else(|| cpu.to_string());
            instances.insert((level, sharers, bytes));
        }
    }
    let mut levels: Vec<Level> = Vec::new();
    for (level, _, bytes) in instances {
        let name = format!("L{level}");
        match levels.last_mut() {
            Some(last) if last.name == name => last.bytes += bytes,
            _ => levels.push(Level { name, bytes }),
        }
    }
    levels
}

/// Value of a line `key : value`.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_once(':').map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
}

/// Bytes of a size such as `512K`, `32 MB` or `24 kB`.
fn kib_of(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let shift = match text[digits.len()..].trim().to_ascii_uppercase().as_str() {
        "" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        _ => return None,
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
fn simd_bits() -> u32 {
    if std::arch::is_x86_feature_detected!("avx512f") {
        512
    } else if std::arch::is_x86_feature_detected!("avx") {
        256
    } else {
        128
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "x86")))]
fn simd_bits() -> u32 {
    128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_ranges_and_numbers() {
        assert_eq!(online("0-2,5\n"), [0, 1, 2, 5]);
        assert!(online("").is_empty() && online("a-b,-").is_empty());
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(kib_of("32K"), Some(32 << 10));
        assert_eq!(kib_of("24580 kB"), Some(24_580 << 10));
        assert_eq!(kib_of("32M"), Some(32 << 20));
        assert_eq!((kib_of(""), kib_of("K"), kib_of("3 ells")), (None, None, None));
    }

    #[test]
    fn a_level_that_holds_other_data_counts_what_is_before_it() {
        let level = |name: &str, bytes| Level { name: name.to_owned(), bytes };
        let levels = growing(vec![level("L1", 10), level("L2", 100), level("L3", 80)]);
        assert_eq!(levels.iter().map(|level| level.bytes).collect::<Vec<_>>(), [10, 100, 180]);
    }

    #[test]
    fn working_sets_lie_between_the_levels() {
        let machine = Machine::read();
        assert!(machine.cores > 0 && !machine.caches.is_empty());
        for index in 0..machine.caches.len() {
            assert!(machine.working_set(index) <= machine.caches[index].bytes);
            assert!(index == 0 || machine.working_set(index) > machine.caches[index - 1].bytes);
        }
    }
}
