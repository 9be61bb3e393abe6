//! What people and programs read of a plan.
//!
//! [`PlanReport`] is the published form: its fields are those of the JSON output, and [`PLAN_SCHEMA`] describes them.
//! Text, Markdown and CSV are written from it alone; DOT and the JSON form of a graph need the graph itself. Every
//! writer is a pure function, so the same model gives the same bytes.
//!
//! ```
//! use fusewright_ir::text;
//! use fusewright_plan::{Analysis, AttentionFusionPartitioner, EagerPartitioner, Partitioner, Profile};
//! use fusewright_report::{PlanReport, Subject};
//!
//! let graph = text::parse(
//!     r#"
//!     graph "mlp" {
//!       input %x: f32[4, 8]
//!       parameter %w: f32[16, 8]
//!       %h: f32[4, 16] = linear(%x, %w)
//!       %y: f32[4, 16] = gelu(%h)
//!       output %y
//!     }"#,
//! )?;
//! let analysis = Analysis::of(&graph);
//! let eager = EagerPartitioner.partition(&analysis, Profile::Default)?;
//! let attention = AttentionFusionPartitioner::default().partition(&analysis, Profile::Default)?;
//! let subject = Subject { analysis: &analysis, source: "mlp.fir", format: "text" };
//! let report = PlanReport::new(&subject, &eager, &[&eager, &attention]);
//! assert_eq!(report.strategies[1].kernels_saved, 1);
//! assert_eq!(report.strategies[1].bytes_saved, 2 * 4 * 16 * 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attention_text;
mod baseline;
mod check;
mod compare;
mod csv;
mod device_kernels;
mod dot;
mod explain;
mod figures;
mod fusions;
mod graph_json;
mod group_rows;
mod hardware;
mod json;
mod layout;
mod lock;
mod markdown;
mod mermaid;
mod model;
mod model_explorer;
mod module_path;
mod node_notes;
mod optimize;
mod page;
mod patterns;
mod places;
mod plan_report;
mod schema;
mod strategy;
mod text;
mod times;
mod times_text;
mod trace;
mod verdict;
mod why;

pub use check::{
    CheckOptions, CheckReport, Checked, CheckedModel, CheckedStrategy, CountChange, FigureChange, FusionReport,
    MovedFusion, Verdict, check_markdown, check_text, github, junit, sarif,
};
pub use compare::{CompareReport, Compared, Count, LeftApart, SameFusions, SideReport, compare_markdown, compare_text};
pub use csv::csv;
pub use device_kernels::{DeviceKernel, TermReport};
pub use dot::dot;
pub use explain::{
    ExplainReport, Explained, ExplainedGroup, ExplainedMiss, ExplainedNode, ExplainedPlan, Member, NodeInPlan,
    NodeValue, RuleText, StopReport, Unrealizable, explain_markdown, explain_text, rule_ids, rule_json, rule_page,
    rule_text,
};
pub use figures::{bytes_text, count_text, flop_text};
pub use fusions::{FusionChange, FusionDiff, FusionMove, Fusions};
pub use graph_json::graph_json;
pub use group_rows::{GroupKind, GroupRow};
pub use hardware::{
    DeviceDetails, DeviceFigure, DevicePeaks, DeviceRow, device_json, device_list_json, device_page, device_table,
};
pub use layout::printable;
pub use lock::{
    LOCK_FILE, LOCK_VERSION, Lock, LockDevice, LockEntry, LockError, LockModel, LockSettings, LockStrategy,
};
pub use markdown::markdown;
pub use mermaid::mermaid;
pub use model::{
    AttentionReport, AttentionSiteReport, DeviceReport, DimReport, Flops, KvCacheReport, MissedAttention, ModelReport,
    Range, Subject, UncountedOp,
};
pub use model_explorer::model_explorer;
pub use module_path::shared_prefix;
pub use node_notes::{NodeNotes, model_notes};
pub use optimize::{
    AttentionsFused, BeforeAfter, ChangeMade, ChangeSkipped, OptimizeReport, optimize_diff, optimize_text,
};
pub use patterns::{
    CandidateReport, EvidenceReport, FindingsReport, MissReport, RuleRow, SavingReport, findings_text, pattern_json,
    pattern_list_json, pattern_page, pattern_table, reason_page,
};
pub use places::{Places, fold_places, place_template, unfold_place, without_braces};
pub use plan_report::{Floor, PlanReport, SCHEMA_VERSION, WarningReport};
pub use schema::{CHECK_SCHEMA, COMPARE_SCHEMA, EXPLAIN_SCHEMA, LOCK_SCHEMA, OPTIMIZE_SCHEMA, PLAN_SCHEMA};
pub use strategy::{AboveFloor, BytesReport, CertificateReport, Example, OutsideReport, PatternReport, StrategyReport};
pub use text::{TextOptions, text};
pub use times::{EnergyReport, NotRealizable, RefusedMergeReport, RooflineReport, TimeByLimiter, TimesReport};
pub use trace::trace;
pub use verdict::verdict;
