//! Taking products and sums of a graph apart, in all the ways that a pattern may have meant.

use fusewright_ir::{NodeId, ValueId};

use super::operand;
use super::search::Surroundings;
use super::settings::near;
use super::transparent;

/// Most nodes of a product or sum that are taken apart together.
const WIDEST: usize = 9;
/// Most ways that are tried, and most that are kept.
const TRIES: u32 = 256;
const KEPT: usize = 32;

/// A product or sum taken apart: parts with their powers or signs, and the number that stands with them.
pub(super) struct Split {
    pub(super) number: f64,
    pub(super) parts: Vec<(ValueId, f64)>,
    pub(super) nodes: Vec<NodeId>,
    /// The node that the number stands in.
    pub(super) numbered: Option<NodeId>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Taking {
    Powers,
    Addends,
}

impl Taking {
    /// The number that changes nothing.
    pub(super) fn neutral(self) -> f64 {
        if self == Taking::Powers { 1.0 } else { 0.0 }
    }
}

/// All ways to take a value apart into at most `most` parts, the ones that go furthest first.
pub(super) fn splits(at: &Surroundings, value: ValueId, most: usize, taking: Taking) -> Vec<Split> {
    let neutral = taking.neutral();
    let start = Split { number: neutral, parts: Vec::new(), nodes: Vec::new(), numbered: None };
    let mut open: Vec<(Split, Vec<(ValueId, f64)>)> = vec![(start, vec![(value, 1.0)])];
    let mut done: Vec<Split> = Vec::new();
    let mut tries = 0_u32;
    while let Some((mut split, mut pending)) = open.pop() {
        tries += 1;
        if tries > TRIES || done.len() >= KEPT {
            break;
        }
        let Some((value, weight)) = pending.pop() else {
            if split.nodes.is_empty() {
                continue;
            }
            merge_equal(at, &mut split.parts, taking);
            if split.parts.len() <= most && !split.parts.is_empty() {
                done.push(split);
            }
            continue;
        };
        let apart = take_apart(at, value, weight, taking);
        let room = split.nodes.len() < WIDEST;
        // Kept as it is: tried after taking it apart, hence pushed first.
        if split.parts.len() < most + 2 {
            let mut kept = Split { parts: split.parts.clone(), nodes: split.nodes.clone(), ..split };
            kept.parts.push((value, weight));
            open.push((kept, pending.clone()));
        }
        if let Some(apart) = apart.filter(|_| room) {
            if taking == Taking::Powers {
                split.number *= apart.number;
            } else {
                split.number += apart.number;
            }
            if !near(apart.number, neutral, 0.0) {
                split.numbered = Some(apart.node);
            }
            split.nodes.extend(apart.passed);
            split.nodes.push(apart.node);
            pending.extend(apart.parts);
            open.push((split, pending));
        }
    }
    done
}

struct Apart {
    node: NodeId,
    passed: Vec<NodeId>,
    pub(super) number: f64,
    pub(super) parts: Vec<(ValueId, f64)>,
}

fn take_apart(at: &Surroundings, value: ValueId, weight: f64, taking: Taking) -> Option<Apart> {
    let (end, passed) = transparent::stripped(at.graph, at.storage, value);
    match taking {
        Taking::Powers => {
            let powers = operand::powers(at.graph, end)?;
            // √(a·b) is √a·√b only for numbers that are not negative, so roots of products stay together.
            let whole = weight.fract() == 0.0;
            if !whole && (powers.factors.len() > 1 || powers.coefficient <= 0.0) {
                return None;
            }
            let parts = powers.factors.iter().map(|&(value, power)| (value, power * weight)).collect();
            Some(Apart { node: powers.node, passed, number: powers.coefficient.powf(weight), parts })
        }
        Taking::Addends => {
            let sum = operand::addends(at.graph, end)?;
            let sign = |minus: bool| if minus { -weight } else { weight };
            let parts = sum.parts.iter().map(|&(value, minus)| (value, sign(minus))).collect();
            Some(Apart { node: sum.node, passed, number: sum.constant * weight, parts })
        }
    }
}

/// x · x is x².
fn merge_equal(at: &Surroundings, parts: &mut Vec<(ValueId, f64)>, taking: Taking) {
    if taking == Taking::Addends {
        return;
    }
    let mut merged: Vec<(ValueId, ValueId, f64)> = Vec::new();
    for &(value, power) in parts.iter() {
        let end = transparent::end(at.graph, at.storage, value);
        match merged.iter_mut().find(|(_, known, _)| *known == end) {
            Some((_, _, sum)) => *sum += power,
            None => merged.push((value, end, power)),
        }
    }
    *parts = merged.into_iter().filter(|&(_, _, power)| power != 0.0).map(|(value, _, power)| (value, power)).collect();
}

/// All ways to give `parts` things to places, all but the optional places taken.
pub(super) fn orders(optional: &[bool], parts: usize) -> Vec<Vec<usize>> {
    fn extend(optional: &[bool], parts: usize, chosen: &mut Vec<usize>, out: &mut Vec<Vec<usize>>) {
        if chosen.len() == parts {
            if optional.iter().enumerate().all(|(at, optional)| *optional || chosen.contains(&at)) {
                out.push(chosen.clone());
            }
            return;
        }
        for at in 0..optional.len() {
            if !chosen.contains(&at) {
                chosen.push(at);
                extend(optional, parts, chosen, out);
                chosen.pop();
            }
        }
    }
    let mut out = Vec::new();
    extend(optional, parts, &mut Vec::new(), &mut out);
    out
}
