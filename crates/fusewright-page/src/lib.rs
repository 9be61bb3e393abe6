//! The page: one file that shows a model's plans, opens from disk and asks no network.
//!
//! [`PageData`] is everything that the page shows, made from plans and their report; the planner inside the page makes
//! the same data anew for another device or batch. [`layered`] says where boxes of a graph stand. [`report_page`] puts
//! data, script and planner into one HTML file, [`app_page`] is the same file without a model.
//!
//! Text of a model reaches the file only inside a compressed block in base64, and as escaped text in the part for
//! readers without scripts; the content policy names the hashes of the page's own script and style, so that nothing else
//! could run.

mod assets;
mod base64;
pub mod data;
mod document;
mod escape;
mod layered;
mod pack;
mod tables;

pub use assets::{PAGE_SCRIPT, PAGE_STYLE, PLANNER, Reader};
pub use data::{PageData, PageSettings, PageSubject, TimedPlan};
pub use document::{EmbeddedModel, app_page, report_page};
pub use layered::{Layered, layered};
pub use tables::Tables;
