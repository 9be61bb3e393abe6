//! What a call gives: one value under its own name, or members of a list that each have one.

use super::Pt2Error;
use super::argument::Argument;
use super::convert::{Converter, Scope};
use super::schema::Node;
use crate::fx::schema::{Arg, NodeEntry, Scalar, Val};

/// Names the results of a call and states their types in its entry.
pub(super) fn add<'p>(
    converter: &mut Converter<'p>,
    scope: &mut Scope<'p>,
    node: &'p Node,
    entry: &mut NodeEntry,
) -> Result<(), Pt2Error> {
    if let [single @ (Argument::Tensor(local) | Argument::Symbol(local))] = node.outputs.as_slice() {
        entry.out = Some(value(converter, scope, single, local)?);
        entry.name = converter.unique(local);
        scope.set(local, Arg::Ref(entry.name.clone()));
        return Ok(());
    }
    let mut members = Vec::new();
    for output in &node.outputs {
        flatten(output, &mut members);
    }
    let own = if node.name.is_empty() { last_word(&node.target) } else { &node.name };
    entry.name = converter.unique(own);
    let mut values = Vec::with_capacity(members.len());
    for member in members {
        let local = local_name(member);
        values.push(value(converter, scope, member, local.unwrap_or_default())?);
        entry.results.push(match local {
            Some(local) => {
                let name = converter.unique(local);
                scope.set(local, Arg::Ref(name.clone()));
                name
            }
            None => String::new(),
        });
    }
    entry.out = Some(if values.is_empty() { Val::Const(Scalar::None) } else { Val::Items(values) });
    Ok(())
}

/// The values of nested lists in order.
pub(super) fn flatten<'p>(output: &'p Argument, into: &mut Vec<&'p Argument>) {
    match output {
        Argument::List(items) => items.iter().for_each(|item| flatten(item, into)),
        single => into.push(single),
    }
}

/// The name by which later nodes know a value.
pub(super) fn local_name(value: &Argument) -> Option<&str> {
    match value {
        Argument::Tensor(name) | Argument::Symbol(name) | Argument::Object(name) => Some(name),
        _ => None,
    }
}

fn value(converter: &mut Converter<'_>, scope: &Scope<'_>, output: &Argument, local: &str) -> Result<Val, Pt2Error> {
    Ok(match output {
        Argument::Tensor(_) => converter.tensor(scope.graph, local, local)?,
        Argument::Symbol(_) => converter.symbol(scope.graph, local),
        Argument::Int(value) => Val::Const(Scalar::Int(*value)),
        Argument::None => Val::Const(Scalar::None),
        _ => Val::Opaque("an object".to_owned()),
    })
}

/// The name of an op without its name space and overload.
fn last_word(target: &str) -> &str {
    let op = target.strip_prefix("torch.ops.").unwrap_or(target);
    op.split('.').nth(1).unwrap_or(op)
}
