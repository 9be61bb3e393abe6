//! Where boxes of a small graph stand: layers from top to bottom, boxes of a layer side by side.
//!
//! Made for the parts of a transformer, which are long and narrow. A layer is the longest path to a box; boxes without
//! predecessors move down to their first reader. An edge that passes layers runs through points in them, one chain of
//! points for all edges of a box. Four sweeps order each layer by the mean of its neighbours, then boxes move sideways
//! as near to their neighbours as the order allows. Deterministic, and linear in boxes, edges and points but for the
//! sorting of each layer.

mod order;
mod place;

/// A part of a chain: a box, or a point that edges of a box pass through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Box(u32),
    Point,
}

/// Most points of all chains together; beyond it edges run straight.
const MOST_POINTS: usize = 200_000;

/// Where boxes stand. Sideways the unit is the width of a box with its gap; downwards it is the layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layered {
    /// Layer of each box, from 0.
    pub layer: Vec<u32>,
    /// Middle of each box, 0 being the leftmost.
    pub x: Vec<f64>,
    /// Middle of the points that the edges of a box pass, one for each layer below it until its last reader's.
    pub chains: Vec<Vec<f64>>,
    /// Largest of all middles.
    pub width: f64,
    /// Number of layers.
    pub layers: u32,
}

/// Lays out `count` boxes; `edges` lead from lower to higher numbers, others are left out.
///
/// ```
/// use fusewright_page::layered;
///
/// let found = layered(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
/// assert_eq!(found.layer, [0, 1, 1, 2]);
/// assert!((found.x[1] - found.x[2]).abs() >= 1.0);
/// ```
pub fn layered(count: usize, edges: &[(u32, u32)]) -> Layered {
    let forward = |&&(from, to): &&(u32, u32)| from < to && (to as usize) < count;
    let mut edges: Vec<(u32, u32)> = edges.iter().filter(forward).copied().collect();
    edges.sort_unstable();
    edges.dedup();
    let layer = layers_of(count, &edges);
    let depth = layer.iter().copied().max().map_or(0, |last| last + 1);
    let mut net = Net::new(count, layer.clone(), depth);
    let last_reader = last_readers(count, &edges, &layer);
    let points: usize = (0..count).map(|from| last_reader[from].saturating_sub(layer[from] + 1) as usize).sum();
    if points <= MOST_POINTS {
        net.add_points(&last_reader);
    }
    net.connect(&edges);
    order::sweep(&mut net);
    let x = place::sideways(&net);
    let chains = (0..count).map(|from| net.chain(from).map(|item| x[item]).collect()).collect();
    let width = x.iter().copied().fold(0.0, f64::max);
    Layered { layer, x: x[..count].to_vec(), chains, width, layers: depth }
}

/// Longest path to each box; boxes that read nothing stand just above their first reader.
fn layers_of(count: usize, edges: &[(u32, u32)]) -> Vec<u32> {
    let mut layer = vec![0_u32; count];
    let mut reads = vec![false; count];
    // Edges are sorted by where they start, so a box's layer is final before its edges are followed.
    for &(from, to) in edges {
        reads[to as usize] = true;
        layer[to as usize] = layer[to as usize].max(layer[from as usize] + 1);
    }
    let mut first_reader = vec![u32::MAX; count];
    for &(from, to) in edges {
        first_reader[from as usize] = first_reader[from as usize].min(layer[to as usize]);
    }
    for node in (0..count).filter(|&node| !reads[node] && first_reader[node] != u32::MAX) {
        layer[node] = first_reader[node] - 1;
    }
    layer
}

fn last_readers(count: usize, edges: &[(u32, u32)], layer: &[u32]) -> Vec<u32> {
    let mut last = layer[..count].to_vec();
    for &(from, to) in edges {
        last[from as usize] = last[from as usize].max(layer[to as usize]);
    }
    last
}

/// Boxes and points by layer, with what is joined to what in the layer above and below.
struct Net {
    items: Vec<Item>,
    layer: Vec<u32>,
    /// First point of each box's chain, and how many there are.
    chains: Vec<(usize, usize)>,
    above: Vec<Vec<u32>>,
    below: Vec<Vec<u32>>,
    /// Items of each layer, from left to right.
    rows: Vec<Vec<u32>>,
}

impl Net {
    fn new(count: usize, layer: Vec<u32>, depth: u32) -> Self {
        let mut rows = vec![Vec::new(); depth as usize];
        for (node, &at) in (0_u32..).zip(&layer) {
            rows[at as usize].push(node);
        }
        let items = (0..u32::try_from(count).unwrap_or(u32::MAX)).map(Item::Box).collect();
        Self { items, layer, chains: vec![(0, 0); count], above: Vec::new(), below: Vec::new(), rows }
    }

    fn add_points(&mut self, last_reader: &[u32]) {
        for (node, &last) in last_reader.iter().enumerate() {
            let (first, start) = (self.layer[node] + 1, self.items.len());
            for at in first..last {
                self.rows[at as usize].push(u32::try_from(self.items.len()).unwrap_or(u32::MAX));
                self.items.push(Item::Point);
                self.layer.push(at);
            }
            self.chains[node] = (start, self.items.len() - start);
        }
    }

    fn chain(&self, node: usize) -> impl Iterator<Item = usize> + use<> {
        let (start, length) = self.chains[node];
        start..start + length
    }

    fn join(&mut self, upper: usize, lower: usize) {
        let (upper_id, lower_id) = (u32::try_from(upper), u32::try_from(lower));
        if let (Ok(upper_id), Ok(lower_id)) = (upper_id, lower_id) {
            self.below[upper].push(lower_id);
            self.above[lower].push(upper_id);
        }
    }

    fn connect(&mut self, edges: &[(u32, u32)]) {
        self.above = vec![Vec::new(); self.items.len()];
        self.below = vec![Vec::new(); self.items.len()];
        for node in 0..self.chains.len() {
            let mut upper = node;
            for point in self.chain(node) {
                self.join(upper, point);
                upper = point;
            }
        }
        for &(from, to) in edges {
            let (start, length) = self.chains[from as usize];
            let passed = (self.layer[to as usize] - self.layer[from as usize] - 1) as usize;
            // The item of the chain that stands just above the reader.
            let upper = if passed == 0 || length < passed { from as usize } else { start + passed - 1 };
            self.join(upper, to as usize);
        }
    }

    fn is_point(&self, item: u32) -> bool {
        self.items[item as usize] == Item::Point
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chain_is_a_straight_line() {
        let found = layered(4, &[(0, 1), (1, 2), (2, 3)]);
        assert_eq!(found.layer, [0, 1, 2, 3]);
        assert!(found.x.iter().all(|x| (x - found.x[0]).abs() < 1e-9), "{:?}", found.x);
    }

    #[test]
    fn a_far_edge_passes_points_beside_the_boxes() {
        let found = layered(4, &[(0, 1), (1, 2), (2, 3), (0, 3)]);
        assert_eq!(found.chains[0].len(), 2);
        for (point, node) in found.chains[0].iter().zip([1, 2]) {
            assert!((point - found.x[node]).abs() >= 0.3, "{found:?}");
        }
    }

    #[test]
    fn what_reads_nothing_stands_above_its_reader() {
        let found = layered(4, &[(0, 1), (1, 3), (2, 3)]);
        assert_eq!(found.layer, [0, 1, 1, 2]);
    }

    #[test]
    fn edges_that_lead_back_or_out_are_left_out() {
        let found = layered(2, &[(1, 0), (0, 0), (0, 7)]);
        assert_eq!(found.layer, [0, 0]);
        assert_eq!(layered(0, &[]), Layered::default());
    }

    #[test]
    fn ten_thousand_boxes_take_points_within_bounds() {
        let edges: Vec<(u32, u32)> = (0..9_999).map(|n| (n, n + 1)).chain((0..9_000).map(|n| (n, n + 900))).collect();
        let found = layered(10_000, &edges);
        assert_eq!(found.layers, 10_000);
        assert!(found.chains.iter().all(Vec::is_empty), "beyond the bound edges run straight");
    }

    proptest! {
        #![proptest_config(fusewright_testing::cases())]
        #[test]
        fn boxes_never_overlap_and_edges_lead_down(
            count in 1_usize..40,
            edges in proptest::collection::vec((0_u32..40, 0_u32..40), 0..120),
        ) {
            let found = layered(count, &edges);
            for a in 0..count {
                prop_assert!(found.x[a].is_finite() && found.x[a] >= -1e-9);
                for b in 0..a {
                    let apart = found.layer[a] != found.layer[b] || (found.x[a] - found.x[b]).abs() >= 1.0 - 1e-6;
                    prop_assert!(apart, "{a} and {b} overlap: {found:?}");
                }
            }
            for (from, to) in edges.into_iter().filter(|&(from, to)| from < to && (to as usize) < count) {
                prop_assert!(found.layer[from as usize] < found.layer[to as usize]);
            }
        }
    }
}
