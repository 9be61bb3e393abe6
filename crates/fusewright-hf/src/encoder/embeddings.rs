//! What text encoders begin with: a row for each token, its type and its position.

use fusewright_ir::ops::Copy;
use fusewright_ir::{DType, ValueId};

use crate::HfError;
use crate::builder::Builder;
use crate::config::Config;
use crate::models::Request;
use crate::sizes::{BATCH, Dim, PROMPT};

/// Sequences, and the tokens of each; no more than there are positions.
pub(crate) fn text_dims(b: &mut Builder, request: &Request<'_>, positions: u64) -> Result<[u64; 2], HfError> {
    let prompt = Dim { default: PROMPT.default.min(positions), ..PROMPT };
    let [batch, tokens] = request.dims(b, [BATCH, prompt])?;
    at_most(PROMPT.name, tokens, positions)?;
    Ok([batch, tokens])
}

/// An error when a dim is larger than the table of positions.
pub(crate) fn at_most(name: &str, size: u64, limit: u64) -> Result<(), HfError> {
    if size <= limit { Ok(()) } else { Err(HfError::BadBinding { name: name.to_owned(), size, limit }) }
}

/// The tables of an encoder in the style of BERT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables {
    /// Rows of the token table.
    pub(crate) words: u64,
    /// Rows of the position table, `None` without one.
    pub(crate) positions: Option<u64>,
    /// First row that a position is looked up in.
    pub(crate) first: u64,
    /// Rows of the token type table, `None` without one.
    pub(crate) types: Option<u64>,
    pub(crate) width: u64,
}

impl Tables {
    pub(crate) fn of(config: &Config<'_>, width: u64) -> Result<Self, HfError> {
        let types = Some(config.count("type_vocab_size")?).filter(|&types| types > 0);
        let positions = Some(config.size("max_position_embeddings")?);
        Ok(Self { words: config.size("vocab_size")?, positions, first: 0, types, width })
    }

    /// Tokens that there are positions for.
    pub(crate) fn longest(&self) -> u64 {
        self.positions.map_or(u64::MAX, |positions| positions.saturating_sub(self.first))
    }

    /// The sum of the rows `[batch, tokens, width]`, and the token table.
    pub(crate) fn sum(&self, b: &mut Builder, ids: ValueId) -> Result<(ValueId, ValueId), HfError> {
        let (mut x, table) = b.embedding("word_embeddings", ids, self.words, self.width)?;
        if let Some(types) = self.types {
            let shape = b.shape(ids).to_vec();
            let zeros = b.node("zeros", Copy::Full { shape, dtype: DType::I64, value: 0.0 }, &[])?;
            let (rows, _) = b.embedding("token_type_embeddings", zeros, types, self.width)?;
            x = b.add(x, rows)?;
        }
        if let Some(rows) = self.positions {
            let positions = b.positions(self.first, b.extent(ids, 1))?;
            let (rows, _) = b.embedding("position_embeddings", positions, rows, self.width)?;
            x = b.add(x, rows)?;
        }
        Ok((x, table))
    }
}
