//! What fuses with what.
//!
//! [`decompose()`] opens attention layers into steps, [`autocast()`] writes out what automatic mixed precision does, [`find_attentions`] recognises attention in any graph, and
//! [`rules`] holds the pair rules of the standard and attention partitioners.

mod attention;
mod autocast;
mod decompose;
mod engine;
mod kind;
mod projection;
pub mod rules;

pub use attention::{
    AttentionKind, AttentionMiss, AttentionSite, Attentions, Known, MaskKind, MissedStep, find_attentions,
    find_attentions_knowing,
};
pub use autocast::{Autocast, AutocastError, autocast};
pub use decompose::{DecomposeError, decompose};
pub use engine::{
    Candidate, Evidence, Exactness, Example, Findings, Library, Miss, PatternError, Reason, Recogniser, Rule,
    RuleEntry, RuleId, Saving, Surroundings, find,
};
pub use kind::{Kind, canonical_name, kind_of, literal_name, may_mask};
pub use projection::{Projection, projection_of};
