//! Nodes of the program as calls with named arguments, in a document of the FX reader.
//!
//! Names are local to a graph and may hide those of an outer one, so each graph has a [`Scope`], and every name of the
//! document is given once.

use std::collections::HashMap;

use fusewright_ir::Warning;

use super::Pt2Error;
use super::argument::Argument;
use super::dims::Dims;
use super::schema::{Graph, Node, Program};
use super::signature::{add_inputs, entry};
use super::ties::Ties;
use super::{codes, outputs, regions};
use crate::fx::schema::{Arg, Document, NodeEntry, Opcode, Pairs, Scalar, Size, Val};

/// Longest name that is kept whole. A name is written once for each use, so long ones would multiply.
const MAX_NAME: usize = 256;

/// The document, and what its sizes left in doubt.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) document: Document,
    pub(super) warnings: Vec<Warning>,
}

/// The values of one graph.
#[derive(Debug)]
pub(super) struct Scope<'p> {
    pub(super) graph: &'p Graph,
    values: HashMap<&'p str, Arg>,
    /// The element type that products are computed in here, if a mode says so.
    pub(super) autocast: Option<i64>,
}

impl<'p> Scope<'p> {
    pub(super) fn new(graph: &'p Graph, autocast: Option<i64>) -> Self {
        Self { graph, values: HashMap::new(), autocast }
    }

    /// Says what a name stands for.
    pub(super) fn set(&mut self, local: &'p str, value: Arg) {
        self.values.insert(local, value);
    }

    /// What a name stands for; `place` is for the message.
    pub(super) fn get(&self, local: &str, place: &str) -> Result<Arg, Pt2Error> {
        let unknown = || Pt2Error::UnknownValue { place: place.to_owned(), value: local.to_owned() };
        self.values.get(local).cloned().ok_or_else(unknown)
    }

    /// An argument with its names looked up.
    pub(super) fn argument(&self, argument: &Argument, place: &str) -> Result<Arg, Pt2Error> {
        Ok(match argument {
            Argument::None => Arg::Scalar(Scalar::None),
            Argument::Tensor(local) | Argument::Symbol(local) | Argument::Object(local) => self.get(local, place)?,
            Argument::Int(value) => Arg::Scalar(Scalar::Int(*value)),
            Argument::Float(value) => Arg::Scalar(Scalar::Float(*value)),
            Argument::Bool(value) => Arg::Scalar(Scalar::Bool(*value)),
            Argument::Text(text) => Arg::Scalar(Scalar::Text(text.clone())),
            Argument::List(items) => {
                Arg::List(items.iter().map(|item| self.argument(item, place)).collect::<Result<_, _>>()?)
            }
            Argument::Dict(pairs) => {
                let pair = |(key, value): &(String, Argument)| Ok((key.clone(), self.argument(value, place)?));
                Arg::Dict(Pairs(pairs.iter().map(pair).collect::<Result<_, Pt2Error>>()?))
            }
            Argument::DType(code) => Arg::DType(codes::dtype(*code, place)?.to_owned()),
            Argument::MemoryFormat(code) => Arg::Opaque(codes::memory_format(*code, place)?.to_owned()),
            Argument::Layout(code) => Arg::Opaque(codes::layout(*code, place)?.to_owned()),
            Argument::Graph(_) => Arg::Opaque("a graph".to_owned()),
            Argument::Other(what) => Arg::Opaque(what.clone()),
        })
    }
}

/// Writes the document.
#[derive(Debug)]
pub(super) struct Converter<'p> {
    pub(super) document: Document,
    dims: &'p Dims,
    /// Each name with the number of times it was asked for.
    taken: HashMap<String, u32>,
    warnings: Vec<Warning>,
}

/// Turns a program into a document.
pub(super) fn document(program: &Program, name: &str, dims: &Dims, ties: &Ties) -> Result<Converted, Pt2Error> {
    let module = &program.graph_module;
    let document = Document {
        name: name.to_owned(),
        training: false,
        symbols: dims.table.clone(),
        nodes: Vec::with_capacity(module.graph.nodes.len()),
        modules: HashMap::new(),
        params: Vec::new(),
    };
    let mut converter = Converter { document, dims, taken: HashMap::new(), warnings: Vec::new() };
    let mut scope = Scope::new(&module.graph, None);
    add_inputs(&mut converter, &mut scope, &module.graph, &module.signature, ties)?;
    converter.nodes(&mut scope)?;
    let mut results = Vec::new();
    for (position, output) in module.graph.outputs.iter().enumerate() {
        let spec = module.signature.output_specs.get(position);
        if matches!(output, Argument::Tensor(_)) && spec.is_none_or(|spec| spec.token.is_none()) {
            results.push(scope.argument(output, "the output")?);
        }
    }
    let name = converter.unique("output");
    converter.push(NodeEntry { args: vec![Arg::Tuple(results)], ..entry(name, Opcode::Output) });
    Ok(Converted { document: converter.document, warnings: converter.warnings })
}

impl<'p> Converter<'p> {
    /// Adds the calls of a graph.
    pub(super) fn nodes(&mut self, scope: &mut Scope<'p>) -> Result<(), Pt2Error> {
        let graph = scope.graph;
        for node in &graph.nodes {
            if !regions::inline(self, scope, node)? {
                self.call(scope, node)?;
            }
        }
        Ok(())
    }

    fn call(&mut self, scope: &mut Scope<'p>, node: &'p Node) -> Result<(), Pt2Error> {
        let place = place_of(node);
        let mut args = Vec::new();
        let mut kwargs = Vec::new();
        for input in &node.inputs {
            let value = regions::cast(self, scope, node, &input.arg)?;
            let value = match value {
                Some(value) => value,
                None => scope.argument(&input.arg, &place)?,
            };
            if matches!(input.name.as_str(), "train" | "training") && input.arg_is_true() {
                self.document.training = true;
            }
            // What a call writes into is its first argument, which keeps its place.
            if kwargs.is_empty() && (args.is_empty() || input.name.is_empty()) {
                args.push(value);
            } else {
                kwargs.push((input.name.clone(), value));
            }
        }
        let mut call = NodeEntry {
            target: normalised(&node.target),
            args,
            kwargs: Pairs(kwargs),
            scope: module_path(&node.metadata.nn_module_stack).to_owned(),
            ..entry(String::new(), Opcode::CallFunction)
        };
        outputs::add(self, scope, node, &mut call)?;
        self.push(call);
        Ok(())
    }

    /// Appends an entry.
    pub(super) fn push(&mut self, entry: NodeEntry) {
        self.document.nodes.push(entry);
    }

    /// A name that no other entry has: the wanted one, or one like it.
    pub(super) fn unique(&mut self, wanted: &str) -> String {
        let mut base: String = wanted.chars().take(MAX_NAME).collect();
        if base.is_empty() {
            base.push_str("value");
        }
        let count = self.taken.entry(base.clone()).or_insert(0);
        if *count == 0 {
            *count = 1;
            return base;
        }
        let mut number = *count;
        loop {
            number = number.saturating_add(1);
            let candidate = format!("{base}.{number}");
            if !self.taken.contains_key(&candidate) {
                self.taken.insert(base, number);
                self.taken.insert(candidate.clone(), 1);
                return candidate;
            }
        }
    }

    /// The type of a tensor, as the graph states it.
    pub(super) fn tensor(&mut self, graph: &Graph, local: &str, place: &str) -> Result<Val, Pt2Error> {
        let place = format!("value `{place}`");
        let missing = || Pt2Error::MissingShape { place: place.clone(), value: local.to_owned() };
        let meta = graph.tensor_values.get(local).ok_or_else(missing)?;
        codes::layout(meta.layout, &place)?;
        let mut shape = Vec::with_capacity(meta.sizes.len());
        for extent in &meta.sizes {
            let (size, is_exact) = self.dims.size(extent);
            shape.push(size.ok_or_else(missing)?);
            if !is_exact {
                let text =
                    "an extent is given by an expression that is not known; the one of the example inputs is taken";
                self.warnings.push(Warning { node: local.to_owned(), text: text.to_owned() });
            }
        }
        Ok(Val::Tensor { shape, dtype: codes::dtype(meta.dtype, &place)?.to_owned() })
    }

    /// A number that the program computes, as far as it is known at load.
    pub(super) fn symbol(&self, graph: &Graph, local: &str) -> Val {
        match graph.sym_int_values.get(local).and_then(|extent| self.dims.size(extent).0) {
            Some(Size::Symbol(symbol)) => Val::Const(Scalar::Text(symbol)),
            Some(Size::Number(number)) => {
                i64::try_from(number).map_or(Val::Opaque("int".to_owned()), |value| Val::Const(Scalar::Int(value)))
            }
            None => Val::Opaque("number".to_owned()),
        }
    }
}

/// A node, for messages.
pub(super) fn place_of(node: &Node) -> String {
    let name = if node.name.is_empty() {
        node.outputs.first().and_then(outputs::local_name)
    } else {
        Some(node.name.as_str())
    };
    format!("node `{}` ({})", name.unwrap_or("without a name"), node.target)
}

/// Targets as the call tables have them.
fn normalised(target: &str) -> String {
    match target.strip_prefix("_operator.") {
        Some(function) => format!("operator.{function}"),
        None => target.to_owned(),
    }
}

/// The path of the innermost module that a node comes from. A second call of a module has `@1` behind its path.
fn module_path(stack: &str) -> &str {
    let last = stack.rsplit(';').next().unwrap_or(stack);
    let mut fields = last.splitn(3, ',');
    let (key, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    // Nodes that torch adds itself have the name of the hook that adds them three times.
    if key == path {
        return "";
    }
    match path.rsplit_once('@') {
        Some((path, call)) if call.chars().all(|c| c.is_ascii_digit()) => path,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::module_path;

    #[test]
    fn the_innermost_module_counts() {
        let cases = [
            ("", ""),
            ("L__self__,,m.M", ""),
            ("L__self__,,m.M;L__self___a,a.0,torch.nn.Linear", "a.0"),
            ("L__self__,,m.M;a,a.0@12,torch.nn.Linear", "a.0"),
            ("hook,hook,hook", ""),
            ("k,a@b,c,d", "a@b"),
        ];
        for (stack, path) in cases {
            assert_eq!(module_path(stack), path, "{stack}");
        }
    }
}
