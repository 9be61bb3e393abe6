//! How far to the right everything stands: each item wants to be where its neighbours are; the order of its layer and
//! the room that items take are kept. What comes nearest to all wishes in a layer is found exactly: a regression under
//! an order, by pooling neighbours that contradict each other.

use super::Net;

const ROUNDS: usize = 6;

/// Room of a point, boxes being 1 wide.
const POINT: f64 = 0.3;

/// The middle of every item, the leftmost box at 0.
pub(super) fn sideways(net: &Net) -> Vec<f64> {
    let mut x = vec![0.0_f64; net.items.len()];
    for row in &net.rows {
        let offsets = offsets(net, row);
        let middle = offsets.last().copied().unwrap_or(0.0) / 2.0;
        for (&item, offset) in row.iter().zip(offsets) {
            x[item as usize] = offset - middle;
        }
    }
    for round in 0..ROUNDS {
        let downwards = round % 2 == 0;
        for step in 0..net.rows.len() {
            let at = if downwards { step } else { net.rows.len() - 1 - step };
            settle(net, &net.rows[at], downwards, &mut x);
        }
    }
    let left = x.iter().copied().fold(f64::INFINITY, f64::min);
    if left.is_finite() {
        for x in &mut x {
            *x -= left;
        }
    }
    x
}

/// Least distance of each item of a row from the first one.
fn offsets(net: &Net, row: &[u32]) -> Vec<f64> {
    let half = |item: u32| if net.is_point(item) { POINT / 2.0 } else { 0.5 };
    let mut offsets = Vec::with_capacity(row.len());
    let mut offset = 0.0;
    for (at, &item) in row.iter().enumerate() {
        if at > 0 {
            offset += half(row[at - 1]) + half(item);
        }
        offsets.push(offset);
    }
    offsets
}

/// A run of items that stand as close as they may.
struct Pool {
    sum: f64,
    weight: f64,
    items: usize,
}

fn settle(net: &Net, row: &[u32], downwards: bool, x: &mut [f64]) {
    let offsets = offsets(net, row);
    let mut pools: Vec<Pool> = Vec::with_capacity(row.len());
    for (&item, offset) in row.iter().zip(&offsets) {
        let (near, other) = if downwards { (&net.above, &net.below) } else { (&net.below, &net.above) };
        let near = if near[item as usize].is_empty() { &other[item as usize] } else { &near[item as usize] };
        let wish = if near.is_empty() {
            x[item as usize]
        } else {
            near.iter().map(|&other| x[other as usize]).sum::<f64>() / near.len() as f64
        };
        // Long edges are kept straight before boxes are kept near.
        let weight = if net.is_point(item) { 4.0 } else { 1.0 };
        pools.push(Pool { sum: (wish - offset) * weight, weight, items: 1 });
        while let [.., before, last] = &pools[..] {
            if before.sum / before.weight <= last.sum / last.weight {
                break;
            }
            let Some(last) = pools.pop() else { break };
            let Some(before) = pools.last_mut() else { break };
            before.sum += last.sum;
            before.weight += last.weight;
            before.items += last.items;
        }
    }
    let mut at = 0;
    for pool in pools {
        for _ in 0..pool.items {
            x[row[at] as usize] = pool.sum / pool.weight + offsets[at];
            at += 1;
        }
    }
}
