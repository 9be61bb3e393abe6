//! Nodes in an order in which each comes after what it reads, as near to the old order as that allows.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::document::{Document, Slot};

impl Document {
    /// Sorts the nodes. A model that cannot be sorted keeps its order, and reading it back says what is wrong.
    pub(crate) fn order(&mut self) {
        let makers = self.makers();
        let mut waiting: Vec<usize> = vec![0; self.slots.len()];
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); self.slots.len()];
        for (position, slot) in self.slots.iter().enumerate() {
            for name in slot.reads() {
                if let Some(&maker) = makers.get(name).filter(|&&maker| maker != position) {
                    waiting[position] += 1;
                    readers[maker].push(position);
                }
            }
        }
        let ready = waiting.iter().enumerate().filter(|(_, count)| **count == 0);
        let mut heap: BinaryHeap<Reverse<usize>> = ready.map(|(position, _)| Reverse(position)).collect();
        let mut order = Vec::with_capacity(self.slots.len());
        while let Some(Reverse(position)) = heap.pop() {
            order.push(position);
            for &reader in &readers[position] {
                waiting[reader] -= 1;
                if waiting[reader] == 0 {
                    heap.push(Reverse(reader));
                }
            }
        }
        if order.len() != self.slots.len() {
            return;
        }
        let mut slots: HashMap<usize, Slot> = std::mem::take(&mut self.slots).into_iter().enumerate().collect();
        self.slots = order.into_iter().filter_map(|position| slots.remove(&position)).collect();
    }
}
