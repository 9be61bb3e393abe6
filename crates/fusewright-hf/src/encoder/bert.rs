//! Encoders built like BERT: norms after attention and after the MLP, learned positions. What tells the families apart
//! is names and where their heads differ ([`Family`]).

use fusewright_ir::{DType, ValueId};

use super::embeddings::{Tables, text_dims};
use super::head::{Classifier, HiddenTokens, Pooler};
use crate::HfError;
use crate::attention::Core;
use crate::builder::{Builder, Norm};
use crate::config::Config;
use crate::models::{Head, Request};
use crate::multihead::{Projections, per_head};
use crate::position_bias::Buckets;

/// What a family calls its modules, and what it does in its own way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// Module of the encoder where a head stands beside it.
    pub(super) root: &'static str,
    /// Module of the layers; `{}` is the number of the layer, without which all layers share their weights.
    pub(super) layer: &'static str,
    pub(super) projections: [&'static str; 4],
    /// Norm after attention, both linears of the MLP, norm after it.
    pub(super) attention_norm: &'static str,
    pub(super) mlp: [&'static str; 2],
    pub(super) mlp_norm: &'static str,
    /// Keys of the MLP's width and activation.
    pub(super) keys: [&'static str; 2],
    /// Module that brings embeddings to the width of the layers.
    pub(super) projection: Option<&'static str>,
    /// Positions start after the padding token.
    pub(super) padded_positions: bool,
    /// A bias by distance, shared by all layers.
    pub(super) distance_bias: bool,
    pub(super) pooler: Pooler,
    pub(super) hidden_tokens: HiddenTokens,
    pub(super) classifier: Classifier,
}

impl Family {
    fn layer_name(&self, index: u64) -> String {
        self.layer.replace("{}", &index.to_string())
    }

    pub(super) fn build(&self, b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
        let hidden = config.size("hidden_size")?;
        let width = if self.projection.is_some() { config.size("embedding_size")? } else { hidden };
        let mut tables = Tables::of(config, width)?;
        if self.padded_positions {
            tables.first = config.count("pad_token_id")? + 1;
        }
        let [batch, tokens] = text_dims(b, request, tables.longest())?;
        let ids = b.input("input_ids", DType::I64, &[batch, tokens])?;
        let root = if request.head == Head::None { "" } else { self.root };
        let (x, table) = b.within(root, |b| self.encoder(b, config, tables, ids, hidden))?;
        self.head(b, config, request.head, x, table)
    }

    fn encoder(
        &self,
        b: &mut Builder,
        config: &Config<'_>,
        tables: Tables,
        ids: ValueId,
        hidden: u64,
    ) -> Result<(ValueId, ValueId), HfError> {
        let norm = norm(config)?;
        let (mut x, table) = b.within("embeddings", |b| {
            let (x, table) = tables.sum(b, ids)?;
            Ok((b.norm("LayerNorm", x, norm)?, table))
        })?;
        // ELECTRA projects only where the widths differ, ALBERT always.
        if let Some(name) = self.projection
            && (name.starts_with("encoder") || tables.width != hidden)
        {
            x = b.linear(name, x, hidden, true)?;
        }
        let heads = config.size("num_attention_heads")?;
        let width = per_head(config, "num_attention_heads", hidden, heads)?;
        let projections = Projections { names: self.projections, biases: [true; 4], heads, width };
        let mut core = Core::default();
        if self.distance_bias {
            let tokens = b.extent(ids, 1);
            let buckets = config.size("relative_attention_num_buckets")?;
            let buckets = Buckets { count: buckets, longest: 128, both_ways: true };
            let bias =
                b.within("encoder", |b| b.distance_bias("relative_attention_bias", buckets, heads, tokens, 0))?;
            core.mask = Some(bias);
        }
        let inner = config.size(self.keys[0])?;
        for index in 0..config.layers("num_hidden_layers")? {
            x = b.within(&self.layer_name(index), |b| {
                let attended = projections.attend(b, x, &core)?;
                let x = b.add(attended, x)?;
                let x = b.norm(self.attention_norm, x, norm)?;
                let wide = b.linear(self.mlp[0], x, inner, true)?;
                let wide = b.activation(config, self.keys[1], wide)?;
                let narrow = b.linear(self.mlp[1], wide, hidden, true)?;
                let x = b.add(narrow, x)?;
                b.norm(self.mlp_norm, x, norm)
            })?;
        }
        Ok((x, table))
    }

    fn head(
        &self,
        b: &mut Builder,
        config: &Config<'_>,
        head: Head,
        x: ValueId,
        table: ValueId,
    ) -> Result<(), HfError> {
        match head {
            Head::MaskedLm => {
                let logits = self.hidden_tokens.logits(b, config, norm(config)?, x, table)?;
                b.results(&[logits]);
            }
            Head::PreTraining => self.pretraining(b, config, x, table)?,
            Head::SequenceClassification => {
                let first = match self.classifier {
                    Classifier::Pooled => b.within(self.root, |b| self.pooler.pool(b, x))?.unwrap_or(x),
                    _ => b.select(x, 1, 0)?,
                };
                let scores = self.classifier.scores(b, config, first)?;
                b.results(&[scores]);
            }
            Head::TokenClassification => {
                let scores = b.linear("classifier", x, config.labels()?, true)?;
                b.results(&[scores]);
            }
            Head::QuestionAnswering => {
                let scores = b.linear("qa_outputs", x, 2, true)?;
                b.results(&[scores]);
            }
            _ => {
                b.results(&[x]);
                if let Some(pooled) = self.pooler.pool(b, x)? {
                    b.results(&[pooled]);
                }
            }
        }
        Ok(())
    }

    fn pretraining(&self, b: &mut Builder, config: &Config<'_>, x: ValueId, table: ValueId) -> Result<(), HfError> {
        let pooled = b.within(self.root, |b| self.pooler.pool(b, x))?;
        let Some(pooled) = pooled else {
            // Without a pooler, the family learns to tell replaced tokens from others.
            let replaced = b.within("discriminator_predictions", |b| {
                let x = b.linear("dense", x, b.width(x), true)?;
                let x = b.activation(config, self.keys[1], x)?;
                b.linear("dense_prediction", x, 1, true)
            })?;
            b.results(&[replaced]);
            return Ok(());
        };
        let logits = self.hidden_tokens.logits(b, config, norm(config)?, x, table)?;
        b.results(&[logits]);
        let order = match self.pooler {
            Pooler::Linear => b.linear("sop_classifier.classifier", pooled, config.labels()?, true)?,
            _ => b.linear("cls.seq_relationship", pooled, 2, true)?,
        };
        b.results(&[order]);
        Ok(())
    }
}

fn norm(config: &Config<'_>) -> Result<Norm, HfError> {
    Ok(Norm::Layer(config.optional_float("layer_norm_eps")?.unwrap_or(1e-12)))
}
