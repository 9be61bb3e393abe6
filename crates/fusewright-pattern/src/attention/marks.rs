//! Which values a walk has been at, without a new list for each walk.

use std::cell::{Cell, RefCell};

use fusewright_ir::{Graph, ValueId};

/// One mark per value; a walk has its own number, and only marks with this number count.
pub(super) struct Marks {
    stamps: RefCell<Vec<u32>>,
    walks: Cell<u32>,
}

impl Marks {
    pub(super) fn new(graph: &Graph) -> Self {
        Self { stamps: RefCell::new(vec![0; graph.value_count()]), walks: Cell::new(0) }
    }

    /// Begins a walk; marks of earlier walks no longer count, and earlier walks must not go on.
    pub(super) fn walk(&self) -> Walked<'_> {
        if self.walks.get() == u32::MAX {
            self.stamps.borrow_mut().fill(0);
            self.walks.set(0);
        }
        self.walks.set(self.walks.get() + 1);
        Walked { marks: self, walk: self.walks.get() }
    }
}

/// The values that one walk has been at.
#[derive(Clone, Copy)]
pub(super) struct Walked<'a> {
    marks: &'a Marks,
    walk: u32,
}

impl Walked<'_> {
    /// Marks a value; false if it was marked already.
    pub(super) fn enter(self, value: ValueId) -> bool {
        let mut stamps = self.marks.stamps.borrow_mut();
        std::mem::replace(&mut stamps[value.index()], self.walk) != self.walk
    }

    pub(super) fn has(self, value: ValueId) -> bool {
        self.marks.stamps.borrow()[value.index()] == self.walk
    }
}
