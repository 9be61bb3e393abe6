//! Writing the steps of an opened macro-op: names, module path and inferred types in one place.

use fusewright_ir::ops::{
    Binary, Contraction, Copy, Host, Index, Normalization, Pointwise, ReduceKind, Reduction, ShapeError, Unary, View,
};
use fusewright_ir::{Form, Graph, Op, Origin, Shape, Source, TensorType, Type, ValueId};

/// Appends nodes to a graph on behalf of one macro-op.
pub(super) struct Steps<'a> {
    graph: &'a mut Graph,
    layer: String,
    scope: String,
}

impl<'a> Steps<'a> {
    pub(super) fn new(graph: &'a mut Graph, layer: &str, scope: &str) -> Self {
        Self { graph, layer: layer.to_owned(), scope: scope.to_owned() }
    }

    /// The given name, or with a number behind it where something in the graph has it already.
    fn unique(&self, base: &str) -> String {
        let mut name = base.to_owned();
        let mut number = 1;
        while self.graph.symbols().find(&name).is_some() {
            number += 1;
            name = format!("{base}_{number}");
        }
        name
    }

    fn push(
        &mut self,
        step: &str,
        op: Op,
        inputs: &[ValueId],
        form: Form,
        source_op: &str,
    ) -> Result<ValueId, ShapeError> {
        let types: Vec<&Type> = inputs.iter().map(|&input| &self.graph.value(input).ty).collect();
        let ty = match op.infer(&types)? {
            Some(results) => results.into_iter().next(),
            None => None,
        };
        let ty = ty.ok_or_else(|| ShapeError(format!("{step} has no result")))?;
        self.push_typed(step, op, inputs, vec![ty], form, source_op)
    }

    fn push_typed(
        &mut self,
        step: &str,
        op: Op,
        inputs: &[ValueId],
        types: Vec<Type>,
        form: Form,
        source_op: &str,
    ) -> Result<ValueId, ShapeError> {
        let name = self.unique(&format!("{}:{step}", self.layer));
        let results = types.len();
        let value_name = |index: usize| if results == 1 { name.clone() } else { format!("{name}.{index}") };
        let outputs: Vec<(String, Type)> = types.into_iter().enumerate().map(|(i, ty)| (value_name(i), ty)).collect();
        let source = Source { form, op: self.graph.intern(source_op), scope: self.graph.intern(&self.scope) };
        let node = self.graph.add_node(&name, op, inputs.iter().copied(), outputs, source);
        self.graph.node(node).outputs.first().copied().ok_or_else(|| ShapeError(format!("{step} has no result")))
    }

    /// The tensor type of a value.
    pub(super) fn tensor(&self, value: ValueId) -> Result<TensorType, ShapeError> {
        self.graph
            .tensor(value)
            .cloned()
            .ok_or_else(|| ShapeError(format!("`{}` must be a tensor", self.graph.value_name(value))))
    }

    /// Types of several values.
    pub(super) fn types(&self, values: &[ValueId]) -> Vec<Type> {
        values.iter().map(|&value| self.graph.value(value).ty.clone()).collect()
    }

    /// Rows of a weight or bias, shared with it.
    pub(super) fn part(&mut self, whole: ValueId, role: &str, start: u64, rows: u64) -> Result<ValueId, ShapeError> {
        let mut ty = self.tensor(whole)?;
        ty.strides = None;
        *ty.shape.first_mut().ok_or_else(|| ShapeError("a scalar has no rows".into()))? = rows;
        let name = self.unique(&format!("{}[{role}]", self.graph.value_name(whole)));
        Ok(self.graph.add_source(&name, Type::Tensor(ty), Origin::Part { of: whole, start }))
    }

    pub(super) fn linear(
        &mut self,
        step: &str,
        x: ValueId,
        weight: ValueId,
        bias: Option<ValueId>,
    ) -> Result<ValueId, ShapeError> {
        let inputs: Vec<ValueId> = [x, weight].into_iter().chain(bias).collect();
        self.push(step, Op::Contraction(Contraction::Linear), &inputs, Form::Function, "torch.nn.functional.linear")
    }

    pub(super) fn matmul(&mut self, step: &str, a: ValueId, b: ValueId) -> Result<ValueId, ShapeError> {
        self.push(step, Op::Contraction(Contraction::MatMul), &[a, b], Form::Function, "torch.matmul")
    }

    /// The extent of an axis as the host sees it.
    pub(super) fn size(&mut self, step: &str, x: ValueId, axis: usize) -> Result<ValueId, ShapeError> {
        let extent = self.tensor(x)?.shape.get(axis).and_then(|&extent| i64::try_from(extent).ok());
        let op = Op::Host(Host::Size { axis: i64::try_from(axis).ok() });
        self.push_typed(step, op, &[x], vec![Type::Host(extent)], Form::Method, "size")
    }

    pub(super) fn reshape(
        &mut self,
        step: &str,
        x: ValueId,
        shape: &[u64],
        sizes: &[ValueId],
    ) -> Result<ValueId, ShapeError> {
        let inputs: Vec<ValueId> = [x].iter().chain(sizes).copied().collect();
        let op = View::Reshape { shape: Shape::from_slice(shape) };
        self.push(step, op.into(), &inputs, Form::Method, "reshape")
    }

    pub(super) fn permute(&mut self, step: &str, x: ValueId, axes: &[u32]) -> Result<ValueId, ShapeError> {
        let moved = axes.iter().enumerate().filter(|&(position, &axis)| position != axis as usize).count();
        let source_op = if moved == 2 { "transpose" } else { "permute" };
        self.push(step, View::Permute { axes: axes.into() }.into(), &[x], Form::Method, source_op)
    }

    pub(super) fn expand(&mut self, step: &str, x: ValueId, shape: &[u64]) -> Result<ValueId, ShapeError> {
        self.push(step, View::Expand { shape: Shape::from_slice(shape) }.into(), &[x], Form::Method, "expand")
    }

    pub(super) fn select(&mut self, step: &str, x: ValueId, index: u64) -> Result<ValueId, ShapeError> {
        self.push(step, View::Select { axis: 0, index }.into(), &[x], Form::Function, "operator.getitem")
    }

    /// The leading `extents` of each axis.
    pub(super) fn crop(&mut self, step: &str, x: ValueId, extents: &[u64]) -> Result<ValueId, ShapeError> {
        let whole = |&length: &u64| Index::Range { start: 0, length, step: 1 };
        let op = View::Subscript { items: extents.iter().map(whole).collect() };
        self.push(step, op.into(), &[x], Form::Function, "operator.getitem")
    }

    pub(super) fn contiguous(&mut self, step: &str, x: ValueId) -> Result<ValueId, ShapeError> {
        self.push(step, Copy::Contiguous.into(), &[x], Form::Method, "contiguous")
    }

    pub(super) fn concat(&mut self, step: &str, parts: &[ValueId], axis: usize) -> Result<ValueId, ShapeError> {
        let axis = i64::try_from(axis).unwrap_or(0);
        self.push(step, Copy::Concat { axis }.into(), parts, Form::Function, "torch.cat")
    }

    pub(super) fn zeros(&mut self, step: &str, like: &TensorType, shape: &[u64]) -> Result<ValueId, ShapeError> {
        self.fill(step, Copy::Full { shape: shape.to_vec(), dtype: like.dtype, value: 0.0 }, "torch.zeros")
    }

    /// Zeros (false) after the last axis.
    pub(super) fn pad_last(&mut self, step: &str, x: ValueId, columns: u64) -> Result<ValueId, ShapeError> {
        let mut after = vec![0; self.tensor(x)?.rank()];
        if let Some(last) = after.last_mut() {
            *last = columns;
        }
        self.pad_after(step, x, &after)
    }

    /// Zeros after each axis.
    pub(super) fn pad_after(&mut self, step: &str, x: ValueId, after: &[u64]) -> Result<ValueId, ShapeError> {
        let pads = after.iter().flat_map(|&count| [0, i64::try_from(count).unwrap_or(i64::MAX)]).collect();
        self.push(step, Copy::Pad { pads, value: 0.0 }.into(), &[x], Form::Function, "torch.nn.functional.pad")
    }

    /// Rows and columns of a map (axes 1 and 2) moved cyclically.
    pub(super) fn roll(&mut self, step: &str, x: ValueId, shifts: [i64; 2]) -> Result<ValueId, ShapeError> {
        let op = Copy::Roll { shifts: shifts.to_vec(), axes: vec![1, 2] };
        self.push(step, op.into(), &[x], Form::Function, "torch.roll")
    }

    /// A tensor made of no operand.
    pub(super) fn fill(&mut self, step: &str, op: Copy, source_op: &str) -> Result<ValueId, ShapeError> {
        self.push(step, op.into(), &[], Form::Function, source_op)
    }

    pub(super) fn scale(&mut self, step: &str, x: ValueId, scalar: f64) -> Result<ValueId, ShapeError> {
        let op = Pointwise::WithScalar { kind: Binary::Mul, scalar, reversed: false };
        self.push(step, Op::Pointwise(op), &[x], Form::Function, "operator.mul")
    }

    pub(super) fn binary(&mut self, step: &str, kind: Binary, a: ValueId, b: ValueId) -> Result<ValueId, ShapeError> {
        let source_op = format!("operator.{}", kind.name());
        self.push(step, Op::Pointwise(Pointwise::Binary(kind)), &[a, b], Form::Function, &source_op)
    }

    pub(super) fn clamp(
        &mut self,
        step: &str,
        x: ValueId,
        min: Option<f64>,
        max: Option<f64>,
    ) -> Result<ValueId, ShapeError> {
        self.push(step, Op::Pointwise(Pointwise::Clamp { min, max }), &[x], Form::Function, "torch.clamp")
    }

    pub(super) fn exp(&mut self, step: &str, x: ValueId) -> Result<ValueId, ShapeError> {
        self.push(step, Op::Pointwise(Pointwise::Unary(Unary::Exp)), &[x], Form::Method, "exp")
    }

    /// Euclidean norm along the last axis, which stays.
    pub(super) fn row_norm(&mut self, step: &str, x: ValueId) -> Result<ValueId, ShapeError> {
        let op = Op::Reduction(Reduction::Reduce { kind: ReduceKind::Norm, axes: vec![-1], keep: true });
        self.push(step, op, &[x], Form::Method, "norm")
    }

    pub(super) fn add(&mut self, step: &str, a: ValueId, b: ValueId) -> Result<ValueId, ShapeError> {
        self.binary(step, Binary::Add, a, b)
    }

    pub(super) fn masked_fill(
        &mut self,
        step: &str,
        x: ValueId,
        mask: ValueId,
        value: f64,
    ) -> Result<ValueId, ShapeError> {
        let op = Op::Pointwise(Pointwise::MaskedFill { value });
        self.push(step, op, &[x, mask], Form::Function, "torch.masked_fill")
    }

    /// Softmax over the last axis; `zero_masked` as fused attention kernels treat a row without a visible key.
    pub(super) fn softmax(&mut self, step: &str, x: ValueId, zero_masked: bool) -> Result<ValueId, ShapeError> {
        let op = Op::Normalization(Normalization::Softmax { axis: -1, log: false, zero_masked });
        self.push(step, op, &[x], Form::Function, "torch.nn.functional.softmax")
    }

    pub(super) fn dropout(&mut self, step: &str, x: ValueId, p: f64) -> Result<ValueId, ShapeError> {
        let op = Op::Pointwise(Pointwise::Dropout { p, training: true, per_sample: false });
        self.push(step, op, &[x], Form::Function, "torch.nn.functional.dropout")
    }

    pub(super) fn mean(&mut self, step: &str, x: ValueId, axis: i64) -> Result<ValueId, ShapeError> {
        let op = Op::Reduction(Reduction::Reduce { kind: ReduceKind::Mean, axes: vec![axis], keep: false });
        self.push(step, op, &[x], Form::Method, "mean")
    }

    /// The results of the layer as one tuple; gives the members.
    pub(super) fn tuple(&mut self, members: &[ValueId]) -> Result<Vec<ValueId>, ShapeError> {
        let types = self.types(members);
        let first = self.push_typed("result", View::Alias.into(), members, types, Form::Function, "builtins.tuple")?;
        let node = self.graph.producer(first).ok_or_else(|| ShapeError("the tuple is empty".into()))?;
        Ok(self.graph.node(node).outputs.to_vec())
    }
}
