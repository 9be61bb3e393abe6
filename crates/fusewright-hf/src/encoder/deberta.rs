//! `DeBERTa`, second and third version: content and position are told apart, so that scores have two more products, of
//! queries with positions and of keys with positions.

use fusewright_ir::ops::{Binary, Copy, Gather, Pointwise, Unary};
use fusewright_ir::{DType, Op, ValueId};

use super::embeddings::{Tables, text_dims};
use super::head::HiddenTokens;
use crate::HfError;
use crate::attention::Core;
use crate::builder::{Builder, Norm};
use crate::config::Config;
use crate::models::{Head, Request};
use crate::multihead::{Projections, per_head};

const HIDDEN_TOKENS: HiddenTokens = HiddenTokens {
    dense: "cls.predictions.transform.dense",
    norm: "cls.predictions.transform.LayerNorm",
    bias: "cls.predictions",
    decoder: "cls.predictions.decoder",
    activation: Some("hidden_act"),
};

/// Relative positions, and which products they enter.
#[derive(Clone, Copy)]
struct Relative {
    /// Queries meet the positions of keys.
    to_position: bool,
    /// Keys meet the positions of queries.
    from_position: bool,
    /// Positions use the projections of the content.
    shared: bool,
    /// Positions on each side.
    span: u64,
    /// Distances up to half of these have a bucket each, 0 = all have.
    buckets: u64,
    longest: u64,
}

impl Relative {
    fn of(config: &Config<'_>) -> Result<Option<Self>, HfError> {
        if !config.flag("relative_attention")? {
            return Ok(None);
        }
        let kinds: Vec<String> = match config.value("pos_att_type") {
            Some(serde_json::Value::String(kinds)) => kinds.split('|').map(|kind| kind.trim().to_lowercase()).collect(),
            _ => config.texts("pos_att_type")?.unwrap_or_default().into_iter().map(str::to_owned).collect(),
        };
        let positive = |key: &str| -> Result<Option<u64>, HfError> {
            if config.optional_float(key)?.is_some_and(|size| size >= 1.0) {
                config.optional_size(key)
            } else {
                Ok(None)
            }
        };
        let longest = match positive("max_relative_positions")? {
            Some(longest) => longest,
            None => config.size("max_position_embeddings")?,
        };
        let buckets = positive("position_buckets")?;
        if buckets.is_some_and(|buckets| buckets < 4 || longest < buckets) {
            return Err(config.wrong("position_buckets", format!("4 to {longest}, the longest distance")));
        }
        Ok(Some(Self {
            to_position: kinds.iter().any(|kind| kind == "c2p"),
            from_position: kinds.iter().any(|kind| kind == "p2c"),
            shared: config.flag("share_att_key")?,
            span: buckets.unwrap_or(longest),
            buckets: buckets.unwrap_or(0),
            longest,
        }))
    }
}

/// What all layers read.
struct Shared<'c> {
    config: &'c Config<'c>,
    projections: Projections,
    hidden: u64,
    norm: Norm,
    relative: Option<Relative>,
    positions: Option<Positions>,
    /// Factor on the scores.
    scale: f64,
}

/// Rows of relative positions, and which of them belongs to each pair of a query and a key.
#[derive(Clone, Copy)]
struct Positions {
    rows: ValueId,
    keys: ValueId,
    queries: ValueId,
}

pub(crate) fn deberta_v2(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    let hidden = config.size("hidden_size")?;
    let mut tables = Tables::of(config, config.optional_size("embedding_size")?.unwrap_or(hidden))?;
    let longest = tables.longest();
    if !config.flag("position_biased_input")? {
        tables.positions = None;
    }
    let [batch, tokens] = text_dims(b, request, longest)?;
    let ids = b.input("input_ids", DType::I64, &[batch, tokens])?;
    let root = if request.head == Head::None { "" } else { "deberta" };
    let norm = Norm::Layer(config.float("layer_norm_eps")?);
    let (x, table) = b.within(root, |b| encoder(b, config, tables, ids, norm))?;
    let result = match request.head {
        Head::MaskedLm if !config.flag("legacy")? => {
            return Err(config.unsupported("legacy", "the newer head has no builder; export the model instead"));
        }
        Head::MaskedLm => HIDDEN_TOKENS.logits(b, config, norm, x, table)?,
        Head::SequenceClassification => {
            let first = b.select(x, 1, 0)?;
            let pooled = b.linear("pooler.dense", first, hidden, true)?;
            let pooled = b.activation(config, "pooler_hidden_act", pooled)?;
            b.linear("classifier", pooled, config.labels()?, true)?
        }
        Head::TokenClassification => b.linear("classifier", x, config.labels()?, true)?,
        Head::QuestionAnswering => b.linear("qa_outputs", x, config.labels()?, true)?,
        _ => x,
    };
    b.results(&[result]);
    Ok(())
}

fn encoder(
    b: &mut Builder,
    config: &Config<'_>,
    tables: Tables,
    ids: ValueId,
    norm: Norm,
) -> Result<(ValueId, ValueId), HfError> {
    if config.optional_float("conv_kernel_size")?.is_some_and(|size| size > 0.0) {
        return Err(config.unsupported("conv_kernel_size", "a convolution has no builder; export the model instead"));
    }
    let (hidden, heads) = (config.size("hidden_size")?, config.size("num_attention_heads")?);
    let (mut x, table) = b.within("embeddings", |b| {
        let (mut x, table) = tables.sum(b, ids)?;
        if tables.width != hidden {
            x = b.linear("embed_proj", x, hidden, false)?;
        }
        Ok((b.norm("LayerNorm", x, norm)?, table))
    })?;
    let relative = Relative::of(config)?;
    let positions = match relative {
        Some(relative) => Some(b.within("encoder", |b| positions(b, config, relative, hidden, norm, ids))?),
        None => None,
    };
    let width = per_head(config, "num_attention_heads", hidden, heads)?;
    let products = relative.map_or(0, |relative| u8::from(relative.to_position) + u8::from(relative.from_position));
    let scale = 1.0 / (width as f64 * (1.0 + f64::from(products))).sqrt();
    let names = ["query_proj", "key_proj", "value_proj", "dense"];
    let projections = Projections { names, biases: [true; 4], heads, width };
    let shared = Shared { config, projections, hidden, norm, relative, positions, scale };
    for index in 0..config.layers("num_hidden_layers")? {
        x = b.within(&format!("encoder.layer.{index}"), |b| shared.layer(b, x))?;
    }
    Ok((x, table))
}

/// The rows of all relative positions, and the row of each pair.
fn positions(
    b: &mut Builder,
    config: &Config<'_>,
    relative: Relative,
    hidden: u64,
    norm: Norm,
    ids: ValueId,
) -> Result<Positions, HfError> {
    let rows = b.within("rel_embeddings", |b| b.parameter("weight", &[2 * relative.span, hidden]))?;
    let normed = config.optional_text("norm_rel_ebd")?.is_some_and(|kinds| kinds.contains("layer_norm"));
    let rows = if normed { b.norm("LayerNorm", rows, norm)? } else { rows };
    let rows = b.reshape(rows, &[1, 2 * relative.span, hidden])?;
    let tokens = b.extent(ids, 1);
    let query = b.positions(0, tokens)?;
    let key = b.reshape(query, &[1, tokens])?;
    let query = b.reshape(query, &[tokens, 1])?;
    let distance = b.binary(Binary::Sub, query, key)?;
    let distance = bucketed(b, relative, distance)?;
    let (span, last) = (relative.span as f64, (2 * relative.span - 1) as f64);
    let keys = b.with_scalar(Binary::Add, distance, span)?;
    let keys = b.clamp(keys, Some(0.0), Some(last))?;
    let queries = b.unary(Unary::Neg, distance)?;
    let queries = b.with_scalar(Binary::Add, queries, span)?;
    let queries = b.clamp(queries, Some(0.0), Some(last))?;
    Ok(Positions { rows, keys, queries })
}

/// Far distances put together by their logarithm.
fn bucketed(b: &mut Builder, relative: Relative, distance: ValueId) -> Result<ValueId, HfError> {
    if relative.buckets == 0 {
        return Ok(distance);
    }
    let near = (relative.buckets / 2) as f64;
    let sign = b.unary(Unary::Sign, distance)?;
    let length = b.unary(Unary::Abs, distance)?;
    let is_near = b.with_scalar(Binary::Le, length, near)?;
    let far = b.node("to", Copy::Cast { dtype: DType::F32 }, &[length])?;
    let far = b.with_scalar(Binary::Div, far, near)?;
    let far = b.unary(Unary::Log, far)?;
    let slope = (near - 1.0) / ((relative.longest as f64 - 1.0) / near).ln();
    let far = b.with_scalar(Binary::Mul, far, slope)?;
    let far = b.unary(Unary::Ceil, far)?;
    let far = b.with_scalar(Binary::Add, far, near)?;
    let far = b.node("to", Copy::Cast { dtype: DType::I64 }, &[far])?;
    let far = b.mul(far, sign)?;
    b.node("where", Op::Pointwise(Pointwise::Where), &[is_near, distance, far])
}

impl Shared<'_> {
    fn layer(&self, b: &mut Builder, x: ValueId) -> Result<ValueId, HfError> {
        let attended = b.within("attention", |b| {
            let attended = b.within("self", |b| self.attention(b, x))?;
            let merged = b.merged(attended)?;
            let out = b.linear("output.dense", merged, self.hidden, true)?;
            let sum = b.add(out, x)?;
            b.norm("output.LayerNorm", sum, self.norm)
        })?;
        let wide = b.linear("intermediate.dense", attended, self.config.size("intermediate_size")?, true)?;
        let wide = b.activation(self.config, "hidden_act", wide)?;
        let narrow = b.linear("output.dense", wide, self.hidden, true)?;
        let sum = b.add(narrow, attended)?;
        b.norm("output.LayerNorm", sum, self.norm)
    }

    fn attention(&self, b: &mut Builder, x: ValueId) -> Result<ValueId, HfError> {
        let q = self.projections.queries(b, x)?;
        let kv = self.projections.keys_values(b, x)?;
        let mask = match self.relative.zip(self.positions) {
            Some((relative, positions)) => self.bias(b, relative, positions, q, kv.keys)?,
            None => None,
        };
        b.attend(q, kv, &Core { scale: Some(self.scale), mask, ..Core::default() })
    }

    /// What positions add to the scores, `[batch, heads, queries, keys]`.
    fn bias(
        &self,
        b: &mut Builder,
        relative: Relative,
        positions: Positions,
        queries: ValueId,
        keys: ValueId,
    ) -> Result<Option<ValueId>, HfError> {
        let mut bias = None;
        if relative.to_position {
            let name = if relative.shared { "key_proj" } else { "pos_key_proj" };
            bias = Some(self.product(b, name, positions.rows, positions.keys, queries)?);
        }
        if relative.from_position {
            let name = if relative.shared { "query_proj" } else { "pos_query_proj" };
            let product = self.product(b, name, positions.rows, positions.queries, keys)?;
            let product = b.permute(product, &[0, 1, 3, 2])?;
            bias = Some(match bias {
                Some(bias) => b.add(bias, product)?,
                None => product,
            });
        }
        Ok(bias)
    }

    /// Products of content and positions, picked for each pair.
    fn product(
        &self,
        b: &mut Builder,
        name: &str,
        rows: ValueId,
        index: ValueId,
        content: ValueId,
    ) -> Result<ValueId, HfError> {
        let Projections { heads, width, .. } = self.projections;
        let rows = b.linear(name, rows, heads * width, true)?;
        let rows = b.heads(rows, heads, width)?;
        let columns = b.permute(rows, &[0, 1, 3, 2])?;
        let products = b.matmul(content, columns)?;
        let (batch, tokens) = (b.extent(content, 0), b.extent(content, 2));
        let index = b.reshape(index, &[1, 1, tokens, tokens])?;
        let index = b.expand(index, &[batch, heads, tokens, tokens])?;
        let picked = b.node("gather", Op::Gather(Gather::Elements { axis: -1 }), &[products, index])?;
        b.scaled(picked, self.scale)
    }
}
