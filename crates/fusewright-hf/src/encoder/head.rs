//! What stands on an encoder in the style of BERT.

use fusewright_ir::ops::{Contraction, Unary};
use fusewright_ir::{Op, ValueId};

use crate::HfError;
use crate::builder::{Builder, Norm};
use crate::config::Config;

/// What becomes of the first token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooler {
    /// The family has none.
    None,
    /// `pooler.dense` and tanh.
    Dense,
    /// `pooler` and tanh.
    Linear,
}

impl Pooler {
    pub(super) fn pool(self, b: &mut Builder, x: ValueId) -> Result<Option<ValueId>, HfError> {
        let name = match self {
            Pooler::None => return Ok(None),
            Pooler::Dense => "pooler.dense",
            Pooler::Linear => "pooler",
        };
        let first = b.select(x, 1, 0)?;
        let pooled = b.linear(name, first, b.width(x), true)?;
        b.unary(Unary::Tanh, pooled).map(Some)
    }
}

/// The head that guesses hidden tokens: a linear, an activation, a norm, and the token table with a bias.
#[derive(Clone, Copy, Debug)]
pub(super) struct HiddenTokens {
    pub(super) dense: &'static str,
    pub(super) norm: &'static str,
    /// Module that owns the bias of the logits.
    pub(super) bias: &'static str,
    /// Module that makes the logits.
    pub(super) decoder: &'static str,
    /// Key of the activation; `None` = GELU.
    pub(super) activation: Option<&'static str>,
}

impl HiddenTokens {
    pub(super) fn logits(
        &self,
        b: &mut Builder,
        config: &Config<'_>,
        norm: Norm,
        x: ValueId,
        table: ValueId,
    ) -> Result<ValueId, HfError> {
        let (words, width) = (b.extent(table, 0), b.extent(table, 1));
        let x = b.linear(self.dense, x, width, true)?;
        let x = match self.activation {
            Some(key) => b.activation(config, key, x)?,
            None => b.unary(Unary::Gelu, x)?,
        };
        let x = b.norm(self.norm, x, norm)?;
        if !config.flag("tie_word_embeddings")? {
            return b.linear(self.decoder, x, words, true);
        }
        let bias = b.within(self.bias, |b| b.parameter("bias", &[words]))?;
        b.within(self.decoder, |b| b.node("linear", Op::Contraction(Contraction::Linear), &[x, table, bias]))
    }
}

/// How a whole text is classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Classifier {
    /// A linear on the pooled token.
    Pooled,
    /// `classifier.dense`, the activation, `classifier.out_proj` on the first token.
    Dense(Unary),
    /// `pre_classifier`, `ReLU`, `classifier` on the first token.
    Hidden,
}

impl Classifier {
    pub(super) fn scores(self, b: &mut Builder, config: &Config<'_>, first: ValueId) -> Result<ValueId, HfError> {
        let (width, labels) = (b.width(first), config.labels()?);
        match self {
            Classifier::Pooled => b.linear("classifier", first, labels, true),
            Classifier::Dense(activation) => b.within("classifier", |b| {
                let x = b.linear("dense", first, width, true)?;
                let x = b.unary(activation, x)?;
                b.linear("out_proj", x, labels, true)
            }),
            Classifier::Hidden => {
                let x = b.linear("pre_classifier", first, width, true)?;
                let x = b.unary(Unary::Relu, x)?;
                b.linear("classifier", x, labels, true)
            }
        }
    }
}
