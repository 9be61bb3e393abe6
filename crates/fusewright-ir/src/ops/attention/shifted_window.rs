//! Attention inside windows of a two-dimensional map, as one op (Swin, versions 1 and 2).

use super::super::{Results, ShapeError, one, tensor};
use crate::attributes::invalid;
use crate::{AttributeError, Attributes, TensorType, Type, Work};

/// What an operand of [`ShiftedWindow`] is. N is the number of positions in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowOperand {
    /// The map `[batch, height, width, C]`.
    Map,
    /// Packed projection weights `[3C, C]`.
    InWeight,
    /// `[C, C]`.
    OutWeight,
    /// Added to the scores: `[1, heads, N, N]`.
    PositionBias,
    /// Packed projection biases `[3C]`.
    InBias,
    /// `[C]`.
    OutBias,
    /// Logarithm of the scale of cosine attention, `[heads, 1, 1]`; its presence makes the attention cosine.
    LogitScale,
}

const OPERANDS: [(WindowOperand, &str); 7] = [
    (WindowOperand::Map, "map"),
    (WindowOperand::InWeight, "in_weight"),
    (WindowOperand::OutWeight, "out_weight"),
    (WindowOperand::PositionBias, "position_bias"),
    (WindowOperand::InBias, "in_bias"),
    (WindowOperand::OutBias, "out_bias"),
    (WindowOperand::LogitScale, "logit_scale"),
];

/// Multi-head self-attention inside windows, the map shifted cyclically first, as torchvision's
/// `shifted_window_attention` defines it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShiftedWindow {
    /// Heads; C is a multiple of it.
    pub num_heads: u64,
    /// Height and width of a window.
    pub window: [u64; 2],
    /// Shift along height and width; 0 along an axis that one window covers.
    pub shift: [u64; 2],
    /// Dropout probability on the attention weights.
    pub attention_dropout: f64,
    /// Dropout probability on the result.
    pub dropout: f64,
    /// Dropout is live.
    pub training: bool,
    /// What each input is.
    pub operands: Vec<WindowOperand>,
}

/// How a map is cut into windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Batch of maps.
    pub batch: u64,
    /// Height and width of the map.
    pub map: [u64; 2],
    /// Windows along height and width.
    pub grid: [u64; 2],
    /// Channels C.
    pub channels: u64,
    /// Effective shift.
    pub shift: [u64; 2],
}

impl Windows {
    /// Windows of one map.
    pub fn per_map(&self) -> u64 {
        self.grid[0].saturating_mul(self.grid[1])
    }
}

impl ShiftedWindow {
    /// Position of an operand among the inputs.
    pub fn position(&self, operand: WindowOperand) -> Option<usize> {
        self.operands.iter().position(|&known| known == operand)
    }

    /// Positions in one window.
    pub fn positions(&self) -> u64 {
        self.window[0].saturating_mul(self.window[1])
    }

    /// How a call with operands of these types cuts its map.
    pub fn windows(&self, inputs: &[&Type]) -> Result<Windows, ShapeError> {
        let map = tensor(inputs, self.position(WindowOperand::Map).unwrap_or(0))?;
        let &[batch, height, width, channels] = map.shape.as_slice() else {
            return Err(ShapeError::new("the map must have shape [batch, height, width, C]"));
        };
        if self.window.contains(&0) || height == 0 || width == 0 {
            return Err(ShapeError::new("windows and map must not be empty"));
        }
        let grid = [height.div_ceil(self.window[0]), width.div_ceil(self.window[1])];
        let effective = |axis: usize| if grid[axis] == 1 { 0 } else { self.shift[axis] };
        let shift = [effective(0), effective(1)];
        if shift[0] >= self.window[0] || shift[1] >= self.window[1] {
            return Err(ShapeError::new("the shift must be smaller than the window"));
        }
        Ok(Windows { batch, map: [height, width], grid, channels, shift })
    }

    pub(super) fn write(&self, attributes: &mut Attributes) {
        attributes.set_int("num_heads", i64::try_from(self.num_heads).unwrap_or(i64::MAX));
        attributes.set_ints("window", &self.window);
        attributes.set_ints("shift", &self.shift);
        attributes.set_float("attention_dropout", self.attention_dropout);
        attributes.set_float("dropout", self.dropout);
        attributes.set_flag("training", self.training);
        let names: Vec<&str> = self.operands.iter().map(|&operand| OPERANDS[operand as usize].1).collect();
        attributes.set_text("operands", &names.join(" "));
    }

    pub(super) fn read(attributes: &mut Attributes) -> Result<Self, AttributeError> {
        let mut pair = |name| {
            <[u64; 2]>::try_from(attributes.ints::<u64>(name)?).map_err(|_| invalid(name, "two non-negative integers"))
        };
        let (window, shift) = (pair("window")?, pair("shift")?);
        let names = attributes.text("operands")?;
        let operand = |name| OPERANDS.iter().find(|row| row.1 == name).map(|row| row.0);
        let operands: Option<Vec<WindowOperand>> = names.split_whitespace().map(operand).collect();
        Ok(Self {
            num_heads: attributes.size("num_heads")?,
            window,
            shift,
            attention_dropout: attributes.float("attention_dropout")?,
            dropout: attributes.float("dropout")?,
            training: attributes.flag("training")?,
            operands: operands.ok_or_else(|| invalid("operands", "known operand names"))?,
        })
    }

    pub(super) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        if self.operands.len() != inputs.len() {
            return Err(ShapeError::new(format!("{} operands are named, {} given", self.operands.len(), inputs.len())));
        }
        let windows = self.windows(inputs)?;
        let (c, n, heads) = (windows.channels, self.positions(), self.num_heads);
        if heads == 0 || !c.is_multiple_of(heads) {
            return Err(ShapeError::new("the channels must be a multiple of num_heads"));
        }
        let expected: [(WindowOperand, &[u64]); 6] = [
            (WindowOperand::InWeight, &[c.saturating_mul(3), c]),
            (WindowOperand::OutWeight, &[c, c]),
            (WindowOperand::PositionBias, &[1, heads, n, n]),
            (WindowOperand::InBias, &[c.saturating_mul(3)]),
            (WindowOperand::OutBias, &[c]),
            (WindowOperand::LogitScale, &[heads, 1, 1]),
        ];
        for (operand, shape) in expected {
            match self.position(operand) {
                Some(position) => {
                    let found = &tensor(inputs, position)?.shape;
                    if found.as_slice() != shape {
                        return Err(ShapeError::new(format!("{operand:?} must have shape {shape:?}, not {found:?}")));
                    }
                }
                None if matches!(
                    operand,
                    WindowOperand::InWeight | WindowOperand::OutWeight | WindowOperand::PositionBias
                ) =>
                {
                    return Err(ShapeError::new(format!("the layer has no {operand:?}")));
                }
                None => {}
            }
        }
        let map = tensor(inputs, self.position(WindowOperand::Map).unwrap_or(0))?;
        one(TensorType::new(map.dtype, map.shape.iter().copied()))
    }

    pub(super) fn work(&self, inputs: &[&Type]) -> Work {
        let Ok(windows) = self.windows(inputs) else { return Work::default() };
        let product = |factors: &[u64]| factors.iter().fold(1_u64, |p, &f| p.saturating_mul(f));
        let has = |operand| u64::from(self.position(operand).is_some());
        let (c, n) = (windows.channels, self.positions());
        let rows = product(&[windows.batch, windows.per_map(), n]);
        let scores = product(&[rows, self.num_heads, n]);
        let macs = product(&[rows, c, 4, c]).saturating_add(product(&[2, rows, n, c]));
        let live = |p: f64| if self.training && p > 0.0 { 2 } else { 0 };
        let shifted = u64::from(windows.shift != [0, 0]);
        let per_score = 1 + shifted + 5 + live(self.attention_dropout); // bias, mask, softmax, dropout
        let values = product(&[rows, c]);
        let scaling = if has(WindowOperand::LogitScale) == 1 {
            // Norm, bound and quotient of queries and keys; bound and exponential of the scale; the scaled scores.
            let norms = product(&[2, rows, self.num_heads]);
            product(&[6, values]).saturating_add(norms).saturating_add(2 * self.num_heads).saturating_add(scores)
        } else {
            values
        };
        let biases = values.saturating_mul(3 * has(WindowOperand::InBias) + has(WindowOperand::OutBias));
        let other = [scores.saturating_mul(per_score), scaling, biases, values.saturating_mul(live(self.dropout))];
        Work::new(macs, other.iter().fold(0, |sum: u64, &part| sum.saturating_add(part)))
    }
}
