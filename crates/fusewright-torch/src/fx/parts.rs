//! Rows of a parameter that only projections read: how code opens a packed Q/K/V weight.
//!
//! Such a slice is no work and no node. It becomes a part of the parameter, as the decomposition of attention layers
//! makes them, so that a packed weight looks the same whoever opened it.

use fusewright_ir::ops::View;
use fusewright_ir::{Op, Origin, TensorType, Type, ValueId};

use super::read::Reader;

impl Reader<'_> {
    /// The part that the call at `position` stands for, where it is nothing else.
    pub(super) fn part(
        &mut self,
        position: usize,
        op: &Op,
        inputs: &[ValueId],
        types: &[TensorType],
    ) -> Option<ValueId> {
        let (Op::View(view), &[whole], [ty]) = (op, inputs, types) else { return None };
        let View::Slice { axis: 0, start, length, step: 1 } = **view else { return None };
        if !self.env.references.only_projects(position) || self.env.graph.value(whole).origin != Origin::Parameter {
            return None;
        }
        let end = start.saturating_add(length);
        let name = format!("{}[{start}:{end}]", self.env.graph.value_name(whole));
        let ty = TensorType { strides: None, ..ty.clone() };
        let name = self.names.unique(&name);
        Some(self.env.graph.add_source(&name, Type::Tensor(ty), Origin::Part { of: whole, start }))
    }
}
