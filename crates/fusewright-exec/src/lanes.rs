//! Loops over floats as vector code: functions are compiled for the processor's vector width and called per run.

use fusewright_ir::ops::Binary;
use pulp::Arch;
use rayon::prelude::*;

use crate::ops::slices::{self, Lane};
use crate::strided::{SERIAL, Walk};
use crate::tensor::{Data, Tensor};

/// Elements that one task takes.
const TASK: usize = 1 << 15;

/// Runs a closure compiled for the vector instructions of this processor.
#[inline(always)]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// A function of each element.
pub(crate) fn map1(x: &Tensor, f: impl Fn(f32) -> f32 + Sync) -> Tensor {
    chunked(x, |part| {
        vectorized(
            #[inline(always)]
            || part.iter_mut().for_each(|value| *value = f(*value)),
        );
    })
}

/// A function that rewrites parts of the elements, on several threads where there is enough to do.
pub(crate) fn chunked(x: &Tensor, apply: impl Fn(&mut [f32]) + Sync) -> Tensor {
    let mut values = x.floats().into_owned();
    if values.len() < SERIAL {
        apply(&mut values);
    } else {
        values.par_chunks_mut(TASK).for_each(&apply);
    }
    Tensor::from_floats(x.dtype, &x.shape, values)
}

/// Arithmetic of pairs of elements; both tensors have one shape.
pub(crate) fn arithmetic(kind: Binary, x: &Tensor, y: &Tensor) -> Tensor {
    let (Some(a), Some(b)) = (x.raw_floats(), y.raw_floats()) else { return x.clone() };
    let walk = Walk::new(&x.shape, [&x.strides, &y.strides]);
    let (length, steps) = walk.inner();
    let mut values = vec![0.0_f32; x.elements()];
    let part = |run: usize, offset: usize, out: &mut [f32]| {
        let [i, j] = walk.start(run);
        let i = x.first.saturating_add_signed(i + offset.cast_signed() * steps[0]);
        let j = y.first.saturating_add_signed(j + offset.cast_signed() * steps[1]);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let left = lane(a, i, steps[0], out.len(), &mut left);
        let right = lane(b, j, steps[1], out.len(), &mut right);
        slices::binary(kind, out, left, right);
    };
    each_run(&mut values, length, &part);
    Tensor::from_floats(x.dtype, &x.shape, values)
}

/// `count` elements from a place on, `step` apart, gathered into `room` where they do not lie together.
pub(crate) fn lane<'a>(data: &'a [f32], at: usize, step: isize, count: usize, room: &'a mut Vec<f32>) -> Lane<'a> {
    match step {
        1 => Lane::Row(&data[at..at + count]),
        0 => Lane::One(data[at]),
        step => {
            room.clear();
            room.extend(data[at..].iter().step_by(step.unsigned_abs()).take(count));
            Lane::Row(room)
        }
    }
}

/// A function of a truth value and two elements; all tensors have one shape.
pub(crate) fn map3(c: &Tensor, x: &Tensor, y: &Tensor, f: impl Fn(u8, f32, f32) -> f32 + Sync) -> Tensor {
    let (Some(a), Some(b), Data::Bool(flags)) = (x.raw_floats(), y.raw_floats(), &c.data) else { return x.clone() };
    let walk = Walk::new(&x.shape, [&c.strides, &x.strides, &y.strides]);
    let (length, steps) = walk.inner();
    let mut values = vec![0.0_f32; x.elements()];
    let part = |run: usize, offset: usize, out: &mut [f32]| {
        let starts = walk.start(run);
        let firsts = [c.first, x.first, y.first];
        let at: [usize; 3] = std::array::from_fn(|tensor| {
            firsts[tensor].saturating_add_signed(starts[tensor] + offset.cast_signed() * steps[tensor])
        });
        let step = steps.map(isize::cast_unsigned);
        for (index, o) in out.iter_mut().enumerate() {
            let place = |tensor: usize| at[tensor].wrapping_add(index.wrapping_mul(step[tensor]));
            *o = f(flags[place(0)], a[place(1)], b[place(2)]);
        }
    };
    each_run(&mut values, length, &part);
    Tensor::from_floats(x.dtype, &x.shape, values)
}

/// Calls `part` with run, position in the run and the results there, on several threads where there is enough to do.
fn each_run(values: &mut [f32], length: usize, part: &(impl Fn(usize, usize, &mut [f32]) + Sync)) {
    let length = length.max(1);
    if values.len() < SERIAL {
        values.chunks_mut(length).enumerate().for_each(|(run, out)| part(run, 0, out));
    } else if length >= TASK {
        for (run, out) in values.chunks_mut(length).enumerate() {
            out.par_chunks_mut(TASK).enumerate().for_each(|(task, out)| part(run, task * TASK, out));
        }
    } else {
        let runs = values.par_chunks_mut(length).with_min_len(TASK.div_ceil(length));
        runs.enumerate().for_each(|(run, out)| part(run, 0, out));
    }
}
