//! What is still to come at each step of the search, and which drafts it may join.

use fusewright_ir::{NodeId, ValueId};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::grammar::{Draft, Form, Grammar, Joined, Projecting, Role, joined};

/// Loops that a loop is tried beside.
const MOST_BESIDE: usize = 4;
/// Projections of one input that are tried in every combination. Of more, each is tried beside the one before it only:
/// those of one width are interchangeable, so that runs of neighbours are nearly all there is to try.
const MOST_PROJECTIONS: usize = 8;
/// Nodes looked at to find a product on the way from one node to another.
const MOST_LOOKED_AT: usize = 512;

/// What follows from the order of the search.
pub(super) struct Horizon<'a> {
    pub(super) grammar: &'a Grammar<'a>,
    /// Earlier nodes that read what a node reads and may be one kernel with it.
    beside: Vec<SmallVec<[NodeId; 4]>>,
    /// Later nodes that may join a node's kernel: readers, and nodes beside it.
    joiners: Vec<SmallVec<[NodeId; 4]>>,
    /// Step of the last reader of what a node made.
    last_reader: Vec<u32>,
    /// Step of the last node that reads a value's memory.
    last_reading: Vec<u32>,
}

impl<'a> Horizon<'a> {
    pub(super) fn of(grammar: &'a Grammar<'a>) -> Self {
        let count = grammar.analysis.graph.node_count();
        let order = &grammar.order;
        let mut last_reader = vec![0; count];
        for &id in order {
            let last = grammar.works.readers(id).iter().map(|reader| grammar.place(*reader)).max();
            last_reader[id.index()] = last.unwrap_or(0);
        }
        let (graph, storage) = (grammar.analysis.graph, &grammar.analysis.storage);
        let mut last_reading = vec![0; graph.value_count()];
        for &id in order {
            for &input in &graph.node(id).inputs {
                let last = &mut last_reading[storage.root(input).index()];
                *last = grammar.place(id).max(*last);
            }
        }
        let mut horizon = Self {
            grammar,
            beside: vec![SmallVec::new(); count],
            joiners: vec![SmallVec::new(); count],
            last_reader,
            last_reading,
        };
        horizon.find_neighbours();
        horizon.find_readers();
        horizon
    }

    pub(super) fn step(&self, node: NodeId) -> u32 {
        self.grammar.place(node)
    }

    pub(super) fn beside(&self, node: NodeId) -> &[NodeId] {
        &self.beside[node.index()]
    }

    /// Something reads the node's results after this step.
    pub(super) fn is_read_after(&self, node: NodeId, step: u32) -> bool {
        self.last_reader[node.index()] > step
    }

    fn find_neighbours(&mut self) {
        let grammar = self.grammar;
        let values = grammar.analysis.graph.value_count();
        let mut loops_of: Vec<SmallVec<[NodeId; 2]>> = vec![SmallVec::new(); values];
        let mut projections: FxHashMap<Projecting, Vec<NodeId>> = FxHashMap::default();
        let mut siblings: FxHashMap<Projecting, usize> = FxHashMap::default();
        for projecting in grammar.order.iter().filter_map(|&id| grammar.projecting(id)) {
            *siblings.entry(projecting).or_default() += 1;
        }
        for at in 0..grammar.order.len() {
            let id = grammar.order[at];
            let mut found: SmallVec<[NodeId; 4]> = SmallVec::new();
            match grammar.role(id) {
                Role::Product => {
                    let Some(projecting) = grammar.projecting(id) else { continue };
                    let others = projections.entry(projecting).or_default();
                    let many = siblings.get(&projecting).is_some_and(|&count| count > MOST_PROJECTIONS);
                    found.extend(others.iter().rev().copied().take(if many { 1 } else { MOST_PROJECTIONS }));
                    others.push(id);
                }
                Role::Step(own) | Role::Row(own) => {
                    for root in grammar.shared_reads(id) {
                        let others = &loops_of[root.index()];
                        let fits = |other: &&NodeId| match grammar.role(**other) {
                            Role::Step(loop_) | Role::Row(loop_) => {
                                loop_.full == own.full && grammar.depth(**other) == grammar.depth(id)
                            }
                            _ => false,
                        };
                        for &other in others.iter().rev().take(MOST_BESIDE).filter(fits) {
                            if !found.contains(&other) && !grammar.works.makers(id).contains(&other) {
                                found.push(other);
                            }
                        }
                        loops_of[root.index()].push(id);
                    }
                }
                Role::Alone => {}
            }
            for &other in &found {
                self.joiners[other.index()].push(id);
            }
            self.beside[id.index()] = found;
        }
    }

    fn find_readers(&mut self) {
        let grammar = self.grammar;
        let mut seen = vec![u32::MAX; grammar.analysis.graph.node_count()];
        for at in 0..grammar.order.len() {
            let id = grammar.order[at];
            for &reader in grammar.works.readers(id) {
                if self.may_ever_join(id, reader) && !self.product_between(id, reader, &mut seen) {
                    self.joiners[id.index()].push(reader);
                }
            }
        }
    }

    /// By what both are, they can be in one kernel.
    fn may_ever_join(&self, maker: NodeId, reader: NodeId) -> bool {
        let grammar = self.grammar;
        let together = grammar.step_of(maker).is_some() && grammar.step_of(maker) == grammar.step_of(reader);
        together
            || match (grammar.role(maker), grammar.role(reader)) {
                // A product reads another's results in a kernel of its own; attention is apart.
                (Role::Alone | Role::Row(_), Role::Product)
                | (Role::Product, Role::Row(_) | Role::Product)
                | (Role::Alone, _)
                | (_, Role::Alone) => false,
                (Role::Step(own), Role::Product) => {
                    !grammar.works.escapes(maker) && grammar.loads_through(reader, maker, own)
                }
                _ => true,
            }
    }

    /// A product, or what is its own kernel, stands on a way from one node to another that reads it.
    fn product_between(&self, maker: NodeId, reader: NodeId, seen: &mut [u32]) -> bool {
        let grammar = self.grammar;
        let together = grammar.step_of(maker).is_some() && grammar.step_of(maker) == grammar.step_of(reader);
        let deeper = grammar.depth(maker) + u32::from(grammar.role(maker) == Role::Product);
        if together || grammar.depth(reader) <= deeper {
            return false;
        }
        let (from, stamp) = (self.step(maker), self.step(reader) ^ 0x8000_0000 ^ self.step(maker).rotate_left(8));
        let mut stack: Vec<(NodeId, bool)> = vec![(reader, false)];
        let mut looked_at = 0;
        while let Some((at, through)) = stack.pop() {
            looked_at += 1;
            if looked_at > MOST_LOOKED_AT {
                return false;
            }
            for &above in grammar.works.makers(at) {
                if above == maker {
                    if through {
                        return true;
                    }
                    continue;
                }
                if self.step(above) > from && seen[above.index()] != stamp {
                    let through = through || grammar.role(above) == Role::Product;
                    if through {
                        seen[above.index()] = stamp;
                    }
                    stack.push((above, through));
                }
            }
        }
        false
    }

    /// The tensors that a node reads, each with the step of the last node that reads its memory.
    pub(super) fn readings(&self, node: NodeId) -> impl Iterator<Item = (ValueId, u32)> {
        let analysis = self.grammar.analysis;
        let inputs = analysis.graph.node(node).inputs.iter().filter(|&&input| analysis.graph.tensor(input).is_some());
        inputs.map(|&input| (input, self.last_reading[analysis.storage.root(input).index()]))
    }

    /// A node that comes after this step may join the draft.
    pub(super) fn may_grow(&self, draft: &Draft, step: u32) -> bool {
        if self.grammar.open_attention(draft.form).is_some() {
            return true;
        }
        let comes = |id: &NodeId| {
            self.joiners[id.index()]
                .iter()
                .any(|&joiner| self.step(joiner) > step && self.takes(draft, *id, joiner, step))
        };
        draft.members.iter().any(comes)
    }

    /// By its form, a draft may take in a node that reads one of its nodes or stands beside it.
    fn takes(&self, draft: &Draft, member: NodeId, joiner: NodeId, step: u32) -> bool {
        let grammar = self.grammar;
        match (draft.form, grammar.role(joiner)) {
            (Form::Loop { iteration, steps }, Role::Product) => steps && iteration.folded == 1,
            (Form::Loop { iteration, .. }, Role::Step(own) | Role::Row(own)) => {
                // Other loops may come between that bring the two together; what a part is read by elsewhere may not.
                match joined(iteration, own.plain(), own) {
                    Joined::As(_) => true,
                    Joined::IfOnlyReader(_) => self.could_be_only_reader(draft, joiner, step),
                    Joined::Not => self.grows_by_others(member, joiner),
                }
            }
            (Form::Product { beside, prologue }, Role::Product) => {
                !prologue && beside.is_some() && grammar.projecting(joiner) == beside
            }
            (Form::Product { .. } | Form::Attention { .. }, Role::Step(_)) => true,
            _ => false,
        }
    }

    /// Whoever has read the draft so far is in it.
    fn could_be_only_reader(&self, draft: &Draft, joiner: NodeId, step: u32) -> bool {
        let past = |reader: &NodeId| self.step(*reader) > step || *reader == joiner || draft.holds(*reader);
        let works = &self.grammar.works;
        draft.members.iter().all(|&id| !works.escapes(id) && works.readers(id).iter().all(past))
    }

    /// The joiner reads other nodes too, whose loops may fit both.
    fn grows_by_others(&self, member: NodeId, joiner: NodeId) -> bool {
        self.grammar.works.makers(joiner).iter().any(|&maker| maker != member)
    }
}
