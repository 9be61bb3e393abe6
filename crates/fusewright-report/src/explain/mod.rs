//! Why a plan is as it is: the rules behind each group, what ended it, and what nearly fused.

mod group;
mod markdown;
mod miss;
mod node;
mod report;
mod rule;
mod rule_texts;
mod stop;
mod text;

pub use group::{ExplainedGroup, Member, Unrealizable};
pub use markdown::explain_markdown;
pub use miss::ExplainedMiss;
pub use node::{ExplainedNode, NodeInPlan, NodeValue};
pub use report::{ExplainReport, Explained, ExplainedPlan};
pub use rule::{RuleText, rule_ids, rule_json, rule_page, rule_text};
pub use stop::StopReport;
pub use text::explain_text;
