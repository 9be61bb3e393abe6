//! The order of boxes and points in each layer: by the mean of their neighbours, down and up, four times.

use super::Net;

const SWEEPS: usize = 4;

/// Orders all layers. Few crossings are what it aims at, not what it proves.
pub(super) fn sweep(net: &mut Net) {
    let mut position = vec![0.0_f64; net.items.len()];
    for row in &net.rows {
        number(row, &mut position);
    }
    for sweep in 0..SWEEPS {
        let downwards = sweep % 2 == 0;
        for step in 0..net.rows.len() {
            let at = if downwards { step } else { net.rows.len() - 1 - step };
            let neighbours = if downwards { &net.above } else { &net.below };
            let mut row = std::mem::take(&mut net.rows[at]);
            let mut keyed: Vec<(f64, u32)> =
                row.iter().map(|&item| (mean(item, neighbours, &position), item)).collect();
            // Stable, so that equals keep their order.
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            row.clear();
            row.extend(keyed.into_iter().map(|(_, item)| item));
            number(&row, &mut position);
            net.rows[at] = row;
        }
    }
}

/// Positions run from 0 to 1 in each layer, so that layers of different sizes compare.
fn number(row: &[u32], position: &mut [f64]) {
    let scale = 1.0 / (row.len().max(2) - 1) as f64;
    for (at, &item) in row.iter().enumerate() {
        position[item as usize] = if row.len() == 1 { 0.5 } else { at as f64 * scale };
    }
}

fn mean(item: u32, neighbours: &[Vec<u32>], position: &[f64]) -> f64 {
    let near = &neighbours[item as usize];
    if near.is_empty() {
        return position[item as usize];
    }
    near.iter().map(|&other| position[other as usize]).sum::<f64>() / near.len() as f64
}
