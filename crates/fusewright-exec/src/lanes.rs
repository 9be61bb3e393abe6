//! Loops over floats as vector code: functions are compiled for the processor's vector width and called per run.

use pulp::Arch;
use rayon::prelude::*;

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
    let mut values = x.floats().into_owned();
    let apply = |part: &mut [f32]| {
        vectorized(
            #[inline(always)]
            || part.iter_mut().for_each(|value| *value = f(*value)),
        );
    };
    if values.len() < SERIAL {
        apply(&mut values)
    } else {
        values.par_chunks_mut(TASK).for_each(apply)
    }
    Tensor::from_floats(x.dtype, &x.shape, values)
}

/// A function of pairs of elements; both tensors have one shape.
pub(crate) fn map2(x: &Tensor, y: &Tensor, f: impl Fn(f32, f32) -> f32 + Sync) -> Tensor {
    let (Some(a), Some(b)) = (x.raw_floats(), y.raw_floats()) else { return x.clone() };
    let walk = Walk::new(&x.shape, [&x.strides, &y.strides]);
    let (length, steps) = walk.inner();
    let mut values = vec![0.0_f32; x.elements()];
    let part = |run: usize, offset: usize, out: &mut [f32]| {
        let [i, j] = walk.start(run);
        let i = x.first.saturating_add_signed(i + offset.cast_signed() * steps[0]);
        let j = y.first.saturating_add_signed(j + offset.cast_signed() * steps[1]);
        vectorized(
            #[inline(always)]
            || pairs(&a[i..], &b[j..], steps, out, &f),
        );
    };
    each_run(&mut values, length, &part);
    Tensor::from_floats(x.dtype, &x.shape, values)
}

#[inline(always)]
fn pairs(a: &[f32], b: &[f32], steps: [isize; 2], out: &mut [f32], f: &impl Fn(f32, f32) -> f32) {
    let count = out.len();
    match steps {
        [1, 1] => out.iter_mut().zip(&a[..count]).zip(&b[..count]).for_each(|((o, &a), &b)| *o = f(a, b)),
        [1, 0] => {
            let b = b[0];
            out.iter_mut().zip(&a[..count]).for_each(|(o, &a)| *o = f(a, b));
        }
        [0, 1] => {
            let a = a[0];
            out.iter_mut().zip(&b[..count]).for_each(|(o, &b)| *o = f(a, b));
        }
        [p, q] if p >= 0 && q >= 0 => {
            let (p, q) = (p.cast_unsigned(), q.cast_unsigned());
            out.iter_mut().enumerate().for_each(|(at, o)| *o = f(a[at * p], b[at * q]));
        }
        _ => {}
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
