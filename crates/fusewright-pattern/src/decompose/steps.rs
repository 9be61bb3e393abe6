//! Writing the steps of an opened macro-op: names, module path and inferred types in one place.

use fusewright_ir::ops::{
    Binary, Contraction, Copy, Host, Normalization, Pointwise, ReduceKind, Reduction, ShapeError, View,
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

    /// A name for a step that nothing in the graph has yet.
    fn unique(&self, step: &str) -> String {
        let base = format!("{}:{step}", self.layer);
        let mut name = base.clone();
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
        let name = self.unique(step);
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

    pub(super) fn contiguous(&mut self, step: &str, x: ValueId) -> Result<ValueId, ShapeError> {
        self.push(step, Copy::Contiguous.into(), &[x], Form::Method, "contiguous")
    }

    pub(super) fn concat(&mut self, step: &str, parts: &[ValueId], axis: usize) -> Result<ValueId, ShapeError> {
        let axis = i64::try_from(axis).unwrap_or(0);
        self.push(step, Copy::Concat { axis }.into(), parts, Form::Function, "torch.cat")
    }

    pub(super) fn zeros(&mut self, step: &str, like: &TensorType, shape: &[u64]) -> Result<ValueId, ShapeError> {
        let op = Copy::Full { shape: shape.to_vec(), dtype: like.dtype, value: 0.0 };
        self.push(step, op.into(), &[], Form::Function, "torch.zeros")
    }

    /// Zeros (false) after the last axis.
    pub(super) fn pad_last(&mut self, step: &str, x: ValueId, columns: u64) -> Result<ValueId, ShapeError> {
        let mut pads = vec![0_i64; 2 * self.tensor(x)?.rank()];
        if let Some(last) = pads.last_mut() {
            *last = i64::try_from(columns).unwrap_or(i64::MAX);
        }
        self.push(step, Copy::Pad { pads, value: 0.0 }.into(), &[x], Form::Function, "torch.nn.functional.pad")
    }

    pub(super) fn scale(&mut self, step: &str, x: ValueId, scalar: f64) -> Result<ValueId, ShapeError> {
        let op = Pointwise::WithScalar { kind: Binary::Mul, scalar, reversed: false };
        self.push(step, Op::Pointwise(op), &[x], Form::Function, "operator.mul")
    }

    pub(super) fn add(&mut self, step: &str, a: ValueId, b: ValueId) -> Result<ValueId, ShapeError> {
        self.push(step, Op::Pointwise(Pointwise::Binary(Binary::Add)), &[a, b], Form::Function, "operator.add")
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

    pub(super) fn softmax(&mut self, step: &str, x: ValueId) -> Result<ValueId, ShapeError> {
        let op = Op::Normalization(Normalization::Softmax { axis: -1, log: false });
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
