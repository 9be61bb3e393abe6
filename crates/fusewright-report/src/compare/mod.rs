//! Plans side by side: of two models, two strategies, two devices, or what another compiler made and the best plan.

mod left_apart;
mod markdown;
mod report;
mod side;
mod text;

pub use left_apart::LeftApart;
pub use markdown::compare_markdown;
pub use report::{CompareReport, SameFusions};
pub use side::{Compared, Count, SideReport};
pub use text::compare_text;
