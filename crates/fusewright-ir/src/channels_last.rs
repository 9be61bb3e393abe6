//! Images whose channels lie innermost in memory, and the ops that hand that order on.
//!
//! A framework finds the order of an image in its strides, not in a flag: rows of tokens that are transposed into an image
//! have it, and convolutions, pools and the like write their results as they found their operand.

use smallvec::SmallVec;

use crate::Op;
use crate::ops::{Copy, Normalization};

/// The order in which the axes of an image `[N, C, H, W]` lie, from the innermost.
const INNERMOST_FIRST: [usize; 4] = [1, 3, 2, 0];

/// The strides of an image say that its channels are innermost; gaps are allowed. Images of one pixel, which lie in either
/// order, do not (`is_channels_last_strides_2d` of PyTorch).
pub(crate) fn is_channels_last(shape: &[u64], strides: &[i64]) -> bool {
    let (&[_, channels, ..], 4) = (shape, strides.len()) else { return false };
    if shape.len() != 4 || shape.contains(&0) || strides[1] == 0 || channels == 1 {
        return false;
    }
    let mut least = 0_i64;
    INNERMOST_FIRST.iter().all(|&axis| {
        let fits = strides[axis] >= least && !(axis == 0 && least == strides[1]);
        let extent = i64::try_from(shape[axis]).unwrap_or(i64::MAX);
        least = strides[axis].saturating_mul(extent);
        fits
    })
}

/// The strides of an image without gaps whose channels are innermost.
pub(crate) fn channels_last_strides(shape: &[u64]) -> SmallVec<[i64; 4]> {
    let mut strides = SmallVec::from_elem(1, shape.len());
    let mut next = 1_i64;
    for axis in INNERMOST_FIRST {
        strides[axis] = next;
        next = next.saturating_mul(i64::try_from(shape[axis]).unwrap_or(i64::MAX));
    }
    strides
}

/// The op writes an image in the order of the one that it reads first.
pub(crate) fn keeps_order(op: &Op) -> bool {
    match op {
        Op::Convolution(_) | Op::Pooling(_) | Op::Normalization(Normalization::BatchNorm { .. }) => true,
        Op::Copy(copy) => matches!(**copy, Copy::Concat { .. } | Copy::Pad { .. }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_read_off_strides() {
        assert!(is_channels_last(&[2, 3, 4, 5], &channels_last_strides(&[2, 3, 4, 5])));
        assert!(!is_channels_last(&[2, 3, 4, 5], &[60, 20, 5, 1]));
        // Tokens [N, H·W, C] seen as an image.
        assert!(is_channels_last(&[2, 8, 3, 3], &[72, 1, 24, 8]));
        // Half of the channels of such an image.
        assert!(is_channels_last(&[2, 4, 3, 3], &[72, 1, 24, 8]));
        // One pixel lies in either order.
        assert!(!is_channels_last(&[2, 8, 1, 1], &[8, 1, 1, 1]));
    }
}
