//! Calls that run a graph. Those that only set a mode around it are opened: its nodes stand in the outer graph. The
//! others, such as `cond`, stay one call.

use super::Pt2Error;
use super::argument::Argument;
use super::convert::{Converter, Scope, place_of};
use super::schema::{Graph, Node};
use super::signature::entry;
use super::{codes, outputs};
use crate::fx::schema::{Arg, NodeEntry, Opcode, Pairs, Val};

const HIGHER_ORDER: &str = "torch.ops.higher_order.";

/// Operators that run their graph once, whatever its operands are.
const PLAIN: [&str; 6] = [
    "hints_wrapper",
    "invoke_subgraph",
    "strict_mode",
    "tag_activation_checkpoint",
    "wrap",
    "wrap_activation_checkpoint",
];

const AUTOCAST: &str = "wrap_with_autocast";
const GRAD_MODE: &str = "wrap_with_set_grad_enabled";

/// Products, which automatic mixed precision computes in the short type.
const SHORT: [&str; 16] = [
    "addbmm",
    "addmm",
    "addmv",
    "baddbmm",
    "bmm",
    "conv1d",
    "conv2d",
    "conv3d",
    "convolution",
    "einsum",
    "linear",
    "matmul",
    "mm",
    "mv",
    "prelu",
    "scaled_dot_product_attention",
];

/// What it computes in 32 bits.
const LONG: [&str; 12] = [
    "cumsum",
    "exp",
    "group_norm",
    "layer_norm",
    "log",
    "log_softmax",
    "norm",
    "pow",
    "prod",
    "rsqrt",
    "softmax",
    "sum",
];

/// Codes of the element types that mixed precision converts.
const FLOATS: [i64; 3] = [6, F32, 13];
const F32: i64 = 7;

/// Opens a call that only sets a mode; false for any other.
pub(super) fn inline<'p>(
    converter: &mut Converter<'p>,
    scope: &mut Scope<'p>,
    node: &'p Node,
) -> Result<bool, Pt2Error> {
    let Some(operator) = node.target.strip_prefix(HIGHER_ORDER) else { return Ok(false) };
    if !(PLAIN.contains(&operator) || matches!(operator, AUTOCAST | GRAD_MODE)) {
        return Ok(false);
    }
    let Some((at, inner)) = only_graph(node) else { return Ok(false) };
    let mut operands = Vec::new();
    for input in node.inputs.iter().skip(at.saturating_add(1)) {
        outputs::flatten(&input.arg, &mut operands);
    }
    let (mut given, mut made) = (Vec::new(), Vec::new());
    node.outputs.iter().for_each(|output| outputs::flatten(output, &mut given));
    inner.outputs.iter().for_each(|output| outputs::flatten(output, &mut made));
    // An operator may have arguments of its own before the operands.
    let Some(own) = operands.len().checked_sub(inner.inputs.len()) else { return Ok(false) };
    if given.len() != made.len() {
        return Ok(false);
    }
    let autocast = if operator == AUTOCAST { short_type(node) } else { scope.autocast };
    let place = place_of(node);
    let mut body = Scope::new(inner, autocast);
    for (input, operand) in inner.inputs.iter().zip(operands.into_iter().skip(own)) {
        if let Some(local) = outputs::local_name(input) {
            body.set(local, shareable(scope.argument(operand, &place)?));
        }
    }
    converter.nodes(&mut body)?;
    for (outer, inner) in given.into_iter().zip(made) {
        if let Some(local) = outputs::local_name(outer) {
            scope.set(local, shareable(body.argument(inner, &place)?));
        }
    }
    Ok(true)
}

/// A value that a short name may stand for any number of times.
fn shareable(arg: Arg) -> Arg {
    match arg {
        Arg::Scalar(crate::fx::schema::Scalar::Text(_)) | Arg::List(_) | Arg::Dict(_) | Arg::Opaque(_) => {
            Arg::Opaque("an object".to_owned())
        }
        small => small,
    }
}

/// The graph among the arguments and its position, if there is exactly one.
fn only_graph(node: &Node) -> Option<(usize, &Graph)> {
    let graph = |(at, argument): (usize, &'_ Argument)| (at, matches!(argument, Argument::Graph(_)));
    let mut found = node.inputs.iter().map(|input| &input.arg).enumerate().map(graph).filter(|found| found.1);
    let (Some((at, _)), None) = (found.next(), found.next()) else { return None };
    match node.inputs.get(at).map(|input| &input.arg) {
        Some(Argument::Graph(inner)) => Some((at, inner)),
        _ => None,
    }
}

/// The element type that a mixed-precision region computes products in; `None` when it switches the mode off.
fn short_type(node: &Node) -> Option<i64> {
    let mut dtype = None;
    let mut enabled = None;
    for input in &node.inputs {
        match input.arg {
            Argument::DType(code) => dtype = dtype.or(Some(code)),
            Argument::Bool(flag) => enabled = enabled.or(Some(flag)),
            _ => {}
        }
    }
    dtype.filter(|_| enabled == Some(true))
}

/// An argument as a mixed-precision region converts it, by a call of its own; `None` where it stays as it is.
pub(super) fn cast<'p>(
    converter: &mut Converter<'p>,
    scope: &Scope<'p>,
    node: &Node,
    argument: &Argument,
) -> Result<Option<Arg>, Pt2Error> {
    let (Some(short), Argument::Tensor(local)) = (scope.autocast, argument) else { return Ok(None) };
    let Some(op) = node.target.strip_prefix("torch.ops.aten.").and_then(|op| op.split('.').next()) else {
        return Ok(None);
    };
    let wanted = if SHORT.contains(&op) {
        short
    } else if LONG.contains(&op) {
        F32
    } else {
        return Ok(None);
    };
    let Some(meta) = scope.graph.tensor_values.get(local) else { return Ok(None) };
    if meta.dtype == wanted || !FLOATS.contains(&meta.dtype) {
        return Ok(None);
    }
    let place = place_of(node);
    let dtype = codes::dtype(wanted, &place)?.to_owned();
    let Val::Tensor { shape, .. } = converter.tensor(scope.graph, local, local)? else { return Ok(None) };
    let name = converter.unique(&format!("{local}_cast"));
    converter.push(NodeEntry {
        target: "torch.ops.aten.to.dtype".to_owned(),
        args: vec![scope.get(local, &place)?],
        kwargs: Pairs(vec![("dtype".to_owned(), Arg::DType(dtype.clone()))]),
        out: Some(Val::Tensor { shape, dtype }),
        ..entry(name.clone(), Opcode::CallFunction)
    });
    Ok(Some(Arg::Ref(name)))
}
