//! The pair rules: which op may be fused with the one that reads its result.
//!
//! A rule names a producer and a consumer as sources call them: module classes (`Linear`) and functions (`linear`) are
//! different names in the reference profile and one kind in the default profile. A table is a plain value, so a test or
//! a user can take a rule out and see what it was worth.

use crate::Kind;

/// When a rule accepts a consumer that has other producers too; the later the more permissive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Join {
    /// Never: the consumer has one producer.
    Sole,
    /// Where producer and consumer are steps of one attention, whose other operands are values, masks and scales. The
    /// reference profile knows no attentions: it does not see operands that come through methods.
    InAttention,
    /// Always.
    Any,
}

/// One pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairRule {
    /// Name of the producing op.
    pub producer: &'static str,
    /// Name of the consuming op.
    pub consumer: &'static str,
    /// Whether the consumer may have other producers.
    pub join: Join,
    /// The reference profile has the rule; all others are meant by the rules and known to the default profile only.
    pub in_reference: bool,
}

impl PairRule {
    /// Id of the rule, e.g. `linear-gelu`: the canonical kinds of the two, or their names where they have none. Names of
    /// one kind share an id.
    pub fn id(&self) -> String {
        let part = |name: &str| {
            kind_of_name(name).map_or_else(|| name.to_lowercase().replace('_', "-"), |kind| kind.name().to_owned())
        };
        pair_id(&part(self.producer), &part(self.consumer))
    }
}

/// The id of a rule that joins two kinds.
pub fn pair_id(producer: &str, consumer: &str) -> String {
    format!("{producer}-{consumer}")
}

/// A set of pair rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTable {
    rows: Vec<PairRule>,
}

/// The standard rules: producer, then the consumers it fuses with.
const STANDARD: &[(&str, &[&str])] = &[
    ("Conv2d", &["BatchNorm2d", "ReLU", "ReLU6", "SiLU", "Swish", "Sigmoid"]),
    ("BatchNorm2d", &["ReLU", "ReLU6", "SiLU", "Swish", "Hardswish"]),
    ("Linear", &["BatchNorm1d", "ReLU", "GELU", "SiLU", "Dropout"]),
    ("add", &["ReLU", "ReLU6", "SiLU"]),
    ("AdaptiveAvgPool2d", &["Conv2d"]),
    ("SiLU", &["Conv2d", "Dropout"]),
    ("Sigmoid", &["mul"]),
    ("ReLU", &["Dropout"]),
    ("GELU", &["Dropout", "Linear"]),
    ("LayerNorm", &["MultiheadAttention", "Linear"]),
    ("MultiheadAttention", &["Dropout"]),
    ("Dropout", &["add"]),
    ("StochasticDepth", &["add"]),
    ("stochastic_depth", &["add"]),
];

/// What attention adds.
const ATTENTION: &[(&str, &[&str])] = &[
    ("matmul", &["mul", "softmax", "transpose"]),
    ("mul", &["softmax"]),
    ("softmax", &["matmul"]),
    ("dropout", &["matmul"]),
    ("linear", &["reshape"]),
    ("reshape", &["transpose", "contiguous"]),
    ("transpose", &["reshape", "matmul", "softmax"]),
    ("contiguous", &["linear"]),
    ("size", &["reshape", "view"]),
];

/// What the attention rules mean where masks and live dropout stand between the products; the reference lacks them.
const MASKED: &[(&str, &[&str])] =
    &[("matmul", &["mask"]), ("mul", &["mask"]), ("mask", &["mask", "softmax"]), ("softmax", &["dropout"])];

impl RuleTable {
    /// The rules of the standard partitioner.
    pub fn standard() -> Self {
        Self { rows: rows(STANDARD, true).collect() }
    }

    /// The rules of the attention partitioner: the standard ones and those for attention chains.
    pub fn attention() -> Self {
        Self { rows: rows(STANDARD, true).chain(rows(ATTENTION, true)).chain(rows(MASKED, false)).collect() }
    }

    /// The table without one pair.
    #[must_use]
    pub fn without(mut self, producer: &str, consumer: &str) -> Self {
        self.rows.retain(|row| row.producer != producer || row.consumer != consumer);
        self
    }

    /// The rules.
    pub fn rows(&self) -> &[PairRule] {
        &self.rows
    }
}

type Rows = &'static [(&'static str, &'static [&'static str])];

fn rows(table: Rows, in_reference: bool) -> impl Iterator<Item = PairRule> {
    table.iter().flat_map(move |&(producer, consumers)| {
        let row = move |&consumer| PairRule { producer, consumer, join: join(producer, consumer), in_reference };
        consumers.iter().map(row)
    })
}

fn join(producer: &str, consumer: &str) -> Join {
    match (producer, consumer) {
        // The gate of a squeeze-excitation block: the other factor is the block's input.
        ("Sigmoid", "mul") => Join::Any,
        ("softmax" | "dropout", "matmul") | ("matmul", "mul") | (_, "mask") => Join::InAttention,
        _ => Join::Sole,
    }
}

/// The canonical kind behind a name of the table; `None` for names that only exist as views or host work.
pub fn kind_of_name(name: &str) -> Option<Kind> {
    Some(match name {
        "Conv2d" => Kind::Convolution,
        "BatchNorm1d" | "BatchNorm2d" => Kind::BatchNorm,
        "LayerNorm" => Kind::LayerNorm,
        "ReLU" => Kind::Relu,
        "ReLU6" => Kind::Relu6,
        "SiLU" | "Swish" => Kind::Silu,
        "GELU" => Kind::Gelu,
        "Sigmoid" => Kind::Sigmoid,
        "Hardswish" => Kind::HardSwish,
        "Linear" | "linear" => Kind::Linear,
        "Dropout" | "dropout" => Kind::Dropout,
        "StochasticDepth" | "stochastic_depth" => Kind::StochasticDepth,
        "add" => Kind::Add,
        "mul" => Kind::Mul,
        "mask" => Kind::Mask,
        "AdaptiveAvgPool2d" => Kind::AdaptiveAvgPool,
        "matmul" => Kind::MatMul,
        "softmax" => Kind::Softmax,
        "reshape" | "transpose" | "contiguous" | "view" => Kind::Copy,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_kind_but_the_macro_op_and_host_work() {
        for row in RuleTable::attention().rows() {
            for name in [row.producer, row.consumer] {
                assert_eq!(kind_of_name(name).is_none(), matches!(name, "MultiheadAttention" | "size"), "{name}");
            }
        }
    }

    #[test]
    fn a_rule_can_be_taken_out() {
        let table = RuleTable::attention();
        let less = table.clone().without("mul", "softmax");
        assert_eq!(less.rows().len() + 1, table.rows().len());
    }
}
