//! Writes in place as ops: new versions of what was written to, and of what that is a part of.

use fusewright_ir::ops::{Copy, Gather, Opaque, Pointwise, Scatter, View};
use fusewright_ir::{DType, Form, Op, TensorType, Type, ValueId};
use smallvec::smallvec;

use super::FxError;
use super::arguments::{Built, Call, Inputs};
use super::functions::{Target, fit, named};
use super::mutation::{Link, Slot, can_be_written};
use super::read::Reader;
use super::schema::{Arg, NodeEntry, Opcode};
use super::values::{Held, Known, Operand};

/// What a write that the graph does not show means for who reads the memory later.
const LOST: &str =
    "it writes into memory that a later node reads through another view; that node is given the value from before";

impl<'d> Reader<'d> {
    /// Brings up to date what a node reads.
    pub(super) fn refresh(&mut self, node: &'d NodeEntry) {
        if !self.env.mutations.any_stale() || matches!(node.op, Opcode::Placeholder | Opcode::GetAttr) {
            return;
        }
        let form = if node.op == Opcode::CallMethod { Form::Method } else { Form::Function };
        for value in self.read_by(node) {
            let slot = self.env.mutations.slot(value);
            if self.env.mutations.is_stale(slot) {
                self.derive(node, form, slot);
            }
        }
    }

    /// Every value that a node reads.
    fn read_by(&self, node: &'d NodeEntry) -> Vec<ValueId> {
        let form = if node.op == Opcode::CallMethod { Form::Method } else { Form::Function };
        self.host_operands(node, Target::of(form, &node.target))
    }

    /// Takes a tensor from its base again, and that from its own.
    fn derive(&mut self, node: &NodeEntry, form: Form, slot: Slot) {
        let mut path = Vec::new();
        let mut next = slot;
        while self.env.mutations.is_stale(next) {
            let Some((base, link)) = self.env.mutations.base(next) else { break };
            path.push((next, base, link));
            next = base;
        }
        for (slot, base, link) in path.into_iter().rev() {
            let derived = match (link, self.env.mutations.newest(base)) {
                (Link::View(view), Some(base)) => {
                    self.add_step(node, form, "view", Op::View(view), smallvec![base]).ok()
                }
                _ => None,
            };
            if let Some(value) = derived {
                self.env.mutations.set(slot, value);
                continue;
            }
            self.env.mutations.refreshed(slot);
            let text = "it reads memory through a view that cannot be taken again after a write; it is given the value \
                from before";
            self.warn(node, text.to_owned());
        }
    }

    /// The node at `position` has changed `target`, which is `result` from now on.
    pub(super) fn wrote(&mut self, position: usize, node: &NodeEntry, form: Form, target: ValueId, result: ValueId) {
        let slot = self.env.mutations.slot(target);
        self.env.mutations.set(slot, result);
        let last_use = self.env.references.last_use(position);
        self.env.mutations.read_at(slot, last_use);
        if !self.env.mutations.others_are_read(slot, position) {
            self.env.mutations.separate(slot);
        } else if self.affords(1) && self.reaches_owner(slot) {
            self.env.mutations.outdate(slot);
            self.env.mutations.refreshed(slot);
            self.write_back(node, form, slot, result);
        } else {
            self.env.mutations.separate(slot);
            self.warn(node, LOST.to_owned());
        }
    }

    /// Every level from a tensor to the owner of its memory can be written to.
    fn reaches_owner(&self, slot: Slot) -> bool {
        let (graph, mutations) = (&self.env.graph, &self.env.mutations);
        let mut part = slot;
        let mut levels = 0_usize;
        while let Some((base, link)) = mutations.base(part) {
            let types = mutations.newest(base).zip(mutations.newest(part));
            let types = types.map(|(base, part)| (&graph.value(base).ty, &graph.value(part).ty));
            match (link, types) {
                (Link::View(view), Some((whole, piece))) if can_be_written(&view, whole, piece) => part = base,
                _ => return false,
            }
            levels = levels.saturating_add(1);
            if !self.affords(levels) {
                return false;
            }
        }
        true
    }

    /// Writes a part into what it is a part of, and that into its own base.
    fn write_back(&mut self, node: &NodeEntry, form: Form, part: Slot, value: ValueId) {
        let (mut part, mut value) = (part, value);
        while let Some((base, Link::View(view))) = self.env.mutations.base(part) {
            let Some(whole) = self.env.mutations.newest(base) else { return };
            let op = Op::Scatter(Scatter::Write { view });
            match self.add_step(node, form, "write", op, smallvec![whole, value]) {
                Ok(written) => {
                    self.env.mutations.set(base, written);
                    (part, value) = (base, written);
                }
                Err(_) => return self.warn(node, LOST.to_owned()),
            }
        }
    }

    /// `x.copy_(y)` on a view needs no copy of y beside the write. False when this is no write through a view.
    pub(super) fn copy_into(
        &mut self,
        position: usize,
        node: &NodeEntry,
        form: Form,
        target: ValueId,
        source: ValueId,
    ) -> Result<bool, FxError> {
        let slot = self.env.mutations.slot(target);
        self.env.mutations.read_at(slot, self.env.references.last_use(position));
        let Some((base, Link::View(view))) = self.env.mutations.base(slot) else { return Ok(false) };
        let Some(whole) = self.env.mutations.newest(base) else { return Ok(false) };
        if !self.env.mutations.others_are_read(slot, position) || !self.affords(1) || !self.reaches_owner(slot) {
            return Ok(false);
        }
        let ty = self.env.graph.value(whole).ty.clone();
        let op = Op::Scatter(Scatter::Write { view });
        let written = self.emit(node, form, op, smallvec![whole, source], vec![ty])?;
        if let Some(&written) = written.first() {
            self.env.mutations.outdate(slot);
            self.env.mutations.set(base, written);
            self.write_back(node, form, base, written);
        }
        Ok(true)
    }

    /// `x[…] = v` gives nothing, but x is another tensor afterwards.
    pub(super) fn write_item(
        &mut self,
        position: usize,
        node: &'d NodeEntry,
        form: Form,
        written: ValueId,
    ) -> Result<Held, FxError> {
        let ty = self.env.graph.value(written).ty.clone();
        let (op, inputs) = self.item_written(node, form, written).unwrap_or_else(|reason| {
            let text = format!("`{}` is kept as an opaque op and its arithmetic is not counted: {reason}", node.target);
            self.warn(node, text);
            let op = Op::Opaque(Box::new(Opaque { name: node.target.clone(), reason: Some(reason) }));
            (op, self.read_by(node).into())
        });
        let outputs = self.emit(node, form, op, inputs, vec![ty])?;
        if let Some(&result) = outputs.first() {
            self.wrote(position, node, form, written, result);
        }
        Ok(Held::Literal(Known::None))
    }

    /// The tensor after an item or a part of it was set.
    fn item_written(&mut self, node: &'d NodeEntry, form: Form, x: ValueId) -> Built {
        let [_, index, value] = node.args.as_slice() else { return Err("it takes an index and a value".to_owned()) };
        let whole = self.env.tensor_type(x)?.clone();
        if let Operand::Tensor(mask) = self.env.operand(index)
            && self.env.tensor_type(mask)?.dtype == DType::Bool
        {
            return self.masked_written(node, form, x, mask, value);
        }
        let row = named("getitem").ok_or("a subscript has no counterpart")?;
        let arguments = node.args.get(..2).unwrap_or_default();
        let (part, inputs) = (row.build)(&Call::bind(&self.env, row.signature, arguments, &[], &[])?)?;
        let types: Vec<&Type> = inputs.iter().map(|&input| &self.env.graph.value(input).ty).collect();
        let implied = part.infer(&types).map_err(|error| error.to_string())?;
        let Some([Type::Tensor(ty)]) = implied.as_deref() else { return Err("its part is not one tensor".to_owned()) };
        let ty = ty.clone();
        if let (Op::View(view), Some(value)) = (&part, self.env.operand(value).number())
            && matches!(**view, View::Alias)
        {
            let full = Copy::Full { shape: whole.shape.to_vec(), dtype: whole.dtype, value };
            return Ok((full.into(), Inputs::new()));
        }
        let values = self.values_like(node, form, value, &ty)?;
        let mut operands: Inputs = smallvec![x, values];
        let op = match part {
            Op::View(view) if matches!(*view, View::Alias) => return Ok((Copy::Clone.into(), smallvec![values])),
            Op::View(view) => return Ok((Op::Scatter(Scatter::Write { view }), operands)),
            Op::Gather(Gather::IndexSelect { axis }) => Scatter::Slices { axis, add: false },
            Op::Gather(Gather::Indexed { axes }) => Scatter::Indexed { axes, add: false },
            Op::Gather(Gather::Embedding) => {
                operands.extend(inputs.first().copied());
                return Ok((Op::Scatter(Scatter::Indexed { axes: vec![0], add: false }), operands));
            }
            _ => return Err("it writes into a part of its operand".to_owned()),
        };
        operands.extend(inputs.into_iter().skip(1));
        Ok((Op::Scatter(op), operands))
    }

    /// `x[mask] = v`: one value is a choice, several are taken in order.
    fn masked_written(&mut self, node: &NodeEntry, form: Form, x: ValueId, mask: ValueId, value: &'d Arg) -> Built {
        let whole = self.env.tensor_type(x)?.clone();
        if self.env.tensor_type(mask)?.rank() != whole.rank() {
            return Err("a mask over some of the axes".to_owned());
        }
        if let Some(value) = self.env.operand(value).number() {
            return Ok((Op::Pointwise(Pointwise::MaskedFill { value }), smallvec![x, mask]));
        }
        let Operand::Tensor(values) = self.env.operand(value) else {
            return Err("the value is neither a number nor a tensor".to_owned());
        };
        if self.env.tensor_type(values)?.rank() > 0 {
            return Ok((Op::Scatter(Scatter::Masked), smallvec![x, values, mask]));
        }
        let values = self.values_like(node, form, value, &TensorType::new(whole.dtype, []))?;
        Ok((Op::Pointwise(Pointwise::Where), smallvec![mask, values, x]))
    }

    /// A number or tensor brought to a type that it broadcasts to.
    fn values_like(
        &mut self,
        node: &NodeEntry,
        form: Form,
        value: &'d Arg,
        ty: &TensorType,
    ) -> Result<ValueId, String> {
        let mut value = match self.env.operand(value) {
            Operand::Tensor(value) => value,
            other => {
                let value = other.number().ok_or_else(|| format!("the value is {}", other.describe()))?;
                let full = Copy::Full { shape: ty.shape.to_vec(), dtype: ty.dtype, value };
                return self.add_step(node, form, "value", full.into(), Inputs::new());
            }
        };
        while let Some((op, inputs)) = fit((value, self.env.tensor_type(value)?), ty)? {
            value = self.add_step(node, form, "value", op, inputs)?;
        }
        Ok(value)
    }
}
