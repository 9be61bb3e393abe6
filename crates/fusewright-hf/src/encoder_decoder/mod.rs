//! Encoder-decoders. Prefill runs the encoder and the decoder on all target tokens; a decode step runs the decoder only,
//! with the keys and values of earlier tokens and of the encoder's result as inputs.

mod bart;
mod cross;
mod dims;
mod t5;

pub(crate) use bart::{bart, m2m_100, marian, mbart, pegasus, whisper};
pub(crate) use t5::{t5, umt5};
