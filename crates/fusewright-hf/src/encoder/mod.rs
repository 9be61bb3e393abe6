//! Encoders of text: every token sees every other.

mod bert;
mod deberta;
mod embeddings;
mod families;
mod head;
mod modernbert;

pub(crate) use deberta::deberta_v2;
pub(crate) use embeddings::{at_most, text_dims};
pub(crate) use families::{albert, bert, distilbert, electra, mpnet, roberta};
pub(crate) use modernbert::modernbert;
