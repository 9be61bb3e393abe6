//! A predicted time, with what it is made of.

/// What a kernel mostly waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limiter {
    /// Arithmetic.
    Compute,
    /// Main memory.
    Memory,
    /// A cache that holds the working set.
    Cache,
    /// Being started: too little work to fill the device.
    Launch,
}

impl Limiter {
    /// Public name.
    pub fn name(self) -> &'static str {
        match self {
            Limiter::Compute => "compute",
            Limiter::Memory => "memory",
            Limiter::Cache => "cache",
            Limiter::Launch => "launch",
        }
    }
}

/// A part of a predicted time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// What takes the time, e.g. `arithmetic`, `main memory`, `launch`.
    pub name: &'static str,
    /// How long it takes by itself, µs. Terms overlap, so that their sum is an upper bound.
    pub us: f64,
}

/// A predicted time.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Most likely time, µs.
    pub us: f64,
    /// Half of the measured kernels of this class lie within a factor of 1 ± this of their prediction.
    pub spread: f64,
    /// What it is made of.
    pub terms: Vec<Term>,
    /// What it mostly waits for.
    pub limiter: Limiter,
}
