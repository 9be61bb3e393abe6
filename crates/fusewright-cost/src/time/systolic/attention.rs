//! Attention on systolic arrays: two products with vector work between them, by blocks of query rows.

use fusewright_device::{Device, Systolic};

use super::array::array_time;
use super::{SPREAD, add_array, add_memory, add_vector, working_bytes};
use crate::time::parts::Parts;
use crate::time::{Attention, Kernel, Prediction};

/// Operations of softmax for each score: the convention for counting it.
const SOFTMAX_OPERATIONS: f64 = 5.0;
/// Bytes of a score on chip: single precision.
const SCORE_BYTES: f64 = 4.0;
/// Passes over the scores that main memory sees when they do not fit on chip: written, read, written, read.
const SPILLED_PASSES: f64 = 4.0;

pub(super) fn predict(device: &Device, array: &Systolic, kernel: &Kernel, attention: &Attention) -> Prediction {
    let a = attention;
    // Heads of queries that share keys are rows of one product.
    let shared = if a.kv_heads > 0 && a.heads.is_multiple_of(a.kv_heads) { a.heads / a.kv_heads } else { 1 };
    let products = a.batch.saturating_mul(a.heads / shared.max(1));
    let rows = a.queries.saturating_mul(shared);
    let block = u64::from(array.rows.value.max(1));
    let share = computed_share(a, block);
    let scores = array_time(device, array, a.dtype, products, (rows, a.keys, a.head_dim));
    let values = array_time(device, array, a.dtype, products, (rows, a.value_dim, a.keys));

    let count = a.batch as f64 * a.heads as f64 * a.queries as f64 * a.keys as f64;
    let mut parts = Parts::new(device, kernel, SPREAD);
    add_array(&mut parts, (scores + values) * share);
    add_vector(&mut parts, array, SOFTMAX_OPERATIONS * count * share);
    add_memory(&mut parts, device, a.bytes, extra_bytes(array, a, rows, block, count, products));
    parts.finish()
}

/// Part of the square of scores that is computed: with a causal mask, blocks of query rows stop at their diagonal.
fn computed_share(attention: &Attention, block: u64) -> f64 {
    if !attention.causal {
        return 1.0;
    }
    let blocks = attention.queries.div_ceil(block).max(1) as f64;
    (blocks + 1.0) / (2.0 * blocks)
}

/// Bytes beyond the operands: scores that do not stay on chip, or keys and values that pass once for each block.
fn extra_bytes(array: &Systolic, a: &Attention, rows: u64, block: u64, scores: f64, products: u64) -> f64 {
    let element = a.dtype.bytes(1024) as f64 / 1024.0;
    let room = working_bytes(array);
    let width = a.head_dim as f64 + a.value_dim as f64;
    let keys_and_values = a.keys as f64 * width * element;
    let row = a.keys as f64 * SCORE_BYTES + width * element;
    let smallest_block = rows.min(block) as f64 * row;
    if smallest_block > room {
        return SPILLED_PASSES * scores * element;
    }
    if keys_and_values + smallest_block <= room {
        return 0.0;
    }
    let rows_at_once = (room / row).floor().max(1.0);
    let blocks = (rows as f64 / rows_at_once).ceil().max(1.0);
    (blocks - 1.0) * keys_and_values * products as f64
}
