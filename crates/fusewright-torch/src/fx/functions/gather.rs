//! Rows and elements picked by index tensors.

use fusewright_ir::ops::Gather;
use fusewright_ir::{Op, ValueId};
use smallvec::smallvec;

use super::super::arguments::{Built, Call};
use super::super::values::{Items, Operand};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row("F.embedding", "input weight padding_idx max_norm norm_type scale_grad_by_freq sparse", embedding),
    row("torch.embedding", "weight input/indices padding_idx scale_grad_by_freq sparse", embedding),
    row("index_select", "input dim index", index_select),
    row("gather", "input dim index sparse_grad", |call| elements(call, "index")),
    row("take_along_dim", "input indices dim", |call| elements(call, "indices")),
    row("index _unsafe_index", "input indices", index),
    row(
        "torchvision.models.swin_transformer._get_relative_position_bias",
        "relative_position_bias_table relative_position_index window_size",
        position_bias,
    ),
];

fn embedding(call: &Call<'_>) -> Built {
    // Rescaling rows to a maximal norm changes the table.
    call.refuse("max_norm")?;
    Ok((Op::Gather(Gather::Embedding), smallvec![call.tensor("input")?, call.tensor("weight")?]))
}

fn index_select(call: &Call<'_>) -> Built {
    let op = Gather::IndexSelect { axis: call.int("dim")? };
    Ok((Op::Gather(op), smallvec![call.tensor("input")?, call.tensor("index")?]))
}

fn elements(call: &Call<'_>, indices: &str) -> Built {
    let op = Gather::Elements { axis: call.int("dim")? };
    Ok((Op::Gather(op), smallvec![call.tensor("input")?, call.tensor(indices)?]))
}

fn position_bias(call: &Call<'_>) -> Built {
    let window = call.sizes("window_size", 2, 1)?;
    let positions = window.iter().fold(1_u64, |product, &extent| product.saturating_mul(extent));
    let inputs = smallvec![call.tensor("relative_position_bias_table")?, call.tensor("relative_position_index")?];
    Ok((Op::Gather(Gather::PositionBias { positions }), inputs))
}

/// A subscript with tensors as `aten.index` writes it: one entry per axis, `None` for a whole axis.
fn index(call: &Call<'_>) -> Built {
    let Some(Operand::Items(items @ (Items::List(_) | Items::Tuple(_)))) = call.given("indices") else {
        return Err("the argument `indices` must be a list".to_owned());
    };
    let entries = indexed_axes(call, items)?;
    super::subscript::pick(call, &entries)
}

/// The axes that a list of index tensors picks along; `None` leaves an axis whole.
pub(super) fn indexed_axes<'a>(call: &Call<'a>, items: Items<'a>) -> Result<Vec<(u32, ValueId)>, String> {
    let mut entries = Vec::new();
    for (axis, entry) in (0..).zip(call.env.items(items)) {
        match entry {
            Operand::Tensor(index) => entries.push((axis, index)),
            entry if entry.is_none() => {}
            other => return Err(format!("an index that is {}", other.describe())),
        }
    }
    Ok(entries)
}
