//! The block shapes that matrix products are cut into.
//!
//! A short list on purpose: a library chooses among few shapes, and a free minimum over many small ones prices away the
//! jump that one more row causes.

/// Rows and columns of a result that one block computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Rows.
    pub rows: u32,
    /// Columns.
    pub cols: u32,
}

impl Tile {
    const fn new(rows: u32, cols: u32) -> Self {
        Self { rows, cols }
    }

    /// Results of a tile.
    pub(super) fn area(self) -> f64 {
        f64::from(self.rows) * f64::from(self.cols)
    }

    /// tm·tn/(tm + tn): proportional to the arithmetic for each byte of operands.
    pub(super) fn reuse(self) -> f64 {
        self.area() / (f64::from(self.rows) + f64::from(self.cols))
    }
}

/// On matrix units.
pub(super) const MATRIX: [Tile; 6] = [
    Tile::new(256, 128),
    Tile::new(128, 256),
    Tile::new(128, 128),
    Tile::new(128, 64),
    Tile::new(64, 128),
    Tile::new(64, 64),
];

/// On general-purpose units.
pub(super) const VECTOR: [Tile; 7] = [
    Tile::new(128, 128),
    Tile::new(128, 64),
    Tile::new(64, 128),
    Tile::new(64, 64),
    Tile::new(128, 32),
    Tile::new(32, 128),
    Tile::new(32, 32),
];

/// Tile that `shape` is measured against.
pub(super) const LARGEST: Tile = Tile::new(256, 128);

/// Parts that the sum over k may be cut into, each summed by blocks of its own.
pub(super) const SPLITS: [u32; 6] = [1, 2, 4, 8, 16, 32];

/// Fewest terms of a part.
pub(super) const LEAST_SPLIT_TERMS: u64 = 256;

/// Terms that a block sums between two waits for memory.
pub(super) const STEP: u32 = 64;
