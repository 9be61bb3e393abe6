//! A form of a pattern: terms that stand for values, the last of them first matched.

use super::condition::Comparison;

/// A term by its position in the form.
pub(super) type TermId = usize;

/// A number in a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    /// This one, up to the tolerance of the rule.
    Is(f64),
    /// Any; it gets this name.
    Named(String),
}

/// What a leaf may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeafKind {
    /// Any tensor.
    Any,
    /// A tensor that the model owns, seen through views, casts and arithmetic with constants.
    Parameter,
    /// A tensor that is computed from the model's inputs.
    Activation,
}

/// A setting of an op.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Setting {
    /// A number; axes may be negative.
    Number(Number),
    /// A list of integers; axes may be negative.
    Ints(Vec<i64>),
    /// A text.
    Text(String),
    /// A flag.
    Flag(bool),
}

/// A factor of a product: a term raised to a power.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Factor {
    pub(super) term: TermId,
    pub(super) exponent: f64,
    pub(super) optional: bool,
}

/// An addend of a sum.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Addend {
    pub(super) term: TermId,
    pub(super) negative: bool,
    pub(super) optional: bool,
}

/// An op with its operands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Applied {
    /// Mnemonics of the text form, any of which will do.
    pub(super) names: Vec<String>,
    pub(super) settings: Vec<(String, Setting)>,
    pub(super) operands: Vec<TermId>,
    /// The op may have operands behind those.
    pub(super) more: bool,
    /// The op may be absent: its operand then stands for it.
    pub(super) optional: bool,
    /// Which of its results.
    pub(super) result: usize,
}

/// A value of a pattern, by what makes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    /// Given.
    Leaf { kind: LeafKind },
    /// A product of powers, in whatever order and spelling.
    Product { coefficient: Number, factors: Vec<Factor> },
    /// A sum, in whatever order and spelling.
    Sum { constant: Number, addends: Vec<Addend> },
    /// An op.
    Op(Applied),
    /// What another rule of the library has found; the operand is the first value that the rule names.
    Rule { id: String, operand: TermId },
}

impl Term {
    /// The terms that it is made from.
    pub(super) fn operands(&self) -> Vec<TermId> {
        match self {
            Term::Leaf { .. } => Vec::new(),
            Term::Product { factors, .. } => factors.iter().map(|factor| factor.term).collect(),
            Term::Sum { addends, .. } => addends.iter().map(|addend| addend.term).collect(),
            Term::Op(applied) => applied.operands.clone(),
            Term::Rule { operand, .. } => vec![*operand],
        }
    }
}

/// One spelling of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Form {
    pub(super) terms: Vec<Term>,
    /// Name of each term that has one.
    pub(super) names: Vec<Option<String>>,
    /// The result from which it is matched: the last output that the text states.
    pub(super) root: TermId,
    /// Other values that may be read outside.
    pub(super) outputs: Vec<TermId>,
    pub(super) conditions: Vec<Comparison>,
    /// The op or rule by which places are found.
    pub(super) anchor: TermId,
    /// From the anchor to the root, both included.
    pub(super) way: Vec<TermId>,
}

impl Form {
    /// The term with this name.
    pub(super) fn named(&self, name: &str) -> Option<TermId> {
        self.names.iter().position(|known| known.as_deref() == Some(name))
    }
}
