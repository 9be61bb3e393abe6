//! Encoder-decoders whose modules are named as those of BART; Whisper among them, whose encoder reads sound.

use fusewright_ir::ops::{Gather, Unary};
use fusewright_ir::{DType, Op, ValueId};

use super::cross::Memory;
use super::dims::Sizes;
use crate::attention::{Core, Tokens};
use crate::builder::{Builder, Norm, floats, holds};
use crate::config::Config;
use crate::conv::Conv;
use crate::models::{Head, Request};
use crate::multihead::{Projections, per_head};
use crate::{HfError, Phase, waves};

const NORM: Norm = Norm::Layer(1e-5);

/// Where positions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Positions {
    /// A table with two rows before the first position.
    Learned,
    /// A table that begins with the first position.
    Table,
    /// The same, of sines and cosines: checkpoints need not hold it.
    Waves,
    /// A table that is not trained, with two rows before the first position.
    Computed,
}

/// What tells the families apart.
#[derive(Clone, Copy, Debug)]
struct Family {
    /// Norms stand before attention and the MLP, and after each stack.
    pre_norm: bool,
    /// Embeddings are normalised.
    embedding_norm: bool,
    positions: Positions,
    /// A bias that is not trained is added to the logits.
    logits_bias: bool,
    /// The encoder reads a spectrogram.
    sound: bool,
    /// Module of the logits.
    head: &'static str,
}

const BART: Family = Family {
    pre_norm: false,
    embedding_norm: true,
    positions: Positions::Learned,
    logits_bias: true,
    sound: false,
    head: "lm_head",
};
const MBART: Family = Family { pre_norm: true, ..BART };
const PEGASUS: Family = Family { pre_norm: true, embedding_norm: false, positions: Positions::Waves, ..BART };
const MARIAN: Family = Family { pre_norm: false, ..PEGASUS };
const M2M_100: Family = Family { positions: Positions::Computed, logits_bias: false, ..PEGASUS };
const WHISPER: Family =
    Family { positions: Positions::Table, sound: true, logits_bias: false, head: "proj_out", ..PEGASUS };

pub(crate) fn bart(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    BART.build(b, config, request)
}

pub(crate) fn mbart(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    MBART.build(b, config, request)
}

pub(crate) fn pegasus(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    PEGASUS.build(b, config, request)
}

pub(crate) fn marian(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    MARIAN.build(b, config, request)
}

pub(crate) fn m2m_100(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    M2M_100.build(b, config, request)
}

pub(crate) fn whisper(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    WHISPER.build(b, config, request)
}

/// One of the stacks.
struct Stack<'c> {
    family: Family,
    config: &'c Config<'c>,
    hidden: u64,
    inner: u64,
    layers: u64,
    projections: Projections,
    /// What the embeddings are multiplied with.
    factor: f64,
}

impl<'c> Stack<'c> {
    fn of(family: Family, config: &'c Config<'c>, keys: [&str; 3]) -> Result<Self, HfError> {
        let [layers, heads_key, inner] = keys;
        let (hidden, heads) = (config.size("d_model")?, config.size(heads_key)?);
        let factor = if config.flag("scale_embedding")? && !family.sound { (hidden as f64).sqrt() } else { 1.0 };
        Ok(Self {
            family,
            config,
            hidden,
            inner: config.size(inner)?,
            layers: config.layers(layers)?,
            projections: Projections {
                names: ["q_proj", "k_proj", "v_proj", "out_proj"],
                biases: [true, !family.sound, true, true],
                heads,
                width: per_head(config, heads_key, hidden, heads)?,
            },
            factor,
        })
    }

    fn encoder(family: Family, config: &'c Config<'c>) -> Result<Self, HfError> {
        Self::of(family, config, ["encoder_layers", "encoder_attention_heads", "encoder_ffn_dim"])
    }

    fn decoder(family: Family, config: &'c Config<'c>) -> Result<Self, HfError> {
        Self::of(family, config, ["decoder_layers", "decoder_attention_heads", "decoder_ffn_dim"])
    }

    /// Rows of tokens with their positions, `positions` in all.
    fn embedded(
        &self,
        b: &mut Builder,
        ids: ValueId,
        table: ValueId,
        start: u64,
        positions: u64,
    ) -> Result<ValueId, HfError> {
        let x = b.rows_of("embed_tokens", ids, table)?;
        let x = b.scaled(x, self.factor)?;
        let offset = if matches!(self.family.positions, Positions::Table | Positions::Waves) { 0 } else { 2 };
        let rows = b.within("embed_positions", |b| {
            let (shape, dtype) = ([positions + offset, self.hidden], b.dtype);
            let table = match self.family.positions {
                Positions::Computed => b.computed("weights", dtype, &shape, waves::padded(shape[0], shape[1]))?,
                positions => {
                    let table = b.parameter("weight", &shape)?;
                    if positions == Positions::Waves {
                        b.holds(table, waves::table(shape[0], shape[1]));
                    }
                    table
                }
            };
            let index = b.positions(start + offset, b.extent(ids, 1))?;
            b.node("embedding", Op::Gather(Gather::Embedding), &[index, table])
        })?;
        let x = b.add(x, rows)?;
        if self.family.embedding_norm { b.norm("layernorm_embedding", x, NORM) } else { Ok(x) }
    }

    /// Adds what `part` makes of x to x, with the norm where the family has it.
    fn residual(
        &self,
        b: &mut Builder,
        norm: &str,
        x: ValueId,
        part: impl FnOnce(&mut Builder, ValueId) -> Result<ValueId, HfError>,
    ) -> Result<ValueId, HfError> {
        if self.family.pre_norm {
            let normed = b.norm(norm, x, NORM)?;
            let made = part(b, normed)?;
            b.add(x, made)
        } else {
            let made = part(b, x)?;
            let sum = b.add(x, made)?;
            b.norm(norm, sum, NORM)
        }
    }

    /// The layers, and the norm after them.
    fn run(&self, b: &mut Builder, tokens: Tokens, memory: Option<Memory>, mut x: ValueId) -> Result<ValueId, HfError> {
        let (q, core) = (self.projections, Core::default());
        for index in 0..self.layers {
            x = b.within(&format!("layers.{index}"), |b| {
                let mut x = self.residual(b, "self_attn_layer_norm", x, |b, x| {
                    b.within("self_attn", |b| match memory {
                        None => q.attend(b, x, &core),
                        Some(_) => q.attend_cached(b, index, tokens, x, &core),
                    })
                })?;
                if let Some(memory) = memory {
                    x = self.residual(b, "encoder_attn_layer_norm", x, |b, x| {
                        b.within("encoder_attn", |b| q.attend_memory(b, index, memory, x, &core))
                    })?;
                }
                self.residual(b, "final_layer_norm", x, |b, x| {
                    let wide = b.linear("fc1", x, self.inner, true)?;
                    let wide = b.activation(self.config, "activation_function", wide)?;
                    b.linear("fc2", wide, self.hidden, true)
                })
            })?;
        }
        if self.family.pre_norm { b.norm("layer_norm", x, NORM) } else { Ok(x) }
    }
}

/// The token tables of both stacks, mostly the same.
struct Words {
    encoder: ValueId,
    decoder: ValueId,
}

impl Family {
    fn build(self, b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
        let (encoder, decoder) = (Stack::encoder(self, config)?, Stack::decoder(self, config)?);
        let [source, target] = if self.sound {
            [config.size("max_source_positions")?, config.size("max_target_positions")?]
        } else {
            [config.size("max_position_embeddings")?; 2]
        };
        let sizes = if self.sound {
            Sizes::of_target(b, request, source, target)?
        } else {
            Sizes::of_text(b, request, [source, target])?
        };
        let root = if request.head == Head::None { "" } else { "model" };
        let (x, table) = b.within(root, |b| {
            let words = self.words(b, config, encoder.hidden)?;
            let memory = if b.phase == Phase::Decode {
                Memory::Cached(sizes)
            } else if self.sound {
                Memory::Encoded(b.within("encoder", |b| sound(b, config, &encoder, sizes))?)
            } else {
                let ids = b.input("input_ids", DType::I64, &[sizes.batch, sizes.source])?;
                Memory::Encoded(b.within("encoder", |b| {
                    let x = encoder.embedded(b, ids, words.encoder, 0, source)?;
                    encoder.run(b, sizes.target, None, x)
                })?)
            };
            let x = b.within("decoder", |b| {
                let ids = sizes.target_ids(b)?;
                let x = decoder.embedded(b, ids, words.decoder, sizes.target.context, target)?;
                decoder.run(b, sizes.target, Some(memory), x)
            })?;
            Ok((x, words.decoder))
        })?;
        let result = if request.head == Head::None { x } else { self.logits(b, config, x, table)? };
        b.results(&[result]);
        Ok(())
    }

    fn words(self, b: &mut Builder, config: &Config<'_>, hidden: u64) -> Result<Words, HfError> {
        let words = config.size("vocab_size")?;
        let table = |b: &mut Builder, module: &str, rows| b.within(module, |b| b.parameter("weight", &[rows, hidden]));
        if self.sound {
            let decoder = table(b, "decoder.embed_tokens", words)?;
            return Ok(Words { encoder: decoder, decoder });
        }
        // Only Marian has the key.
        if config.value("share_encoder_decoder_embeddings").is_some()
            && !config.flag("share_encoder_decoder_embeddings")?
        {
            let own = config.optional_size("decoder_vocab_size")?.unwrap_or(words);
            let encoder = table(b, "encoder.embed_tokens", words)?;
            return Ok(Words { encoder, decoder: table(b, "decoder.embed_tokens", own)? });
        }
        let shared = table(b, "shared", words)?;
        Ok(Words { encoder: shared, decoder: shared })
    }

    fn logits(self, b: &mut Builder, config: &Config<'_>, x: ValueId, table: ValueId) -> Result<ValueId, HfError> {
        let words = b.extent(table, 0);
        let logits = if config.flag("tie_word_embeddings")? {
            b.tied_linear(self.head, x, table, false)?
        } else {
            b.linear(self.head, x, words, false)?
        };
        if !self.logits_bias {
            return Ok(logits);
        }
        let bias = b.computed(
            "final_logits_bias",
            b.dtype,
            &[1, words],
            holds(1, words).then(|| floats((0..words).map(|_| 0.0).collect())),
        )?;
        b.add(logits, bias)
    }
}

/// Whisper's encoder: two convolutions over a spectrogram, the second one of which halves its length.
fn sound(b: &mut Builder, config: &Config<'_>, stack: &Stack<'_>, sizes: Sizes) -> Result<ValueId, HfError> {
    let (frames, bins) = (2 * sizes.source, config.size("num_mel_bins")?);
    let x = b.input("input_features", b.dtype, &[sizes.batch, bins, frames])?;
    let conv = Conv { out: stack.hidden, kernel: &[3], stride: &[1], padding: 1, groups: 1, bias: true };
    let x = b.conv("conv1", x, conv)?;
    let x = b.unary(Unary::Gelu, x)?;
    let x = b.conv("conv2", x, Conv { stride: &[2], ..conv })?;
    let x = b.unary(Unary::Gelu, x)?;
    let x = b.permute(x, &[0, 2, 1])?;
    let positions = b.positions(0, sizes.source)?;
    let (rows, _) = b.embedding("embed_positions", positions, sizes.source, stack.hidden)?;
    let x = b.add(x, rows)?;
    stack.run(b, sizes.target, None, x)
}
