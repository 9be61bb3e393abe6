//! The pattern engine: rules are written down as text, and the engine finds where they hold and where they nearly do.
//!
//! A rule ([`Rule`]) is a file of the library or of the user: what it is called, what it is good for, how exact the fused
//! kernel is, and one or more *forms*, each a small graph of typed ops. The engine looks at each *anchor*, an op that the
//! form cannot do without, walks forward from it to where the form may end, and matches the form backwards from there.
//! Products and sums are matched as such, whatever their order, association and spelling; views, casts and copies between
//! the steps are passed.
//!
//! What matches is a [`Candidate`]. What matches except for one constraint is a [`Miss`], with the constraint, the place and
//! what was found there. Each anchor takes a bounded number of steps, so the search is linear in the graph.
//!
//! Attention and parallel projections are recognised by code rather than by text ([`Recogniser`]); their rules have files
//! too, and their findings look the same.

mod attention_rules;
mod climb;
mod condition;
mod entry;
mod file;
mod findings;
mod form;
mod library;
mod matcher;
mod operand;
mod projection_rules;
mod reason;
mod region;
mod search;
mod settings;
mod split;
mod syntax;
mod table;
mod terms;
mod transparent;

pub use entry::RuleEntry;
pub use file::PatternError;
pub use findings::{Candidate, Evidence, Findings, Miss, RuleId, Saving};
pub use library::{Exactness, Example, Library, Recogniser, Rule};
pub use reason::Reason;
pub use search::{Surroundings, find};
