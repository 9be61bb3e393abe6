//! Walking through memory by strides: copies, and loops over several tensors at once.

use rayon::prelude::*;

/// Elements below which a loop is not worth a second thread.
pub(crate) const SERIAL: usize = 1 << 14;

/// Strides of a row-major tensor.
pub(crate) fn contiguous_strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1_isize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1).cast_signed();
    }
    strides
}

/// Extents with the strides of `N` tensors over them, neighbouring axes joined where all tensors allow it.
#[derive(Clone, Debug)]
pub(crate) struct Walk<const N: usize> {
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<[isize; N]>,
}

impl<const N: usize> Walk<N> {
    pub(crate) fn new(shape: &[usize], strides: [&[isize]; N]) -> Self {
        let mut walk = Self { shape: Vec::new(), strides: Vec::new() };
        for (axis, &extent) in shape.iter().enumerate() {
            if extent == 1 {
                continue;
            }
            let own: [isize; N] = std::array::from_fn(|tensor| strides[tensor][axis]);
            if let (Some(last), Some(outer)) = (walk.shape.last_mut(), walk.strides.last_mut()) {
                let joins = (0..N).all(|tensor| outer[tensor] == own[tensor] * extent.cast_signed());
                if joins {
                    *last *= extent;
                    *outer = own;
                    continue;
                }
            }
            walk.shape.push(extent);
            walk.strides.push(own);
        }
        if walk.shape.is_empty() {
            walk.shape.push(1);
            walk.strides.push([0; N]);
        }
        walk
    }

    /// Extent of the innermost axis, and how far each tensor steps there.
    pub(crate) fn inner(&self) -> (usize, [isize; N]) {
        let last = self.shape.len() - 1;
        (self.shape[last], self.strides[last])
    }

    /// Number of runs along the innermost axis.
    pub(crate) fn runs(&self) -> usize {
        self.shape[..self.shape.len() - 1].iter().product()
    }

    /// Where each tensor stands at the start of a run.
    pub(crate) fn start(&self, mut run: usize) -> [isize; N] {
        let mut at = [0; N];
        for axis in (0..self.shape.len() - 1).rev() {
            let index = (run % self.shape[axis]).cast_signed();
            run /= self.shape[axis];
            for (at, stride) in at.iter_mut().zip(&self.strides[axis]) {
                *at += index * stride;
            }
        }
        at
    }
}

/// The elements at these strides as a row-major list.
pub(crate) fn copy_strided<T: Copy + Send + Sync + Default>(
    data: &[T],
    first: usize,
    shape: &[usize],
    strides: &[isize],
) -> Vec<T> {
    let count: usize = shape.iter().product();
    if count == 0 {
        return Vec::new();
    }
    let walk = Walk::new(shape, [strides]);
    let (length, [step]) = walk.inner();
    if walk.runs() == 1 && step == 1 {
        return data[first..first + count].to_vec();
    }
    let mut result = vec![T::default(); count];
    let fill = |(run, out): (usize, &mut [T])| {
        let [start] = walk.start(run);
        let mut at = first.cast_signed() + start;
        if step == 1 {
            let from = at.cast_unsigned();
            out.copy_from_slice(&data[from..from + length]);
        } else {
            for value in out {
                *value = data[at.cast_unsigned()];
                at += step;
            }
        }
    };
    if count < SERIAL {
        result.chunks_mut(length).enumerate().for_each(fill);
    } else {
        result.par_chunks_mut(length).with_min_len(SERIAL.div_ceil(length)).enumerate().for_each(fill);
    }
    result
}
