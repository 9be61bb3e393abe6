//! Biases on attention scores that depend on how far apart two positions are.

use fusewright_ir::ops::{Binary, Copy, Gather, Pointwise, Unary};
use fusewright_ir::{Content, DType, Op, ValueId};

use crate::HfError;
use crate::builder::{Builder, holds};

/// How distances are put into buckets: near ones each into their own, far ones by their logarithm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buckets {
    /// How many there are.
    pub(crate) count: u64,
    /// Distances from here on share the last one.
    pub(crate) longest: u64,
    /// Half of the buckets are for keys after the query.
    pub(crate) both_ways: bool,
}

impl Builder {
    /// The bias `[1, heads, queries, keys]` that a table of this module holds for each bucket; `context` keys stand
    /// before the first query.
    pub(crate) fn distance_bias(
        &mut self,
        name: &str,
        buckets: Buckets,
        heads: u64,
        queries: u64,
        context: u64,
    ) -> Result<ValueId, HfError> {
        let index = self.buckets(buckets, queries, context)?;
        let (rows, _) = self.embedding(name, index, buckets.count, heads)?;
        let rows = self.permute(rows, &[2, 0, 1])?;
        self.reshape(rows, &[1, heads, queries, context + queries])
    }

    /// The bucket of each pair of a query and a key.
    fn buckets(&mut self, buckets: Buckets, queries: u64, context: u64) -> Result<ValueId, HfError> {
        let side = if buckets.both_ways { buckets.count / 2 } else { buckets.count };
        let near = side / 2;
        if near == 0 || buckets.longest <= near {
            let problem = format!("{} buckets do not hold distances up to {}", buckets.count, buckets.longest);
            return Err(HfError::Shape { place: "relative_attention_num_buckets".to_owned(), problem });
        }
        let query = self.positions(context, queries)?;
        let query = self.reshape(query, &[queries, 1])?;
        let key = self.positions(0, context + queries)?;
        let key = self.reshape(key, &[1, context + queries])?;
        let relative = self.binary(Binary::Sub, key, query)?;
        let (distance, offset) = if buckets.both_ways {
            let after = self.with_scalar(Binary::Gt, relative, 0.0)?;
            let after = self.node("to", Copy::Cast { dtype: DType::I64 }, &[after])?;
            let offset = self.with_scalar(Binary::Mul, after, side as f64)?;
            (self.unary(Unary::Abs, relative)?, Some(offset))
        } else {
            let before = self.clamp(relative, None, Some(0.0))?;
            (self.unary(Unary::Neg, before)?, None)
        };
        let is_near = self.with_scalar(Binary::Lt, distance, near as f64)?;
        let far = self.node("to", Copy::Cast { dtype: DType::F32 }, &[distance])?;
        let far = self.with_scalar(Binary::Div, far, near as f64)?;
        let far = self.unary(Unary::Log, far)?;
        let slope = (side - near) as f64 / (buckets.longest as f64 / near as f64).ln();
        let far = self.with_scalar(Binary::Mul, far, slope)?;
        let far = self.node("to", Copy::Cast { dtype: DType::I64 }, &[far])?;
        let far = self.with_scalar(Binary::Add, far, near as f64)?;
        let far = self.clamp(far, None, Some((side - 1) as f64))?;
        let bucket = self.node("where", Op::Pointwise(Pointwise::Where), &[is_near, distance, far])?;
        match offset {
            Some(offset) => self.add(bucket, offset),
            None => Ok(bucket),
        }
    }

    /// The bias `[1, heads, N, N]` of N positions on a grid: rows of the table of this module, picked by an index that
    /// the class keeps. `extra` rows are for a token that has no place on the grid.
    pub(crate) fn grid_bias(&mut self, grid: [u64; 2], extra: u64, heads: u64) -> Result<ValueId, HfError> {
        let rows = (2 * grid[0] - 1) * (2 * grid[1] - 1) + extra;
        let positions = grid[0] * grid[1] + u64::from(extra > 0);
        let table = self.parameter("relative_position_bias_table", &[rows, heads])?;
        let held = holds(positions, positions).then(|| Content::Ints(grid_index(grid, extra > 0).into()));
        let shape = [positions.saturating_mul(positions)];
        let index = self.computed("relative_position_index", DType::I64, &shape, held)?;
        self.node("position_bias", Op::Gather(Gather::PositionBias { positions }), &[table, index])
    }
}

/// Which row of the table the distance of two positions on a grid has, row-major. A token without a place comes first
/// where there is one, and has the last three rows: to others, from others, to itself.
fn grid_index(grid: [u64; 2], token: bool) -> Vec<i64> {
    let [rows, columns] = grid;
    let distances = (2 * rows - 1) * (2 * columns - 1);
    let index = |from: Option<u64>, to: Option<u64>| match (from, to) {
        (Some(from), Some(to)) => {
            let down = from / columns + rows - 1 - to / columns;
            down * (2 * columns - 1) + from % columns + columns - 1 - to % columns
        }
        (None, Some(_)) => distances,
        (Some(_), None) => distances + 1,
        (None, None) => distances + 2,
    };
    let places = || token.then_some(None).into_iter().chain((0..rows * columns).map(Some));
    places().flat_map(|from| places().map(move |to| index(from, to).cast_signed())).collect()
}
