//! How fast each pair of a head turns: the numbers that a rotary embedding computes from its configuration, as the classes
//! of transformers do, stretched for contexts longer than those of training.

use std::f64::consts::TAU;

use serde_json::{Map, Value};

use crate::config::Config;

/// Bases of classes that have another than the usual one, and those of layers that see a window of them.
const BASES: [(&str, f64, f64); 7] = [
    ("cohere", 500_000.0, 500_000.0),
    ("gemma3_text", 1_000_000.0, 10_000.0),
    ("gpt_oss", 150_000.0, 150_000.0),
    ("llama4_text", 500_000.0, 500_000.0),
    ("mixtral", 1_000_000.0, 1_000_000.0),
    ("modernbert", 160_000.0, 10_000.0),
    ("smollm3", 2_000_000.0, 2_000_000.0),
];
const USUAL_BASE: f64 = 10_000.0;

/// The type of layers that see a window only.
pub(crate) const LOCAL: &str = "sliding_attention";

/// What the speeds depend on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frequencies {
    base: f64,
    stretch: Stretch,
}

#[derive(Clone, Debug, PartialEq)]
enum Stretch {
    None,
    /// All pairs slow down alike.
    By(f64),
    /// The base grows with what is longer than `longest`.
    Growing {
        factor: f64,
        longest: f64,
    },
    /// Slow pairs slow down, fast ones do not, those between these two in part.
    Yarn {
        factor: f64,
        trained: f64,
        fast: f64,
        slow: f64,
        whole: bool,
    },
    /// The same by wave length.
    Waves {
        factor: f64,
        trained: f64,
        low: f64,
        high: f64,
    },
    /// A divisor for each pair, others where there are more tokens than in training.
    Listed {
        trained: f64,
        short: Vec<f64>,
        long: Vec<f64>,
    },
    /// A kind that is not known here.
    Unknown,
}

impl Frequencies {
    /// Reads base and kind of stretching; `given` are the parameters of layers of this type.
    pub(crate) fn of(config: &Config<'_>, layer_type: &str, given: Option<&Map<String, Value>>) -> Self {
        let local = layer_type == LOCAL;
        let number = |key: &str| given.and_then(|given| given.get(key)).and_then(Value::as_f64);
        let plain = |key: &str| config.optional_float(key).ok().flatten();
        let keys: &[&str] = if local {
            &["rope_local_base_freq", "local_rope_theta", "rope_theta"]
        } else {
            &["rope_theta", "global_rope_theta", "rotary_emb_base"]
        };
        // A base of layers that see everything is none of layers that see a window.
        let keys = if local && BASES.iter().any(|row| row.0 == config.model_type && row.1 > row.2) {
            keys.get(..2).unwrap_or_default()
        } else {
            keys
        };
        let own = BASES.iter().find(|row| row.0 == config.model_type);
        let usual = own.map_or(USUAL_BASE, |row| if local { row.2 } else { row.1 });
        let base = number("rope_theta").or_else(|| keys.iter().find_map(|key| plain(key))).unwrap_or(usual);
        Self { base, stretch: given.map_or(Stretch::None, |given| Stretch::of(config, given)) }
    }

    /// The usual base, nothing stretched.
    pub(crate) fn plain() -> Self {
        Self { base: USUAL_BASE, stretch: Stretch::None }
    }

    /// The same speeds without stretching.
    pub(crate) fn unstretched(self) -> Self {
        Self { stretch: Stretch::None, ..self }
    }

    /// Radians that each of `pairs` turns a position, where `tokens` are the most that are seen; `None` where the kind of
    /// stretching is not known.
    pub(crate) fn of_pairs(&self, pairs: u64, tokens: u64) -> Option<Vec<f64>> {
        let (width, tokens) = (2.0 * pairs as f64, tokens as f64);
        let speeds = |base: f64| (0..pairs).map(move |pair| base.powf(-2.0 * pair as f64 / width));
        let plain = || speeds(self.base);
        Some(match &self.stretch {
            Stretch::None => plain().collect(),
            Stretch::By(factor) => plain().map(|speed| speed / factor).collect(),
            Stretch::Growing { factor, longest } => {
                let seen = tokens.max(*longest);
                let grown = factor * seen / longest - (factor - 1.0);
                speeds(self.base * grown.powf(width / (width - 2.0))).collect()
            }
            Stretch::Yarn { factor, trained, fast, slow, whole } => {
                // The pair that turns this often in the context of training.
                let pair = |turns: &f64| width * (trained / (turns * TAU)).ln() / (2.0 * self.base.ln());
                let (first, last) = (pair(fast), pair(slow));
                let (first, last) = if *whole { (first.floor(), last.ceil()) } else { (first, last) };
                let (first, last) = (first.max(0.0), last.min(width - 1.0));
                let last = if last > first { last } else { first + 0.001 };
                let slowed = |pair: u64| ((pair as f64 - first) / (last - first)).clamp(0.0, 1.0);
                let both = plain().zip(0..pairs);
                both.map(|(speed, pair)| speed / factor * slowed(pair) + speed * (1.0 - slowed(pair))).collect()
            }
            Stretch::Waves { factor, trained, low, high } => {
                let one = |speed: f64| {
                    let turns = trained * speed / TAU;
                    if turns < *low {
                        speed / factor
                    } else if turns > *high {
                        speed
                    } else {
                        let kept = (turns - low) / (high - low);
                        (1.0 - kept) * speed / factor + kept * speed
                    }
                };
                plain().map(one).collect()
            }
            Stretch::Listed { trained, short, long } => {
                let divisors = if tokens > *trained { long } else { short };
                if divisors.len() as u64 != pairs {
                    return None;
                }
                plain().zip(divisors).map(|(speed, divisor)| speed / divisor).collect()
            }
            Stretch::Unknown => return None,
        })
    }
}

impl Stretch {
    fn of(config: &Config<'_>, given: &Map<String, Value>) -> Self {
        let number = |key: &str| given.get(key).and_then(Value::as_f64);
        let plain = |key: &str| config.optional_float(key).ok().flatten();
        let longest = plain("max_position_embeddings");
        let before = plain("original_max_position_embeddings").or_else(|| number("original_max_position_embeddings"));
        let trained = before.or(longest);
        let list = |key: &str| -> Option<Vec<f64>> { given.get(key)?.as_array()?.iter().map(Value::as_f64).collect() };
        let found = match super::rope::kind(given) {
            // Sections of positions in two directions, which text has alike.
            "default" | "mrope" => Some(Stretch::None),
            "linear" => number("factor").map(Stretch::By),
            "dynamic" => number("factor").zip(longest).map(|(factor, longest)| Stretch::Growing { factor, longest }),
            "yarn" => {
                let factor = number("factor").or_else(|| Some(longest? / before?));
                factor.zip(trained).map(|(factor, trained)| Stretch::Yarn {
                    factor,
                    trained,
                    fast: number("beta_fast").unwrap_or(32.0),
                    slow: number("beta_slow").unwrap_or(1.0),
                    whole: given.get("truncate").and_then(Value::as_bool).unwrap_or(true),
                })
            }
            "llama3" => (|| {
                Some(Stretch::Waves {
                    factor: number("factor")?,
                    trained: trained?,
                    low: number("low_freq_factor")?,
                    high: number("high_freq_factor")?,
                })
            })(),
            "longrope" | "su" => (|| {
                Some(Stretch::Listed { trained: trained?, short: list("short_factor")?, long: list("long_factor")? })
            })(),
            _ => None,
        };
        found.unwrap_or(Stretch::Unknown)
    }
}
