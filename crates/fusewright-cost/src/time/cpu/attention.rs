//! Attention on CPUs: blocks of query rows, scores in the core's own cache.

use super::memory::Traffic;
use super::{Machine, QUERY_BLOCK, uneven};
use crate::time::parts::Parts;
use crate::time::{Attention, Limiter, Term};

/// Operations of softmax for each score: the convention for counting it.
const SOFTMAX_OPERATIONS: f64 = 5.0;

pub(super) fn add(parts: &mut Parts, machine: &Machine, attention: &Attention) {
    let a = attention;
    let blocks = a.queries.div_ceil(QUERY_BLOCK).max(1);
    // With a causal mask a block of rows stops at its diagonal.
    let share = if a.causal { (blocks as f64 + 1.0) / (2.0 * blocks as f64) } else { 1.0 };
    let scores = a.batch as f64 * a.heads as f64 * a.queries as f64 * a.keys as f64;
    let lanes = machine.lanes(a.dtype);
    let rate = machine.product_rate(a.dtype);
    let first = 1e6 * 2.0 * scores * a.head_dim as f64 * share / rate;
    let second = 1e6 * 2.0 * scores * a.value_dim as f64 * share / rate;
    let tail = first * (uneven(a.keys, lanes) - 1.0) + second * (uneven(a.value_dim, lanes) - 1.0);
    let softmax = 1e6 * SOFTMAX_OPERATIONS * scores * share / machine.vector_rate();
    let pieces = a.batch.saturating_mul(a.heads).saturating_mul(blocks);
    let idle = (first + second + tail + softmax) * (uneven(pieces, machine.cores) - 1.0);
    let terms = [
        Term { name: "arithmetic", us: first + second },
        Term { name: "vector tails", us: tail },
        Term { name: "softmax", us: softmax },
        Term { name: "idle cores", us: idle },
    ];
    parts.side_by_side(Limiter::Compute, &terms);

    // Keys and values of a head pass once for every block of queries and every head that shares them.
    let element = a.dtype.bytes(1024) as f64 / 1024.0;
    let head = a.keys as f64 * (a.head_dim as f64 + a.value_dim as f64) * element;
    let again = (pieces as f64 * share - a.batch as f64 * a.kv_heads as f64).max(0.0);
    let mut traffic = Traffic::of_operands(machine, a.bytes);
    traffic.again(again * head, head * machine.cores as f64);
    traffic.add_to(parts);
}
