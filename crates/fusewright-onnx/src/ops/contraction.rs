//! Products of matrices.

use fusewright_ir::ops::{Binary, Contraction, Einsum};
use fusewright_ir::{DType, Op};
use smallvec::smallvec;

use super::Row;
use crate::build::{Build, Built, Operand, one};

pub(super) const ROWS: &[Row] = &[
    Row::new("MatMul", matmul).weights(&[0, 1]),
    Row::new("Gemm", gemm).weights(&[0, 1, 2]),
    Row::new("Einsum", einsum),
    Row::new("MatMulInteger", matmul_integer).weights(&[0, 1]),
    Row::new("QLinearMatMul", qlinear_matmul).weights(&[0, 3]),
];

fn matmul(build: &mut Build<'_, '_>) -> Built {
    let (a, b) = (build.input(0)?, build.input(1)?);
    one(build.add(Op::Contraction(Contraction::MatMul), &[a, b])?)
}

fn gemm(build: &mut Build<'_, '_>) -> Built {
    let (mut a, mut b) = (build.input(0)?, build.input(1)?);
    let (alpha, beta) = (build.attributes.float("alpha", 1.0), build.attributes.float("beta", 1.0));
    let transposed = build.attributes.flag("transB", false);
    if build.rank(a)? != 2 || build.rank(b)? != 2 {
        return Err("its operands must be matrices".to_owned());
    }
    if build.attributes.flag("transA", false) {
        a = build.permute(a, &[1, 0])?;
    }
    let addend = build.optional(2);
    let is_one = |number: f64| (number - 1.0).abs() < f64::EPSILON;
    let bias = match addend {
        Some(c) => build.shape(c)?.as_slice() == [build.extent(b, i64::from(!transposed))?],
        None => true,
    };
    if transposed && bias && is_one(alpha) && (is_one(beta) || addend.is_none()) {
        let operands: Vec<Operand> = [Some(a), Some(b), addend].into_iter().flatten().collect();
        return one(build.add(Op::Contraction(Contraction::Linear), &operands)?);
    }
    if transposed {
        b = build.permute(b, &[1, 0])?;
    }
    if let Some(c) = addend {
        one(build.add(Op::Contraction(Contraction::MatMulAdd { alpha, beta }), &[c, a, b])?)
    } else {
        let product = build.add(Op::Contraction(Contraction::MatMul), &[a, b])?;
        one(if is_one(alpha) { product } else { build.scalar(Binary::Mul, product, alpha, false)? })
    }
}

fn einsum(build: &mut Build<'_, '_>) -> Built {
    let equation = build.attributes.text("equation").ok_or("it has no equation")?;
    let operands = build.inputs_from(0);
    let equation = explicit(build, equation, &operands)?;
    let einsum = Einsum::new(&equation).ok_or_else(|| format!("its equation is `{equation}`"))?;
    one(build.add(Op::Contraction(Contraction::Einsum(Box::new(einsum))), &operands)?)
}

/// The equation with its result spelled out and letters for its ellipsis.
fn explicit(build: &Build<'_, '_>, equation: &str, operands: &[Operand]) -> Result<String, String> {
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (terms, result) = if let Some((terms, result)) = equation.split_once("->") {
        (terms.to_owned(), result.to_owned())
    } else {
        // Letters that occur once, in alphabetic order.
        let mut letters: Vec<char> = equation.chars().filter(char::is_ascii_alphabetic).collect();
        letters.sort_unstable();
        let once = letters.iter().filter(|&letter| letters.iter().filter(|other| *other == letter).count() == 1);
        let dots = if equation.contains("...") { "..." } else { "" };
        (equation.clone(), dots.chars().chain(once.copied()).collect())
    };
    if !equation.contains("...") {
        return Ok(format!("{terms}->{result}"));
    }
    let mut free = ('A'..='Z').chain('a'..='z').filter(|&letter| !equation.contains(letter));
    let widest = terms.split(',').zip(operands).map(|(term, &operand)| {
        let named = term.replace("...", "").len();
        build.rank(operand).map(|rank| if term.contains("...") { rank.saturating_sub(named) } else { 0 })
    });
    let widths = widest.collect::<Result<Vec<_>, _>>()?;
    let widest = widths.iter().copied().max().unwrap_or(0);
    let letters: Vec<char> = free.by_ref().take(widest).collect();
    let spelled = |width: usize| -> String { letters.iter().skip(widest.saturating_sub(width)).collect() };
    let terms: Vec<String> =
        terms.split(',').zip(widths).map(|(term, width)| term.replace("...", &spelled(width))).collect();
    Ok(format!("{}->{}", terms.join(","), result.replace("...", &spelled(widest))))
}

/// Both quantised products give the product itself; scales and zero points are operands behind it.
fn matmul_integer(build: &mut Build<'_, '_>) -> Built {
    let operands = build.inputs_from(0);
    one(build.add(Op::Contraction(Contraction::QuantizedMatMul { dtype: DType::I32 }), &operands)?)
}

fn qlinear_matmul(build: &mut Build<'_, '_>) -> Built {
    let (a, b, zero) = (build.input(0)?, build.input(3)?, build.input(7)?);
    let dtype = build.dtype(zero)?;
    let scales = [1, 2, 4, 5, 6, 7].map(|index| build.input(index));
    let mut operands = vec![a, b];
    for scale in scales {
        operands.push(scale?);
    }
    let product = build.add(Op::Contraction(Contraction::QuantizedMatMul { dtype }), &operands)?;
    Ok(smallvec![product])
}
