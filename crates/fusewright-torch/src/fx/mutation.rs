//! Which tensors share memory, and which of them a write has changed.
//!
//! The IR has no writes: an op that changes its operand makes a new value, and from then on every name of the old one
//! means the new one. A write through a view also makes a new value of what the view is a part of, level by level down
//! to the tensor that owns the memory; every other view of that memory is out of date from then on. What is out of date
//! is taken from its base again when somebody reads it, and not before.
//!
//! A tensor here is what all names and versions of it have in common; it is known by the position in a table.

use std::collections::HashMap;

use fusewright_ir::ops::{Copy, Pointwise, View};
use fusewright_ir::{Op, Type, ValueId};

/// A tensor's position in the table.
pub(super) type Slot = usize;

/// How a tensor comes out of another one in the same memory.
#[derive(Clone, Debug)]
pub(super) enum Link {
    /// By a view with one result.
    View(Box<View>),
    /// In a way that has no counterpart.
    Unknown,
}

/// Tensors, their versions, and the memory that they share.
#[derive(Debug, Default)]
pub(super) struct Mutations {
    tensors: Vec<Tensor>,
    /// The tensor that a value is a name or a version of. What is missing has no other names yet.
    slots: HashMap<ValueId, Slot>,
    memories: Vec<Memory>,
    /// Some tensor may be out of date.
    stale: bool,
}

#[derive(Clone, Debug)]
struct Tensor {
    newest: ValueId,
    /// The version of the memory that the newest value shows.
    version: u64,
    base: Option<(Slot, Link)>,
    memory: usize,
    last_read: usize,
}

/// A piece of memory.
#[derive(Debug)]
struct Memory {
    /// How often it was written to.
    version: u64,
    /// The two tensors in it that are read last.
    readers: [Option<Read>; 2],
}

/// A tensor and the position of the node that reads it last.
#[derive(Clone, Copy, Debug)]
struct Read {
    tensor: Slot,
    position: usize,
}

impl Mutations {
    /// What a name of `value` means now.
    pub(super) fn current(&self, value: ValueId) -> ValueId {
        let newest = self.slots.get(&value).and_then(|&slot| self.tensors.get(slot)).map(|tensor| tensor.newest);
        // Ids grow with time: a name given after the last write means that name's own value.
        newest.filter(|&newest| newest > value).unwrap_or(value)
    }

    /// True unless every tensor is known to be up to date.
    pub(super) fn any_stale(&self) -> bool {
        self.stale
    }

    /// The tensor that a value belongs to. What no node made is read by whoever holds the model, after its last node.
    pub(super) fn slot(&mut self, value: ValueId) -> Slot {
        match self.slots.get(&value) {
            Some(&slot) => slot,
            None => self.add(value, None, usize::MAX),
        }
    }

    fn add(&mut self, value: ValueId, base: Option<(Slot, Link)>, last_read: usize) -> Slot {
        let slot = self.tensors.len();
        let shared = base.as_ref().and_then(|(base, _)| self.tensors.get(*base)).map(|base| base.memory);
        let memory = shared.unwrap_or_else(|| self.new_memory());
        let version = self.memories.get(memory).map_or(0, |memory| memory.version);
        self.tensors.push(Tensor { newest: value, version, base, memory, last_read });
        self.slots.insert(value, slot);
        self.note_read(slot);
        slot
    }

    fn new_memory(&mut self) -> usize {
        self.memories.push(Memory { version: 0, readers: [None; 2] });
        self.memories.len().saturating_sub(1)
    }

    /// Notes the results of a node, which are read last at `last_read`. The first operand's memory is `shared` if the
    /// op is one that can do without a copy.
    pub(super) fn record(&mut self, op: &Op, inputs: &[ValueId], outputs: &[ValueId], shared: bool, last_read: usize) {
        for (index, &output) in outputs.iter().enumerate() {
            let slot = match (op, inputs.first()) {
                (Op::View(view), Some(&first)) if matches!(**view, View::Alias) => {
                    let input = inputs.get(index).copied().unwrap_or(first);
                    self.name(output, input)
                }
                (Op::View(view), Some(&input)) if shared => {
                    let base = self.slot(input);
                    self.add(output, Some((base, Link::View(Box::new(part(view, index))))), last_read)
                }
                (Op::Pointwise(Pointwise::Dropout { .. }), Some(&input)) if shared => self.name(output, input),
                (Op::Copy(copy), Some(&input)) if shared && matches!(**copy, Copy::Contiguous | Copy::Cast { .. }) => {
                    self.name(output, input)
                }
                (Op::Opaque(opaque), Some(&input)) if describes_memory(&opaque.name) => {
                    let base = self.slot(input);
                    self.add(output, Some((base, Link::Unknown)), last_read)
                }
                _ => self.add(output, None, last_read),
            };
            self.read_at(slot, last_read);
        }
    }

    /// `output` is another name of `input`.
    fn name(&mut self, output: ValueId, input: ValueId) -> Slot {
        let slot = self.slot(input);
        self.slots.insert(output, slot);
        slot
    }

    fn note_read(&mut self, slot: Slot) {
        let Some(tensor) = self.tensors.get(slot) else { return };
        let Some(memory) = self.memories.get_mut(tensor.memory) else { return };
        let read = Read { tensor: slot, position: tensor.last_read };
        let [first, second] = &mut memory.readers;
        if first.is_none_or(|known| known.tensor == slot || known.position < read.position) {
            if first.is_some_and(|known| known.tensor != slot) {
                *second = *first;
            }
            *first = Some(read);
        } else if second.is_none_or(|known| known.tensor == slot || known.position < read.position) {
            *second = Some(read);
        }
    }

    /// A tensor is read by the node at `position`.
    pub(super) fn read_at(&mut self, slot: Slot, position: usize) {
        if let Some(tensor) = self.tensors.get_mut(slot) {
            tensor.last_read = tensor.last_read.max(position);
        }
        self.note_read(slot);
    }

    /// Another tensor in the same memory is read after the node at `position`.
    pub(super) fn others_are_read(&self, slot: Slot, position: usize) -> bool {
        let memory = self.tensors.get(slot).and_then(|tensor| self.memories.get(tensor.memory));
        let mut readers = memory.map(|memory| memory.readers).unwrap_or_default().into_iter().flatten();
        readers.any(|read| read.tensor != slot && read.position > position)
    }

    /// The memory of a tensor is from now on nobody else's concern.
    pub(super) fn separate(&mut self, slot: Slot) {
        let memory = self.new_memory();
        if let Some(tensor) = self.tensors.get_mut(slot) {
            (tensor.base, tensor.memory, tensor.version) = (None, memory, 0);
        }
        self.note_read(slot);
    }

    /// The memory of a tensor has been written to: every tensor in it is out of date.
    pub(super) fn outdate(&mut self, slot: Slot) {
        let memory = self.tensors.get(slot).map(|tensor| tensor.memory);
        if let Some(memory) = memory.and_then(|memory| self.memories.get_mut(memory)) {
            memory.version = memory.version.saturating_add(1);
            self.stale = true;
        }
    }

    /// `value` is what a tensor holds now.
    pub(super) fn set(&mut self, slot: Slot, value: ValueId) {
        self.slots.insert(value, slot);
        if let Some(tensor) = self.tensors.get_mut(slot) {
            tensor.newest = value;
        }
        self.refreshed(slot);
    }

    /// A tensor is as good as it gets.
    pub(super) fn refreshed(&mut self, slot: Slot) {
        if let Some(tensor) = self.tensors.get_mut(slot) {
            tensor.version = self.memories.get(tensor.memory).map_or(0, |memory| memory.version);
        }
    }

    /// A tensor whose memory was written to since it was made.
    pub(super) fn is_stale(&self, slot: Slot) -> bool {
        let Some(tensor) = self.tensors.get(slot) else { return false };
        self.memories.get(tensor.memory).is_some_and(|memory| memory.version != tensor.version)
    }

    /// The newest value of a tensor.
    pub(super) fn newest(&self, slot: Slot) -> Option<ValueId> {
        self.tensors.get(slot).map(|tensor| tensor.newest)
    }

    /// What a tensor is a view of, and how.
    pub(super) fn base(&self, slot: Slot) -> Option<(Slot, Link)> {
        self.tensors.get(slot).and_then(|tensor| tensor.base.clone())
    }

    /// A tensor gets another shape under its name: from now on it is a view of what it was.
    pub(super) fn reshape(&mut self, slot: Slot, view: &View, value: ValueId) {
        let Some(old) = self.tensors.get(slot).cloned() else { return };
        let before = self.tensors.len();
        self.tensors.push(old);
        if let Some(tensor) = self.tensors.get_mut(slot) {
            tensor.base = Some((before, Link::View(Box::new(part(view, 0)))));
        }
        self.set(slot, value);
    }
}

/// The view that gives one result of a view with several.
fn part(view: &View, index: usize) -> View {
    match view {
        View::Split { axis, sizes } => {
            let start = sizes.iter().take(index).fold(0_u64, |start, &size| start.saturating_add(size));
            let length = sizes.get(index).copied().unwrap_or_default();
            View::Slice { axis: *axis, start, length, step: 1 }
        }
        View::Unbind { axis } => View::Select { axis: *axis, index: index as u64 },
        view => view.clone(),
    }
}

/// A write into the view reaches each element of what it describes once.
pub(super) fn can_be_written(view: &View, base: &Type, part: &Type) -> bool {
    match (view, base.as_tensor(), part.as_tensor()) {
        (View::Expand { .. }, Some(base), Some(part)) => base.elements() == part.elements(),
        _ => true,
    }
}

/// Functions without a counterpart whose result is in the memory of their operand.
fn describes_memory(name: &str) -> bool {
    const NAMES: [&str; 8] =
        ["as_strided", "diagonal", "unfold", "real", "imag", "view_as_complex", "view_as_real", "set_"];
    let name = name.strip_prefix("torch.ops.aten.").map_or(name, |name| name.split('.').next().unwrap_or(name));
    NAMES.contains(&name.rsplit('.').next().unwrap_or(name))
}
