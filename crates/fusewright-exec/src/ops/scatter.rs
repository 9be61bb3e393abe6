//! Elements and slices replaced or added to by index.

use std::ops::AddAssign;
use std::sync::Arc;

use fusewright_ir::ops::Scatter;

use super::gather::{addressed, wrapped};
use super::{expanded, operand, position};
use crate::place::write;
use crate::strided::contiguous_strides;
use crate::tensor::{Data, Floats, Tensor};

pub(crate) fn scatter(op: &Scatter, operands: &[&Tensor]) -> Result<Tensor, String> {
    let (x, values) = (operand(operands, 0)?, operand(operands, 1)?);
    let whole = x.copied();
    match op {
        Scatter::Write { view } => {
            let part = super::view(view, &[&whole])?.into_iter().next().ok_or("the view has no result")?;
            if matches!(**view, fusewright_ir::ops::View::Reshape { .. }) {
                return Ok(super::reshaped(&values.copied(), &x.shape).cast(x.dtype));
            }
            let (first, strides) = (part.first, part.strides);
            write(whole, values, first, &strides)
        }
        Scatter::Elements { axis, add } => {
            let indices = operand(operands, 2)?;
            let axis = position(*axis, x.shape.len())?;
            let strides = contiguous_strides(&indices.shape);
            let mut places = Vec::with_capacity(indices.elements());
            for (at, &index) in indices.ints().iter().enumerate() {
                let index = wrapped(index, x.shape[axis])?;
                places.push((0..x.shape.len()).fold(0, |place, own| {
                    let own_index = at / strides[own].cast_unsigned() % indices.shape[own].max(1);
                    let coordinate = if own == axis { index } else { own_index };
                    place + coordinate * whole.strides[own].cast_unsigned()
                }));
            }
            let values = values.view(indices.shape.clone(), values.strides.clone(), values.first);
            Ok(put(whole, &places, &values, *add))
        }
        Scatter::Slices { axis, add } => {
            let axis = position(*axis, x.shape.len())?;
            let indices = operand(operands, 2)?.ints().into_owned();
            let (outer, inner): (usize, usize) =
                (x.shape[..axis].iter().product(), x.shape[axis + 1..].iter().product());
            let mut places = Vec::with_capacity(values.elements());
            for o in 0..outer {
                for &index in &indices {
                    let start = (o * x.shape[axis] + wrapped(index, x.shape[axis])?) * inner;
                    places.extend(start..start + inner);
                }
            }
            Ok(put(whole, &places, values, *add))
        }
        Scatter::Indexed { axes, add } => {
            let axes: Vec<usize> = axes.iter().map(|&axis| axis as usize).collect();
            let at = addressed(&whole, &axes, &operands[2..])?;
            let places = at.positions(&whole);
            // Values broadcast to what the bracket addresses.
            let adjacent = axes.windows(2).all(|pair| pair[1] == pair[0] + 1);
            let mut shape: Vec<usize> =
                (0..x.shape.len()).filter(|axis| !axes.contains(axis)).map(|axis| x.shape[axis]).collect();
            let place = if adjacent { axes[0] } else { 0 };
            shape.splice(place..place, at.picked.iter().copied());
            Ok(put(whole, &places, &expanded(values, &shape), *add))
        }
        Scatter::Masked => {
            let mask = expanded(operand(operands, 2)?, &x.shape);
            let places: Vec<usize> =
                mask.bools().iter().enumerate().filter(|(_, flag)| **flag != 0).map(|(at, _)| at).collect();
            if places.len() > values.elements() {
                return Err(format!("the mask holds {} times for {} values", places.len(), values.elements()));
            }
            Ok(put(whole, &places, values, false))
        }
        Scatter::Nd { add } => {
            let indices = operand(operands, 2)?;
            let width = indices.shape.last().copied().unwrap_or(0);
            let inner: usize = x.shape[width..].iter().product();
            let numbers = indices.ints();
            let mut places = Vec::with_capacity(values.elements());
            for vector in numbers.chunks(width.max(1)) {
                let mut at = 0;
                for (own, &index) in vector.iter().enumerate() {
                    at = at * x.shape[own] + wrapped(index, x.shape[own])?;
                }
                places.extend(at * inner..(at + 1) * inner);
            }
            Ok(put(whole, &places, values, *add))
        }
    }
}

/// Values at places of a row-major tensor, in order.
fn put(mut whole: Tensor, places: &[usize], values: &Tensor, add: bool) -> Tensor {
    match &mut whole.data {
        Data::Float(data) => {
            let mut target = data.as_slice().to_vec();
            store(&mut target, places, &values.floats(), add);
            *data = Arc::new(Floats::Owned(target));
        }
        Data::Int(data) => store(Arc::make_mut(data).as_mut_slice(), places, &values.ints(), add),
        Data::Bool(data) => {
            for (&place, &value) in places.iter().zip(values.bools().iter()) {
                let target = &mut Arc::make_mut(data)[place];
                *target = if add { *target | value } else { value };
            }
        }
    }
    whole.rounded()
}

fn store<T: Copy + AddAssign>(target: &mut [T], places: &[usize], values: &[T], add: bool) {
    for (&place, &value) in places.iter().zip(values) {
        if add {
            target[place] += value;
        } else {
            target[place] = value;
        }
    }
}
