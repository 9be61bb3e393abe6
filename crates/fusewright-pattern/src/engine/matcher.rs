//! Matching a form backwards from a value, with at most one constraint broken.
//!
//! The matcher works through goals, pairs of a term and a value that it has to be. Where there is a choice (which operand
//! of a product is which factor, how far a sum is taken apart) it tries one way after the other; a budget bounds the tries
//! of one anchor, so that matching takes the same time everywhere. A first run accepts only what holds throughout. Where
//! nothing does, a second run may break one constraint and keeps the match that covers the most nodes.

use fusewright_ir::ops::Contraction;
use fusewright_ir::{Graph, NodeId, Op, Origin, ValueId};
use rustc_hash::FxHashMap;

use super::findings::{Evidence, RuleId};
use super::form::{Applied, Form, LeafKind, Number, Term, TermId};
use super::library::Rule;
use super::operand::{self, MOVED, PROJECTION};
use super::reason::Reason;
use super::search::Surroundings;
use super::settings::{near, number_text};
use super::split::{Split, Taking, orders, splits};
use super::{region, transparent};
use crate::projection::weight_of;
use crate::projection_of;

/// Most goals that one anchor may take, and most where a constraint may be broken.
const BUDGET: u32 = 4096;
const TOLERANT_BUDGET: u32 = 1024;
/// Most orders of factors and addends that one anchor may take.
const ORDERS: u32 = 1 << 14;

/// Where rules that others build on have matched: by rule and result, the first value they name and their nodes.
pub(super) type Found = FxHashMap<(RuleId, ValueId), (ValueId, Vec<NodeId>)>;

/// The constraint that was broken.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Defect {
    pub(super) reason: Reason,
    pub(super) evidence: Evidence,
}

/// A match, whole or but for one constraint.
#[derive(Clone, Debug, Default)]
pub(super) struct Matched {
    /// The value of each term that was matched.
    pub(super) bound: Vec<Option<ValueId>>,
    pub(super) numbers: Vec<(String, f64)>,
    /// Nodes inside, in the order in which they were met; transparent ones included.
    pub(super) nodes: Vec<NodeId>,
    pub(super) defect: Option<Defect>,
}

/// What is matched, and how strictly.
pub(super) struct Matcher<'a> {
    pub(super) at: &'a Surroundings<'a>,
    pub(super) rule: &'a Rule,
    pub(super) form: &'a Form,
    pub(super) found: &'a Found,
    pub(super) rules: &'a dyn Fn(&str) -> Option<RuleId>,
    pub(super) anchor: NodeId,
    pub(super) tolerant: bool,
    pub(super) budget: u32,
    orders: u32,
    best: Option<Matched>,
}

type Goals = Vec<(TermId, ValueId)>;

/// A factor or addend that a pattern asks for, with its power or its sign.
struct Wanted {
    term: TermId,
    weight: f64,
    optional: bool,
}

fn evidence_at(node: Option<NodeId>, value: ValueId, found: String, expected: String) -> Evidence {
    Evidence { node, value: Some(value), found, expected }
}

impl<'a> Matcher<'a> {
    pub(super) fn new(
        at: &'a Surroundings<'a>,
        (rule, form): (&'a Rule, &'a Form),
        found: &'a Found,
        rules: &'a dyn Fn(&str) -> Option<RuleId>,
        anchor: NodeId,
        tolerant: bool,
    ) -> Self {
        let budget = if tolerant { TOLERANT_BUDGET } else { BUDGET };
        Self { at, rule, form, found, rules, anchor, tolerant, budget, orders: ORDERS, best: None }
    }

    /// Tries the form with its root at a value.
    pub(super) fn try_root(&mut self, value: ValueId) {
        let bound = vec![None; self.form.terms.len()];
        let whole = self.solve(vec![(self.form.root, value)], Matched { bound, ..Matched::default() });
        debug_assert!(!whole || self.best.is_some());
    }

    /// A whole match was found; only then a strict search is over before its candidates are.
    pub(super) fn is_whole(&self) -> bool {
        self.best.as_ref().is_some_and(|best| best.defect.is_none())
    }

    /// What was found.
    pub(super) fn into_best(self) -> Option<Matched> {
        self.best
    }

    pub(super) fn graph(&self) -> &'a Graph {
        self.at.graph
    }

    /// Works through the goals; true when nothing better can be found.
    fn solve(&mut self, mut goals: Goals, mut state: Matched) -> bool {
        loop {
            let Some((term, value)) = goals.pop() else { return self.accept(state) };
            let Some(left) = self.budget.checked_sub(1) else { return true };
            self.budget = left;
            if let Some(bound) = state.bound[term] {
                if self.same(bound, value) {
                    continue;
                }
                let evidence = evidence_at(self.graph().producer(value), value, self.name(value), self.name(bound));
                if self.break_one(&mut state, Reason::DifferentValue, evidence) {
                    continue;
                }
                return false;
            }
            state.bound[term] = Some(value);
            match &self.form.terms[term] {
                Term::Leaf { kind } => {
                    if !self.leaf(*kind, value, &mut state) {
                        return false;
                    }
                }
                Term::Op(applied) => return self.op(term, applied, value, &goals, &state),
                Term::Product { coefficient, factors } => {
                    return self.product(coefficient, factors, value, &goals, &state);
                }
                Term::Sum { constant, addends } => return self.sum(constant, addends, value, &goals, &state),
                Term::Rule { id, operand } => return self.rule_at(id, *operand, value, &goals, &state),
            }
        }
    }

    fn name(&self, value: ValueId) -> String {
        format!("%{}", self.graph().value_name(value))
    }

    /// Breaks a constraint, if this run may and none is broken yet.
    pub(super) fn break_one(&self, state: &mut Matched, reason: Reason, evidence: Evidence) -> bool {
        let may = self.tolerant && state.defect.is_none() && self.rule.tells(&reason);
        if may {
            state.defect = Some(Defect { reason, evidence });
        }
        may
    }

    /// Two values are one, seen through transparent steps.
    fn same(&self, a: ValueId, b: ValueId) -> bool {
        let strip = |value| transparent::end(self.at.graph, self.at.storage, value);
        a == b || strip(a) == strip(b)
    }

    fn leaf(&self, kind: LeafKind, value: ValueId, state: &mut Matched) -> bool {
        let graph = self.graph();
        if graph.tensor(value).is_none() {
            return false;
        }
        let owned = weight_of(graph, value).is_some();
        let node = graph.producer(value);
        match (kind, owned) {
            (LeafKind::Parameter, false) => {
                let made = node.map_or("an input", |node| graph.node(node).op.mnemonic());
                let evidence = evidence_at(node, value, format!("made by {made}"), "a parameter".to_owned());
                self.break_one(state, Reason::NotParameter, evidence)
            }
            (LeafKind::Activation, true) => {
                let evidence = evidence_at(node, value, "a stored tensor".to_owned(), "a computed one".to_owned());
                self.break_one(state, Reason::NotActivation, evidence)
            }
            _ => true,
        }
    }

    fn rule_at(&mut self, id: &str, operand: TermId, value: ValueId, goals: &Goals, state: &Matched) -> bool {
        let Some(rule) = (self.rules)(id) else { return false };
        let (end, passed) = transparent::stripped(self.at.graph, self.at.storage, value);
        for (value, passed) in [(value, &[][..]), (end, &passed[..])] {
            let Some((input, nodes)) = self.found.get(&(rule, value)) else { continue };
            let mut state = state.clone();
            state.nodes.extend_from_slice(passed);
            state.nodes.extend_from_slice(nodes);
            let mut goals = goals.clone();
            goals.push((operand, *input));
            return self.solve(goals, state);
        }
        false
    }

    fn op(&mut self, term: TermId, applied: &Applied, value: ValueId, goals: &Goals, state: &Matched) -> bool {
        let graph = self.graph();
        let moved = applied.names.iter().any(|name| name == MOVED);
        let mut stop = value;
        let mut passed: Vec<NodeId> = Vec::new();
        loop {
            if moved {
                let mut goals = goals.clone();
                goals.push((applied.operands[0], stop));
                let mut state = state.clone();
                state.nodes.extend(&passed);
                if self.solve(goals, state) {
                    return true;
                }
            }
            let Some(id) = graph.producer(stop) else { break };
            if self.is_op(applied, id, stop) {
                let mut state = state.clone();
                state.nodes.extend(&passed);
                if self.applied(applied, id, goals, &state) {
                    return true;
                }
            }
            let goes_on = if moved {
                transparent::is_moving(graph, id)
            } else {
                transparent::is_transparent(graph, self.at.storage, id)
            };
            if !goes_on || passed.len() == transparent::LONGEST {
                break;
            }
            let Some(&input) = graph.node(id).inputs.first() else { break };
            passed.push(id);
            stop = input;
        }
        if applied.optional && !moved {
            let mut goals = goals.clone();
            let mut state = state.clone();
            state.bound[term] = None;
            goals.push((applied.operands[0], value));
            if self.solve(goals, state) {
                return true;
            }
        }
        if self.tolerant && state.defect.is_none() && !moved && !applied.optional {
            let mut state = state.clone();
            state.nodes.extend(&passed);
            return self.instead(term, applied, stop, goals, &state);
        }
        false
    }

    /// The node is one of the ops that the term asks for, and the value is its result of the right number.
    fn is_op(&self, applied: &Applied, id: NodeId, value: ValueId) -> bool {
        let graph = self.graph();
        let node = graph.node(id);
        let index = matches!(graph.value(value).origin, Origin::Node { index, .. } if index as usize == applied.result);
        let mnemonic = node.op.mnemonic();
        index
            && applied.names.iter().any(|name| {
                name == mnemonic
                    || name == "slice" && operand::as_slice(graph, id).is_some()
                    || name == PROJECTION && projection_of(graph, self.at.storage, id).is_some()
            })
    }

    /// The op is there: its settings and operands are matched.
    fn applied(&mut self, applied: &Applied, id: NodeId, goals: &Goals, state: &Matched) -> bool {
        let graph = self.graph();
        let node = graph.node(id);
        let mut state = state.clone();
        state.nodes.push(id);
        if !self.settings(applied, id, &mut state) {
            return false;
        }
        if applied.names.iter().any(|name| name == PROJECTION) && projection_of(graph, self.at.storage, id).is_some() {
            let at = usize::from(matches!(node.op, Op::Contraction(Contraction::MatMulAdd { .. })));
            let (Some(&operand), Some(&input)) = (applied.operands.first(), node.inputs.get(at)) else { return false };
            let mut goals = goals.clone();
            goals.push((operand, input));
            return self.solve(goals, state);
        }
        let fits = if applied.more {
            node.inputs.len() >= applied.operands.len()
        } else {
            node.inputs.len() == applied.operands.len()
        };
        if !fits {
            return false;
        }
        let in_order = |order: &[usize]| {
            let mut goals = goals.clone();
            // Steps before leaves: they say sooner that a match fails.
            let pairs = applied.operands.iter().zip(order).map(|(&term, &at)| (term, node.inputs[at]));
            let (leaves, steps): (Vec<_>, Vec<_>) =
                pairs.partition(|&(term, _)| matches!(self.form.terms[term], Term::Leaf { .. }));
            goals.extend(leaves);
            goals.extend(steps);
            goals
        };
        let straight: Vec<usize> = (0..node.inputs.len()).collect();
        let first = in_order(&straight);
        if applied.operands.len() != 2 || node.inputs.len() != 2 {
            return self.solve(first, state);
        }
        if self.solve(first, state.clone()) {
            return true;
        }
        let exchanged = in_order(&[1, 0]);
        let value = node.outputs.first().copied();
        let (found, expected) = ("the second operand first".to_owned(), "the operands in order".to_owned());
        let evidence = Evidence { node: Some(id), value, found, expected };
        let may = is_commutative(node.op.mnemonic()) || self.break_one(&mut state, Reason::SwappedOperands, evidence);
        may && self.solve(exchanged, state)
    }

    /// Another op of the same kind stands where the term asks for one, or a step too many stands before it.
    fn instead(&mut self, term: TermId, applied: &Applied, value: ValueId, goals: &Goals, state: &Matched) -> bool {
        let graph = self.graph();
        let Some(id) = graph.producer(value) else { return false };
        if id == self.anchor {
            return false;
        }
        let node = graph.node(id);
        let expected = applied.names.join(" or ");
        let found = node.op.mnemonic();
        let alike = applied.names.iter().any(|name| are_alike(name, &node.op));
        if alike && term != self.form.anchor && node.inputs.len() == applied.operands.len() {
            let mut state = state.clone();
            state.nodes.push(id);
            let evidence = evidence_at(Some(id), value, found.to_owned(), expected.clone());
            if self.break_one(&mut state, Reason::OtherOp, evidence) {
                let mut goals = goals.clone();
                goals.extend(applied.operands.iter().copied().zip(node.inputs.iter().copied()));
                self.solve(goals, state);
            }
        }
        let (Op::Pointwise(_), Some(&input)) = (&node.op, node.inputs.first()) else { return false };
        let beyond = graph.producer(input);
        if node.inputs.len() == 1 && beyond.is_some_and(|beyond| self.is_op(applied, beyond, input)) {
            let mut state = state.clone();
            state.nodes.push(id);
            let evidence = evidence_at(Some(id), value, found.to_owned(), expected);
            if self.break_one(&mut state, Reason::StepBetween, evidence) {
                let mut goals = goals.clone();
                state.bound[term] = None;
                goals.push((term, input));
                self.solve(goals, state);
            }
        }
        false
    }

    fn product(
        &mut self,
        coefficient: &Number,
        factors: &[super::form::Factor],
        value: ValueId,
        goals: &Goals,
        state: &Matched,
    ) -> bool {
        let wanted: Vec<Wanted> =
            factors.iter().map(|f| Wanted { term: f.term, weight: f.exponent, optional: f.optional }).collect();
        self.arithmetic(Taking::Powers, coefficient, &wanted, value, goals, state)
    }

    fn sum(
        &mut self,
        constant: &Number,
        addends: &[super::form::Addend],
        value: ValueId,
        goals: &Goals,
        state: &Matched,
    ) -> bool {
        let weight = |negative: bool| if negative { -1.0 } else { 1.0 };
        let wanted: Vec<Wanted> =
            addends.iter().map(|a| Wanted { term: a.term, weight: weight(a.negative), optional: a.optional }).collect();
        self.arithmetic(Taking::Addends, constant, &wanted, value, goals, state)
    }

    /// Tries every way to take the value apart into the parts that a product or sum asks for.
    fn arithmetic(
        &mut self,
        taking: Taking,
        number: &Number,
        wanted: &[Wanted],
        value: ValueId,
        goals: &Goals,
        state: &Matched,
    ) -> bool {
        let most = wanted.len();
        let spare = self.tolerant && state.defect.is_none();
        let optional: Vec<bool> = wanted.iter().map(|part| part.optional).collect();
        for mut split in splits(self.at, value, most + usize::from(spare), taking) {
            let mut computed = None;
            if split.parts.len() > most {
                computed = self.computed_number(number, taking.neutral(), most, &mut split, state);
                if computed.is_none() {
                    continue;
                }
            }
            let is_other = matches!(number, Number::Is(n) if !near(split.number, *n, self.rule.tolerance));
            if is_other && !spare {
                continue;
            }
            for order in orders(&optional, split.parts.len()) {
                let Some(left) = self.orders.checked_sub(1) else { return true };
                self.orders = left;
                let chosen = || order.iter().map(|&at| &wanted[at]).zip(&split.parts);
                let wrong = chosen().find(|(part, (_, weight))| !near(part.weight, *weight, 1e-6));
                // Signs are no matter of degree: a difference is not nearly a sum.
                if wrong.is_some() && (!spare || taking == Taking::Addends) {
                    continue;
                }
                let pairs: Vec<(TermId, ValueId)> = chosen().map(|(part, &(value, _))| (part.term, value)).collect();
                let left = spare && computed.is_none() && wrong.is_none() && !is_other;
                if !self.may_fit(&pairs, left) {
                    continue;
                }
                let mut state = state.clone();
                state.nodes.extend(&split.nodes);
                if computed.is_some() {
                    state.defect.clone_from(&computed);
                } else if !self.number(number, split.number, &split, &mut state) {
                    continue;
                }
                let broken = chosen().filter(|(part, (_, weight))| !near(part.weight, *weight, 1e-6)).all(
                    |(part, &(value, weight))| {
                        let (found, expected) = (format!("power {weight}"), format!("power {}", part.weight));
                        let evidence = evidence_at(split.nodes.last().copied(), value, found, expected);
                        self.break_one(&mut state, Reason::WrongConstant, evidence)
                    },
                );
                if broken && self.solve(self.with_pairs(goals, pairs), state) {
                    return true;
                }
            }
        }
        false
    }

    /// In a run that may break a constraint: a factor too many, of one element, stands where the pattern has a number. It is
    /// taken out of the split.
    fn computed_number(
        &self,
        wanted: &Number,
        neutral: f64,
        most: usize,
        split: &mut Split,
        state: &Matched,
    ) -> Option<Defect> {
        let graph = self.graph();
        let may = self.tolerant && state.defect.is_none() && self.rule.tells(&Reason::NotConstant);
        if !may || *wanted == Number::Is(neutral) || split.parts.len() != most + 1 {
            return None;
        }
        let single = |value: ValueId| graph.tensor(value).is_some_and(|tensor| tensor.elements() == 1);
        let at = split.parts.iter().position(|&(value, _)| single(value))?;
        let (value, _) = split.parts.remove(at);
        let expected = match wanted {
            Number::Is(number) => number_text(*number),
            Number::Named(name) => format!("a number, ${name}"),
        };
        let evidence = evidence_at(split.nodes.last().copied(), value, self.name(value), expected);
        Some(Defect { reason: Reason::NotConstant, evidence })
    }

    /// Goals for the parts of a product or sum, leaves to be looked at last.
    fn with_pairs(&self, goals: &Goals, pairs: Vec<(TermId, ValueId)>) -> Goals {
        let (leaves, steps): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|&(term, _)| matches!(self.form.terms[term], Term::Leaf { .. }));
        let mut goals = goals.clone();
        goals.extend(leaves);
        goals.extend(steps);
        goals
    }

    /// A quick look at the parts of a product or sum: no more of them are out of place than constraints may be broken.
    fn may_fit(&self, pairs: &[(TermId, ValueId)], spare: bool) -> bool {
        pairs.iter().filter(|&&(term, value)| !self.may_be(term, value)).nth(usize::from(spare)).is_none()
    }

    /// Whether a value can be what the term asks for at all.
    fn may_be(&self, term: TermId, value: ValueId) -> bool {
        match &self.form.terms[term] {
            Term::Leaf { kind: LeafKind::Parameter } => weight_of(self.graph(), value).is_some(),
            Term::Op(applied) if !applied.optional && !applied.names.iter().any(|name| name == MOVED) => {
                let mut stop = value;
                for _ in 0..=transparent::LONGEST {
                    let Some(id) = self.graph().producer(stop) else { return false };
                    if self.is_op(applied, id, stop) {
                        return true;
                    }
                    if !transparent::is_transparent(self.graph(), self.at.storage, id) {
                        return false;
                    }
                    let Some(&input) = self.graph().node(id).inputs.first() else { return false };
                    stop = input;
                }
                false
            }
            Term::Product { .. } => self.is_arithmetic(value, operand::powers),
            Term::Sum { .. } => self.is_arithmetic(value, operand::addends),
            _ => true,
        }
    }

    fn is_arithmetic<T>(&self, value: ValueId, take_apart: fn(&Graph, ValueId) -> Option<T>) -> bool {
        let end = transparent::end(self.at.graph, self.at.storage, value);
        take_apart(self.at.graph, end).is_some()
    }

    /// The number of a product or sum is the one that the pattern asks for.
    fn number(&self, wanted: &Number, found: f64, split: &Split, state: &mut Matched) -> bool {
        match wanted {
            Number::Named(name) => state.name_number(name, found, self.rule.tolerance),
            Number::Is(wanted) if near(found, *wanted, self.rule.tolerance) => true,
            Number::Is(wanted) => {
                let node = split.numbered.or(split.nodes.first().copied());
                let value = node.and_then(|node| self.graph().node(node).outputs.first().copied());
                let evidence = Evidence { node, value, found: number_text(found), expected: number_text(*wanted) };
                self.break_one(state, Reason::WrongConstant, evidence)
            }
        }
    }

    /// All goals are met: conditions and the region are looked at.
    fn accept(&mut self, mut state: Matched) -> bool {
        if !state.nodes.contains(&self.anchor) {
            return false;
        }
        state.nodes.sort_unstable();
        state.nodes.dedup();
        if !self.casts(&mut state) || !self.conditions(&mut state) {
            return false;
        }
        let outputs: Vec<ValueId> = std::iter::once(self.form.root)
            .chain(self.form.outputs.iter().copied())
            .filter_map(|term| state.bound[term])
            .collect();
        match region::check(self.at, &state.nodes, &outputs) {
            Ok(()) => {}
            Err(None) => return false,
            Err(Some((reason, evidence))) => {
                if !self.break_one(&mut state, reason, evidence) {
                    return false;
                }
            }
        }
        let size = |matched: &Matched| {
            let weight = matched.defect.as_ref().map_or(u32::MAX, |defect| defect.reason.weight());
            (matched.defect.is_none(), matched.nodes.len(), weight)
        };
        if self.best.as_ref().is_none_or(|best| size(&state) > size(best)) {
            self.best = Some(state);
        }
        !self.tolerant
    }

    fn casts(&self, state: &mut Matched) -> bool {
        let lost = state
            .nodes
            .iter()
            .find_map(|&id| transparent::loss(self.graph(), id, self.rule.exactness).map(|(from, to)| (id, from, to)));
        let Some((id, from, to)) = lost else { return true };
        let value = self.graph().node(id).outputs.first().copied();
        let (found, expected) = (format!("a cast to {}", to.name()), format!("{} throughout", from.name()));
        let evidence = Evidence { node: Some(id), value, found, expected };
        self.break_one(state, Reason::DTypeChange, evidence)
    }

    fn conditions(&self, state: &mut Matched) -> bool {
        for condition in &self.form.conditions {
            let bound = state.bound.clone();
            let numbers = state.numbers.clone();
            let tensor = |name: &str| self.graph().tensor(bound[self.form.named(name)?]?);
            let number = |name: &str| numbers.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
            let Err(broken) = condition.check(&tensor, &number, self.rule.tolerance) else { continue };
            let reason = match &condition.reason {
                Some(id) => Reason::from_id(id),
                None if condition.is_of_dtypes() => Reason::DTypeDiffers,
                None if condition.values().is_empty() => Reason::WrongConstant,
                None => Reason::ShapeDiffers,
            };
            let values = condition.values();
            let value = values.iter().find_map(|name| bound[self.form.named(name)?]);
            let node = value.and_then(|value| self.graph().producer(value)).or(Some(self.anchor));
            let found = format!("{} and {}", broken.left, broken.right);
            let evidence = Evidence { node, value, found, expected: condition.text.clone() };
            if !self.break_one(state, reason, evidence) {
                return false;
            }
        }
        true
    }
}

fn is_commutative(mnemonic: &str) -> bool {
    matches!(mnemonic, "maximum" | "minimum" | "and" | "or" | "xor" | "eq" | "ne")
}

/// Ops that stand for each other in models: functions of one tensor, reductions, norms, choices between two numbers.
fn are_alike(name: &str, op: &Op) -> bool {
    let class = |op: &Op| match op {
        Op::Pointwise(fusewright_ir::ops::Pointwise::Unary(_)) => 1,
        Op::Reduction(_) => 2,
        Op::Normalization(_) => 3,
        _ => 0,
    };
    let class_of_name = if fusewright_ir::ops::Unary::from_name(name).is_some() {
        1
    } else if matches!(name, "mean" | "sum" | "var" | "std" | "norm" | "reduce_max" | "reduce_min" | "prod") {
        2
    } else if matches!(name, "softmax" | "layer_norm" | "rms_norm" | "batch_norm" | "group_norm") {
        3
    } else {
        0
    };
    class_of_name != 0 && class_of_name == class(op)
}
