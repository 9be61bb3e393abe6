//! The sizes of an encoder-decoder in either phase.

use fusewright_ir::{DType, ValueId};

use crate::attention::Tokens;
use crate::builder::Builder;
use crate::encoder::at_most;
use crate::models::Request;
use crate::sizes::{BATCH, CONTEXT, Dim, PROMPT};
use crate::{HfError, Phase};

const TARGET: &str = "target_seq";

/// What the encoder and the decoder work on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) batch: u64,
    /// Tokens of the encoder's result.
    pub(super) source: u64,
    /// Tokens of the decoder.
    pub(super) target: Tokens,
}

impl Sizes {
    /// Of a model that reads text, with room for so many positions in encoder and decoder.
    pub(super) fn of_text(b: &mut Builder, request: &Request<'_>, positions: [u64; 2]) -> Result<Self, HfError> {
        let prompt = Dim { default: PROMPT.default.min(positions[0]), ..PROMPT };
        let asked = request.options.bindings.get(PROMPT.name).unwrap_or(prompt.default);
        let sizes = match b.phase {
            Phase::Prefill => {
                let target = Dim { name: TARGET, default: asked.min(positions[1]) };
                let [batch, source, new] = request.dims(b, [BATCH, prompt, target])?;
                Self { batch, source, target: Tokens { batch, new, context: 0 } }
            }
            Phase::Decode => {
                let [batch, source, new, context] = request.dims(b, [BATCH, prompt, STEP, past(positions[1])])?;
                Self { batch, source, target: Tokens { batch, new, context } }
            }
        };
        at_most(PROMPT.name, sizes.source, positions[0])?;
        sizes.within(positions[1])
    }

    /// Of a model whose encoder has a result of fixed length.
    pub(super) fn of_target(
        b: &mut Builder,
        request: &Request<'_>,
        source: u64,
        positions: u64,
    ) -> Result<Self, HfError> {
        let sizes = match b.phase {
            Phase::Prefill => {
                let target = Dim { name: TARGET, default: PROMPT.default.min(positions) };
                let [batch, new] = request.dims(b, [BATCH, target])?;
                Self { batch, source, target: Tokens { batch, new, context: 0 } }
            }
            Phase::Decode => {
                let [batch, new, context] = request.dims(b, [BATCH, STEP, past(positions)])?;
                Self { batch, source, target: Tokens { batch, new, context } }
            }
        };
        sizes.within(positions)
    }

    fn within(self, positions: u64) -> Result<Self, HfError> {
        at_most(TARGET, self.target.new, positions)?;
        at_most(CONTEXT.name, self.target.context, positions - self.target.new)?;
        Ok(self)
    }

    /// The tokens that the decoder reads.
    pub(super) fn target_ids(&self, b: &mut Builder) -> Result<ValueId, HfError> {
        b.input("decoder_input_ids", DType::I64, &[self.batch, self.target.new])
    }
}

const STEP: Dim = Dim { name: TARGET, default: 1 };

fn past(positions: u64) -> Dim {
    Dim { default: CONTEXT.default.min(positions.saturating_sub(1)).max(1), ..CONTEXT }
}
