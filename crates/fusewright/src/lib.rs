//! Plans operator fusion in transformer graphs: what can run as one kernel, and what that is worth.
//!
//! A [`Session`] says how models are opened, a [`Model`] is one that was, and its [`PlanSet`] holds certified plans and
//! their [`PlanReport`]. The `fusewright` binary is a thin layer over exactly this.
//!
//! ```
//! use fusewright::{PlanOptions, Session, Strategy};
//!
//! let model = Session::new().load("vit_b_16")?;
//! let report = model.report(&PlanOptions::default())?;
//! assert_eq!(report.flops.contraction, 35_127_656_448);
//!
//! let best = report.best().map(|strategy| strategy.name.as_str());
//! assert_eq!(best, Some(Strategy::Attention.name()));
//! # Ok::<(), fusewright::Error>(())
//! ```
//!
//! Nothing here touches a network or needs Python, and only `run` reads a clock. The built-in models are captures of graphs,
//! without weights.

mod annotate;
mod baseline;
mod compare;
mod device;
mod error;
mod execute;
mod explain;
mod files;
mod kernel_table;
mod load;
mod measure;
mod model_output;
mod models;
mod npz;
mod optimize;
pub mod page;
mod patterns;
mod plan_set;
mod read_model;
mod run_report;
mod session;
mod similar;
mod skeleton;
mod strategy;

pub use annotate::Annotated;
pub use baseline::{Baseline, CheckRequest, CheckResult};
pub use compare::{CompareSide, compare};
pub use device::{device, device_file};
pub use error::Error;
pub use files::ModelFiles;
pub use kernel_table::{COLUMNS as KERNEL_COLUMNS, KernelTableError, predict_file, predict_table};
pub use measure::RunRequest;
pub use models::{BUILT_IN, BuiltIn, BuiltInGraph, built_in};
pub use optimize::{OptimizeOptions, Optimized, optimize};
pub use patterns::{
    WrongExample, add_pattern_file, check_examples, find_patterns, find_rule, find_rule_text, pattern_library,
};
pub use plan_set::{PlanOptions, PlanSet};
pub use read_model::ReadModel;
pub use run_report::{RunGroup, RunReport, RunStrategy};
pub use session::{Model, Session};
pub use skeleton::{Ranges, likely_reader, reader_of, skeleton};
pub use strategy::Strategy;

pub use fusewright_device as hardware;
pub use fusewright_device::Device;
pub use fusewright_exec as execution;
pub use fusewright_hf::Phase;
pub use fusewright_ir as ir;
pub use fusewright_ir::DType;
pub use fusewright_pattern as pattern;
pub use fusewright_plan::{Analysis, Plan, Profile};
pub use fusewright_report as report;
pub use fusewright_report::PlanReport;
pub use fusewright_rewrite::Target;
