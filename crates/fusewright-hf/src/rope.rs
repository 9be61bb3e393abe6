//! Rotary position embedding: tables of cosines and sines, made once a model and applied to queries and keys.

use fusewright_ir::ops::{Copy, Gather, Pointwise, Unary};
use fusewright_ir::{Op, ValueId};
use serde_json::{Map, Value};

use crate::attention::Tokens;
use crate::builder::{Builder, floats};
use crate::config::Config;
use crate::frequencies::{Frequencies, LOCAL};
use crate::{HfError, waves};

/// Cosines and sines, `[batch, 1, tokens, width / 2]` each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables {
    cos: ValueId,
    sin: ValueId,
    /// How many elements of a head are turned.
    width: u64,
    /// Pairs are neighbours, not halves.
    interleaved: bool,
}

/// What the tables depend on.
#[derive(Clone, Debug)]
pub(crate) struct Rope {
    /// How many elements of a head are turned.
    pub(crate) width: u64,
    /// Pairs are neighbours, not halves.
    pub(crate) interleaved: bool,
    /// Factor on cosines and sines.
    pub(crate) factor: f64,
    /// Name of the tensor of frequencies.
    pub(crate) frequencies: &'static str,
    /// What it holds.
    pub(crate) speeds: Frequencies,
}

impl Rope {
    /// Reads either spelling: `rope_parameters`, or `rope_scaling` beside plain keys. `fraction` of the head is turned
    /// when the configuration does not say.
    pub(crate) fn of(config: &Config<'_>, head: u64, fraction: f64) -> Result<Self, HfError> {
        Self::of_layers(config, "", head, fraction)
    }

    /// The same for layers of one type, where `rope_parameters` are told apart by type.
    pub(crate) fn of_layers(config: &Config<'_>, layer_type: &str, head: u64, fraction: f64) -> Result<Self, HfError> {
        let given = parameters(config)?;
        let own = given.and_then(|given| given.get(layer_type)).and_then(Value::as_object);
        // What is stated for all layers stretches those that see everything.
        let everywhere = own.is_none() && layer_type == LOCAL;
        let given = own.or(given);
        let speeds = Frequencies::of(config, layer_type, given.filter(|_| !everywhere));
        let speeds = if everywhere { speeds.unstretched() } else { speeds };
        let stated = given.and_then(|given| given.get("partial_rotary_factor")).and_then(Value::as_f64);
        let plain = match config.optional_float("partial_rotary_factor")? {
            Some(fraction) => Some(fraction),
            None => config.optional_float("rotary_pct")?,
        };
        let fraction = stated.or(plain).unwrap_or(fraction);
        if !(0.0..=1.0).contains(&fraction) {
            return Err(config.wrong("partial_rotary_factor", "a number from 0 to 1"));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the head width")]
        let width = (head as f64 * fraction) as u64;
        // The tables hold one entry for each pair, an odd last element included.
        let width = width.next_multiple_of(2).min(head);
        Ok(Self { width, interleaved: false, factor: factor(config, given), frequencies: "inv_freq", speeds })
    }
}

fn parameters<'c>(config: &'c Config<'_>) -> Result<Option<&'c Map<String, Value>>, HfError> {
    Ok(match config.object("rope_parameters")? {
        Some(given) => Some(given),
        None => config.object("rope_scaling")?,
    })
}

/// The kind of position scaling, `default` when there is none.
pub(crate) fn kind(given: &Map<String, Value>) -> &str {
    given.get("rope_type").or_else(|| given.get("type")).and_then(Value::as_str).unwrap_or("default")
}

/// What longer contexts than trained ones do to the length of the turned vectors.
fn factor(config: &Config<'_>, given: Option<&Map<String, Value>>) -> f64 {
    let Some(given) = given else { return 1.0 };
    let number = |key: &str| given.get(key).and_then(Value::as_f64);
    if let Some(stated) = number("attention_factor") {
        return stated;
    }
    let stretch = || {
        let longest = config.optional_float("max_position_embeddings").ok().flatten();
        let trained = number("original_max_position_embeddings")
            .or_else(|| config.optional_float("original_max_position_embeddings").ok().flatten());
        longest.zip(trained).map(|(longest, trained)| longest / trained)
    };
    match kind(given) {
        "yarn" => {
            let factor = number("factor").or_else(stretch).unwrap_or(1.0);
            match (number("mscale"), number("mscale_all_dim")) {
                (Some(scale), Some(all)) if scale != 0.0 && all != 0.0 => {
                    yarn_scale(factor, scale) / yarn_scale(factor, all)
                }
                _ => yarn_scale(factor, 1.0),
            }
        }
        "longrope" | "su" => {
            let plain = |key: &str| config.optional_float(key).ok().flatten();
            let trained = plain("original_max_position_embeddings");
            let trained = trained.or_else(|| number("original_max_position_embeddings"));
            let factor = number("factor").or_else(stretch).unwrap_or(1.0);
            let trained = trained.or_else(|| plain("max_position_embeddings"));
            match trained {
                Some(trained) if factor > 1.0 && trained > 1.0 => (1.0 + factor.ln() / trained.ln()).sqrt(),
                _ => 1.0,
            }
        }
        _ => 1.0,
    }
}

/// Growth of attention scores that compensates a stretched context.
fn yarn_scale(factor: f64, weight: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 }
}

/// What a stretched context multiplies the scores of compressed attention by.
pub(crate) fn score_factor(config: &Config<'_>) -> Result<f64, HfError> {
    let Some(given) = parameters(config)? else { return Ok(1.0) };
    let number = |key: &str| given.get(key).and_then(Value::as_f64);
    let all = number("mscale_all_dim").unwrap_or(0.0);
    if kind(given) == "default" || all == 0.0 {
        return Ok(1.0);
    }
    Ok(yarn_scale(number("factor").unwrap_or(1.0), all).powi(2))
}

impl Builder {
    /// The tables of the module `name`: one product of frequencies and positions for each sequence.
    pub(crate) fn rope_tables(&mut self, name: &str, tokens: Tokens, rope: &Rope) -> Result<Tables, HfError> {
        self.within(name, |b| {
            let Tokens { batch, new, context } = tokens;
            let pairs = rope.width / 2;
            let speeds = rope.speeds.of_pairs(pairs, context.saturating_add(new));
            let frequencies = b.computed(rope.frequencies, b.dtype, &[pairs], speeds.map(floats))?;
            let column = b.reshape(frequencies, &[1, pairs, 1])?;
            let column = b.expand(column, &[batch, pairs, 1])?;
            let start = i64::try_from(context).unwrap_or(i64::MAX);
            let positions = b.node("arange", Copy::Range { start, length: new, dtype: b.dtype }, &[])?;
            let row = b.reshape(positions, &[1, 1, new])?;
            let row = b.expand(row, &[batch, 1, new])?;
            let angles = b.matmul(column, row)?;
            let angles = b.permute(angles, &[0, 2, 1])?;
            let angles = b.reshape(angles, &[batch, 1, new, pairs])?;
            let (cos, sin) = (b.unary(Unary::Cos, angles)?, b.unary(Unary::Sin, angles)?);
            let (cos, sin) = (b.scaled(cos, rope.factor)?, b.scaled(sin, rope.factor)?);
            Ok(Tables { cos, sin, width: rope.width, interleaved: rope.interleaved })
        })
    }

    /// Tables of pairs of neighbours, picked by position from one of `rows` that the model holds: sines, then cosines.
    pub(crate) fn looked_up_tables(&mut self, tokens: Tokens, rows: u64, width: u64) -> Result<Tables, HfError> {
        let Tokens { batch, new, context } = tokens;
        let table = self.computed("embed_positions", self.dtype, &[rows, width], waves::table(rows, width))?;
        let positions = self.positions(context, new)?;
        let positions = self.reshape(positions, &[1, new])?;
        let positions = self.expand(positions, &[batch, new])?;
        let both = self.node("embedding", Op::Gather(Gather::Embedding), &[positions, table])?;
        let both = self.reshape(both, &[batch, 1, new, width])?;
        let [sin, cos] = self.split(both, [width / 2, width - width / 2])?;
        Ok(Tables { cos, sin, width, interleaved: true })
    }

    /// Turns heads `[batch, heads, tokens, width]` by their positions.
    pub(crate) fn rotated(&mut self, x: ValueId, tables: Tables) -> Result<ValueId, HfError> {
        let op = Pointwise::Rotary { width: tables.width, interleaved: tables.interleaved };
        self.node("rotary", Op::Pointwise(op), &[x, tables.cos, tables.sin])
    }
}
