//! Rules of how fast memories are and how long a kernel takes at least.

use super::{Found, agree, cpu, sound, sound_if_given};
use crate::{Class, Device};

pub(super) fn launch(device: &Device, found: &mut Found) {
    let (least, most) = match device.class {
        Class::Gpu => (0.5, 50.0),
        Class::Cpu => (0.01, 100.0),
        // Some sit behind a link that takes most of a millisecond.
        Class::Systolic => (0.1, 10_000.0),
    };
    if let Some(floor) = sound(&device.launch.floor_us).filter(|floor| !(least..=most).contains(floor)) {
        let class = device.class.name();
        let text = format!("{floor} µs is not plausible for class = \"{class}\"; expected {least} to {most} µs");
        found.add("launch.floor_us", text);
    }
    if let Some(dispatch) = sound(&device.launch.dispatch_us).filter(|dispatch| *dispatch > 10_000.0) {
        found.add("launch.dispatch_us", format!("{dispatch} µs a kernel is not plausible; expected at most 10000 µs"));
    }
}

pub(super) fn last_level(device: &Device, found: &mut Found) {
    let memory = &device.memory;
    let Some(rate) = sound_if_given(memory.last_level_gb_s.as_ref()) else { return };
    if memory.last_level_mib.is_none() {
        found.add("memory.last_level_gb_s", "it has no size; give memory.last_level_mib too, or leave both out");
    }
    if let Some(main) = sound(&memory.bandwidth_gb_s).filter(|main| rate < *main) {
        let text = format!("{rate} GB/s is slower than the {main} GB/s of main memory, which it stands before");
        found.add("memory.last_level_gb_s", text);
    }
}

pub(super) fn caches(device: &Device, found: &mut Found) {
    let Some(cpu) = cpu(device) else { return };
    let Some(last) = cpu.caches.last() else {
        found.add("cpu.caches", "there is none; give each level as [[cpu.caches]] with name, kib and bandwidth_gb_s");
        return;
    };
    for pair in cpu.caches.windows(2) {
        let [near, far] = pair else { continue };
        if let (Some(small), Some(large)) = (sound(&near.kib), sound(&far.kib))
            && small >= large
        {
            let text = format!(
                "{large} KiB is not more than the {small} KiB of {}; levels go from the nearest to the farthest, and one \
                 that never holds the same data as the nearer one counts that too",
                near.name
            );
            found.add(format!("cpu.caches.{}.kib", far.name), text);
        }
        if let (Some(fast), Some(slow)) = (sound(&near.bandwidth_gb_s), sound(&far.bandwidth_gb_s))
            && slow > fast
        {
            let text = format!("{slow} GB/s is more than the {fast} GB/s of {}, which is nearer", near.name);
            found.add(format!("cpu.caches.{}.bandwidth_gb_s", far.name), text);
        }
    }
    let Some(rate) = sound(&last.bandwidth_gb_s) else { return };
    let field = format!("cpu.caches.{}.bandwidth_gb_s", last.name);
    if let Some(main) = sound(&device.memory.bandwidth_gb_s).filter(|main| rate < *main) {
        found.add(&field, format!("{rate} GB/s is slower than the {main} GB/s of main memory, which it stands before"));
    }
    let other = sound_if_given(device.memory.last_level_gb_s.as_ref());
    if let Some(other) = other.filter(|other| !agree(rate, *other)) {
        found.add(&field, format!("{rate} GB/s is not the {other} GB/s of memory.last_level_gb_s; it is one cache"));
    }
}
