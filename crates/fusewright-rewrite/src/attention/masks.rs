//! Masks and biases of an attention as one tensor `[batch or 1, heads or 1, queries, keys]` that is added to the scores.

use std::collections::HashMap;

use super::constants::{Known, Says, says};
use super::fills::Fills;
use super::scores::{Action, Reason, Steps, Term};
use crate::document::{Document, Slot};
use crate::emit::{Emitter, Place};
use crate::lengths::{Length, shape};
use crate::recipe::{Extent, told};

/// ONNX Runtime takes rows of a standard `Attention` that hold nothing but the lowest number of single precision for rows
/// that see no key and gives zeros, where a softmax weighs all keys alike. Numbers from here on are no such numbers.
pub(super) const LOWEST: f64 = -1e38;
/// What is written instead: it hides as well, and the sum of several stays a number.
const LOW: f64 = -1e30;

/// Where the length of queries and keys can be read when the model runs: a value and its axis.
pub(super) struct Lengths<'a> {
    pub(super) queries: (&'a str, i64),
    pub(super) keys: (&'a str, i64),
}

/// One mask at both sizes.
#[derive(Clone, Debug)]
struct Mask {
    source: String,
    action: Action,
    /// Extents, padded on the left to as many axes as the scores have.
    shape: Vec<Extent>,
    scores: Vec<Extent>,
    batch_axes: usize,
    /// Axes that it has itself.
    rank: usize,
    /// It holds the lowest number, and depends on what the caller gives.
    lowest: bool,
}

/// The masks of an attention.
#[derive(Clone, Debug)]
pub(super) struct Masks {
    terms: Vec<Mask>,
    batch: Extent,
    heads: u64,
    queries: Extent,
    keys: Extent,
    /// Its one mask is part of the file and hides what follows.
    causal: bool,
}

/// Tensors that were made for an attention before, by what they were made of.
pub(super) type Made = HashMap<String, String>;

impl Masks {
    /// Finds the tensors that the terms of both readings are.
    pub(super) fn of(
        document: &Document,
        fills: &Fills,
        known: &mut Known,
        first: &Steps,
        second: &Steps,
    ) -> Result<Self, Reason> {
        let makers = document.makers();
        let mut masks = Vec::new();
        if first.terms.len() != second.terms.len() {
            return Err("its masks depend on sizes");
        }
        let mut causal = 0;
        for (one, two) in first.terms.iter().zip(&second.terms) {
            let mut mask = Mask::of(document, &makers, one, two)?;
            mask.lowest = one.varies && fills.is_lowest(&mask.source);
            match says(document, fills, known, &mask.source, one) {
                Says::Nothing => continue,
                Says::Causal => causal += 1,
                Says::Other => {}
            }
            masks.push(mask);
        }
        Ok(Self {
            causal: causal == 1 && masks.len() == 1,
            terms: masks,
            batch: (first.batch, second.batch),
            heads: first.heads,
            queries: (first.queries, second.queries),
            keys: (first.keys, second.keys),
        })
    }

    /// No score becomes −∞ by them, so that no row is without one that counts.
    pub(super) fn are_finite(&self, fills: &Fills) -> bool {
        self.terms.iter().all(|mask| match mask.action {
            Action::Add => fills.is_finite(&mask.source),
            Action::Keep { otherwise, .. } => otherwise.is_finite(),
        })
    }

    pub(super) fn is_causal(&self) -> bool {
        self.causal
    }

    pub(super) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Adds the nodes that make the one tensor; gives its name.
    ///
    /// Where `raised`, finite numbers that hide stay above [`LOWEST`].
    pub(super) fn emit(
        &self,
        emitter: &mut Emitter,
        place: &Place,
        lengths: &Lengths<'_>,
        raised: bool,
        made: &mut Made,
    ) -> Result<String, Reason> {
        let mut sum: Option<String> = None;
        let mut key = String::new();
        for mask in &self.terms {
            let name = mask.emit(emitter, place, self, lengths, raised, made)?;
            key = format!("{key}+{name}");
            sum = Some(match (sum, made.get(&key)) {
                (None, _) => name,
                (Some(_), Some(known)) => known.clone(),
                (Some(sum), None) => emitter.node(place, ("", "Add"), &[&sum, &name], Vec::new(), None),
            });
            if let Some(sum) = &sum {
                made.insert(key.clone(), sum.clone());
            }
        }
        let sum = sum.ok_or("it has no masks")?;
        let axis = |from_end: usize, extent: Extent| {
            self.terms.iter().any(|mask| mask.axis(from_end) == extent) || extent == (1, 1)
        };
        let (wide, tall) = (axis(1, self.keys), axis(2, self.queries));
        let deep = self.terms.iter().any(Mask::is_four);
        if wide && tall && deep {
            return Ok(sum);
        }
        let key = format!("{sum}@{:?}x{:?}", self.queries, self.keys);
        if let Some(known) = made.get(&key) {
            return Ok(known.clone());
        }
        let rows = if tall { Length::Fixed(1) } else { Length::of(self.queries, lengths.queries) };
        let columns = if wide { Length::Fixed(1) } else { Length::of(self.keys, lengths.keys) };
        let shape = shape(emitter, place, &[Length::Fixed(1), Length::Fixed(1), rows, columns]);
        let name = emitter.node(place, ("", "Expand"), &[&sum, &shape], Vec::new(), None);
        made.insert(key, name.clone());
        Ok(name)
    }
}

impl Mask {
    fn of(document: &Document, makers: &HashMap<&str, usize>, one: &Term, two: &Term) -> Result<Self, Reason> {
        let same = one.step == two.step && one.action == two.action && one.scores_at == two.scores_at;
        if !same || one.batch_axes != two.batch_axes || one.shape.len() != two.shape.len() {
            return Err("its masks depend on sizes");
        }
        let slot = makers.get(one.step.as_str()).and_then(|&at| document.slots.get(at)).map(Slot::node);
        let node = slot.ok_or("its mask is applied inside a function")?;
        let at = match one.action {
            Action::Add if node.is("Add") && node.inputs.len() == 2 => 1 - one.scores_at.min(1),
            Action::Keep { .. } if node.is("Where") => 0,
            _ => return Err("its mask is applied by an unusual node"),
        };
        let source = node.inputs.get(at).cloned().ok_or("its mask has no name")?;
        let rank = one.shape.len();
        let missing = one.scores.len().checked_sub(rank).ok_or("its mask has more axes than its scores")?;
        let own = one.shape.iter().copied().zip(two.shape.iter().copied());
        let shape: Vec<Extent> = std::iter::repeat_n((1, 1), missing).chain(own).collect();
        let scores: Vec<Extent> = one.scores.iter().copied().zip(two.scores.iter().copied()).collect();
        let fits = shape.iter().zip(&scores).all(|(own, all)| own == all || *own == (1, 1));
        if !fits {
            return Err("its mask is larger than its scores");
        }
        Ok(Self { source, action: one.action, shape, scores, batch_axes: one.batch_axes, rank, lowest: false })
    }

    /// Extent of an axis, counted from the end from 1.
    fn axis(&self, from_end: usize) -> Extent {
        self.shape.len().checked_sub(from_end).and_then(|at| self.shape.get(at).copied()).unwrap_or((1, 1))
    }

    /// Its emitted form has four axes.
    fn is_four(&self) -> bool {
        self.rank >= 4 || self.splits_lead()
    }

    /// Batch and heads are one axis of it.
    fn splits_lead(&self) -> bool {
        self.batch_axes == 0 && self.axis(3) != (1, 1)
    }

    /// As something to add, with at most four axes.
    fn emit(
        &self,
        emitter: &mut Emitter,
        place: &Place,
        all: &Masks,
        lengths: &Lengths<'_>,
        raised: bool,
        made: &mut Made,
    ) -> Result<String, Reason> {
        let key = format!("{}:{:?}:{:?}", self.source, self.action, self.scores);
        if let Some(known) = made.get(&key) {
            return Ok(known.clone());
        }
        let mut name = self.source.clone();
        if let Action::Keep { when, otherwise } = self.action {
            let low = raised && otherwise.is_finite() && otherwise < LOWEST;
            let (seen, hidden) = (emitter.number(0.0), emitter.number(if low { LOW } else { otherwise }));
            let (yes, no) = if when { (&seen, &hidden) } else { (&hidden, &seen) };
            name = emitter.node(place, ("", "Where"), &[&name, yes, no], Vec::new(), None);
        }
        if raised && self.lowest && self.action == Action::Add {
            let low = emitter.number(LOW);
            name = emitter.node(place, ("", "Max"), &[&name, &low], Vec::new(), None);
        }
        if self.splits_lead() {
            let to = [all.batch, (all.heads, all.heads), self.axis(2), self.axis(1)];
            let shape = if let Some(told) = told(&self.shape, &to) {
                emitter.ints(&told)
            } else {
                // Its rows and columns are those of the scores, or one for all.
                let batch = Length::of(all.batch, (lengths.queries.0, 0));
                let (rows, columns) = (Length::of(to[2], lengths.queries), Length::of(to[3], lengths.keys));
                shape(emitter, place, &[batch, Length::Fixed(all.heads), rows, columns])
            };
            name = emitter.node(place, ("", "Reshape"), &[&name, &shape], Vec::new(), None);
        } else if self.rank > 4 {
            name = self.four_axes(emitter, place, name, all, lengths)?;
        }
        made.insert(key, name.clone());
        Ok(name)
    }

    /// Several axes of batch as one: windows, of which each picture has as many.
    fn four_axes(
        &self,
        emitter: &mut Emitter,
        place: &Place,
        name: String,
        all: &Masks,
        lengths: &Lengths<'_>,
    ) -> Result<String, Reason> {
        let (batch, own) = (&self.scores[..self.batch_axes], &self.shape[..self.batch_axes]);
        let rest = [self.axis(3), self.axis(2), self.axis(1)];
        let mut name = name;
        let lead = if own.iter().all(|&extent| extent == (1, 1)) {
            (1, 1)
        } else {
            if own != batch {
                // The leading axis repeats what the others say.
                let (&first, inner) = batch.split_first().ok_or("its mask has no batch")?;
                if own.get(1..) != Some(inner) || inner.iter().any(|(one, two)| one != two) {
                    return Err("its mask repeats along inner axes");
                }
                let count = inner.iter().fold(1, |product: u64, (extent, _)| product.saturating_mul(*extent));
                let first = match first {
                    (one, two) if one == two => Length::Fixed(one),
                    _ => Length::Part { of: (lengths.queries.0, 0), by: count },
                };
                let mut sizes = vec![first];
                sizes.extend(std::iter::repeat_n(Length::Fixed(1), self.shape.len() - 1));
                let shape = shape(emitter, place, &sizes);
                name = emitter.node(place, ("", "Expand"), &[&name, &shape], Vec::new(), None);
            }
            all.batch
        };
        let to = [lead, rest[0], rest[1], rest[2]];
        let shape = told(&[], &to).ok_or("its mask has several open axes")?;
        let shape = emitter.ints(&shape);
        Ok(emitter.node(place, ("", "Reshape"), &[&name, &shape], Vec::new(), None))
    }
}
