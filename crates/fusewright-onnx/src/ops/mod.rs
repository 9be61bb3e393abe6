//! The table of operators: one row per operator of a domain, in files by family.
//!
//! A row's function reads the call through [`Build`], adds the steps that the call becomes, and gives the results in
//! the order of the operator's definition. Whatever it cannot express it refuses with a reason; the call then becomes
//! an opaque op. A row also says which inputs are trained tensors whatever else is known of them.

mod attention;
mod contraction;
mod contrib;
mod convolution;
mod copy;
mod gather;
mod normalization;
mod pointwise;
mod pooling;
mod reduction;
pub(crate) mod shapes;
mod view;

use super::build::{Build, Built};

/// How calls of one operator are read.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) build: fn(&mut Build<'_, '_>) -> Built,
    /// Inputs that are weights, scales or biases.
    pub(crate) weights: &'static [usize],
    /// Inputs that are state which is not trained.
    pub(crate) buffers: &'static [usize],
}

impl Row {
    const fn new(name: &'static str, build: fn(&mut Build<'_, '_>) -> Built) -> Self {
        Self { name, build, weights: &[], buffers: &[] }
    }

    const fn weights(self, weights: &'static [usize]) -> Self {
        Self { weights, ..self }
    }

    const fn buffers(self, buffers: &'static [usize]) -> Self {
        Self { buffers, ..self }
    }
}

/// The families of the standard domain.
const STANDARD: [&[Row]; 11] = [
    contraction::ROWS,
    convolution::ROWS,
    attention::ROWS,
    normalization::ROWS,
    pointwise::ROWS,
    view::ROWS,
    copy::ROWS,
    gather::ROWS,
    reduction::ROWS,
    pooling::ROWS,
    contrib::STANDARD,
];

/// The row of an operator.
pub(crate) fn row(domain: &str, name: &str) -> Option<&'static Row> {
    let families: &[&'static [Row]] = match domain {
        "" => &STANDARD,
        "com.microsoft" => contrib::FAMILIES,
        _ => &[],
    };
    families.iter().flat_map(|family| family.iter()).find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_has_one_row() {
        for families in [&STANDARD[..], contrib::FAMILIES] {
            let mut names: Vec<&str> = families.iter().flat_map(|rows| rows.iter()).map(|row| row.name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }
}
