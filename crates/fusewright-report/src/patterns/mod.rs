//! Rules and what they found, for people and programs.

mod findings;
mod rules;

pub use findings::{CandidateReport, EvidenceReport, FindingsReport, MissReport, SavingReport, findings_text};
pub use rules::{RuleRow, pattern_json, pattern_list_json, pattern_page, pattern_table, reason_page};
