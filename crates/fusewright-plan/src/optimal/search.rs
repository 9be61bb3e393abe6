//! The search for the cheapest partition into kernels.
//!
//! Nodes are walked in order. A state says which drafts are open and what depends on them; each node starts a draft or
//! joins some of the open ones. Of states between which nothing to come can tell the difference, the cheapest stays. A
//! draft that nothing can join any more is closed and paid for. Where more states are left than the search may keep, the
//! least promising go, and the least that any of them could have led to bounds how far the result may be from the best.

use fusewright_ir::NodeId;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::horizon::Horizon;
use super::priced::{DraftId, Drafts};
use super::state::{CLOSED, MOST_OPEN, Mask, Outlook, State, members};
use crate::grammar::{Draft, Form, Grammar};

/// States that are kept at once.
const WIDTH: usize = 20_000;
/// States that are kept once the effort is spent.
const SPENT_WIDTH: usize = 32;
/// Open drafts next to a node that are tried in all combinations.
const MOST_ADJACENT: usize = 9;
/// From this size on a draft's size is part of what distinguishes states.
const LARGE: usize = 32;

/// The end of a chain of closed kernels.
const START: u32 = u32::MAX;

/// What was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) kernels: Vec<Draft>,
    pub(super) price: f64,
    /// No partition of the grammar is cheaper than this.
    pub(super) bound: f64,
    /// Transitions that were looked at.
    pub(super) looked_at: u64,
    /// Most states kept at once.
    pub(super) widest: usize,
}

pub(super) struct Search<'a> {
    grammar: &'a Grammar<'a>,
    horizon: &'a Horizon<'a>,
    drafts: Drafts<'a>,
    /// Closed kernels, each with the one closed before it.
    history: Vec<(u32, DraftId)>,
    joins: FxHashMap<(NodeId, SmallVec<[DraftId; 4]>), Option<DraftId>>,
    /// Nodes with readers to come.
    front: Vec<NodeId>,
    /// Per step, no price of what comes after it is below this.
    rest: Vec<f64>,
    effort: u64,
    bound: f64,
    looked_at: u64,
    widest: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(horizon: &'a Horizon<'a>, drafts: Drafts<'a>, rest: Vec<f64>, effort: u64) -> Self {
        Self {
            grammar: horizon.grammar,
            horizon,
            drafts,
            history: Vec::new(),
            joins: FxHashMap::default(),
            front: Vec::new(),
            rest,
            effort,
            bound: f64::INFINITY,
            looked_at: 0,
            widest: 0,
        }
    }

    pub(super) fn run(mut self) -> Found {
        let start = State { outlook: Outlook::default(), cost: 0.0, history: START };
        let mut states = vec![start];
        for (step, &node) in (0_u32..).zip(&self.grammar.order) {
            states = self.advance(&states, step, node);
        }
        // Every draft is closed once nothing is to come.
        let best = states.into_iter().min_by(|a, b| a.cost.total_cmp(&b.cost));
        let (price, mut at) = best.map_or((0.0, START), |state| (state.cost, state.history));
        let mut kernels = Vec::new();
        while let Some(&(before, draft)) = self.history.get(at as usize) {
            kernels.push(self.drafts.get(draft).draft.clone());
            at = before;
        }
        kernels.sort_by(|a: &Draft, b| a.members.cmp(&b.members));
        let bound = self.bound.min(price);
        Found { kernels, price, bound, looked_at: self.looked_at, widest: self.widest }
    }

    fn advance(&mut self, states: &[State], step: u32, node: NodeId) -> Vec<State> {
        let grammar = self.grammar;
        let makers: SmallVec<[usize; 4]> = grammar
            .works
            .makers(node)
            .iter()
            .filter_map(|maker| self.front.iter().position(|known| known == maker))
            .collect();
        let kept: SmallVec<[usize; 16]> =
            (0..self.front.len()).filter(|&at| self.horizon.is_read_after(self.front[at], step)).collect();
        let stays = self.horizon.is_read_after(node, step);
        let mut front: Vec<NodeId> = kept.iter().map(|&at| self.front[at]).collect();
        if stays {
            front.push(node);
        }
        let mut pool = Pool::default();
        let mut marks = Marks::default();
        for state in states {
            // One step of many states may be long; what is left of it when the effort is spent is left out.
            if self.looked_at >= self.effort.saturating_mul(2) && pool.states.len() >= SPENT_WIDTH {
                self.give_up(state);
                continue;
            }
            for (outlook, united) in self.choices(state, node, &makers) {
                self.looked_at += 1;
                let mut next = State { outlook, cost: state.cost, history: state.history };
                let place = united;
                let outlook = &mut next.outlook;
                outlook.place = kept.iter().map(|&at| outlook.place[at]).chain(stays.then_some(place)).collect();
                outlook.past = kept.iter().map(|&at| outlook.past[at]).chain(stays.then_some(0)).collect();
                self.close(&mut next, step, &mut marks);
                self.sort(&mut next.outlook, &front);
                pool.offer(next, self, step, &mut marks);
            }
        }
        self.front = front;
        let mut states = pool.states;
        self.widest = self.widest.max(states.len());
        let width = if self.looked_at < self.effort { WIDTH } else { SPENT_WIDTH };
        if states.len() > width {
            self.prune(&mut states, width, step);
        }
        states
    }

    /// What may become of a state with a node: each choice with the place of the node's draft.
    fn choices(&mut self, state: &State, node: NodeId, makers: &[usize]) -> SmallVec<[(Outlook, u8); 4]> {
        let outlook = &state.outlook;
        let (mut reads, mut through): (Mask, Mask) = (0, 0);
        for &at in makers {
            match outlook.place[at] {
                CLOSED => through |= outlook.past[at],
                place => reads |= 1 << place,
            }
        }
        let grammar = self.grammar;
        let mut choices: SmallVec<[(Outlook, u8); 4]> = SmallVec::new();
        let mut take = |united: Mask, draft: DraftId| {
            let mut next = outlook.clone();
            let place = next.unite(united, draft, reads, through);
            choices.push((next, place));
        };
        let site = grammar.step_of(node);
        let open_attention = site.and_then(|site| {
            outlook.open.iter().position(|&id| grammar.open_attention(self.drafts.get(id).draft.form) == Some(site))
        });
        if let Some(at) = open_attention {
            let united: Mask = 1 << at;
            if outlook.is_convex(united, reads, through)
                && let Some(draft) = self.join(node, &[outlook.open[at]])
            {
                take(united, draft);
            }
            return choices;
        }
        if let Some(opening) = grammar.opening(node)
            && outlook.open.len() < MOST_OPEN - 1
        {
            let draft = self.drafts.number(opening);
            take(0, draft);
        }
        let beside = self.horizon.beside(node);
        let adjacent: SmallVec<[usize; 8]> = (0..outlook.open.len())
            .filter(|&at| {
                let draft = &self.drafts.get(outlook.open[at]).draft;
                let closed_to_it = grammar.open_attention(draft.form).is_some();
                !closed_to_it && (reads >> at & 1 == 1 || beside.iter().any(|&other| draft.holds(other)))
            })
            .collect();
        if adjacent.len() > MOST_ADJACENT {
            self.give_up(state);
        }
        let tried = adjacent.len().min(MOST_ADJACENT);
        for combination in 0..1_u32 << tried {
            let united = members(combination).fold(0, |mask: Mask, at| mask | 1 << adjacent[at]);
            if united == 0 {
                if outlook.open.len() < MOST_OPEN - 1 {
                    let draft = self.drafts.number(grammar.alone(node));
                    take(0, draft);
                } else {
                    self.give_up(state);
                }
                continue;
            }
            if !outlook.is_convex(united, reads, through) {
                continue;
            }
            let parts: SmallVec<[DraftId; 4]> = members(united).map(|at| outlook.open[at]).collect();
            if let Some(draft) = self.join(node, &parts) {
                take(united, draft);
            }
        }
        choices
    }

    fn join(&mut self, node: NodeId, parts: &[DraftId]) -> Option<DraftId> {
        let key = (node, SmallVec::from_slice(parts));
        if let Some(&known) = self.joins.get(&key) {
            return known;
        }
        let joined = {
            let drafts: SmallVec<[&Draft; 4]> = parts.iter().map(|&id| &self.drafts.get(id).draft).collect();
            self.grammar.join(node, &drafts)
        };
        let id = joined.ok().map(|draft| self.drafts.number(draft));
        self.joins.insert(key, id);
        id
    }

    /// Closes the drafts that nothing to come can join.
    fn close(&mut self, state: &mut State, step: u32, marks: &mut Marks) {
        let mut at = 0;
        while at < state.outlook.open.len() {
            let id = state.outlook.open[at];
            if marks.may_grow(self, id, step) {
                at += 1;
                continue;
            }
            state.outlook.close(at);
            state.cost += self.drafts.get(id).price;
            self.history.push((state.history, id));
            state.history = u32::try_from(self.history.len() - 1).unwrap_or(START);
        }
    }

    /// Brings open drafts into an order that does not depend on how they came about.
    fn sort(&self, outlook: &mut Outlook, front: &[NodeId]) {
        let key = |at: usize| {
            let waits = outlook.place.iter().position(|&place| usize::from(place) == at);
            let last = self.drafts.get(outlook.open[at]).draft.members.last().copied();
            (waits.map(|at| front[at]), last)
        };
        let mut order: SmallVec<[usize; 8]> = (0..outlook.open.len()).collect();
        order.sort_by_key(|&at| key(at));
        if order.iter().enumerate().all(|(to, &at)| to == at) {
            return;
        }
        let mut to = [0_u8; MOST_OPEN];
        for (new, &old) in order.iter().enumerate() {
            to[old] = u8::try_from(new).unwrap_or(CLOSED);
        }
        let renumber = |mask: Mask| members(mask).fold(0, |all: Mask, at| all | 1 << to[at]);
        let old = outlook.clone();
        for (new, &at) in order.iter().enumerate() {
            outlook.open[new] = old.open[at];
            outlook.direct[new] = renumber(old.direct[at]);
            outlook.via[new] = renumber(old.via[at]);
        }
        for (place, past) in outlook.place.iter_mut().zip(&mut outlook.past) {
            if *place == CLOSED {
                *past = renumber(*past);
            } else {
                *place = to[usize::from(*place)];
            }
        }
    }

    /// A choice was left out: whatever it leads to costs at least what is closed already.
    fn give_up(&mut self, state: &State) {
        self.bound = self.bound.min(state.cost);
    }

    fn prune(&mut self, states: &mut Vec<State>, width: usize, step: u32) {
        let promise = |state: &State| {
            let open = state.outlook.open.iter().map(|&id| self.drafts.get(id).price).filter(|price| price.is_finite());
            state.cost + open.sum::<f64>()
        };
        states.sort_by(|a, b| promise(a).total_cmp(&promise(b)));
        let least = states[width..].iter().map(|state| state.cost).fold(f64::INFINITY, f64::min);
        self.bound = self.bound.min(least + self.rest[step as usize]);
        states.truncate(width);
    }
}

/// What is found out about drafts once a step.
#[derive(Default)]
struct Marks {
    grows: FxHashMap<DraftId, bool>,
    outlines: FxHashMap<DraftId, u32>,
    numbers: FxHashMap<Vec<u64>, u32>,
}

impl Marks {
    fn may_grow(&mut self, search: &Search, id: DraftId, step: u32) -> bool {
        *self.grows.entry(id).or_insert_with(|| search.horizon.may_grow(&search.drafts.get(id).draft, step))
    }

    /// Equal numbers mean that what is to come can tell two drafts apart by bytes and operations only.
    fn outline(&mut self, search: &Search, id: DraftId, step: u32) -> u32 {
        if let Some(&known) = self.outlines.get(&id) {
            return known;
        }
        let outline = search.outline(id, step);
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(outline).or_insert(next);
        self.outlines.insert(id, number);
        number
    }
}

impl Search<'_> {
    fn outline(&self, id: DraftId, step: u32) -> Vec<u64> {
        let priced = self.drafts.get(id);
        let (grammar, draft) = (self.grammar, &priced.draft);
        let mut outline: Vec<u64> = Vec::with_capacity(32);
        match draft.form {
            Form::Loop { iteration, steps } => outline.extend([0, iteration.full, iteration.folded, u64::from(steps)]),
            Form::Product { beside, prologue } => {
                outline.extend([1, u64::from(prologue)]);
                if let Some(beside) = beside {
                    outline.extend([beside.input.row(), beside.weight].map(u64::from));
                }
            }
            Form::Attention { site, steps } => outline.extend([2, u64::from(site), u64::from(steps)]),
            Form::Alone => outline.push(3),
        }
        outline.push(priced.shape.len() as u64);
        outline.extend(&priced.shape);
        if draft.members.len() > LARGE {
            outline.push(draft.members.len() as u64);
        }
        let mut leaves = false;
        for &member in &draft.members {
            let outside =
                grammar.works.readers(member).iter().any(|&r| self.horizon.step(r) <= step && !draft.holds(r));
            leaves |= outside || grammar.works.escapes(member) || grammar.works.readers(member).is_empty();
            if self.horizon.is_read_after(member, step) {
                outline.extend([4, u64::from(member.row()), u64::from(outside || grammar.works.escapes(member))]);
            }
        }
        outline.extend([5, u64::from(leaves), grammar.outside_count(draft) as u64, grammar.whole_count(draft) as u64]);
        let mut readings: SmallVec<[(u32, u32); 8]> = SmallVec::new();
        for &member in &draft.members {
            let depth = grammar.depth(member);
            for (value, last) in self.horizon.readings(member) {
                if last > step && !readings.contains(&(value.row(), depth)) {
                    readings.push((value.row(), depth));
                }
            }
        }
        readings.sort_unstable();
        for (value, depth) in readings {
            outline.extend([u64::from(value), u64::from(depth)]);
        }
        outline
    }

    /// Whatever comes, the first state leads to nothing dearer than the second; their outlooks have equal outlines.
    fn dominates(&self, first: &State, second: &State) -> bool {
        let mut slack = 0.0;
        for (&a, &b) in first.outlook.open.iter().zip(&second.outlook.open).filter(|(a, b)| a != b) {
            let (a, b) = (self.drafts.get(a), self.drafts.get(b));
            if a.draft.members.len() > b.draft.members.len() && a.draft.members.len() > LARGE {
                return false;
            }
            let (bytes, flops) = (a.bytes.saturating_sub(b.bytes), a.flops.saturating_sub(b.flops));
            // Operations beside products are not priced in their kernels.
            let flops = if matches!(a.draft.form, Form::Loop { .. }) { flops } else { 0 };
            if bytes == 0 && flops == 0 {
                continue;
            }
            let Some(slope) = a.slope else { return false };
            slack += (bytes as f64 * slope.per_byte).max(flops as f64 * slope.per_flop);
        }
        first.cost + slack <= second.cost
    }
}

/// The states that a step leads to.
#[derive(Default)]
struct Pool {
    states: Vec<State>,
    by_outlook: FxHashMap<Outlook, SmallVec<[u32; 2]>>,
}

impl Pool {
    fn offer(&mut self, state: State, search: &Search, step: u32, marks: &mut Marks) {
        let mut key = state.outlook.clone();
        for id in &mut key.open {
            *id = marks.outline(search, *id, step);
        }
        let rivals = self.by_outlook.entry(key).or_default();
        if rivals.iter().any(|&rival| search.dominates(&self.states[rival as usize], &state)) {
            return;
        }
        if let Some(&beaten) = rivals.iter().find(|&&rival| search.dominates(&state, &self.states[rival as usize])) {
            self.states[beaten as usize] = state;
            return;
        }
        rivals.push(u32::try_from(self.states.len()).unwrap_or(u32::MAX));
        self.states.push(state);
    }
}
