//! What comes before and after the layers of any decoder: its dims, and the heads.

use fusewright_ir::ValueId;

use super::Stack;
use crate::attention::Tokens;
use crate::builder::Builder;
use crate::config::Config;
use crate::models::{Head, Request};
use crate::sizes::{BATCH, CONTEXT, NEW_TOKENS, PROMPT};
use crate::{HfError, Phase};

/// The tokens of a decoder in the phase that is asked for.
pub(crate) fn tokens(b: &mut Builder, request: &Request<'_>) -> Result<Tokens, HfError> {
    Ok(match request.options.phase {
        Phase::Prefill => {
            let [batch, new] = request.dims(b, [BATCH, PROMPT])?;
            Tokens { batch, new, context: 0 }
        }
        Phase::Decode => {
            let [batch, new, context] = request.dims(b, [BATCH, NEW_TOKENS, CONTEXT])?;
            Tokens { batch, new, context }
        }
    })
}

/// How the logits of the next token are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LmHead {
    /// Name of the module.
    pub(crate) name: &'static str,
    /// It has a bias.
    pub(crate) bias: bool,
    /// Name of the module that gives each token a class.
    pub(crate) classifier: &'static str,
    /// Factor on the logits.
    pub(crate) factor: f64,
    /// Logits are squashed to this.
    pub(crate) cap: Option<f64>,
}

impl Default for LmHead {
    fn default() -> Self {
        Self { classifier: "score", ..Self::with_classifier() }
    }
}

impl LmHead {
    /// The head of families whose token classes come from a module named so.
    pub(crate) const fn with_classifier() -> Self {
        Self { name: "lm_head", bias: false, classifier: "classifier", factor: 1.0, cap: None }
    }
}

/// Puts the head on hidden states `[batch, tokens, hidden]` and declares the result. `table` is the token table, which a
/// tied head shares.
pub(crate) fn finish(
    b: &mut Builder,
    config: &Config<'_>,
    request: &Request<'_>,
    x: ValueId,
    table: ValueId,
    lm_head: LmHead,
) -> Result<(), HfError> {
    let result = match request.head {
        Head::CausalLm => {
            let logits = if config.flag("tie_word_embeddings")? {
                b.tied_linear(lm_head.name, x, table, lm_head.bias)?
            } else {
                b.linear(lm_head.name, x, config.size("vocab_size")?, lm_head.bias)?
            };
            let logits = b.scaled(logits, lm_head.factor)?;
            match lm_head.cap {
                Some(cap) => b.softcapped(logits, cap)?,
                None => logits,
            }
        }
        Head::SequenceClassification => {
            let scores = b.linear("score", x, config.labels()?, false)?;
            b.select(scores, 1, b.extent(x, 1).saturating_sub(1))?
        }
        Head::TokenClassification => b.linear(lm_head.classifier, x, config.labels()?, true)?,
        Head::QuestionAnswering => b.linear("qa_outputs", x, 2, true)?,
        _ => x,
    };
    b.results(&[result]);
    Ok(())
}

impl From<&Stack> for LmHead {
    fn from(stack: &Stack) -> Self {
        Self { bias: stack.head_bias, factor: stack.logits_factor, cap: stack.logits_cap, ..Self::default() }
    }
}
