//! Sums of products.

use fusewright_ir::ops::{Binary, Contraction, Einsum};
use rayon::prelude::*;

use super::pointwise::narrow;
use super::{broadcast_shape, expanded, operand};
use crate::gemm::{Matrix, Target, multiply};
use crate::lanes::arithmetic;
use crate::tensor::{Class, Tensor};

pub(crate) fn contraction(op: &Contraction, operands: &[&Tensor]) -> Result<Tensor, String> {
    let (x, y) = (operand(operands, 0)?, operand(operands, 1)?);
    match op {
        Contraction::Linear => linear(x, y, operands.get(2).copied()),
        Contraction::MatMul => matmul(x, y),
        Contraction::MatMulAdd { alpha, beta } => {
            let product = matmul(y, operand(operands, 2)?)?;
            let product = if (*alpha - 1.0).abs() < f64::EPSILON { product } else { scaled(&product, narrow(*alpha)) };
            // Without its factor the addend does not count, whatever it holds.
            if *beta == 0.0 {
                return Ok(product);
            }
            let addend = expanded(&x.cast(product.dtype), &product.shape);
            let addend = if (*beta - 1.0).abs() < f64::EPSILON { addend } else { scaled(&addend, narrow(*beta)) };
            Ok(arithmetic(Binary::Add, &product, &addend).rounded())
        }
        Contraction::GroupedMatMul { transposed } => grouped(x, y, operands.get(2).copied(), *transposed),
        Contraction::Einsum(einsum) => einsum_of(einsum, operands),
        Contraction::QuantizedMatMul { .. } | Contraction::PackedLinear { .. } => {
            Err("products of packed or quantised operands are not supported".to_owned())
        }
    }
}

fn scaled(x: &Tensor, factor: f32) -> Tensor {
    crate::lanes::map1(x, |v| v * factor)
}

/// The floats behind a tensor; integers are converted.
fn floats_of(x: &Tensor) -> Tensor {
    if x.class() == Class::Float { x.clone() } else { x.cast(fusewright_ir::DType::F32) }
}

/// A matrix of the last two axes.
fn matrix_at(x: &Tensor, first: usize) -> Result<Matrix<'_>, String> {
    let rank = x.shape.len();
    let data = x.raw_floats().ok_or("an operand holds no floats")?;
    Ok(Matrix { data, first, strides: [x.strides[rank - 2], x.strides[rank - 1]] })
}

/// `x · weightᵀ + bias`: the rows of x in one product.
pub(crate) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, String> {
    let (x, weight) = (floats_of(x), floats_of(weight));
    let (&width, outer) = x.shape.split_last().ok_or("x needs an axis")?;
    let out = weight.shape[0];
    let rows: usize = outer.iter().product();
    let flat = super::reshaped(&x, &[rows, width]);
    let turned = weight.view(vec![width, out], vec![weight.strides[1], weight.strides[0]], weight.first);
    let mut values = match bias {
        Some(bias) => repeated(&bias.floats(), rows),
        None => vec![0.0; rows * out],
    };
    let mut target = Target { data: &mut values, stride: out };
    let (a, b) = (matrix_at(&flat, flat.first)?, matrix_at(&turned, turned.first)?);
    multiply([rows, out, width], a, b, &mut target, bias.is_some(), true);
    let shape: Vec<usize> = outer.iter().copied().chain([out]).collect();
    Ok(Tensor::from_floats(x.dtype, &shape, values).rounded())
}

fn repeated(row: &[f32], rows: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(row.len() * rows);
    (0..rows).for_each(|_| values.extend_from_slice(row));
    values
}

/// Batched products with NumPy's rules for vectors and batch axes.
pub(crate) fn matmul(x: &Tensor, y: &Tensor) -> Result<Tensor, String> {
    let (x, y) = (floats_of(x), floats_of(y));
    let row = x.shape.len() == 1;
    let column = y.shape.len() == 1;
    let a = if row { x.view(vec![1, x.shape[0]], vec![0, x.strides[0]], x.first) } else { x.clone() };
    let b = if column { y.view(vec![y.shape[0], 1], vec![y.strides[0], 0], y.first) } else { y.clone() };
    let (m, k) = (a.shape[a.shape.len() - 2], a.shape[a.shape.len() - 1]);
    let n = b.shape[b.shape.len() - 1];
    let (a_batch, b_batch) = (&a.shape[..a.shape.len() - 2], &b.shape[..b.shape.len() - 2]);
    let batch = broadcast_shape(&[a_batch, b_batch]);
    let mut shape = batch.clone();
    shape.extend((!row).then_some(m));
    shape.extend((!column).then_some(n));
    let count: usize = batch.iter().product();
    let mut values = vec![0.0; count * m * n];
    // Rows of all batches lie behind each other where the second operand is one matrix: then it is one product.
    if b_batch.iter().all(|&extent| extent == 1) && count > 1 {
        let flat = super::reshaped(&a, &[count * m, k]);
        let mut target = Target { data: &mut values, stride: n };
        multiply([count * m, n, k], matrix_at(&flat, flat.first)?, matrix_at(&b, b.first)?, &mut target, false, true);
        return Ok(Tensor::from_floats(x.dtype, &shape, values).rounded());
    }
    let wide = |t: &Tensor| {
        let tail = &t.shape[t.shape.len() - 2..];
        expanded(t, &batch.iter().chain(tail).copied().collect::<Vec<_>>())
    };
    let (a, b) = (wide(&a), wide(&b));
    let start = |t: &Tensor, mut index: usize| {
        let mut at = t.first;
        for axis in (0..batch.len()).rev() {
            at = at.saturating_add_signed((index % batch[axis]).cast_signed() * t.strides[axis]);
            index /= batch[axis];
        }
        at
    };
    matrix_at(&a, 0)?;
    matrix_at(&b, 0)?;
    let product = |(index, out): (usize, &mut [f32])| {
        let (Ok(left), Ok(right)) = (matrix_at(&a, start(&a, index)), matrix_at(&b, start(&b, index))) else { return };
        multiply([m, n, k], left, right, &mut Target { data: out, stride: n }, false, count == 1);
    };
    if m * n > 0 {
        if count == 1 {
            values.chunks_mut(m * n).enumerate().for_each(product);
        } else {
            values.par_chunks_mut(m * n).enumerate().for_each(product);
        }
    }
    Ok(Tensor::from_floats(x.dtype, &shape, values).rounded())
}

/// Rows up to the first offset times the first matrix, and so on. Without offsets there is one matrix.
fn grouped(x: &Tensor, weight: &Tensor, offsets: Option<&Tensor>, transposed: bool) -> Result<Tensor, String> {
    let (x, weight) = (floats_of(x), floats_of(weight));
    let (rows, width) = (x.shape[0], x.shape[1]);
    let groups = weight.shape[0];
    let (inner, outer) = if transposed { (2, 1) } else { (1, 2) };
    let n = weight.shape[outer];
    let ends: Vec<usize> = match offsets {
        Some(offsets) => offsets.ints().iter().map(|&end| usize::try_from(end).unwrap_or(0).min(rows)).collect(),
        None => (1..=groups).map(|group| rows * group / groups.max(1)).collect(),
    };
    let mut values = vec![0.0; rows * n];
    let mut start = 0;
    for (group, end) in ends.into_iter().enumerate().take(groups) {
        if end > start {
            let first = weight.first.saturating_add_signed(group.cast_signed() * weight.strides[0]);
            let data = weight.raw_floats().ok_or("the weights hold no floats")?;
            let b = Matrix { data, first, strides: [weight.strides[inner], weight.strides[outer]] };
            let a = matrix_at(&x, x.first.saturating_add_signed(start.cast_signed() * x.strides[0]))?;
            let mut target = Target { data: &mut values[start * n..], stride: n };
            multiply([end - start, n, width], a, b, &mut target, false, true);
            start = end;
        }
    }
    Ok(Tensor::from_floats(x.dtype, &[rows, n], values).rounded())
}

/// An equation of any number of operands, two at a time from the left.
fn einsum_of(einsum: &Einsum, operands: &[&Tensor]) -> Result<Tensor, String> {
    let (terms, result) = einsum.equation().split_once("->").ok_or("the equation has no result")?;
    let terms: Vec<&str> = terms.split(',').collect();
    let (mut letters, mut value) = diagonal(terms[0], &floats_of(operand(operands, 0)?));
    for (position, term) in terms.iter().enumerate().skip(1) {
        let (other, right) = diagonal(term, &floats_of(operand(operands, position)?));
        let kept: Vec<char> = {
            let later = terms[position + 1..].concat() + result;
            let mut seen = letters.clone();
            seen.extend(other.iter().filter(|letter| !letters.contains(letter)));
            seen.into_iter().filter(|letter| later.contains(*letter)).collect()
        };
        value = pair(&letters, &value, &other, &right, &kept)?;
        letters = kept;
    }
    let result: Vec<char> = result.chars().collect();
    let one = Tensor::from_floats(value.dtype, &[], vec![1.0]);
    pair(&letters, &value, &[], &one, &result)
}

/// An operand whose letters are each there once: a repeated letter takes the diagonal.
fn diagonal(term: &str, x: &Tensor) -> (Vec<char>, Tensor) {
    let (mut letters, mut shape, mut strides): (Vec<char>, Vec<usize>, Vec<isize>) = Default::default();
    for ((letter, &extent), &stride) in term.chars().zip(&x.shape).zip(&x.strides) {
        if let Some(at) = letters.iter().position(|&known| known == letter) {
            strides[at] += stride;
        } else {
            letters.push(letter);
            shape.push(extent);
            strides.push(stride);
        }
    }
    (letters, x.view(shape, strides, x.first))
}

/// The product of two operands summed over the letters that are not kept.
fn pair(a: &[char], x: &Tensor, b: &[char], y: &Tensor, kept: &[char]) -> Result<Tensor, String> {
    let has = |letters: &[char], letter: char| letters.contains(&letter);
    let shared: Vec<char> = kept.iter().copied().filter(|&l| has(a, l) && has(b, l)).collect();
    let left: Vec<char> = kept.iter().copied().filter(|&l| has(a, l) && !has(b, l)).collect();
    let right: Vec<char> = kept.iter().copied().filter(|&l| !has(a, l) && has(b, l)).collect();
    let mut summed: Vec<char> = a.iter().copied().filter(|&l| !has(kept, l)).collect();
    summed.extend(b.iter().copied().filter(|&l| !has(kept, l) && !has(a, l)));
    let extent = |letter: char| {
        let of = |letters: &[char], t: &Tensor| letters.iter().position(|&l| l == letter).map_or(1, |at| t.shape[at]);
        of(a, x).max(of(b, y))
    };
    // An operand with its axes in this order, axes that it lacks repeated.
    let ordered = |letters: &[char], t: &Tensor, order: &[char], wide: bool| {
        let (mut shape, mut strides) = (Vec::new(), Vec::new());
        for &letter in order {
            let own = letters.iter().position(|&l| l == letter);
            let own_extent = own.map_or(1, |at| t.shape[at]);
            shape.push(if wide { extent(letter) } else { own_extent });
            strides.push(own.filter(|_| own_extent > 1).map_or(0, |at| t.strides[at]));
        }
        t.view(shape, strides, t.first)
    };
    let count = |letters: &[char]| letters.iter().map(|&letter| extent(letter)).product::<usize>();
    let left_order = [&shared[..], &left, &summed].concat();
    let right_order = [&shared[..], &summed, &right].concat();
    let (batch, m, n, k) = (count(&shared), count(&left), count(&right), count(&summed));
    let left_matrix = super::reshaped(&ordered(a, x, &left_order, true), &[batch, m, k]);
    let right_matrix = super::reshaped(&ordered(b, y, &right_order, true), &[batch, k, n]);
    let product = matmul(&left_matrix, &right_matrix)?;
    let made = [&shared[..], &left, &right].concat();
    let shape: Vec<usize> = made.iter().map(|&letter| extent(letter)).collect();
    let product = super::reshaped(&product, &shape);
    let axes: Vec<usize> = kept.iter().filter_map(|letter| made.iter().position(|l| l == letter)).collect();
    let shape = axes.iter().map(|&axis| product.shape[axis]).collect();
    let strides = axes.iter().map(|&axis| product.strides[axis]).collect();
    let dtype = x.dtype;
    Ok(Tensor { dtype, ..product.view(shape, strides, product.first) })
}
