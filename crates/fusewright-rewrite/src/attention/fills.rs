//! Numbers that masks choose between.

use std::collections::HashMap;

use super::masks::LOWEST;
use super::scores::STEPS;
use crate::document::{Document, Slot};
use crate::literal;

/// The numbers that nodes of a document choose between, where they are numbers.
pub(crate) struct Fills {
    numbers: HashMap<String, [Option<f64>; 2]>,
    /// What only repeats or re-describes its operand, by result.
    moved: HashMap<String, String>,
}

impl Fills {
    /// Looks at both branches of every Where.
    pub(crate) fn of(document: &Document) -> Self {
        let constants = document.constants();
        let number = |name: Option<&String>| {
            let values = literal::floats(constants.get(name?.as_str())?)?;
            let (&first, rest) = values.split_first()?;
            rest.iter().all(|value| value.to_bits() == first.to_bits()).then_some(f64::from(first))
        };
        let choices = document.slots.iter().map(Slot::node).filter(|node| node.is("Where"));
        let fills = choices.filter_map(|node| {
            let branches = [1, 2].map(|at| number(node.inputs.get(at)));
            Some((node.outputs.first()?.clone(), branches))
        });
        let numbers = fills.collect();
        let moves = ["Expand", "Unsqueeze", "Squeeze", "Reshape", "Slice", "Transpose", "Identity"];
        let nodes = document.slots.iter().map(Slot::node);
        let same = nodes.filter(|node| moves.iter().any(|op| node.is(op)));
        let same = same.filter_map(|node| Some((node.outputs.first()?.clone(), node.inputs.first()?.clone())));
        Self { numbers, moved: same.collect() }
    }

    /// A value that is one of two finite numbers everywhere.
    pub(crate) fn is_finite(&self, name: &str) -> bool {
        let finite = |number: &Option<f64>| number.is_some_and(f64::is_finite);
        self.numbers.get(self.root(name)).is_some_and(|both| both.iter().all(finite))
    }

    /// The value whose elements a value has.
    fn root<'n>(&'n self, name: &'n str) -> &'n str {
        let mut name = name;
        for _ in 0..STEPS {
            match self.moved.get(name) {
                Some(from) => name = from,
                None => break,
            }
        }
        name
    }

    /// A value that is one of two finite numbers everywhere, one of which is as low as numbers of single precision get.
    pub(super) fn is_lowest(&self, name: &str) -> bool {
        let numbers = self.numbers.get(self.root(name));
        self.is_finite(name) && numbers.is_some_and(|both| both.iter().flatten().any(|&number| number < LOWEST))
    }

    /// The two numbers that a value is one of, as the node that gives it chooses.
    pub(super) fn both(&self, name: &str) -> Option<[f64; 2]> {
        let [yes, no] = *self.numbers.get(name)?;
        Some([yes?, no?])
    }

    /// The number that stands where the other branch, an input of the node that gives this, does not.
    pub(super) fn beside(&self, output: Option<&str>, branch: usize) -> Option<f64> {
        *self.numbers.get(output?)?.get(2_usize.checked_sub(branch)?)?
    }
}
