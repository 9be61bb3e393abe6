//! From an anchor forward to the values at which a form may end.

use fusewright_ir::{Graph, NodeId, Op, ValueId};

use super::form::{Form, Term};
use super::operand::{self, MOVED};
use super::search::Surroundings;
use super::transparent;

/// Most values that a form may end at, for one anchor.
const MOST_ROOTS: usize = 48;
/// Most readers of a value that are followed.
const MOST_READERS: usize = 8;
/// Most products or sums in a row.
const LONGEST_CHAIN: usize = 6;

/// The values at which the form may end, those far from the anchor first.
pub(super) fn roots(at: &Surroundings, form: &Form, start: &[ValueId], tolerant: bool) -> Vec<ValueId> {
    let mut roots = Vec::new();
    for &value in start {
        let mut climb = Climb { at, form, tolerant, roots: &mut roots };
        climb.up(1, value, false);
    }
    let mut kept: Vec<ValueId> = Vec::new();
    for value in roots {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept.sort_by(|a, b| b.cmp(a));
    kept
}

struct Climb<'a> {
    at: &'a Surroundings<'a>,
    form: &'a Form,
    tolerant: bool,
    roots: &'a mut Vec<ValueId>,
}

impl Climb<'_> {
    fn graph(&self) -> &Graph {
        self.at.graph
    }

    fn readers(&self, value: ValueId) -> Vec<NodeId> {
        let readers = self.at.consumers.of_value(value).iter().copied();
        readers.filter(|&id| !self.graph().node(id).op.is_host()).take(MOST_READERS).collect()
    }

    fn only_output(&self, id: NodeId) -> Option<ValueId> {
        self.graph().node(id).outputs.first().copied()
    }

    /// `value` has been matched with term `way[step - 1]`; what comes next is `way[step]`.
    fn up(&mut self, step: usize, value: ValueId, stepped: bool) {
        if self.roots.len() >= MOST_ROOTS {
            return;
        }
        let Some(&term) = self.form.way.get(step) else {
            self.roots.push(value);
            return;
        };
        for value in self.moved_on(value, false) {
            match &self.form.terms[term] {
                Term::Op(applied) if applied.names.iter().any(|name| name == MOVED) => {
                    for value in self.moved_on(value, true) {
                        self.up(step + 1, value, stepped);
                    }
                }
                Term::Op(applied) => {
                    if applied.optional {
                        self.up(step + 1, value, stepped);
                    }
                    for reader in self.readers(value) {
                        let node = self.graph().node(reader);
                        let mnemonic = node.op.mnemonic();
                        let named = applied.names.iter().any(|name| name == mnemonic);
                        let projects = applied.names.iter().any(|name| name == operand::PROJECTION)
                            && matches!(node.op, Op::Contraction(_));
                        let stands_in = self.tolerant && !stepped && matches!(node.op, Op::Pointwise(_))
                            || self.tolerant && matches!(node.op, Op::Reduction(_) | Op::Normalization(_));
                        if named || projects || stands_in {
                            let Some(output) = node.outputs.get(applied.result).copied() else { continue };
                            self.up(step + 1, output, stepped || !(named || projects));
                            if !(named || projects) {
                                self.up(step, output, true);
                            }
                        }
                    }
                }
                Term::Product { .. } => self.chain(step, value, stepped, LONGEST_CHAIN, true),
                Term::Sum { .. } => self.chain(step, value, stepped, LONGEST_CHAIN, false),
                Term::Leaf { .. } | Term::Rule { .. } => {}
            }
        }
    }

    /// Through products or sums of which the value is a part, as far as they go.
    fn chain(&mut self, step: usize, value: ValueId, stepped: bool, left: usize, powers: bool) {
        if left == 0 || self.roots.len() >= MOST_ROOTS {
            return;
        }
        for reader in self.readers(value) {
            let Some(output) = self.only_output(reader) else { continue };
            let arithmetic = if powers {
                operand::powers(self.graph(), output).is_some()
            } else {
                operand::addends(self.graph(), output).is_some()
            };
            if arithmetic {
                self.up(step + 1, output, stepped);
                for output in self.moved_on(output, false) {
                    self.chain(step, output, stepped, left - 1, powers);
                }
            } else if self.tolerant && !stepped && self.is_step(reader) {
                self.chain(step, output, true, left - 1, powers);
            }
        }
    }

    fn is_step(&self, id: NodeId) -> bool {
        let node = self.graph().node(id);
        matches!(node.op, Op::Pointwise(_)) && node.inputs.len() == 1
    }

    /// The value, and what transparent readers make of it.
    fn moved_on(&self, value: ValueId, any: bool) -> Vec<ValueId> {
        let mut reached = vec![value];
        let mut next = 0;
        while let Some(&value) = reached.get(next) {
            next += 1;
            for reader in self.readers(value) {
                let passes = transparent::is_transparent(self.at.graph, self.at.storage, reader)
                    || any && transparent::is_moving(self.at.graph, reader);
                let first = self.graph().node(reader).inputs.first() == Some(&value);
                if let (true, true, Some(output)) = (passes, first, self.only_output(reader))
                    && reached.len() < transparent::LONGEST
                {
                    reached.push(output);
                }
            }
        }
        reached
    }
}
