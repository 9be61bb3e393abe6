//! Minimum of a function of a few positive numbers without derivatives: the simplex of Nelder and Mead.

/// Steps between two starts of a new simplex around the best point so far.
const ROUND: usize = 160;

/// Looks for the least value of `cost` from `start`, each number within its bounds.
pub(crate) fn minimise(
    start: &[f64],
    bounds: &[(f64, f64)],
    rounds: usize,
    mut cost: impl FnMut(&[f64]) -> f64,
) -> (Vec<f64>, f64) {
    let mut best = clamped(start, bounds);
    let mut least = cost(&best);
    for round in 0..rounds {
        let size = 0.25 / (1.0 + round as f64);
        let mut simplex = simplex_around(&best, bounds, size, &mut cost);
        for _ in 0..ROUND {
            step(&mut simplex, bounds, &mut cost);
        }
        simplex.sort_by(|a, b| a.1.total_cmp(&b.1));
        if simplex[0].1 < least {
            (best, least) = simplex.swap_remove(0);
        }
    }
    (best, least)
}

type Vertex = (Vec<f64>, f64);

fn clamped(point: &[f64], bounds: &[(f64, f64)]) -> Vec<f64> {
    point.iter().zip(bounds).map(|(x, (low, high))| x.clamp(*low, *high)).collect()
}

fn simplex_around(
    center: &[f64],
    bounds: &[(f64, f64)],
    size: f64,
    cost: &mut impl FnMut(&[f64]) -> f64,
) -> Vec<Vertex> {
    let mut simplex = vec![(center.to_vec(), cost(center))];
    for axis in 0..center.len() {
        let mut point = center.to_vec();
        let (low, high) = bounds[axis];
        let reach = size * (high - low).min(center[axis].abs().max(0.2 * (high - low)));
        point[axis] += if point[axis] + reach > high { -reach } else { reach };
        let value = cost(&point);
        simplex.push((point, value));
    }
    simplex
}

/// Replaces the worst vertex by a better one on the line through the others' center, or draws all towards the best.
fn step(simplex: &mut [Vertex], bounds: &[(f64, f64)], cost: &mut impl FnMut(&[f64]) -> f64) {
    simplex.sort_by(|a, b| a.1.total_cmp(&b.1));
    let last = simplex.len() - 1;
    let size = last as f64;
    let axes = simplex[0].0.len();
    let center: Vec<f64> =
        (0..axes).map(|axis| simplex[..last].iter().map(|it| it.0[axis]).sum::<f64>() / size).collect();
    let worst = simplex[last].0.clone();
    let mut at = |distance: f64| {
        let point: Vec<f64> = center.iter().zip(&worst).map(|(c, w)| c + distance * (c - w)).collect();
        let point = clamped(&point, bounds);
        let value = cost(&point);
        (point, value)
    };
    let reflected = at(1.0);
    let replacement = if reflected.1 < simplex[0].1 {
        let expanded = at(2.0);
        if expanded.1 < reflected.1 { Some(expanded) } else { Some(reflected) }
    } else if reflected.1 < simplex[last - 1].1 {
        Some(reflected)
    } else {
        let contracted = at(if reflected.1 < simplex[last].1 { 0.5 } else { -0.5 });
        (contracted.1 < simplex[last].1.min(reflected.1)).then_some(contracted)
    };
    if let Some(vertex) = replacement {
        simplex[last] = vertex;
    } else {
        let (best, others) = simplex.split_at_mut(1);
        for (point, value) in others {
            for (x, towards) in point.iter_mut().zip(&best[0].0) {
                *x = f64::midpoint(*x, *towards);
            }
            *value = cost(point);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_bottom_of_a_curved_valley_inside_bounds() {
        let valley = |x: &[f64]| (1.0 - x[0]).powi(2) + 20.0 * (x[1] - x[0] * x[0]).powi(2);
        let (found, value) = minimise(&[0.2, 1.8], &[(0.0, 2.0), (0.0, 2.0)], 6, valley);
        assert!(value < 1e-6 && (found[0] - 1.0).abs() < 1e-2, "{found:?} with {value}");
    }

    #[test]
    fn stays_inside_bounds() {
        let (found, _) = minimise(&[0.5], &[(0.4, 1.0)], 2, |x| x[0]);
        assert!((found[0] - 0.4).abs() < 1e-6, "{found:?}");
    }
}
