//! Measures the CPU that it runs on and writes what it found as a device file.
//!
//! This is the one place with a clock: the models of cost get their numbers from files, and this makes one. Nothing is
//! sent anywhere; what cannot be measured from inside a program (power, what an eager framework spends) is written as an
//! estimate and says so.

mod bandwidth;
mod clock;
mod file;
mod machine;
mod overhead;
mod product;

use std::num::NonZero;

use fusewright_device::{Device, DeviceError};

use file::Findings;
use machine::Machine;

/// Why no file was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrateError {
    /// The threads that measure could not be started.
    #[error(
        "cannot start {threads} threads to measure with: {problem}; free some memory or raise the limit of threads"
    )]
    Threads {
        /// How many.
        threads: usize,
        /// What the system says.
        problem: String,
    },
    /// What was measured cannot be true, most likely because the machine was busy.
    #[error("the measurements contradict each other ({problem}); try again while the machine is idle")]
    Contradiction {
        /// Which rule of device files is broken.
        problem: DeviceError,
    },
}

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// About half a minute: what a device file should be made with.
    Full,
    /// About a second, for tests: figures are rough.
    Quick,
}

/// Measures this machine and returns the text of its device file, which passes the checks of device files. `say` is
/// called with a line before each step.
pub fn calibrate(effort: Effort, mut say: impl FnMut(&str)) -> Result<String, CalibrateError> {
    let machine = Machine::read();
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|problem| CalibrateError::Threads { threads, problem: problem.to_string() })?;
    say(&format!("{}: {} cores, {threads} threads", machine.name, machine.cores));
    if let Some(load) = machine.busy() {
        say(&format!("other programs are running (load {load}): figures will be low, measure again when it is idle"));
    }
    if cfg!(debug_assertions) {
        say("this program was built without optimisation: figures will be low, use a release build");
    }
    say("clock");
    let clock_ghz = clock::ghz(effort);
    say("products in single precision");
    let f32_tflops = product::tflops(&pool, 1.0_f32, effort);
    say("products in double precision");
    let f64_tflops = product::tflops(&pool, 1.0_f64, effort);
    let mut levels = Vec::new();
    for index in 0..machine.caches.len() {
        say(&format!("bandwidth of {}", machine.caches[index].name));
        levels.push(bandwidth::gb_s(&pool, machine.working_set(index), effort));
    }
    say("bandwidth of main memory");
    let main = bandwidth::gb_s(&pool, machine.beyond_caches(), effort);
    say("parallel regions");
    let parallel_us = overhead::parallel_us(&pool, effort);
    let floor_us = overhead::call_us(effort);
    let findings =
        Findings { machine: &machine, clock_ghz, f32_tflops, f64_tflops, levels, main, parallel_us, floor_us };
    let text = findings.toml();
    match Device::from_toml(&text, "calibration") {
        Ok(_) => Ok(text),
        Err(problem) => Err(CalibrateError::Contradiction { problem }),
    }
}
