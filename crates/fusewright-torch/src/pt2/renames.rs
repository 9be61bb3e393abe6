//! Names of arguments in the schemas of `torch.ops.aten` where the call tables of the reader have another one.

/// Ops, the name in the schema and the name in the table. An empty table name drops the argument: it changes nothing that
/// the graph states.
const TABLE: &[(&str, &str, &str)] = &[
    ("addmm baddbmm", "batch1", "mat1"),
    ("addmm baddbmm", "batch2", "mat2"),
    ("bmm mm", "mat2", "other"),
    ("dot vdot", "tensor", "other"),
    ("mv", "vec", "other"),
    ("embedding", "indices", "input"),
    ("dropout feature_dropout alpha_dropout native_dropout", "train", "training"),
    ("einsum", "tensors", "operands"),
    ("einsum", "path", ""),
    ("view _unsafe_view", "size", "shape"),
    ("_softmax _log_softmax", "half_to_float", ""),
    ("swapaxes", "axis0", "dim0"),
    ("swapaxes", "axis1", "dim1"),
    ("layer_norm", "cudnn_enable", ""),
];

/// The name of an argument in the call tables; `None` for one that is dropped.
pub(super) fn argument<'n>(target: &str, name: &'n str) -> Option<&'n str> {
    let op = target.strip_prefix("torch.ops.aten.").and_then(|op| op.split('.').next());
    let Some(op) = op.map(|op| op.strip_suffix('_').unwrap_or(op)) else { return Some(name) };
    let row = TABLE.iter().find(|row| row.1 == name && row.0.split(' ').any(|known| known == op));
    match row {
        Some((_, _, "")) => None,
        Some((_, _, renamed)) => Some(renamed),
        None => Some(name),
    }
}
