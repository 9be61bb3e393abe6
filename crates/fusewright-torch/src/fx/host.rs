//! Calls that produce no tensor: they run on the host.

use fusewright_ir::Form;
use fusewright_ir::ops::Host;

use super::functions::Target;
use super::schema::{Arg, NodeEntry, Scalar};
use super::values::{Env, Operand};

/// Functions that check something and raise.
const CHECKS: [&str; 7] = [
    "_assert",
    "_assert_async",
    "_assert_scalar",
    "_assert_tensor_metadata",
    "_check",
    "sym_constrain_range",
    "sym_constrain_range_for_size",
];

/// What a call that produces no tensor does.
pub(super) fn host_op(env: &Env<'_>, node: &NodeEntry, form: Form) -> Host {
    let target = Target::of(form, &node.target);
    if form != Form::Module && CHECKS.contains(&target.name) {
        return Host::Assert;
    }
    let of_tensor = node.args.first().is_some_and(|arg| matches!(env.operand(arg), Operand::Tensor(_)));
    let is = |name: &str, given: Option<&Arg>| given == Some(&Arg::Scalar(Scalar::Text(name.to_owned())));
    let given = node.args.get(1).or_else(|| node.kwargs.0.iter().find(|(name, _)| name == "dim").map(|(_, arg)| arg));
    match target.name {
        "size" | "sym_size" if of_tensor => Host::Size { axis: given.and_then(|arg| env.operand(arg).int()) },
        "builtins.len" if of_tensor => Host::Size { axis: Some(0) },
        "builtins.getattr" if of_tensor && is("shape", given) => Host::Size { axis: None },
        "builtins.getattr" if of_tensor && is("dtype", given) => Host::DType,
        _ => Host::Compute,
    }
}
