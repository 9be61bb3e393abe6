//! Numbers and settings of ops: what a pattern asks for against what the graph has.

use fusewright_ir::{Attribute, NodeId, Op};

use super::findings::Evidence;
use super::form::{Applied, Number, Setting};
use super::matcher::{Matched, Matcher};
use super::operand;
use super::reason::Reason;

impl Matcher<'_> {
    /// The op is set as the term asks for; names numbers on the way.
    pub(super) fn settings(&self, applied: &Applied, id: NodeId, state: &mut Matched) -> bool {
        if applied.settings.is_empty() {
            return true;
        }
        let graph = self.graph();
        let node = graph.node(id);
        let rank = node.inputs.first().and_then(|&x| graph.tensor(x)).map_or(0, fusewright_ir::TensorType::rank);
        let mut given =
            operand::as_slice(graph, id).map_or_else(|| node.op.attributes(), |slice| Op::from(slice).attributes());
        // A new axis counts.
        let rank = rank + usize::from(node.op.mnemonic() == "stack");
        for (name, setting) in &applied.settings {
            let attribute = given.take(name);
            let holds = match (setting, &attribute) {
                (Setting::Number(Number::Named(number)), Some(attribute)) => match as_number(name, attribute, rank) {
                    Some(value) => state.name_number(number, value, self.rule.tolerance),
                    None => false,
                },
                (Setting::Number(Number::Is(wanted)), Some(attribute)) => {
                    let wanted = if is_axis(name) { from_front(*wanted, rank) } else { *wanted };
                    as_number(name, attribute, rank).is_some_and(|value| near(value, wanted, self.rule.tolerance))
                        || matches!(attribute, Attribute::Ints(ints) if ints.len() == 1
                            && near(from_front(ints[0] as f64, rank), wanted, 0.0))
                }
                (Setting::Ints(wanted), Some(Attribute::Ints(ints))) if is_axis(name) => {
                    let places = |ints: &[i64]| {
                        let mut places: Vec<f64> = ints.iter().map(|&axis| from_front(axis as f64, rank)).collect();
                        places.sort_unstable_by(f64::total_cmp);
                        places
                    };
                    places(wanted) == places(ints)
                }
                (Setting::Ints(wanted), Some(Attribute::Ints(ints))) => wanted == ints,
                (Setting::Text(wanted), Some(Attribute::Text(text))) => wanted == text,
                (Setting::Flag(wanted), Some(Attribute::Bool(flag))) => wanted == flag,
                (Setting::Flag(false), None) => true,
                _ => false,
            };
            if holds {
                continue;
            }
            let reason = match setting {
                _ if is_axis(name) => Reason::WrongAxis,
                Setting::Number(_) => Reason::WrongConstant,
                _ => Reason::WrongAttribute,
            };
            let found = attribute.map_or("none".to_owned(), |attribute| shown(&attribute));
            let evidence = Evidence {
                node: Some(id),
                value: node.outputs.first().copied(),
                found: format!("{name} = {found}"),
                expected: format!("{name} = {}", shown_setting(setting, &state.numbers)),
            };
            if !self.break_one(state, reason, evidence) {
                return false;
            }
        }
        true
    }
}

impl Matched {
    /// Gives a number a name, or compares it with the one that has it.
    pub(super) fn name_number(&mut self, name: &str, value: f64, tolerance: f64) -> bool {
        if let Some((_, known)) = self.numbers.iter().find(|(known, _)| known == name) {
            return near(*known, value, tolerance);
        }
        self.numbers.push((name.to_owned(), value));
        true
    }
}

fn is_axis(setting: &str) -> bool {
    matches!(setting, "axis" | "axes")
}

fn from_front(axis: f64, rank: usize) -> f64 {
    if axis < 0.0 { axis + rank as f64 } else { axis }
}

fn as_number(name: &str, attribute: &Attribute, rank: usize) -> Option<f64> {
    let number = match attribute {
        Attribute::Int(int) => *int as f64,
        Attribute::Float(float) => *float,
        _ => return None,
    };
    Some(if is_axis(name) { from_front(number, rank) } else { number })
}

/// Equal up to a share of the larger.
pub(super) fn near(a: f64, b: f64, tolerance: f64) -> bool {
    a.total_cmp(&b).is_eq() || (a - b).abs() <= tolerance * a.abs().max(b.abs())
}

/// A number with at most seven digits.
pub(super) fn number_text(number: f64) -> String {
    let short = format!("{number:.6e}").parse::<f64>().unwrap_or(number);
    short.to_string()
}

fn shown(attribute: &Attribute) -> String {
    match attribute {
        Attribute::Int(int) => int.to_string(),
        Attribute::Float(float) => number_text(*float),
        Attribute::Bool(flag) => flag.to_string(),
        Attribute::Ints(ints) => format!("{ints:?}"),
        Attribute::Text(text) => text.clone(),
    }
}

fn shown_setting(setting: &Setting, numbers: &[(String, f64)]) -> String {
    match setting {
        Setting::Number(Number::Is(number)) => number_text(*number),
        Setting::Number(Number::Named(name)) => {
            let known = numbers.iter().find(|(known, _)| known == name);
            known.map_or(format!("${name}"), |(_, number)| number_text(*number))
        }
        Setting::Ints(ints) => format!("{ints:?}"),
        Setting::Text(text) => text.clone(),
        Setting::Flag(flag) => flag.to_string(),
    }
}
