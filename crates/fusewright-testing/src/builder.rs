//! Appending nodes whose types follow from their ops.

use fusewright_ir::{DType, Form, Graph, Op, Origin, Source, Type, ValueId};

/// A graph under construction.
#[derive(Debug)]
pub struct Builder {
    /// The graph so far.
    pub graph: Graph,
    scope: String,
    next: u32,
}

impl Builder {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Self { graph: Graph::new(name), scope: String::new(), next: 0 }
    }

    /// Module path of the nodes to come.
    pub fn enter(&mut self, scope: &str) {
        scope.clone_into(&mut self.scope);
    }

    fn fresh(&mut self, stem: &str) -> String {
        self.next += 1;
        format!("{stem}_{}", self.next)
    }

    /// An input of the graph.
    pub fn input(&mut self, dtype: DType, shape: &[u64]) -> ValueId {
        let name = self.fresh("input");
        self.graph.add_source(&name, Type::tensor(dtype, shape.iter().copied()), Origin::Input)
    }

    /// A parameter of the model.
    pub fn parameter(&mut self, shape: &[u64]) -> ValueId {
        let name = self.fresh("parameter");
        self.graph.add_source(&name, Type::tensor(DType::F32, shape.iter().copied()), Origin::Parameter)
    }

    /// Applies an op written as a function of its own name; no result if it does not accept the operands.
    pub fn apply(&mut self, op: Op, inputs: &[ValueId]) -> Option<Vec<ValueId>> {
        let source_op = op.mnemonic();
        self.apply_as(op, inputs, Form::Function, source_op)
    }

    /// Applies an op as the source wrote it.
    pub fn apply_as(&mut self, op: Op, inputs: &[ValueId], form: Form, source_op: &str) -> Option<Vec<ValueId>> {
        let types: Vec<&Type> = inputs.iter().map(|&input| &self.graph.value(input).ty).collect();
        let results = op.infer(&types).ok()??;
        self.apply_typed(op, inputs, results.into_iter().collect(), form, source_op)
    }

    /// Applies an op whose result types only the source knows.
    pub fn apply_typed(
        &mut self,
        op: Op,
        inputs: &[ValueId],
        types: Vec<Type>,
        form: Form,
        source_op: &str,
    ) -> Option<Vec<ValueId>> {
        let name = self.fresh(op.mnemonic());
        let outputs: Vec<(String, Type)> =
            types.into_iter().enumerate().map(|(index, ty)| (format!("{name}.{index}"), ty)).collect();
        let source = Source { form, op: self.graph.intern(source_op), scope: self.graph.intern(&self.scope) };
        let node = self.graph.add_node(&name, op, inputs.iter().copied(), outputs, source);
        Some(self.graph.node(node).outputs.to_vec())
    }

    /// The only result of an op.
    pub fn one(&mut self, op: Op, inputs: &[ValueId]) -> Option<ValueId> {
        self.apply(op, inputs)?.first().copied()
    }

    /// Extents of a tensor value.
    pub fn shape(&self, value: ValueId) -> Vec<u64> {
        self.graph.tensor(value).map(|tensor| tensor.shape.to_vec()).unwrap_or_default()
    }
}
