//! The sections of a plan in order, equal ones once: what makes 32 layers recognisable at first sight.

use fusewright_report::{Places, fold_places};
use serde::Serialize;

use super::Section;
use super::repeats::repeats;
use super::strings::Strings;

/// Sections that repeat together: a shifted window after one that is not.
const LONGEST_PERIOD: usize = 8;

/// A stretch of sections: `period` of them, `times` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OutlineEntry {
    /// Number of the first section.
    pub first: u32,
    /// Sections that repeat together.
    pub period: u32,
    /// How often.
    pub times: u32,
    /// Name of all of them, e.g. `encoder.layer.{0-11}`.
    pub name: u32,
}

pub(super) fn outline(sections: &[Section], strings: &mut Strings) -> Vec<OutlineEntry> {
    let keys: Vec<u32> = sections.iter().map(|section| section.like).collect();
    let runs = repeats(&keys, LONGEST_PERIOD);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let entry = |run: super::repeats::Run| {
        let covered = &sections[run.start..run.start + run.period * run.times];
        let places: Places = covered.iter().map(|section| (section.title.clone(), 1)).collect();
        let folded: Vec<String> = fold_places(&places).into_keys().collect();
        let name = match folded.as_slice() {
            [] => String::new(),
            [one] => one.clone(),
            [first, .., last] => format!("{first} … {last}"),
        };
        OutlineEntry {
            first: number(run.start),
            period: number(run.period),
            times: number(run.times),
            name: strings.place(&name),
        }
    };
    runs.into_iter().map(entry).collect()
}
