//! Which inputs and outputs of two models belong together: by name where the names agree, else by position.

use fusewright_ir::{Graph, ValueId};

use crate::ExecError;

/// For each input of `b` the position of the input of `a` that it takes.
pub(super) fn inputs(a: &Graph, b: &Graph) -> Result<Vec<usize>, ExecError> {
    let matched = pairs(b, b.inputs(), a, a.inputs(), "input")?;
    for (&own, &position) in b.inputs().iter().zip(&matched) {
        let other = a.inputs()[position];
        let (mine, theirs) = (b.tensor(own).map(|t| t.shape.as_slice()), a.tensor(other).map(|t| t.shape.as_slice()));
        if mine != theirs {
            return Err(ExecError::Unrelated {
                problem: format!(
                    "input `{}` has shape {:?} in the first model and {:?} in the second; bind their sizes with --dim",
                    b.value_name(own),
                    theirs.unwrap_or_default(),
                    mine.unwrap_or_default()
                ),
            });
        }
    }
    Ok(matched)
}

/// For each output of `a` the position of the output of `b` that it is compared with.
pub(super) fn outputs(a: &Graph, b: &Graph) -> Result<Vec<usize>, ExecError> {
    pairs(a, a.outputs(), b, b.outputs(), "output")
}

fn pairs(
    graph: &Graph,
    own: &[ValueId],
    other: &Graph,
    others: &[ValueId],
    what: &str,
) -> Result<Vec<usize>, ExecError> {
    let named = |&value: &ValueId| {
        let name = graph.value_name(value);
        others.iter().position(|&candidate| other.value_name(candidate) == name)
    };
    let found: Vec<Option<usize>> = own.iter().map(named).collect();
    if let Some(all) = found.iter().copied().collect::<Option<Vec<usize>>>() {
        return Ok(all);
    }
    if own.len() == others.len() {
        return Ok((0..own.len()).collect());
    }
    let missing: Vec<&str> = own
        .iter()
        .zip(&found)
        .filter(|(_, found)| found.is_none())
        .map(|(&value, _)| graph.value_name(value))
        .collect();
    Err(ExecError::Unrelated {
        problem: format!(
            "one has {} {what}s and the other {}, and `{}` is in one of them only",
            own.len(),
            others.len(),
            missing.join("`, `")
        ),
    })
}
