//! Projections of one tensor as one product: weights side by side, the result split again.
//!
//! Every column of the product is the sum that it was, so results are bit-identical wherever a library computes columns
//! alike. It is one product for two or three and a copy more, which pays where launches count and not on a few cores;
//! so it is done on request, or where a plan says that it pays.

use std::collections::{BTreeMap, HashMap};

use crate::Packing;
use crate::document::{Document, Slot};
use crate::emit::{Emitter, Place};
use crate::message::{Attribute, Node};
use crate::payload::Payload;
use crate::report::{Change, Report, Rewrite, Skip};
use crate::tensors::Tensor;

/// A projection: a product with a weight of the model, and the sum with a bias behind it.
struct Projection {
    product: usize,
    weight: String,
    /// The node that adds the bias, and the bias.
    bias: Option<(usize, String)>,
    output: String,
    width: i64,
    depth: i64,
    data_type: i32,
}

/// Packs projections that read one tensor.
pub(crate) fn rewrite(document: &mut Document, which: Packing<'_>, report: &mut Report) {
    if matches!(which, Packing::Never) {
        return;
    }
    let mut emitter = Emitter::new(document);
    let literals = document.literals();
    let readers = document.readers();
    let mut groups: BTreeMap<(String, i64, i32), Vec<Projection>> = BTreeMap::new();
    for position in 0..document.slots.len() {
        let wanted = document.slots[position].node().outputs.first().is_some_and(|output| match which {
            Packing::Never => false,
            Packing::Always => true,
            Packing::These(names) => names.contains(output),
        });
        let found = if wanted { projection(document, position, &literals, &readers) } else { None };
        if let Some((input, projection)) = found {
            let key = (input, projection.depth, projection.data_type);
            groups.entry(key).or_default().push(projection);
        }
    }
    for ((input, ..), group) in groups.into_iter().filter(|(_, group)| group.len() > 1) {
        let module = module(document, group[0].product);
        let skip = |reason: &str| Skip { rewrite: Rewrite::Packing, module: module.clone(), reason: reason.to_owned() };
        match pack(document, &mut emitter, &literals, &input, &group) {
            Ok(nodes) => {
                let op = "MatMul".to_owned();
                report.changes.push(Change { rewrite: Rewrite::Packing, module, op, nodes });
            }
            Err(reason) => report.skips.push(skip(reason)),
        }
    }
    drop((literals, readers));
    emitter.apply(document);
    document.prune();
}

/// The module that several projections share: what their names have in common.
fn module(document: &Document, position: usize) -> String {
    let name = document.slots.get(position).map_or("", |slot| slot.node().name.as_str());
    let path = name.trim_start_matches('/').rsplit_once('/').map_or("", |(path, _)| path);
    path.rsplit_once('/').map_or(path, |(path, _)| path).replace('/', ".")
}

fn projection(
    document: &Document,
    position: usize,
    literals: &HashMap<&str, &Tensor>,
    readers: &HashMap<&str, usize>,
) -> Option<(String, Projection)> {
    let node = document.slots.get(position)?.node();
    let ([input, weight], [made]) = (&node.inputs[..], &node.outputs[..]) else { return None };
    let tensor = literals.get(weight.as_str()).filter(|_| node.is("MatMul"))?;
    let &[depth, width] = &tensor.dims[..] else { return None };
    let once = |name: &str| readers.get(name) == Some(&1);
    if literals.contains_key(input.as_str()) || !once(weight) || depth <= 0 || width <= 0 {
        return None;
    }
    let bias = Some(made).filter(|made| once(made)).and_then(|made| bias(document, made, width, tensor, literals));
    let output = match &bias {
        Some((at, _)) => document.slots.get(*at)?.node().outputs.first()?.clone(),
        None => made.clone(),
    };
    let (weight, data_type) = (weight.clone(), tensor.data_type);
    Some((input.clone(), Projection { product: position, weight, bias, output, width, depth, data_type }))
}

/// The node that adds a vector of the model to a product.
fn bias(
    document: &Document,
    product: &str,
    width: i64,
    weight: &Tensor,
    literals: &HashMap<&str, &Tensor>,
) -> Option<(usize, String)> {
    let reads = |slot: &Slot| slot.node().inputs.iter().any(|input| input == product);
    let at = document.slots.iter().position(reads)?;
    let node: &Node = document.slots.get(at)?.node();
    let other = node.inputs.iter().find(|input| *input != product).filter(|_| node.is("Add"))?;
    let vector = literals.get(other.as_str())?;
    (vector.dims == [width] && vector.data_type == weight.data_type).then(|| (at, other.clone()))
}

fn pack(
    document: &Document,
    emitter: &mut Emitter,
    literals: &HashMap<&str, &Tensor>,
    input: &str,
    group: &[Projection],
) -> Result<u64, &'static str> {
    let with_bias = group.iter().filter(|projection| projection.bias.is_some()).count();
    if with_bias != 0 && with_bias != group.len() {
        return Err("some of its projections have a bias and some have none");
    }
    let bytes =
        |name: &str| literals.get(name).and_then(|tensor| tensor.bytes()).ok_or("a weight is not stored as bytes");
    let (depth, data_type) = (group[0].depth, group[0].data_type);
    let width = group.iter().try_fold(0_i64, |sum, projection| sum.checked_add(projection.width));
    let width = width.ok_or("its weights are too wide")?;
    let rows = usize::try_from(depth).map_err(|_| "its weights are too deep")?;
    let weights = group.iter().map(|projection| bytes(&projection.weight)).collect::<Result<Vec<_>, _>>()?;
    let weights = Payload::side_by_side(weights, rows).ok_or("a weight has fewer bytes than its extents say")?;
    let biases = group.iter().filter_map(|projection| projection.bias.as_ref());
    let biases = biases.map(|(_, name)| bytes(name)).collect::<Result<Vec<_>, _>>()?;
    let first = group[0].product;
    let place = Place::of(document, first, &module(document, first), first);
    let names: Vec<&str> = group.iter().map(|projection| projection.weight.as_str()).collect();
    let weight = emitter.tensor(&names.join("+"), vec![depth, width], data_type, weights);
    let mut all = emitter.node(&place, ("", "MatMul"), &[input, &weight], Vec::new(), None);
    if with_bias > 0 {
        let payload = Payload::side_by_side(biases, 1).ok_or("its biases are empty")?;
        let bias = emitter.tensor(&format!("{}.bias", names.join("+")), vec![width], data_type, payload);
        all = emitter.node(&place, ("", "Add"), &[&all, &bias], Vec::new(), None);
    }
    let widths: Vec<i64> = group.iter().map(|projection| projection.width).collect();
    let widths = emitter.ints(&widths);
    let outputs = group.iter().map(|projection| projection.output.clone()).collect();
    emitter.split(&place, &[&all, &widths], vec![Attribute::of_int("axis", -1)], outputs);
    for projection in group {
        emitter.remove(projection.bias.as_ref().map_or(projection.product, |(at, _)| *at));
    }
    Ok(group.len() as u64)
}
