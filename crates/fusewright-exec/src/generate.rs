//! Tensors made up from a seed: inputs that a user could give, and weights of a sensible scale.

use fusewright_ir::{DType, Graph, Origin, ValueId};

use crate::random::Stream;
use crate::tensor::{Class, Tensor, class};
use crate::uses::Use;

/// Makes up the inputs of a graph.
///
/// Token ids stay inside the tables that they pick from; masks are rows of ones that end early in every second row, as
/// padding does; floats are close to normal. The same seed and names give the same numbers for every model.
pub fn random_inputs(graph: &Graph, seed: u64) -> Vec<Tensor> {
    let uses = crate::uses::uses(graph);
    graph.inputs().iter().map(|&value| input(graph, value, uses[value.index()], seed)).collect()
}

fn input(graph: &Graph, value: ValueId, about: Use, seed: u64) -> Tensor {
    let name = graph.value_name(value);
    let Some(tensor) = graph.tensor(value) else {
        return Tensor::from_ints(DType::I64, &[], vec![0]);
    };
    let shape = extents(&tensor.shape);
    let count: usize = shape.iter().product();
    let mut stream = Stream::new(seed, name);
    let lower = name.to_lowercase();
    let is_mask = lower.contains("mask") || lower.contains("padding");
    match class(tensor.dtype) {
        Class::Bool => Tensor::from_bools(&shape, mask(&shape, lower.contains("padding"), &mut stream)),
        Class::Int => {
            let values = match about.below {
                Some(below) => (0..count).map(|_| stream.below(below).cast_signed()).collect(),
                None if is_mask || count > 1 => mask(&shape, false, &mut stream).into_iter().map(i64::from).collect(),
                None => vec![1; count],
            };
            Tensor::from_ints(tensor.dtype, &shape, values)
        }
        _ if is_mask => {
            let values = mask(&shape, false, &mut stream).into_iter().map(f32::from).collect();
            Tensor::from_floats(tensor.dtype, &shape, values)
        }
        _ => Tensor::from_floats(tensor.dtype, &shape, (0..count).map(|_| stream.normal()).collect()).rounded(),
    }
}

pub(crate) fn extents(shape: &[u64]) -> Vec<usize> {
    shape.iter().map(|&extent| usize::try_from(extent).unwrap_or(usize::MAX)).collect()
}

/// Rows of ones; every second one ends with up to half of it zeros. Inverted for masks that say what to ignore.
fn mask(shape: &[usize], inverted: bool, stream: &mut Stream) -> Vec<u8> {
    let width = shape.last().copied().unwrap_or(1);
    let rows: usize = shape.iter().rev().skip(1).product();
    let mut values = Vec::with_capacity(rows * width);
    for row in 0..rows {
        let cut = stream.below(width as u64 / 2 + 1);
        let cut = if row % 2 == 1 || rows == 1 { usize::try_from(cut).unwrap_or(0) } else { 0 };
        values.extend((0..width).map(|at| u8::from((at < width - cut) != inverted)));
    }
    values
}

/// Makes up a parameter, buffer or constant: norms near one, variances positive, products of unit variance.
pub(crate) fn weight(graph: &Graph, value: ValueId, about: Use, seed: u64) -> Option<Tensor> {
    let tensor = graph.tensor(value)?;
    let name = graph.value_name(value);
    let shape = extents(&tensor.shape);
    let count = shape.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent))?;
    let mut stream = Stream::new(seed, name);
    let trained = graph.value(value).origin == Origin::Parameter;
    let last = name.rsplit(['.', '/']).next().unwrap_or(name).to_lowercase();
    match class(tensor.dtype) {
        Class::None => None,
        Class::Bool => Some(Tensor::from_bools(&shape, lower_triangle(&shape, count))),
        Class::Int => {
            let below = about.below.unwrap_or(2);
            // Tables of positions count up; anything else is spread.
            let counts_up = last.contains("position") && shape.last().is_some_and(|&width| width as u64 <= below);
            let width = shape.last().copied().unwrap_or(1).max(1);
            let values = (0..count)
                .map(|at| if counts_up { (at % width).cast_signed() as i64 } else { stream.below(below).cast_signed() })
                .collect();
            Some(Tensor::from_ints(tensor.dtype, &shape, values))
        }
        Class::Float => {
            let spread = shape.iter().filter(|&&extent| extent > 1).count();
            let (center, scale) = if about.variance || last.contains("var") {
                (1.0, 0.2)
            } else if about.factor || spread <= 1 && ["weight", "gamma", "scale"].iter().any(|w| last.contains(w)) {
                (1.0, 0.1)
            } else if let Some(axis) = about.summed.filter(|_| spread > 1) {
                (0.0, 1.0 / (shape[axis].max(1) as f32).sqrt())
            } else if spread <= 1 {
                (0.0, 0.05)
            } else if shape.len() > 2 && trained {
                (0.0, 1.0 / (shape[1..].iter().product::<usize>().max(1) as f32).sqrt())
            } else {
                (0.0, 0.5)
            };
            // Twice the deviation stays above zero for variances.
            let number = |at: usize, stream: &mut Stream| {
                if last.contains("inv_freq") {
                    1e4_f32.powf(-(at as f32) / count as f32)
                } else {
                    center + scale * stream.normal()
                }
            };
            let values = (0..count).map(|at| number(at, &mut stream)).collect();
            Some(Tensor::from_floats(tensor.dtype, &shape, values).rounded())
        }
    }
}

/// What lies on or below the diagonal of the last two axes, all elements where they are no square.
fn lower_triangle(shape: &[usize], count: usize) -> Vec<u8> {
    match shape {
        [.., rows, columns] if rows == columns && *rows > 0 => {
            (0..count).map(|at| u8::from(at % columns <= at / columns % rows)).collect()
        }
        _ => vec![1; count],
    }
}
