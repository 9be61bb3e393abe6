//! Whether one wide product is faster than several narrow ones: it is not where the waves of the wide grid fall badly.

use fusewright_cost::time::{Gemm, merge_gain};
use fusewright_device::Device;
use fusewright_ir::DType;

use crate::realize::{product_of, side_by_side};
use crate::{Analysis, ParallelMerge};

/// The least predicted gain of a merge that is taken. Of measured merges that were predicted to gain less than this, about
/// as many lost time as won (`docs/accuracy.md`).
const LEAST_GAIN: f64 = 1.01;

/// A merge that would not be faster on the device that the plan is for.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedMerge {
    /// What would have been merged.
    pub merge: ParallelMerge,
    /// Time of the products one by one, µs.
    pub apart_us: f64,
    /// Time of the one wide product, µs.
    pub merged_us: f64,
}

/// The refusal of a merge that gains nothing on its parts; `None` where it gains, or where a part has no price.
pub(crate) fn without_gain(analysis: &Analysis, merge: &ParallelMerge, device: &Device) -> Option<RefusedMerge> {
    let parts: Option<Vec<Gemm>> =
        merge.members.iter().map(|&id| product_of(analysis.graph, &analysis.storage, id)).collect();
    let parts = parts?;
    // The input that all of them read is read once.
    let repeated = shared_bytes(analysis, merge).saturating_mul(parts.len() as u64 - 1);
    let apart = parts.iter().map(|part| part.bytes).fold(0, u64::saturating_add);
    let merged = side_by_side(&parts, apart.saturating_sub(repeated))?;
    let gain = merge_gain(device, &parts, &merged);
    let refused = || RefusedMerge { merge: merge.clone(), apart_us: gain.apart_us, merged_us: gain.merged_us };
    (gain.ratio() < LEAST_GAIN).then(refused)
}

/// Bytes of the input that the parts share.
fn shared_bytes(analysis: &Analysis, merge: &ParallelMerge) -> u64 {
    let dtype = analysis.graph.tensor(merge.input).map_or(DType::F32, |tensor| tensor.dtype);
    dtype.bytes(analysis.storage.distinct_elements(merge.input))
}
