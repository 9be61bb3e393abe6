//! What the inputs of the graph are: parameters and buffers, constants of the model, and what the user gives.

use std::collections::{BTreeSet, HashMap};

use super::Pt2Error;
use super::argument::Argument;
use super::convert::{Converter, Scope};
use super::schema::{Graph, Signature};
use super::ties::Ties;
use crate::fx::schema::{Arg, Kind, NodeEntry, Opcode, TensorEntry, Val};

/// A tensor that belongs to the model.
#[derive(Clone, Copy, Debug)]
struct Owned<'p> {
    name: &'p str,
    /// `None` for a constant.
    kind: Option<Kind>,
}

/// Adds the inputs of the whole program: placeholders, parameters and constants.
pub(super) fn add_inputs<'p>(
    converter: &mut Converter<'p>,
    scope: &mut Scope<'p>,
    graph: &'p Graph,
    signature: &'p Signature,
    ties: &Ties,
) -> Result<(), Pt2Error> {
    let owned = owned(signature);
    let mut listed = BTreeSet::new();
    for input in &graph.inputs {
        match input {
            Argument::Tensor(local) => {
                let owned = owned.get(local.as_str());
                if let Some(&Owned { name, kind: Some(kind) }) = owned
                    && listed.insert(name)
                {
                    add_parameter(converter, scope, local, name, kind, ties)?;
                }
                let (op, target) =
                    owned.map_or((Opcode::Placeholder, local.as_str()), |own| (Opcode::GetAttr, own.name));
                let out = converter.tensor(graph, local, local)?;
                add(converter, scope, local, op, target, out);
            }
            Argument::Symbol(local) => {
                let out = converter.symbol(graph, local);
                add(converter, scope, local, Opcode::Placeholder, local, out);
            }
            Argument::Object(local) => scope.set(local, Arg::Opaque("an object".to_owned())),
            // Constants are written again where they are used.
            _ => {}
        }
    }
    Ok(())
}

/// The tensors of the model by their names in the graph.
fn owned(signature: &Signature) -> HashMap<&str, Owned<'_>> {
    let mut owned = HashMap::new();
    for spec in &signature.input_specs {
        if let Some(spec) = &spec.parameter {
            owned.insert(spec.arg.name.as_str(), Owned { name: &spec.parameter_name, kind: Some(Kind::Parameter) });
        }
        if let Some(spec) = &spec.buffer {
            owned.insert(spec.arg.name.as_str(), Owned { name: &spec.buffer_name, kind: Some(Kind::Buffer) });
        }
        if let Some(spec) = &spec.tensor_constant {
            owned.insert(spec.arg.name.as_str(), Owned { name: &spec.tensor_constant_name, kind: None });
        }
    }
    owned
}

fn add<'p>(converter: &mut Converter<'p>, scope: &mut Scope<'p>, local: &'p str, op: Opcode, target: &str, out: Val) {
    let name = converter.unique(local);
    scope.set(local, Arg::Ref(name.clone()));
    converter.push(NodeEntry { target: target.to_owned(), out: Some(out), ..entry(name, op) });
}

fn add_parameter<'p>(
    converter: &mut Converter<'p>,
    scope: &Scope<'p>,
    local: &str,
    name: &str,
    kind: Kind,
    ties: &Ties,
) -> Result<(), Pt2Error> {
    let Val::Tensor { shape, dtype } = converter.tensor(scope.graph, local, local)? else { return Ok(()) };
    let alias_of = ties.original(name).map(str::to_owned);
    converter.document.params.push(TensorEntry { name: name.to_owned(), shape, dtype, kind, alias_of });
    Ok(())
}

/// A node without anything but its name.
pub(super) fn entry(name: String, op: Opcode) -> NodeEntry {
    NodeEntry {
        name,
        op,
        target: String::new(),
        args: Vec::new(),
        kwargs: crate::fx::schema::Pairs::default(),
        out: None,
        scope: String::new(),
        results: Vec::new(),
    }
}
