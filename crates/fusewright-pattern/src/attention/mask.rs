//! What is added to scores or chosen between, told by looking at elements: a mask, and which keys it leaves, or a
//! position bias.
//!
//! A mask that is given says nothing about its pattern: that of a decoder is built by comparing positions, that of an
//! encoder lets through what the caller's padding mask lets through. So a few pairs of query and key are probed, with
//! the caller's padding masks taken to hide nothing.

use fusewright_ir::{DType, ValueId};
use rustc_hash::FxHashMap;

use super::MaskKind;
use super::probe::{HIDDEN, Point, Probe, Sample, Taint};

/// How a tensor acts on scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    /// It is added.
    Add,
    /// It is subtracted.
    Subtract,
    /// Scores stay where it has this truth value and are hidden elsewhere.
    Keep(bool),
}

/// A tensor that acts on scores of a given shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Term {
    pub(super) value: ValueId,
    pub(super) action: Action,
    pub(super) shape: Vec<u64>,
    /// Axes of queries and keys in that shape.
    pub(super) axes: [usize; 2],
}

/// What all masks of an attention amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MaskFacts {
    pub(super) kind: MaskKind,
    pub(super) causal: bool,
    pub(super) bias: bool,
}

impl MaskFacts {
    pub(super) const NONE: MaskFacts = MaskFacts { kind: MaskKind::None, causal: false, bias: false };

    pub(super) fn and(self, other: MaskFacts) -> MaskFacts {
        let rank = |kind: MaskKind| match kind {
            MaskKind::None => 0,
            MaskKind::Padding => 1,
            MaskKind::Causal => 2,
            MaskKind::Window(_) => 3,
            MaskKind::Additive => 4,
            MaskKind::Boolean => 5,
        };
        let kind = if rank(other.kind) > rank(self.kind) { other.kind } else { self.kind };
        MaskFacts { kind, causal: self.causal || other.causal, bias: self.bias || other.bias }
    }
}

/// Classifies masks; those that many layers share once.
pub(super) struct Masks<'a> {
    pub(super) probe: Probe<'a>,
    known: FxHashMap<Term, MaskFacts>,
}

impl<'a> Masks<'a> {
    pub(super) fn new(probe: Probe<'a>) -> Self {
        Self { probe, known: FxHashMap::default() }
    }

    pub(super) fn classify(&mut self, term: &Term) -> MaskFacts {
        if let Some(&facts) = self.known.get(term) {
            return facts;
        }
        self.probe.next_question();
        let facts = Pattern::of(&mut self.probe, term).facts(&self.probe, term);
        self.known.insert(term.clone(), facts);
        facts
    }
}

/// What one pair of query and key sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    Seen,
    Hidden,
    Unknown,
}

/// What was seen at the probed pairs.
#[derive(Debug, Default)]
struct Pattern {
    pairs: Vec<(u64, u64, Sight)>,
    rows: u64,
    columns: u64,
    taint: Taint,
    /// Numbers of ordinary size that differ from pair to pair.
    varies: bool,
    /// Last key that the first query sees, where it does not see all.
    first_row_end: Option<u64>,
    /// First key that the last query sees, where it does not see all.
    last_row_start: Option<u64>,
}

/// Axes other than those of queries and keys are looked at where they begin and where they end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    First,
    Last,
}

impl Pattern {
    fn of(probe: &mut Probe, term: &Term) -> Self {
        let [query, key] = term.axes;
        let (Some(&rows), Some(&columns)) = (term.shape.get(query), term.shape.get(key)) else {
            return Self::default();
        };
        if term.shape.contains(&0) {
            return Self { rows, columns, ..Self::default() };
        }
        let mut pattern = Self { rows, columns, ..Self::default() };
        if rows == 0 || columns == 0 {
            return pattern;
        }
        let spots = |extent: u64| {
            let mut spots = vec![0, 1, extent / 4, extent / 2, extent.saturating_sub(2), extent - 1];
            spots.retain(|&spot| spot < extent);
            spots.sort_unstable();
            spots.dedup();
            spots
        };
        let mut ordinary: Option<f64> = None;
        for place in [Place::First, Place::Last] {
            for row in spots(rows) {
                let mut near = spots(columns);
                near.extend([row, row + 1].iter().copied().filter(|&column| column < columns));
                near.extend((row + columns).checked_sub(rows).filter(|&column| column < columns));
                near.sort_unstable();
                near.dedup();
                for column in near {
                    let sample = sample(probe, term, place, row, column);
                    let sight = see(term.action, sample);
                    pattern.taint = pattern.taint.and(sample.taint);
                    if let (Sight::Seen, Some(value), false) =
                        (sight, sample.value, matches!(term.action, Action::Keep(_)))
                    {
                        pattern.varies |= ordinary.is_some_and(|known| (known - value).abs() > 1e-9);
                        ordinary = Some(value);
                    }
                    pattern.pairs.push((row, column, sight));
                }
            }
        }
        let mut look = |row, column| see(term.action, sample(probe, term, Place::First, row, column));
        if look(0, 0) == Sight::Seen && look(0, columns - 1) == Sight::Hidden {
            pattern.first_row_end = Some(boundary(0, columns - 1, |column| look(0, column) == Sight::Seen));
        }
        let end = (rows - 1 + pattern.first_row_end.unwrap_or(0)).min(columns - 1);
        if look(rows - 1, end) == Sight::Seen && look(rows - 1, 0) == Sight::Hidden {
            let last_hidden = boundary(0, end, |column| look(rows - 1, column) == Sight::Hidden);
            pattern.last_row_start = Some(last_hidden + 1);
        }
        pattern
    }

    fn facts(&self, probe: &Probe, term: &Term) -> MaskFacts {
        let any = |wanted: Sight| self.pairs.iter().any(|pair| pair.2 == wanted);
        let adds = !matches!(term.action, Action::Keep(_));
        let bias = adds && (self.varies || self.taint.has(Taint::LEARNED));
        let stated = if adds { MaskKind::Additive } else { MaskKind::Boolean };
        let padded = if self.taint.has(Taint::PADDING) { MaskKind::Padding } else { MaskKind::None };
        let (hidden, unknown) = (any(Sight::Hidden), any(Sight::Unknown));
        let facts = |kind, causal| MaskFacts { kind, causal, bias };
        if !hidden && !unknown {
            return facts(padded, false);
        }
        if unknown && !hidden && adds && self.is_stored_per_head(probe, term) {
            return MaskFacts { kind: MaskKind::None, causal: false, bias: true };
        }
        if !unknown && !any(Sight::Seen) {
            // Everything is hidden once the caller's mask is taken to be true: it says what to hide.
            return facts(if padded == MaskKind::Padding { padded } else { stated }, false);
        }
        if let (false, Some((kind, causal))) = (unknown || self.rows == 1, self.band()) {
            return facts(kind, causal);
        }
        facts(stated, self.rows > 1 && self.hides_what_follows())
    }

    /// A band along the diagonal: causal, causal with a window, or a window to both sides.
    fn band(&self) -> Option<(MaskKind, bool)> {
        let offset = self.columns.checked_sub(self.rows);
        let (end, start) = (self.first_row_end, self.last_row_start);
        let fits = |ahead: u64, behind: Option<u64>| {
            self.pairs.iter().all(|&(row, column, sight)| {
                let seen = column <= row + ahead && behind.is_none_or(|behind| column + behind >= row);
                seen == (sight == Sight::Seen)
            })
        };
        match (end, start) {
            (Some(end), None) => (end == 0 || Some(end) == offset || self.columns > self.rows)
                .then(|| fits(end, None).then_some((MaskKind::Causal, true)))?,
            (Some(end), Some(start)) => {
                let behind = (self.rows - 1).checked_sub(start);
                let causal = end == 0 || offset.is_some_and(|offset| offset > 0 && offset == end);
                // With keys before the first query, the first key that the last one sees may lie ahead of its number.
                let width = (self.rows + end).checked_sub(start)?;
                let matches = match behind {
                    Some(behind) => fits(end, Some(behind)),
                    None => self.pairs.iter().all(|&(row, column, sight)| {
                        let seen = column <= row + end && column + width > row + end;
                        seen == (sight == Sight::Seen)
                    }),
                };
                matches.then_some((MaskKind::Window(width), causal))
            }
            _ => None,
        }
    }

    /// No query sees a key that follows it, whatever else is hidden or not known.
    fn hides_what_follows(&self) -> bool {
        let offset = self.columns.saturating_sub(self.rows);
        let mut following = self.pairs.iter().filter(|&&(row, column, _)| column > row + offset).peekable();
        following.peek().is_some() && following.all(|pair| pair.2 == Sight::Hidden)
    }

    /// A tensor with a plane for each head, whose content the graph does not hold: masks are the same for all heads.
    fn is_stored_per_head(&self, probe: &Probe, term: &Term) -> bool {
        let Some(tensor) = probe.graph.tensor(term.value) else { return false };
        let own =
            |axis: usize| (axis + tensor.rank()).checked_sub(term.shape.len()).and_then(|at| tensor.shape.get(at));
        let head = term.axes[0].min(term.axes[1]).checked_sub(1);
        let per_head = head.and_then(own).is_some_and(|&extent| extent > 1);
        per_head && self.taint.has(Taint::STORED) && !self.taint.has(Taint::OPEN)
    }
}

/// The last place of a run that begins at `low`, where `holds` is true, and has ended at `high`.
fn boundary(mut low: u64, mut high: u64, mut holds: impl FnMut(u64) -> bool) -> u64 {
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

fn sample(probe: &mut Probe, term: &Term, place: Place, row: u64, column: u64) -> Sample {
    let [query, key] = term.axes;
    let mut point: Point =
        term.shape.iter().map(|&extent| if place == Place::First { 0 } else { extent - 1 }).collect();
    point[query] = row;
    point[key] = column;
    probe.operand(term.value, &point)
}

fn see(action: Action, sample: Sample) -> Sight {
    let Some(value) = sample.value else {
        let only_learned = sample.taint == Taint::LEARNED || sample.taint == Taint::LEARNED.and(Taint::PADDING);
        let is_number = !matches!(action, Action::Keep(_)) && only_learned;
        return if is_number { Sight::Seen } else { Sight::Unknown };
    };
    let seen = match action {
        Action::Add => value > HIDDEN,
        Action::Subtract => -value > HIDDEN,
        Action::Keep(when) => (value != 0.0) == when,
    };
    if seen { Sight::Seen } else { Sight::Hidden }
}

/// Whether a number that scores are replaced with hides them.
pub(super) fn hides(value: Option<f64>) -> bool {
    value.is_none_or(|value| value <= HIDDEN)
}

/// The action of a mask operand of an attention op: boolean ones say what is seen, others are added.
pub(super) fn operand_action(dtype: DType) -> Action {
    if dtype == DType::Bool { Action::Keep(true) } else { Action::Add }
}
