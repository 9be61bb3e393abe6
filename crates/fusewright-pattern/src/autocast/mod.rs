//! Autocast: the same model as it runs under `torch.autocast`, weights stored as they are.
//!
//! Contractions, convolutions and attention get their operands in the lower precision, norms and softmax in `f32`, and
//! the casts that this takes become nodes. What is on neither list follows its operands, so that a residual stream that
//! was once `f32` stays so. A weight is cast once, as PyTorch keeps the result for the length of a pass; an activation
//! is cast for each op that reads it. What is converted to the type that another tensor has follows that tensor.
//!
//! ```text
//! %h = linear(%x, %w)          %x.1 = cast(%x), %w.1 = cast(%w), %h = linear(%x.1, %w.1)          f16
//! %y = layer_norm(%h)          %h.1 = cast(%h), %y = layer_norm(%h.1)                             f32
//! ```

mod policy;
mod written_norms;

use fusewright_ir::ops::{Copy, Host, ShapeError};
use fusewright_ir::{DType, Form, Graph, Node, NodeId, Op, Origin, Source, Type, ValueId};

use policy::{Policy, policy};
use written_norms::written_norms;

/// A node that does not accept the operands that autocast gives it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node `{node}` cannot run under autocast: {problem}")]
pub struct AutocastError {
    /// The node's name.
    pub node: String,
    /// What does not fit.
    pub problem: String,
}

/// How a model runs under autocast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Autocast {
    /// The lower precision: `f16` or `bf16`.
    pub lower: DType,
    /// Norms that are written as functions, or by the root mean square in steps, run in it too: libraries with norms of
    /// their own, such as timm, can turn autocast off around them. Norms that are modules of PyTorch stay in `f32`.
    pub fast_norms: bool,
}

/// The graph under autocast.
pub fn autocast(graph: &Graph, how: Autocast) -> Result<Graph, AutocastError> {
    let mut result = Graph::new(graph.name.clone());
    result.dims.clone_from(&graph.dims);
    result.training = graph.training;
    let in_steps = if how.fast_norms { written_norms(graph) } else { vec![false; graph.node_count()] };
    let mut pass = Pass { graph, how, in_steps, map: vec![None; graph.value_count()], cast: Vec::new(), result };
    pass.sources();
    for (id, _) in graph.nodes() {
        pass.node(id).map_err(|ShapeError(problem)| AutocastError { node: graph.node_name(id).to_owned(), problem })?;
    }
    for &output in graph.outputs() {
        pass.result.add_output(pass.mapped(output));
    }
    Ok(pass.result)
}

struct Pass<'a> {
    graph: &'a Graph,
    how: Autocast,
    /// The node belongs to a norm that runs in the lower precision.
    in_steps: Vec<bool>,
    map: Vec<Option<ValueId>>,
    /// For each value of the result that is a weight, what it was cast to.
    cast: Vec<Option<(DType, ValueId)>>,
    result: Graph,
}

impl Pass<'_> {
    fn mapped(&self, value: ValueId) -> ValueId {
        self.map[value.index()].expect("values are defined before their use")
    }

    fn sources(&mut self) {
        for (id, value) in self.graph.values() {
            let origin = match value.origin {
                Origin::Node { .. } => continue,
                Origin::Part { of, start } => Origin::Part { of: self.mapped(of), start },
                ref origin => origin.clone(),
            };
            let new = self.result.add_source(self.graph.value_name(id), value.ty.clone(), origin);
            self.map[id.index()] = Some(new);
        }
    }

    fn node(&mut self, id: NodeId) -> Result<(), ShapeError> {
        let node = self.graph.node(id);
        let mut inputs: Vec<ValueId> = node.inputs.iter().map(|&input| self.mapped(input)).collect();
        let policy = if self.in_steps[id.index()] {
            Policy::Lower
        } else {
            policy(&node.op, node.source.form, self.how.fast_norms)
        };
        let wanted = match policy {
            Policy::Lower => Some(self.how.lower),
            Policy::Full => Some(DType::F32),
            Policy::Widest => self.widest(&inputs),
            Policy::Follow => None,
        };
        if let Some(dtype) = wanted {
            for (position, input) in inputs.iter_mut().enumerate() {
                *input = self.cast(id, position, *input, dtype)?;
            }
        }
        let op = self.converted(node).unwrap_or_else(|| node.op.clone());
        let types: Vec<&Type> = inputs.iter().map(|&input| &self.result.value(input).ty).collect();
        let inferred = op.infer(&types)?;
        let widest = self.widest(&inputs);
        let outputs: Vec<(String, Type)> = (0..)
            .zip(&node.outputs)
            .map(|(index, &output): (usize, _)| {
                let mut ty = self.graph.value(output).ty.clone();
                let dtype = match &inferred {
                    Some(types) => types.get(index).and_then(Type::as_tensor).map(|tensor| tensor.dtype),
                    None => widest,
                };
                if let (Type::Tensor(tensor), Some(dtype)) = (&mut ty, dtype)
                    && tensor.dtype.is_float()
                {
                    tensor.dtype = dtype;
                }
                (self.graph.value_name(output).to_owned(), ty)
            })
            .collect();
        let source = self.source(node.source.form, self.graph.text(node.source.op), id);
        let new = self.result.add_node(self.graph.node_name(id), op, inputs, outputs, source);
        for (&old, &new) in node.outputs.iter().zip(&self.result.node(new).outputs) {
            self.map[old.index()] = Some(new);
        }
        Ok(())
    }

    /// A conversion to the element type that another tensor has now.
    fn converted(&self, node: &Node) -> Option<Op> {
        let converts = matches!(&node.op, Op::Copy(copy) if matches!(**copy, Copy::Cast { .. }));
        let maker = self.graph.producer(*node.inputs.get(1).filter(|_| converts)?)?;
        let Node { op: Op::Host(Host::DType), inputs: of, .. } = self.graph.node(maker) else { return None };
        self.float(self.mapped(*of.first()?)).map(|dtype| Copy::Cast { dtype }.into())
    }

    fn source(&mut self, form: Form, op: &str, of: NodeId) -> Source {
        let scope = self.graph.text(self.graph.node(of).source.scope);
        Source { form, op: self.result.intern(op), scope: self.result.intern(scope) }
    }

    /// The widest floating-point type among some values.
    fn widest(&self, values: &[ValueId]) -> Option<DType> {
        let floats = values.iter().filter_map(|&value| self.float(value));
        floats.reduce(|a, b| match (a, b) {
            (DType::F16, DType::Bf16) | (DType::Bf16, DType::F16) => DType::F32,
            _ if b.bytes(1) > a.bytes(1) => b,
            _ => a,
        })
    }

    fn float(&self, value: ValueId) -> Option<DType> {
        self.result.tensor(value).map(|tensor| tensor.dtype).filter(|dtype| dtype.is_float())
    }

    /// The value in another type, where it is a float of another one. `f64` is left alone, as PyTorch does.
    fn cast(&mut self, reader: NodeId, position: usize, value: ValueId, dtype: DType) -> Result<ValueId, ShapeError> {
        if self.float(value).is_none_or(|own| own == dtype || own == DType::F64) {
            return Ok(value);
        }
        let is_weight = matches!(self.result.value(value).origin, Origin::Parameter | Origin::Part { .. });
        if let Some(&Some((known, cast))) = self.cast.get(value.index())
            && known == dtype
        {
            return Ok(cast);
        }
        let op = Op::from(Copy::Cast { dtype });
        let ty = op.infer(&[&self.result.value(value).ty])?.and_then(|types| types.into_iter().next());
        let ty = ty.ok_or_else(|| ShapeError("a cast has no result".into()))?;
        let name = self.unique(&if is_weight {
            format!("{}.{}", self.result.value_name(value), dtype.name())
        } else {
            format!("{}.{position}.{}", self.graph.node_name(reader), dtype.name())
        });
        let source = self.source(Form::Method, "to", reader);
        let node = self.result.add_node(&name, op, [value], [(name.clone(), ty)], source);
        let cast = self.result.node(node).outputs.first().copied();
        let cast = cast.ok_or_else(|| ShapeError("a cast has no result".into()))?;
        if is_weight {
            if self.cast.len() <= value.index() {
                self.cast.resize(value.index() + 1, None);
            }
            self.cast[value.index()] = Some((dtype, cast));
        }
        Ok(cast)
    }

    /// A name that neither graph has.
    fn unique(&self, base: &str) -> String {
        let taken =
            |name: &str| self.graph.symbols().find(name).is_some() || self.result.symbols().find(name).is_some();
        let mut name = base.to_owned();
        let mut number = 1;
        while taken(&name) {
            number += 1;
            name = format!("{base}_{number}");
        }
        name
    }
}
