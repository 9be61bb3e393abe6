//! Attention and rotary embeddings.

use super::Row;

pub(super) const ROWS: &[Row] = &[];
