//! Builds a graph module by module: scopes give parameters and nodes their names, results get the types that ops imply.

use std::collections::HashMap;

use fusewright_ir::ops::{
    Binary, Contraction, Copy, Gather, Normalization, Pointwise, ReduceKind, Reduction, Unary, View,
};
use fusewright_ir::{Content, Contents, DType, Form, Graph, Op, Origin, Shape, Source, Type, ValueId};

use crate::{HfError, Phase};

/// Most nodes of a graph: a thousand layers of the largest kind.
const MAX_NODES: usize = 400_000;

/// A norm of the last axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Norm {
    /// Root mean square, with a weight.
    Rms(f64),
    /// Layer norm with weight and bias.
    Layer(f64),
    /// Layer norm with a weight only.
    LayerNoBias(f64),
    /// Layer norm without parameters.
    Plain(f64),
}

/// Most elements of a table that is computed while a configuration is read.
const MAX_COMPUTED: u64 = 1 << 21;

/// True for a table `[rows, width]` that is small enough to be computed at once.
pub(crate) fn holds(rows: u64, width: u64) -> bool {
    rows.saturating_mul(width) <= MAX_COMPUTED
}

/// Numbers as the content of a tensor.
pub(crate) fn floats(values: Vec<f64>) -> Content {
    Content::Floats(values.into())
}

/// A graph in the making.
pub(crate) struct Builder {
    pub(crate) graph: Graph,
    /// Element type of activations and weights.
    pub(crate) dtype: DType,
    /// Which part of a generation is built.
    pub(crate) phase: Phase,
    /// What the user should know about the file as a whole.
    pub(crate) notes: Vec<String>,
    /// Keys and values that the next step will find in its cache.
    pub(crate) caches: Vec<ValueId>,
    /// State that follows from the configuration.
    pub(crate) contents: Contents,
    scope: String,
    used: HashMap<String, u32>,
    parameters: HashMap<String, ValueId>,
}

impl Builder {
    pub(crate) fn new(name: &str, dtype: DType, phase: Phase) -> Self {
        let scope = String::new();
        Self {
            graph: Graph::new(name),
            dtype,
            phase,
            notes: Vec::new(),
            caches: Vec::new(),
            contents: Contents::default(),
            scope,
            used: HashMap::new(),
            parameters: HashMap::new(),
        }
    }

    /// Builds inside the module `name`, relative to where the builder stands; an empty name stays there.
    pub(crate) fn within<T>(
        &mut self,
        name: &str,
        build: impl FnOnce(&mut Self) -> Result<T, HfError>,
    ) -> Result<T, HfError> {
        let outside = self.scope.len();
        if !name.is_empty() {
            if outside > 0 {
                self.scope.push('.');
            }
            self.scope.push_str(name);
        }
        let result = build(self);
        self.scope.truncate(outside);
        result
    }

    /// The name of something in this module.
    fn full(&self, name: &str) -> String {
        if self.scope.is_empty() { name.to_owned() } else { format!("{}.{name}", self.scope) }
    }

    /// The same, made unique with a number.
    fn fresh(&mut self, name: &str) -> String {
        let full = self.full(name);
        let count = self.used.entry(full.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { full } else { format!("{full}_{}", *count - 1) }
    }

    fn source(&mut self, name: &str, dtype: DType, shape: &[u64], origin: Origin) -> Result<ValueId, HfError> {
        let name = self.fresh(name);
        if fusewright_ir::checked_elements(shape).is_none() {
            let problem = format!("shape {shape:?} has more than 2^48 elements");
            return Err(HfError::Shape { place: name, problem });
        }
        Ok(self.graph.add_source(&name, Type::tensor(dtype, shape.iter().copied()), origin))
    }

    /// A trained tensor of this module; one that layers share is asked for by each of them and is there once.
    pub(crate) fn parameter(&mut self, name: &str, shape: &[u64]) -> Result<ValueId, HfError> {
        let full = self.full(name);
        if let Some(&shared) = self.parameters.get(&full) {
            let found = self.shape(shared);
            let problem = || format!("has shape {found:?} in one place and {shape:?} in another");
            return if *found == *shape { Ok(shared) } else { Err(HfError::Shape { place: full, problem: problem() }) };
        }
        let value = self.source(name, self.dtype, shape, Origin::Parameter)?;
        self.parameters.insert(full, value);
        Ok(value)
    }

    /// State of this module that is not trained.
    pub(crate) fn buffer(&mut self, name: &str, dtype: DType, shape: &[u64]) -> Result<ValueId, HfError> {
        self.source(name, dtype, shape, Origin::Buffer)
    }

    /// The same where the class computes it from its configuration; `None` where that is not known or too large.
    pub(crate) fn computed(
        &mut self,
        name: &str,
        dtype: DType,
        shape: &[u64],
        content: Option<Content>,
    ) -> Result<ValueId, HfError> {
        let value = self.buffer(name, dtype, shape)?;
        self.holds(value, content);
        Ok(value)
    }

    /// Notes what a parameter or buffer holds where no checkpoint says otherwise.
    pub(crate) fn holds(&mut self, value: ValueId, content: Option<Content>) {
        if let Some(content) = content {
            let name = self.graph.value_name(value).to_owned();
            self.contents.insert(name, content);
        }
    }

    /// Something the caller gives; its name is that of an argument, whatever the module.
    pub(crate) fn input(&mut self, name: &str, dtype: DType, shape: &[u64]) -> Result<ValueId, HfError> {
        let scope = std::mem::take(&mut self.scope);
        let input = self.source(name, dtype, shape, Origin::Input);
        self.scope = scope;
        input
    }

    /// Declares the result of the model, and after it the caches.
    pub(crate) fn results(&mut self, results: &[ValueId]) {
        for value in results.iter().copied().chain(std::mem::take(&mut self.caches)) {
            self.graph.add_output(value);
        }
    }

    /// The shape of a tensor; empty for what is none.
    pub(crate) fn shape(&self, value: ValueId) -> Shape {
        self.graph.tensor(value).map(|tensor| tensor.shape.clone()).unwrap_or_default()
    }

    /// Extent of an axis, 0 when there is none.
    pub(crate) fn extent(&self, value: ValueId, axis: usize) -> u64 {
        self.graph.tensor(value).and_then(|tensor| tensor.shape.get(axis).copied()).unwrap_or(0)
    }

    /// Extent of the last axis.
    pub(crate) fn width(&self, value: ValueId) -> u64 {
        self.graph.tensor(value).and_then(|tensor| tensor.shape.last().copied()).unwrap_or(0)
    }

    /// A node of this module with all its results; `name` is that of the function it stands for.
    pub(crate) fn nodes(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> Result<Vec<ValueId>, HfError> {
        let op = op.into();
        if self.graph.node_count() >= MAX_NODES {
            return Err(HfError::TooManyNodes { scope: self.scope.clone(), limit: MAX_NODES });
        }
        let types: Vec<&Type> = inputs.iter().map(|&input| &self.graph.value(input).ty).collect();
        let bad = |problem: String| HfError::Shape { place: self.full(name), problem };
        let implied = op.infer(&types).map_err(|error| bad(error.to_string()))?;
        let implied = implied.ok_or_else(|| bad("the result of this op is not known".to_owned()))?;
        let unique = self.fresh(name);
        let several = implied.len() > 1;
        let outputs: Vec<(String, Type)> = implied
            .into_iter()
            .enumerate()
            .map(|(index, ty)| (if several { format!("{unique}.{index}") } else { unique.clone() }, ty))
            .collect();
        let source = Source {
            form: Form::Function,
            op: self.graph.intern(name.rsplit('.').next().unwrap_or(name)),
            scope: self.graph.intern(&self.scope),
        };
        let node = self.graph.add_node(&unique, op, inputs.iter().copied(), outputs, source);
        Ok(self.graph.node(node).outputs.to_vec())
    }

    /// A node of this module with one result.
    pub(crate) fn node(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId, HfError> {
        let results = self.nodes(name, op, inputs)?;
        match results.as_slice() {
            [result] => Ok(*result),
            results => {
                Err(HfError::Shape { place: self.full(name), problem: format!("{} results, not one", results.len()) })
            }
        }
    }

    /// `x · weightᵀ + bias` as the module `name`, with its parameters.
    pub(crate) fn linear(&mut self, name: &str, x: ValueId, out: u64, bias: bool) -> Result<ValueId, HfError> {
        self.within(name, |b| {
            let weight = b.parameter("weight", &[out, b.width(x)])?;
            let mut inputs = vec![x, weight];
            if bias {
                inputs.push(b.parameter("bias", &[out])?);
            }
            b.node("linear", Op::Contraction(Contraction::Linear), &inputs)
        })
    }

    /// The same with a weight that is there already.
    pub(crate) fn tied_linear(
        &mut self,
        name: &str,
        x: ValueId,
        weight: ValueId,
        bias: bool,
    ) -> Result<ValueId, HfError> {
        self.within(name, |b| {
            let mut inputs = vec![x, weight];
            if bias {
                inputs.push(b.parameter("bias", &[b.extent(weight, 0)])?);
            }
            b.node("linear", Op::Contraction(Contraction::Linear), &inputs)
        })
    }

    /// A linear whose weight is stored the other way round, `[in, out]`, on rows of tokens.
    pub(crate) fn conv1d(&mut self, name: &str, x: ValueId, out: u64) -> Result<ValueId, HfError> {
        self.within(name, |b| {
            let (mut shape, width) = (b.shape(x), b.width(x));
            let rows = shape.iter().rev().skip(1).product();
            let weight = b.parameter("weight", &[width, out])?;
            let bias = b.parameter("bias", &[out])?;
            let flat = b.reshape(x, &[rows, width])?;
            let op = Op::Contraction(Contraction::MatMulAdd { alpha: 1.0, beta: 1.0 });
            let result = b.node("addmm", op, &[bias, flat, weight])?;
            if let Some(last) = shape.last_mut() {
                *last = out;
            }
            b.reshape(result, &shape)
        })
    }

    /// A norm of the last axis as the module `name`, with its parameters.
    pub(crate) fn norm(&mut self, name: &str, x: ValueId, norm: Norm) -> Result<ValueId, HfError> {
        self.within(name, |b| {
            let width = b.width(x);
            let mut inputs = vec![x];
            if !matches!(norm, Norm::Plain(_)) {
                inputs.push(b.parameter("weight", &[width])?);
            }
            if matches!(norm, Norm::Layer(_)) {
                inputs.push(b.parameter("bias", &[width])?);
            }
            let (function, op) = match norm {
                Norm::Rms(epsilon) => ("rms_norm", Normalization::RmsNorm { axes: 1, epsilon }),
                Norm::Layer(epsilon) | Norm::LayerNoBias(epsilon) | Norm::Plain(epsilon) => {
                    ("layer_norm", Normalization::LayerNorm { axes: 1, epsilon })
                }
            };
            b.node(function, Op::Normalization(op), &inputs)
        })
    }

    /// Rows of a table picked by `ids`, as the module `name`; gives the rows and the table.
    pub(crate) fn embedding(
        &mut self,
        name: &str,
        ids: ValueId,
        rows: u64,
        width: u64,
    ) -> Result<(ValueId, ValueId), HfError> {
        self.within(name, |b| {
            let table = b.parameter("weight", &[rows, width])?;
            Ok((b.node("embedding", Op::Gather(Gather::Embedding), &[ids, table])?, table))
        })
    }

    /// Rows of a table that is there already, as the module `name`.
    pub(crate) fn rows_of(&mut self, name: &str, ids: ValueId, table: ValueId) -> Result<ValueId, HfError> {
        self.within(name, |b| b.node("embedding", Op::Gather(Gather::Embedding), &[ids, table]))
    }

    /// `start, start + 1, …` as indices.
    pub(crate) fn positions(&mut self, start: u64, length: u64) -> Result<ValueId, HfError> {
        let start = i64::try_from(start).unwrap_or(i64::MAX);
        self.node("arange", Copy::Range { start, length, dtype: DType::I64 }, &[])
    }

    /// A function of one operand.
    pub(crate) fn unary(&mut self, kind: Unary, x: ValueId) -> Result<ValueId, HfError> {
        let name = match kind {
            Unary::GeluTanh => "gelu",
            kind => kind.name(),
        };
        self.node(name, Op::Pointwise(Pointwise::Unary(kind)), &[x])
    }

    /// A function of two operands that broadcast.
    pub(crate) fn binary(&mut self, kind: Binary, a: ValueId, b: ValueId) -> Result<ValueId, HfError> {
        self.node(kind.name(), Op::Pointwise(Pointwise::Binary(kind)), &[a, b])
    }

    /// Sum.
    pub(crate) fn add(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, HfError> {
        self.binary(Binary::Add, a, b)
    }

    /// Product, element by element.
    pub(crate) fn mul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, HfError> {
        self.binary(Binary::Mul, a, b)
    }

    /// A function of an operand and a number.
    pub(crate) fn with_scalar(&mut self, kind: Binary, x: ValueId, scalar: f64) -> Result<ValueId, HfError> {
        let op = Pointwise::WithScalar { kind, scalar, reversed: false };
        self.node(kind.name(), Op::Pointwise(op), &[x])
    }

    /// x times a number; x itself for 1.
    #[allow(clippy::float_cmp, reason = "exactly one means no multiplication")]
    pub(crate) fn scaled(&mut self, x: ValueId, factor: f64) -> Result<ValueId, HfError> {
        if factor == 1.0 { Ok(x) } else { self.with_scalar(Binary::Mul, x, factor) }
    }

    /// `cap · tanh(x / cap)`.
    pub(crate) fn softcapped(&mut self, x: ValueId, cap: f64) -> Result<ValueId, HfError> {
        let small = self.with_scalar(Binary::Div, x, cap)?;
        let squashed = self.unary(Unary::Tanh, small)?;
        self.with_scalar(Binary::Mul, squashed, cap)
    }

    /// Sum over the last axis, which stays.
    pub(crate) fn row_sum(&mut self, x: ValueId) -> Result<ValueId, HfError> {
        let op = Reduction::Reduce { kind: ReduceKind::Sum, axes: vec![-1], keep: true };
        self.node("sum", Op::Reduction(op), &[x])
    }

    /// The `k` largest elements of the last axis, and where they are.
    pub(crate) fn topk(&mut self, x: ValueId, k: u64) -> Result<[ValueId; 2], HfError> {
        let found = self.nodes("topk", Op::Reduction(Reduction::TopK { k, axis: -1 }), &[x])?;
        found.try_into().map_err(|_| HfError::Shape { place: self.full("topk"), problem: "lost a result".to_owned() })
    }

    /// Rows of x picked by `indices [n]`.
    pub(crate) fn rows(&mut self, x: ValueId, indices: ValueId) -> Result<ValueId, HfError> {
        self.node("index_select", Op::Gather(Gather::IndexSelect { axis: 0 }), &[x, indices])
    }

    /// A tensor of one value.
    pub(crate) fn full_of(&mut self, value: f64, dtype: DType, shape: &[u64]) -> Result<ValueId, HfError> {
        self.node("full", Copy::Full { shape: shape.to_vec(), dtype, value }, &[])
    }

    /// Values of at least `min` and at most `max`.
    pub(crate) fn clamp(&mut self, x: ValueId, min: Option<f64>, max: Option<f64>) -> Result<ValueId, HfError> {
        self.node("clamp", Op::Pointwise(Pointwise::Clamp { min, max }), &[x])
    }

    /// Softmax over the last axis.
    pub(crate) fn softmax(&mut self, x: ValueId) -> Result<ValueId, HfError> {
        let op = Normalization::Softmax { axis: -1, log: false, zero_masked: false };
        self.node("softmax", Op::Normalization(op), &[x])
    }

    /// A batched matrix product.
    pub(crate) fn matmul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, HfError> {
        self.node("matmul", Op::Contraction(Contraction::MatMul), &[a, b])
    }

    /// The same elements in another shape.
    pub(crate) fn reshape(&mut self, x: ValueId, shape: &[u64]) -> Result<ValueId, HfError> {
        self.node("reshape", View::Reshape { shape: shape.into() }, &[x])
    }

    /// Axes in another order.
    pub(crate) fn permute(&mut self, x: ValueId, axes: &[u32]) -> Result<ValueId, HfError> {
        let name = if axes.len() == 4 && *axes == [0, 2, 1, 3] { "transpose" } else { "permute" };
        self.node(name, View::Permute { axes: axes.into() }, &[x])
    }

    /// Extents of 1 repeated.
    pub(crate) fn expand(&mut self, x: ValueId, shape: &[u64]) -> Result<ValueId, HfError> {
        self.node("expand", View::Expand { shape: shape.into() }, &[x])
    }

    /// A range of an axis.
    pub(crate) fn slice(&mut self, x: ValueId, axis: u32, start: u64, length: u64) -> Result<ValueId, HfError> {
        self.node("slice", View::Slice { axis, start, length, step: 1 }, &[x])
    }

    /// One index of an axis, which disappears.
    pub(crate) fn select(&mut self, x: ValueId, axis: u32, index: u64) -> Result<ValueId, HfError> {
        self.node("select", View::Select { axis, index }, &[x])
    }

    /// Consecutive ranges of the last axis.
    pub(crate) fn split<const N: usize>(&mut self, x: ValueId, sizes: [u64; N]) -> Result<[ValueId; N], HfError> {
        let axis = u32::try_from(self.shape(x).len()).unwrap_or(0).saturating_sub(1);
        let parts = self.nodes("split", View::Split { axis, sizes: sizes.to_vec() }, &[x])?;
        parts.try_into().map_err(|_| HfError::Shape { place: self.full("split"), problem: "lost a part".to_owned() })
    }

    /// Operands joined along an axis.
    pub(crate) fn concat(&mut self, parts: &[ValueId], axis: i64) -> Result<ValueId, HfError> {
        self.node("cat", Copy::Concat { axis }, parts)
    }

    /// An activation by the name that configurations use; `key` is where the name stands.
    pub(crate) fn activation(
        &mut self,
        config: &crate::config::Config<'_>,
        key: &str,
        x: ValueId,
    ) -> Result<ValueId, HfError> {
        self.activation_named(config, key, config.text(key)?, x)
    }

    /// The same where the name is only a part of what stands under `key`.
    pub(crate) fn activation_named(
        &mut self,
        config: &crate::config::Config<'_>,
        key: &str,
        name: &str,
        x: ValueId,
    ) -> Result<ValueId, HfError> {
        let kind = match name {
            "silu" | "swish" => Unary::Silu,
            "gelu" | "gelu_python" => Unary::Gelu,
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "gelu_accurate" | "gelu_python_tanh" => Unary::GeluTanh,
            "quick_gelu" => Unary::QuickGelu,
            "relu" => Unary::Relu,
            "relu6" => Unary::Relu6,
            "relu2" => {
                let positive = self.unary(Unary::Relu, x)?;
                return self.unary(Unary::Square, positive);
            }
            "tanh" => Unary::Tanh,
            "sigmoid" => Unary::Sigmoid,
            "mish" => Unary::Mish,
            "linear" => return Ok(x),
            _ => {
                let known = "silu, gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, quick_gelu, relu, relu2, relu6, tanh, \
                             sigmoid, mish or linear";
                return Err(config.wrong(key, known));
            }
        };
        self.unary(kind, x)
    }

    /// Something the user should know about the file as a whole; said once.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }
}
