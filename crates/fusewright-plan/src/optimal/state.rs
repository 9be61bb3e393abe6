//! A state of the search: what a partial partition means for the nodes that are still to come.

use smallvec::SmallVec;

use super::priced::DraftId;

/// Drafts that may be open at once: one bit each.
pub(super) const MOST_OPEN: usize = 32;

/// A node whose kernel is closed.
pub(super) const CLOSED: u8 = u8::MAX;

/// Sets of open drafts.
pub(super) type Mask = u32;

/// Part of a state that decides what may still happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Outlook {
    /// The drafts that nodes may still join.
    pub(super) open: SmallVec<[DraftId; 6]>,
    /// Per open draft, the open drafts that it reads from.
    pub(super) direct: SmallVec<[Mask; 6]>,
    /// Per open draft, the open drafts that it depends on through closed kernels.
    pub(super) via: SmallVec<[Mask; 6]>,
    /// Per node with readers to come, the open draft that holds it.
    pub(super) place: SmallVec<[u8; 16]>,
    /// Per such node in a closed kernel, the open drafts that the kernel depends on.
    pub(super) past: SmallVec<[Mask; 16]>,
}

/// A partial partition.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) outlook: Outlook,
    /// Price of the closed kernels.
    pub(super) cost: f64,
    /// The last closed kernel, and through it all others: a position in the history.
    pub(super) history: u32,
}

impl Outlook {
    /// Whether drafts and a node that depends on `through` by closed kernels may be one kernel: no path may leave them
    /// and come back.
    pub(super) fn is_convex(&self, united: Mask, reads: Mask, through: Mask) -> bool {
        let (mut direct, mut via) = (reads, through);
        for at in members(united) {
            direct |= self.direct[at];
            via |= self.via[at];
        }
        if via & united != 0 {
            return false;
        }
        let mut seen: Mask = 0;
        let mut next = (direct | via) & !united;
        while next != 0 {
            seen |= next;
            let mut behind: Mask = 0;
            for at in members(next) {
                behind |= self.direct[at] | self.via[at];
            }
            if behind & united != 0 {
                return false;
            }
            next = behind & !seen;
        }
        true
    }

    /// Puts a draft in the place of those that it unites.
    pub(super) fn unite(&mut self, united: Mask, draft: DraftId, reads: Mask, through: Mask) -> u8 {
        let (mut direct, mut via) = (reads, through);
        for at in members(united) {
            direct |= self.direct[at];
            via |= self.via[at];
        }
        self.open.push(draft);
        self.direct.push(direct & !united);
        self.via.push(via & !united);
        let new = self.open.len() - 1;
        let all: Mask = (1 << new) - 1;
        let kept = all & !united;
        for mask in self.direct[..new].iter_mut().chain(&mut self.via[..new]).chain(&mut self.past) {
            if *mask & united != 0 {
                *mask = *mask & kept | 1 << new;
            }
        }
        for place in &mut self.place {
            if *place != CLOSED && united >> *place & 1 == 1 {
                *place = u8::try_from(new).unwrap_or(CLOSED);
            }
        }
        self.keep(kept | 1 << new);
        u8::try_from(self.open.len() - 1).unwrap_or(CLOSED)
    }

    /// Closes a draft: what depends on it depends on what it depends on.
    pub(super) fn close(&mut self, at: usize) {
        let bit: Mask = 1 << at;
        let behind = self.direct[at] | self.via[at];
        for other in (0..self.open.len()).filter(|&other| other != at) {
            if (self.direct[other] | self.via[other]) & bit != 0 {
                self.direct[other] &= !bit;
                self.via[other] |= behind;
            }
        }
        for (place, past) in self.place.iter_mut().zip(&mut self.past) {
            if usize::from(*place) == at {
                (*place, *past) = (CLOSED, behind);
            } else if *past & bit != 0 {
                *past = *past & !bit | behind;
            }
        }
        let all: Mask = if self.open.len() >= MOST_OPEN { Mask::MAX } else { (1 << self.open.len()) - 1 };
        self.keep(all & !bit);
    }

    /// Drops the drafts that are not in `kept` and renumbers the others in their order.
    fn keep(&mut self, kept: Mask) {
        let number = |mask: Mask| {
            let mut renumbered: Mask = 0;
            for at in members(mask & kept) {
                renumbered |= 1 << (kept & ((1 << at) - 1)).count_ones();
            }
            renumbered
        };
        let mut to = 0;
        for at in 0..self.open.len() {
            if kept >> at & 1 == 1 {
                self.open[to] = self.open[at];
                self.direct[to] = number(self.direct[at]);
                self.via[to] = number(self.via[at]);
                to += 1;
            }
        }
        self.open.truncate(to);
        self.direct.truncate(to);
        self.via.truncate(to);
        for (place, past) in self.place.iter_mut().zip(&mut self.past) {
            if *place == CLOSED {
                *past = number(*past);
            } else {
                *place = u8::try_from((kept & ((1 << *place) - 1)).count_ones()).unwrap_or(CLOSED);
            }
        }
    }
}

/// The positions in a set.
pub(super) fn members(mask: Mask) -> impl Iterator<Item = usize> {
    let mut left = mask;
    std::iter::from_fn(move || {
        let at = left.trailing_zeros();
        if left == 0 {
            return None;
        }
        left &= left - 1;
        Some(at as usize)
    })
}
