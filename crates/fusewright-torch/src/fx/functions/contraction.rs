//! Sums of products: linear layers, matrix products, einsum.

use fusewright_ir::Op;
use fusewright_ir::ops::{Contraction, Einsum};
use smallvec::smallvec;

use super::super::arguments::{Built, Call};
use super::super::values::{Items, Operand};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row("linear", "input weight bias", linear),
    row("matmul bmm mm mv __matmul__", "input other/mat2/vec", matmul),
    row("dot", "input other/tensor", matmul),
    row("addmm baddbmm addmv", "input mat1/batch1/mat mat2/batch2/vec beta alpha", matmul_add),
    row("einsum", "equation *operands/tensors path", einsum),
    row("_grouped_mm F.grouped_mm", "input weight/mat2/mat_b offs bias out_dtype", grouped_matmul),
    row("torch.ops.transformers.grouped_mm_fallback", "input weight offs", grouped_matmul),
];

/// Rows of x in consecutive groups, each with its own matrix.
fn grouped_matmul(call: &Call<'_>) -> Built {
    call.refuse("bias")?;
    let mut inputs = smallvec![call.tensor("input")?, call.tensor("weight")?];
    inputs.extend(call.optional_tensor("offs")?);
    Ok((Op::Contraction(Contraction::GroupedMatMul { transposed: false }), inputs))
}

fn linear(call: &Call<'_>) -> Built {
    let mut inputs = smallvec![call.tensor("input")?, call.tensor("weight")?];
    inputs.extend(call.optional_tensor("bias")?);
    Ok((Op::Contraction(Contraction::Linear), inputs))
}

fn matmul(call: &Call<'_>) -> Built {
    Ok((Op::Contraction(Contraction::MatMul), smallvec![call.tensor("input")?, call.tensor("other")?]))
}

fn matmul_add(call: &Call<'_>) -> Built {
    let op = Contraction::MatMulAdd { alpha: call.number_or("alpha", 1.0)?, beta: call.number_or("beta", 1.0)? };
    let inputs = smallvec![call.tensor("input")?, call.tensor("mat1")?, call.tensor("mat2")?];
    Ok((Op::Contraction(op), inputs))
}

fn einsum(call: &Call<'_>) -> Built {
    let equation = call.text("equation")?.ok_or("the argument `equation` is missing")?;
    // The operands may be one list inside the variadic list.
    let inputs = match call.given("operands") {
        Some(Operand::Items(items @ (Items::List(_) | Items::Tuple(_)))) => match call.env.item(items, 0) {
            Some(Operand::Items(inner)) if items.len() == 1 => call.tensors_of("operands", inner)?,
            _ => call.tensors_of("operands", items)?,
        },
        _ => call.tensors("operands")?,
    };
    let ranks =
        inputs.iter().map(|&input| Ok(call.env.tensor_type(input)?.rank())).collect::<Result<Vec<_>, String>>()?;
    let explicit =
        explicit_equation(equation, &ranks).ok_or_else(|| format!("the equation `{equation}` is not understood"))?;
    let einsum = Einsum::new(&explicit).ok_or_else(|| format!("the equation `{explicit}` is not understood"))?;
    Ok((Op::Contraction(Contraction::Einsum(Box::new(einsum))), inputs))
}

/// The equation with a result and with letters in place of each ellipsis.
fn explicit_equation(equation: &str, ranks: &[usize]) -> Option<String> {
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (operands, result) = match equation.split_once("->") {
        Some((operands, result)) => (operands, Some(result.to_owned())),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = operands.split(',').collect();
    if terms.len() != ranks.len() {
        return None;
    }
    let result = result.unwrap_or_else(|| implied_result(operands));
    // Axes behind an ellipsis are aligned at their end.
    let hidden = |term: &str, rank: usize| rank.checked_sub(term.len().checked_sub(3)?);
    let mut widest = 0;
    for (term, &rank) in terms.iter().zip(ranks) {
        if term.contains("...") {
            widest = widest.max(hidden(term, rank)?);
        }
    }
    let letters: Vec<char> = ('A'..='Z').chain('a'..='z').filter(|&c| !equation.contains(c)).take(widest).collect();
    if letters.len() < widest {
        return None;
    }
    let letters_of = |count: usize| -> String { letters.iter().skip(widest.saturating_sub(count)).collect() };
    let mut explicit = Vec::with_capacity(terms.len());
    for (term, &rank) in terms.iter().zip(ranks) {
        let count = if term.contains("...") { hidden(term, rank)? } else { 0 };
        explicit.push(term.replacen("...", &letters_of(count), 1));
    }
    Some(format!("{}->{}", explicit.join(","), result.replacen("...", &letters_of(widest), 1)))
}

/// Without an arrow the result has the ellipsis, then every letter that occurs once, in alphabetical order.
fn implied_result(operands: &str) -> String {
    let once = |c: &char| c.is_ascii_alphabetic() && operands.matches(*c).count() == 1;
    let mut letters: Vec<char> = operands.chars().filter(once).collect();
    letters.sort_unstable();
    let ellipsis = if operands.contains("...") { "..." } else { "" };
    format!("{ellipsis}{}", letters.into_iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::explicit_equation;

    #[test]
    fn equations_become_explicit() {
        let cases: [(&str, &[usize], Option<&str>); 7] = [
            ("ij, jk -> ik", &[2, 2], Some("ij,jk->ik")),
            ("ij,jk", &[2, 2], Some("ij,jk->ik")),
            ("ba", &[2], Some("ba->ab")),
            ("...qd,...kd->...qk", &[4, 4], Some("ABqd,ABkd->ABqk")),
            ("...qd,...kd->...qk", &[4, 3], Some("ABqd,Bkd->ABqk")),
            ("...ij", &[1], None),
            ("ij", &[2, 2], None),
        ];
        for (equation, ranks, expected) in cases {
            assert_eq!(explicit_equation(equation, ranks).as_deref(), expected, "{equation}");
        }
    }
}
