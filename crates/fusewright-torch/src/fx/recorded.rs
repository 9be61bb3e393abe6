//! What the document records of a node's result: types for the graph, and a place for each value in the same form.

use fusewright_ir::{Graph, Origin, TensorType, Type, ValueId};

use super::FxError;
use super::names::Names;
use super::schema::{NodeEntry, Val};
use super::symbols::{Place, Sizes};
use super::values::{Held, Known};

/// The document had no shape for this.
pub(super) fn is_unknown(out: &Val) -> bool {
    matches!(out, Val::Opaque(text) if text == "unknown")
}

/// Adds a placeholder; a tuple of tensors is one input each.
pub(super) fn add_input(
    node: &NodeEntry,
    sizes: &Sizes<'_>,
    names: &mut Names,
    graph: &mut Graph,
) -> Result<Held, FxError> {
    let out = node.out.as_ref().filter(|out| !is_unknown(out)).ok_or_else(|| missing_shape(node))?;
    let types = tensor_types(out, node, sizes)?;
    if types.is_empty() {
        let value = graph.add_source(&names.unique(&node.name), Known::host_type(out, sizes), Origin::Input);
        return Ok(Held::Host(value, Known::of(out, sizes)));
    }
    let values: Vec<ValueId> = result_names(&node.name, types.len())
        .zip(types)
        .map(|(name, ty)| graph.add_source(&names.unique(&name), Type::Tensor(ty), Origin::Input))
        .collect();
    Ok(hold(out, &mut values.into_iter(), sizes))
}

/// The error for a node whose shape is not recorded.
pub(super) fn missing_shape(node: &NodeEntry) -> FxError {
    FxError::MissingShape { node: node.name.clone(), target: node.target.clone() }
}

/// The types of all tensors in a value, in order.
pub(super) fn tensor_types(out: &Val, node: &NodeEntry, sizes: &Sizes<'_>) -> Result<Vec<TensorType>, FxError> {
    fn append(out: &Val, node: &NodeEntry, sizes: &Sizes<'_>, types: &mut Vec<TensorType>) -> Result<(), FxError> {
        match out {
            Val::Tensor { shape, dtype } => types.push(sizes.tensor(shape, dtype, Place::Node(&node.name))?),
            Val::Items(items) => items.iter().try_for_each(|item| append(item, node, sizes, types))?,
            Val::Const(_) | Val::Opaque(_) => {}
        }
        Ok(())
    }
    let mut types = Vec::new();
    append(out, node, sizes, &mut types)?;
    Ok(types)
}

/// What a node holds: the given values in place of the tensors of its recorded result.
pub(super) fn hold(out: &Val, values: &mut impl Iterator<Item = ValueId>, sizes: &Sizes<'_>) -> Held {
    match out {
        Val::Tensor { .. } => values.next().map_or(Held::Literal(Known::Unknown), Held::Tensor),
        Val::Items(items) => Held::Items(items.iter().map(|item| hold(item, &mut *values, sizes)).collect()),
        Val::Const(_) | Val::Opaque(_) => Held::Literal(Known::of(out, sizes)),
    }
}

/// One result has the name of its node, several have a number behind it.
pub(super) fn result_names(node: &str, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |index| if count == 1 { node.to_owned() } else { format!("{node}.{index}") })
}
