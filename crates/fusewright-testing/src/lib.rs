//! Random graphs for property tests, and synthetic models for benchmarks.
//!
//! A random graph is built from a list of numbers, each of which chooses one step; shorter lists make smaller graphs,
//! so a failing case shrinks to few nodes. Every graph passes the verifier by construction.

mod builder;
mod random;
mod transformer;

pub use builder::Builder;
pub use random::graph_from;
pub use transformer::transformer;

use std::fmt;

use fusewright_ir::{Graph, text};
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, RngSeed};

/// Lists of choices for [`graph_from`]: up to `steps` steps.
pub fn choices(steps: usize) -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(any::<u32>(), 1..=steps)
}

/// A random graph that shows itself in the text form.
pub struct Sample(pub Graph);

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", text::print(&self.0))
    }
}

/// Random graphs of up to `steps` steps.
pub fn graphs(steps: usize) -> impl Strategy<Value = Sample> {
    choices(steps).prop_map(|choices| Sample(graph_from(&choices)))
}

/// How many cases a property test runs: `FUSEWRIGHT_CASES`, else 500. They are the same in every run, so that a change is
/// judged by what it changed; `FUSEWRIGHT_SEED=N` draws others.
pub fn cases() -> Config {
    let cases = number("FUSEWRIGHT_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(500);
    let rng_seed = RngSeed::Fixed(number("FUSEWRIGHT_SEED").unwrap_or(0));
    Config { cases, rng_seed, failure_persistence: None, ..Config::default() }
}

/// The same for properties that cost much a case: at most `most` of them.
pub fn cases_up_to(most: u32) -> Config {
    let all = cases();
    Config { cases: all.cases.min(most), ..all }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
