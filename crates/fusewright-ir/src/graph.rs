//! The graph: nodes apply ops to values, in topological order by construction.
//!
//! A value has one definition and a type; a node has an op, inputs and outputs, and remembers where it came from
//! (source op name, module path, source name). A node can only be pushed after its inputs exist, so ids order the graph
//! topologically and no pass has to sort.

use smallvec::SmallVec;

use crate::{DType, NodeId, Op, Symbol, Symbols, TensorType, Type, ValueId};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Given by the caller at each run.
    Input,
    /// A trained tensor of the model.
    Parameter,
    /// State of the model that is not trained, such as running statistics.
    Buffer,
    /// Rows `start .. start + shape[0]` of a parameter, shared with it rather than copied.
    Part {
        /// The whole parameter.
        of: ValueId,
        /// First row.
        start: u64,
    },
    /// Written in the source: a literal tensor.
    Constant,
    /// Made by a node, as its `index`-th output.
    Node {
        /// The maker.
        node: NodeId,
        /// Which of its outputs.
        index: u32,
    },
}

/// A value: what flows between nodes.
#[derive(Clone, Debug)]
pub struct Value {
    /// Name in the source, unique in the graph.
    pub name: Symbol,
    /// Dtype and shape, or host.
    pub ty: Type,
    /// Where it comes from.
    pub origin: Origin,
}

/// How the source wrote a call; the reference profile counts by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// A leaf module.
    Module,
    /// A function.
    Function,
    /// A tensor method.
    Method,
}

/// Where a node comes from, kept for reports and for writing the model back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// How it was written.
    pub form: Form,
    /// Op name in the source, e.g. `torch.nn.modules.linear.Linear`.
    pub op: Symbol,
    /// Module path, e.g. `encoder.layers.encoder_layer_0.mlp`.
    pub scope: Symbol,
}

/// An op applied to values.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it computes.
    pub op: Op,
    /// Operands in the order that the op documents.
    pub inputs: SmallVec<[ValueId; 3]>,
    /// Results.
    pub outputs: SmallVec<[ValueId; 1]>,
    /// Name in the source, unique among nodes.
    pub name: Symbol,
    /// Where it comes from.
    pub source: Source,
}

/// A named dimension and the size it was bound to at load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundDim {
    /// Name, e.g. `batch`.
    pub name: String,
    /// Size in this graph.
    pub size: u64,
}

/// A dataflow graph in topological order.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Model name.
    pub name: String,
    /// Named dims with the sizes they were bound to.
    pub dims: Vec<BoundDim>,
    /// The model is in training mode: dropout is live.
    pub training: bool,
    symbols: Symbols,
    values: Vec<Value>,
    nodes: Vec<Node>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
}

impl Graph {
    /// An empty graph.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Adds a value that no node makes: an input, a parameter, a buffer, a part or a constant.
    pub fn add_source(&mut self, name: &str, ty: Type, origin: Origin) -> ValueId {
        debug_assert!(!matches!(origin, Origin::Node { .. }), "values of nodes are made by add_node");
        let is_input = origin == Origin::Input;
        let id = self.push_value(name, ty, origin);
        if is_input {
            self.inputs.push(id);
        }
        id
    }

    /// Adds a node with outputs of the given names and types; its inputs exist already.
    pub fn add_node(
        &mut self,
        name: &str,
        op: Op,
        inputs: impl IntoIterator<Item = ValueId>,
        outputs: impl IntoIterator<Item = (String, Type)>,
        source: Source,
    ) -> NodeId {
        let node = NodeId::new(self.nodes.len());
        let name = self.symbols.intern(name);
        let outputs = outputs
            .into_iter()
            .zip(0..)
            .map(|((name, ty), index)| self.push_value(&name, ty, Origin::Node { node, index }))
            .collect();
        self.nodes.push(Node { op, inputs: inputs.into_iter().collect(), outputs, name, source });
        node
    }

    /// Declares a result of the graph.
    pub fn add_output(&mut self, value: ValueId) {
        self.outputs.push(value);
    }

    fn push_value(&mut self, name: &str, ty: Type, origin: Origin) -> ValueId {
        let id = ValueId::new(self.values.len());
        let name = self.symbols.intern(name);
        self.values.push(Value { name, ty, origin });
        id
    }

    /// Interns a text in this graph's table.
    pub fn intern(&mut self, text: &str) -> Symbol {
        self.symbols.intern(text)
    }

    /// The text of a symbol.
    pub fn text(&self, symbol: Symbol) -> &str {
        self.symbols.text(symbol)
    }

    /// The strings of this graph.
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// A node.
    #[inline]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// A value.
    #[inline]
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// A node's name.
    pub fn node_name(&self, id: NodeId) -> &str {
        self.text(self.node(id).name)
    }

    /// A value's name.
    pub fn value_name(&self, id: ValueId) -> &str {
        self.text(self.value(id).name)
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Number of values.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// All nodes in topological order.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> + ExactSizeIterator {
        self.nodes.iter().enumerate().map(|(index, node)| (NodeId::new(index), node))
    }

    /// All values in order of definition.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = (ValueId, &Value)> + ExactSizeIterator {
        self.values.iter().enumerate().map(|(index, value)| (ValueId::new(index), value))
    }

    /// Inputs of the graph, in the caller's order.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// Results of the graph.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// The node that makes a value, if one does.
    #[inline]
    pub fn producer(&self, value: ValueId) -> Option<NodeId> {
        match self.value(value).origin {
            Origin::Node { node, .. } => Some(node),
            _ => None,
        }
    }

    /// The tensor type of a value, if it is a tensor.
    #[inline]
    pub fn tensor(&self, value: ValueId) -> Option<&TensorType> {
        self.value(value).ty.as_tensor()
    }

    /// The types of a node's inputs.
    pub fn input_types(&self, node: &Node) -> SmallVec<[&Type; 4]> {
        node.inputs.iter().map(|&value| &self.value(value).ty).collect()
    }

    /// The types of a node's outputs.
    pub fn output_types(&self, node: &Node) -> SmallVec<[&Type; 1]> {
        node.outputs.iter().map(|&value| &self.value(value).ty).collect()
    }

    /// Gives every floating-point tensor, weights included, the element type `dtype`: the same model at another
    /// precision.
    pub fn set_float_dtype(&mut self, dtype: DType) {
        for value in &mut self.values {
            if let Type::Tensor(tensor) = &mut value.ty
                && tensor.dtype.is_float()
            {
                tensor.dtype = dtype;
            }
        }
        for node in &mut self.nodes {
            node.op.set_float_dtype(dtype);
        }
    }

    /// Names a dim bound at load.
    pub fn bind_dim(&mut self, name: impl Into<String>, size: u64) {
        self.dims.push(BoundDim { name: name.into(), size });
    }
}
