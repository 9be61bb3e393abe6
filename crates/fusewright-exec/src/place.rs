//! Writing a tensor into a part of another.

use std::sync::Arc;

use crate::strided::Walk;
use crate::tensor::{Data, Floats, Tensor};

/// `whole` with `part` at the position `start` of each axis. Works in place where nobody else reads `whole`.
pub(crate) fn place(whole: Tensor, part: &Tensor, start: &[usize]) -> Result<Tensor, String> {
    let whole = if whole.is_contiguous() { whole } else { whole.copied() };
    let first = start
        .iter()
        .zip(&whole.strides)
        .fold(whole.first, |first, (&index, &stride)| first.saturating_add_signed(index.cast_signed() * stride));
    let strides = whole.strides.clone();
    write(whole, part, first, &strides)
}

/// `whole` with `part` written by these strides.
pub(crate) fn write(mut whole: Tensor, part: &Tensor, first: usize, strides: &[isize]) -> Result<Tensor, String> {
    let walk = Walk::new(&part.shape, [strides, &part.strides]);
    if part.elements() == 0 {
        return Ok(whole);
    }
    match (&mut whole.data, &part.data) {
        (Data::Float(target), Data::Float(source)) => {
            if let Floats::Owned(_) = &**target
                && let Some(Floats::Owned(values)) = Arc::get_mut(target)
            {
                copy_into(&walk, values, first, source.as_slice(), part.first);
            } else {
                let mut values = target.as_slice().to_vec();
                copy_into(&walk, &mut values, first, source.as_slice(), part.first);
                *target = Arc::new(Floats::Owned(values));
            }
        }
        (Data::Int(target), Data::Int(source)) => {
            copy_into(&walk, Arc::make_mut(target).as_mut_slice(), first, source, part.first);
        }
        (Data::Bool(target), Data::Bool(source)) => {
            copy_into(&walk, Arc::make_mut(target).as_mut_slice(), first, source, part.first);
        }
        _ => {
            let part = part.cast(whole.dtype);
            return write(whole, &part, first, strides);
        }
    }
    Ok(whole)
}

fn copy_into<T: Copy>(walk: &Walk<2>, target: &mut [T], to: usize, source: &[T], from: usize) {
    let (length, [to_step, from_step]) = walk.inner();
    for run in 0..walk.runs() {
        let [a, b] = walk.start(run);
        let (mut a, mut b) = (to.cast_signed() + a, from.cast_signed() + b);
        if to_step == 1 && from_step == 1 {
            let (a, b) = (a.cast_unsigned(), b.cast_unsigned());
            target[a..a + length].copy_from_slice(&source[b..b + length]);
            continue;
        }
        for _ in 0..length {
            target[a.cast_unsigned()] = source[b.cast_unsigned()];
            a += to_step;
            b += from_step;
        }
    }
}
