//! The planner.

use super::{RESULT, written};
use crate::Planner;

/// Answers the question that was written before. The text is three lines and more: the question, the tables, the model.
#[unsafe(no_mangle)]
pub extern "C" fn answer() {
    let text = written();
    let (question, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let (tables, model) = rest.split_once('\n').unwrap_or((rest, ""));
    let answer = match Planner::new(tables) {
        Ok(planner) => planner.answer(question, model),
        Err(_) => "{\"error\": \"the tables of the page are damaged\"}".to_owned(),
    };
    RESULT.set(answer.into_bytes());
}
