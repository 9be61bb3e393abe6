//! torchvision's `shifted_window_attention`, opened.
//!
//! ```text
//! map      = roll(pad(map))                                   where it must be
//! windows  = reshape(permute(reshape(map)))                   [batch · windows, N, C]
//! q, k, v  = select(permute(reshape(linear(windows))))        one packed projection
//! scores   = matmul(q · 1/√d, transpose(k))                   or of the normalised q, k, times exp(logit scale)
//! scores   = scores + position bias [+ shift mask]
//! out      = linear(reshape(transpose(matmul(softmax(scores), v))))
//! map      = crop(roll(reshape(permute(reshape(out)))))
//! ```
//! The projections are packed in one linear already, so there is nothing left to merge. The key part of the projection
//! bias is zero in cosine attention.

use fusewright_ir::ValueId;
use fusewright_ir::ops::{Binary, Copy, ShapeError, ShiftedWindow, WindowOperand, Windows};

use super::steps::Steps;

/// Smallest norm that a query or key is divided by (`torch.nn.functional.normalize`).
const SMALLEST_NORM: f64 = 1e-12;

/// Writes the steps of one call; gives its result.
pub(super) fn expand(steps: &mut Steps, layer: &ShiftedWindow, inputs: &[ValueId]) -> Result<Vec<ValueId>, ShapeError> {
    let types = steps.types(inputs);
    let windows = layer.windows(&types.iter().collect::<Vec<_>>())?;
    let call = Call { layer, inputs, windows };
    let rows = call.cut(steps)?;
    let [query, key, value] = call.project(steps, rows)?;
    let scores = call.scores(steps, query, key)?;
    let scores = call.bias(steps, scores)?;
    let mut weights = steps.softmax("softmax", scores, false)?;
    if layer.training && layer.attention_dropout > 0.0 {
        weights = steps.dropout("attention_dropout", weights, layer.attention_dropout)?;
    }
    let context = steps.matmul("context", weights, value)?;
    let context = steps.permute("context_rows", context, &[0, 2, 1, 3])?;
    let context = steps.reshape("context_merged", context, &call.rows_shape(), &[])?;
    let mut out =
        steps.linear("out", context, call.required(WindowOperand::OutWeight)?, call.operand(WindowOperand::OutBias))?;
    if layer.training && layer.dropout > 0.0 {
        out = steps.dropout("dropout", out, layer.dropout)?;
    }
    Ok(vec![call.join(steps, out)?])
}

/// One call of a layer.
struct Call<'a> {
    layer: &'a ShiftedWindow,
    inputs: &'a [ValueId],
    windows: Windows,
}

impl Call<'_> {
    fn operand(&self, operand: WindowOperand) -> Option<ValueId> {
        self.layer.position(operand).and_then(|position| self.inputs.get(position).copied())
    }

    fn required(&self, operand: WindowOperand) -> Result<ValueId, ShapeError> {
        self.operand(operand).ok_or_else(|| ShapeError(format!("the layer has no {operand:?}")))
    }

    /// Height and width of the map after padding.
    fn padded(&self) -> [u64; 2] {
        let extent = |axis: usize| self.windows.grid[axis].saturating_mul(self.layer.window[axis]);
        [extent(0), extent(1)]
    }

    fn shift(&self, sign: i64) -> [i64; 2] {
        self.windows.shift.map(|distance| sign * i64::try_from(distance).unwrap_or(i64::MAX))
    }

    fn is_shifted(&self) -> bool {
        self.windows.shift != [0, 0]
    }

    fn all_windows(&self) -> u64 {
        self.windows.batch.saturating_mul(self.windows.per_map())
    }

    /// `[batch · windows, N, C]`.
    fn rows_shape(&self) -> [u64; 3] {
        [self.all_windows(), self.layer.positions(), self.windows.channels]
    }

    /// The map as rows of windows.
    fn cut(&self, steps: &mut Steps) -> Result<ValueId, ShapeError> {
        let ([height, width], padded) = (self.windows.map, self.padded());
        let mut map = self.required(WindowOperand::Map)?;
        if padded != [height, width] {
            map = steps.pad_after("padded", map, &[0, padded[0] - height, padded[1] - width, 0])?;
        }
        if self.is_shifted() {
            map = steps.roll("shifted", map, self.shift(-1))?;
        }
        let ([grid_h, grid_w], [window_h, window_w]) = (self.windows.grid, self.layer.window);
        let cut = [self.windows.batch, grid_h, window_h, grid_w, window_w, self.windows.channels];
        let map = steps.reshape("cut", map, &cut, &[])?;
        let map = steps.permute("window_first", map, &[0, 1, 3, 2, 4, 5])?;
        steps.reshape("windows", map, &self.rows_shape(), &[])
    }

    /// Rows of windows as a map again.
    fn join(&self, steps: &mut Steps, rows: ValueId) -> Result<ValueId, ShapeError> {
        let ([grid_h, grid_w], [window_h, window_w]) = (self.windows.grid, self.layer.window);
        let (batch, channels, padded) = (self.windows.batch, self.windows.channels, self.padded());
        let map = steps.reshape("uncut", rows, &[batch, grid_h, grid_w, window_h, window_w, channels], &[])?;
        let map = steps.permute("row_first", map, &[0, 1, 3, 2, 4, 5])?;
        let mut map = steps.reshape("map", map, &[batch, padded[0], padded[1], channels], &[])?;
        if self.is_shifted() {
            map = steps.roll("shifted_back", map, self.shift(1))?;
        }
        let [height, width] = self.windows.map;
        if padded == [height, width] {
            return Ok(map);
        }
        let map = steps.crop("cropped", map, &[batch, height, width, channels])?;
        steps.contiguous("cropped_contiguous", map)
    }

    fn project(&self, steps: &mut Steps, rows: ValueId) -> Result<[ValueId; 3], ShapeError> {
        let (c, heads) = (self.windows.channels, self.layer.num_heads);
        let bias = match (self.operand(WindowOperand::InBias), self.operand(WindowOperand::LogitScale)) {
            (Some(bias), Some(_)) => Some(self.without_key_bias(steps, bias)?),
            (bias, _) => bias,
        };
        let packed = steps.linear("query_key_value", rows, self.required(WindowOperand::InWeight)?, bias)?;
        let shape = [self.all_windows(), self.layer.positions(), 3, heads, c / heads.max(1)];
        let packed = steps.reshape("packed_heads", packed, &shape, &[])?;
        let packed = steps.permute("packed_heads_first", packed, &[2, 0, 3, 1, 4])?;
        Ok([steps.select("query", packed, 0)?, steps.select("key", packed, 1)?, steps.select("value", packed, 2)?])
    }

    fn without_key_bias(&self, steps: &mut Steps, bias: ValueId) -> Result<ValueId, ShapeError> {
        let c = self.windows.channels;
        let like = steps.tensor(bias)?;
        let query = steps.part(bias, "query", 0, c)?;
        let value = steps.part(bias, "value", 2 * c, c)?;
        let zeros = steps.zeros("key_bias", &like, &[c])?;
        steps.concat("bias", &[query, zeros, value], 0)
    }

    fn scores(&self, steps: &mut Steps, query: ValueId, key: ValueId) -> Result<ValueId, ShapeError> {
        let Some(logit_scale) = self.operand(WindowOperand::LogitScale) else {
            let width = self.windows.channels / self.layer.num_heads.max(1);
            let query = steps.scale("scaled_query", query, 1.0 / (width as f64).sqrt())?;
            let key = steps.permute("key_transposed", key, &[0, 1, 3, 2])?;
            return steps.matmul("scores", query, key);
        };
        let query = normalise(steps, query, "query")?;
        let key = normalise(steps, key, "key")?;
        let key = steps.permute("key_transposed", key, &[0, 1, 3, 2])?;
        let scores = steps.matmul("scores", query, key)?;
        let scale = steps.clamp("bounded_scale", logit_scale, None, Some(100.0_f64.ln()))?;
        let scale = steps.exp("scale", scale)?;
        steps.binary("scaled", Binary::Mul, scores, scale)
    }

    fn bias(&self, steps: &mut Steps, scores: ValueId) -> Result<ValueId, ShapeError> {
        let scores = steps.add("biased", scores, self.required(WindowOperand::PositionBias)?)?;
        if !self.is_shifted() {
            return Ok(scores);
        }
        let (per_map, n, heads) = (self.windows.per_map(), self.layer.positions(), self.layer.num_heads);
        let dtype = steps.tensor(scores)?.dtype;
        let mask =
            Copy::ShiftMask { grid: self.windows.grid, window: self.layer.window, shift: self.windows.shift, dtype };
        let mask = steps.fill("shift_mask", mask, "torchvision.models.swin_transformer.shifted_window_attention")?;
        let mask = steps.reshape("shift_mask_heads", mask, &[1, per_map, 1, n, n], &[])?;
        let by_map = steps.reshape("scores_by_map", scores, &[self.windows.batch, per_map, heads, n, n], &[])?;
        let masked = steps.add("masked", by_map, mask)?;
        steps.reshape("masked_scores", masked, &[self.all_windows(), heads, n, n], &[])
    }
}

fn normalise(steps: &mut Steps, x: ValueId, role: &str) -> Result<ValueId, ShapeError> {
    let norm = steps.row_norm(&format!("{role}_norm"), x)?;
    let norm = steps.clamp(&format!("{role}_norm_bounded"), norm, Some(SMALLEST_NORM), None)?;
    steps.binary(&format!("{role}_normalised"), Binary::Div, x, norm)
}
