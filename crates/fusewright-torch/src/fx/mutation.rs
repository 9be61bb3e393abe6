//! Writes in place. The IR has none: an op that changes its operand makes a new value, and from then on every name of
//! the old one means the new one.
//!
//! `y = x.relu_()` gives a value y; a later `x + 1` reads y. Names that stand for the same tensor (`detach`, identity
//! modules) follow along. Other views of the same memory do not; when one of them is read later, the reader is told.

use std::collections::HashMap;

use fusewright_ir::ops::{Pointwise, View};
use fusewright_ir::{Op, ValueId};

/// Which values are versions or views of which.
#[derive(Debug, Default)]
pub(super) struct Mutations {
    /// A value that is another name or a later version of a tensor, with the first value of that tensor.
    first: HashMap<ValueId, ValueId>,
    /// The newest version of a tensor, by its first value.
    newest: HashMap<ValueId, ValueId>,
    /// A view, with the tensor whose memory it describes.
    memory: HashMap<ValueId, ValueId>,
    /// By the owner of memory, the two tensors in it that are read last.
    readers: HashMap<ValueId, [Option<Read>; 2]>,
    /// Where each tensor is read last.
    reads: HashMap<ValueId, usize>,
}

/// A tensor and the position of the node that reads it last.
#[derive(Clone, Copy, Debug)]
struct Read {
    tensor: ValueId,
    position: usize,
}

impl Mutations {
    /// What a name of `value` means now.
    pub(super) fn current(&self, value: ValueId) -> ValueId {
        // Ids grow with time: a name given after the last write means that name's own value.
        self.newest.get(&self.tensor(value)).copied().filter(|&newest| newest > value).unwrap_or(value)
    }

    fn tensor(&self, value: ValueId) -> ValueId {
        self.first.get(&value).copied().unwrap_or(value)
    }

    fn owner(&self, value: ValueId) -> ValueId {
        let tensor = self.tensor(value);
        self.memory.get(&tensor).copied().unwrap_or(tensor)
    }

    /// Notes the results of a node, which are read last at `last_read`.
    pub(super) fn record(&mut self, op: &Op, inputs: &[ValueId], outputs: &[ValueId], last_read: usize) {
        for (index, &output) in outputs.iter().enumerate() {
            match (op, inputs.first()) {
                (Op::View(view), _) if matches!(**view, View::Alias) => {
                    if let Some(&input) = inputs.get(index) {
                        self.first.insert(output, self.tensor(input));
                    }
                }
                (Op::Pointwise(Pointwise::Dropout { training: false, .. }), Some(&input)) => {
                    self.first.insert(output, self.tensor(input));
                }
                (Op::View(_), Some(&input)) => {
                    let owner = self.owner(input);
                    self.memory.insert(output, owner);
                    self.note_read(owner, owner);
                }
                _ => {}
            }
            let tensor = self.tensor(output);
            let position = self.reads.entry(tensor).or_insert(last_read);
            *position = last_read.max(*position);
            self.note_read(self.owner(output), tensor);
        }
    }

    fn note_read(&mut self, owner: ValueId, tensor: ValueId) {
        let read = Read { tensor, position: self.reads.get(&tensor).copied().unwrap_or(0) };
        let [first, second] = self.readers.entry(owner).or_default();
        if first.is_none_or(|known| known.tensor == tensor || known.position < read.position) {
            if first.is_some_and(|known| known.tensor != tensor) {
                *second = *first;
            }
            *first = Some(read);
        } else if second.is_none_or(|known| known.tensor == tensor || known.position < read.position) {
            *second = Some(read);
        }
    }

    /// Notes that the node at `position` wrote `result` into `target`. True when another view of that memory is read
    /// later, which the graph cannot express.
    pub(super) fn write(&mut self, target: ValueId, result: ValueId, position: usize) -> bool {
        let tensor = self.tensor(target);
        let readers = self.readers.get(&self.owner(target)).copied().unwrap_or_default();
        self.first.insert(result, tensor);
        self.newest.insert(tensor, result);
        readers.into_iter().flatten().any(|read| read.tensor != tensor && read.position > position)
    }
}
