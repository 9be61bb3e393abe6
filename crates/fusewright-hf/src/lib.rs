//! Reads the `config.json` of a Hugging Face model: sizes and choices become the graph that the model's class computes.
//!
//! A configuration holds only what differs from the defaults of its class, so the reader carries a table of defaults,
//! generated from one version of the library ([`table_version`]). Every parameter has the name it has in a checkpoint,
//! every node the path of the module that it belongs to.
//!
//! ```
//! let config = br#"{"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4,
//!     "intermediate_size": 128, "vocab_size": 1000}"#;
//! let loaded = fusewright_hf::read(config, &fusewright_hf::Options::default())?;
//! assert_eq!(fusewright_hf::parameters(&loaded.graph), 2 * 1000 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 128 + 2 * 64) + 64);
//! # Ok::<(), fusewright_hf::HfError>(())
//! ```

// A file is hostile until proven otherwise. Sizes are bounded where they are read (`config.rs`), so that sums and
// products of two of them stay inside `u64`.
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unreachable, clippy::unwrap_used)
)]

mod attention;
mod builder;
mod checkpoint;
mod config;
mod conv;
mod decoder;
mod defaults;
mod encoder;
mod encoder_decoder;
mod error;
mod frequencies;
mod gpt;
mod models;
mod multihead;
mod position_bias;
mod read;
mod renamed;
mod rope;
pub mod safetensors;
mod sizes;
mod vision;
mod waves;

pub use checkpoint::{Located, locate};
pub use defaults::version as table_version;
pub use error::HfError;
pub use models::model_types;
pub use read::{parameters, probe, read};
pub use sizes::{Options, Phase};
