//! The comparison as a page for a terminal.

use std::fmt::Write;

use anstyle::Style;

use super::{CompareReport, SideReport};
use crate::TextOptions;
use crate::check::{fusion_text, place_lines, places_text};
use crate::figures::{bytes_text, change_text, count_text, energy_text, flop_text, us_text};
use crate::layout::{Side, Table, cut_middle, printable};
use crate::page::Page;

/// Columns that the heading of a side takes at most.
const HEADING: usize = 18;

/// The report as text.
pub fn compare_text(report: &CompareReport, options: TextOptions) -> String {
    let mut page = Page::new(options);
    page.paragraph(Style::new().bold(), &verdict(report), 0);
    page.blank();
    figures(&mut page, report);
    page.blank();
    fusions(&mut page, report);
    page.finish()
}

/// What the comparison comes to, in a sentence.
pub(super) fn verdict(report: &CompareReport) -> String {
    let (Some(from), Some(to)) = (side(report, report.from), side(report, report.to)) else { return String::new() };
    let tied = |text: String| text.replace(' ', "\u{a0}");
    let moved = |side: &SideReport| tied(bytes_text(side.bytes.moved()));
    let mut text = format!(
        "{} → {}: {} kernels become {} ({}), {} become {} ({})",
        name(report, from),
        name(report, to),
        from.kernels,
        to.kernels,
        tied(change_text(from.kernels, to.kernels)),
        moved(from),
        moved(to),
        tied(change_text(from.bytes.moved(), to.bytes.moved())),
    );
    if let (Some(before), Some(after)) = (from.latency_us, to.latency_us)
        && after.mid > 0.0
        && before.mid > 0.0
    {
        let (before_text, after_text) = (tied(us_text(before.mid)), tied(us_text(after.mid)));
        let ratio = if after.mid <= before.mid {
            format!("{:.2}× faster", before.mid / after.mid)
        } else {
            format!("{:.2}× slower", after.mid / before.mid)
        };
        let _ = write!(text, ", {before_text} become {after_text}, {}", tied(ratio));
    }
    let differ = if from.hash == to.hash { "" } else { " The models differ in structure." };
    format!("{text}.{differ}")
}

fn side(report: &CompareReport, position: u64) -> Option<&SideReport> {
    usize::try_from(position).ok().and_then(|position| report.sides.get(position))
}

/// What tells the sides apart.
struct Varies {
    model: bool,
    strategy: bool,
    device: bool,
}

impl Varies {
    fn of(report: &CompareReport) -> Self {
        let varies = |key: fn(&SideReport) -> &str| report.sides.windows(2).any(|pair| key(&pair[0]) != key(&pair[1]));
        let strategy = varies(|side| &side.strategy);
        let device = varies(|side| side.device.as_deref().unwrap_or_default());
        Self { model: varies(|side| &side.source) || !(strategy || device), strategy, device }
    }
}

/// The last part of a path without its extensions: what a file is called.
fn file_name(source: &str) -> &str {
    let name = source.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(source);
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let stem = [".onnx", ".pt2", ".json"].iter().find_map(|extension| name.strip_suffix(extension));
    stem.filter(|stem| !stem.is_empty()).unwrap_or(name)
}

/// Names of models by their files, or by their paths where files have one name.
fn model_name(report: &CompareReport, side: &SideReport) -> String {
    let own = file_name(&side.source);
    let clash = report.sides.iter().any(|other| other.source != side.source && file_name(&other.source) == own);
    printable(if clash { &side.source } else { own })
}

/// A side in a sentence.
fn name(report: &CompareReport, side: &SideReport) -> String {
    let varies = Varies::of(report);
    let mut parts = Vec::new();
    if varies.model {
        parts.push(model_name(report, side));
    }
    if varies.strategy {
        parts.push(side.strategy.clone());
    }
    if varies.device {
        parts.extend(side.device.clone());
    }
    parts.join(" ")
}

/// Rows of the table: a label, a cell a side, and the ratio of the last to the first where there is one.
pub(super) fn rows(report: &CompareReport) -> Vec<(String, Vec<String>, String)> {
    let sides = &report.sides;
    let varies = Varies::of(report);
    let mut rows: Vec<(String, Vec<String>, String)> = Vec::new();
    let mut words = |label: &str, cell: &dyn Fn(&SideReport) -> String| {
        rows.push((label.to_owned(), sides.iter().map(cell).collect(), String::new()));
    };
    if varies.model {
        words("model", &|side| cut_middle(&model_name(report, side), HEADING));
    }
    if varies.strategy || !varies.model && !varies.device {
        words("plan", &|side| side.strategy.clone());
    }
    if varies.device {
        words("device", &|side| side.device.clone().unwrap_or_default());
    }
    words("attentions fused", &|side| of(side.attention_fused));
    words("Q/K/V in one product", &|side| of(side.projections_merged));
    let mut figure = |label: &str, value: &dyn Fn(&SideReport) -> Option<f64>, text: &dyn Fn(f64) -> String| {
        let values: Vec<Option<f64>> = sides.iter().map(value).collect();
        if values.iter().all(Option::is_none) {
            return;
        }
        let cells = values.iter().map(|value| value.map_or_else(String::new, text)).collect();
        rows.push((label.to_owned(), cells, ratio(&values)));
    };
    let count = |value: f64| format!("{value:.0}");
    let bytes = |value: f64| bytes_text(whole(value));
    let nodes = |side: &SideReport| Some(side.nodes as f64);
    if varies.model {
        figure("nodes", &nodes, &count);
        figure("parameters", &|side| Some(side.parameters as f64), &|value| count_text(whole(value)));
        figure("FLOPs (2·MAC)", &|side| Some(side.flops.contraction as f64), &|value| flop_text(whole(value)));
    }
    figure("kernels", &|side| Some(side.kernels as f64), &count);
    figure("device kernels", &|side| side.device_kernels.map(|kernels| kernels as f64), &count);
    figure("bytes", &|side| Some(side.bytes.moved() as f64), &bytes);
    figure("kept on chip", &|side| Some(side.bytes.internal as f64), &bytes);
    figure("peak memory", &|side| Some(side.peak_memory_bytes as f64), &bytes);
    figure("time", &|side| side.latency_us.map(|range| range.mid), &us_text);
    figure("energy", &|side| side.energy_mj, &energy_text);
    let times_floor = |value: f64| format!("{value:.2}×");
    let above = |side: &SideReport| {
        let floor = side.floor_us.filter(|floor| *floor > 0.0);
        floor.zip(side.latency_us).map(|(floor, range)| range.mid / floor)
    };
    let above_bytes =
        |side: &SideReport| (side.floor_bytes > 0).then(|| side.bytes.moved() as f64 / side.floor_bytes as f64);
    figure("bytes above floor", &above_bytes, &times_floor);
    figure("time above floor", &above, &times_floor);
    rows
}

/// The last value by the first one.
fn ratio(values: &[Option<f64>]) -> String {
    match (values.first().copied().flatten(), values.last().copied().flatten()) {
        (Some(first), Some(last)) if first > 0.0 => format!("{:.2}", last / first),
        _ => String::new(),
    }
}

fn of(count: super::Count) -> String {
    format!("{} of {}", count.done, count.of)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, counts are not negative"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

fn figures(page: &mut Page, report: &CompareReport) {
    let sides = report.sides.len();
    let columns = std::iter::once(Side::Left).chain((0..=sides).map(|_| Side::Right));
    let mut table = Table::new(columns);
    for (position, (label, cells, ratio)) in rows(report).into_iter().enumerate() {
        let ratio = if position == 0 { "ratio".to_owned() } else { ratio };
        table.row(std::iter::once(label).chain(cells).chain([ratio]));
    }
    let flexible: Vec<(usize, usize)> = (1..=sides).map(|column| (column, 10)).collect();
    page.table(&table, &flexible);
}

fn fusions(page: &mut Page, report: &CompareReport) {
    let plain = Style::new();
    let last = side(report, report.to).map_or("", |side| &side.strategy);
    report.left_apart.iter().for_each(|left| page.paragraph(plain, &left.text(last), 4));
    for (label, list) in [("vanished", &report.vanished), ("appeared", &report.appeared)] {
        let shown = page.shown(list.len());
        for fusion in &list[..shown] {
            let text =
                format!("{label}: {}, {}", fusion_text(&fusion.pattern, fusion.times), places_text(&fusion.places));
            page.paragraph(plain, &text, 4);
        }
        more(page, label, list.len() - shown);
    }
    let shown = page.shown(report.moved.len());
    for moved in &report.moved[..shown] {
        let (from, to) = (place_lines(&moved.from), place_lines(&moved.to));
        let text = format!("moved: {}, from {from} to {to}", fusion_text(&moved.pattern, moved.times));
        page.paragraph(plain, &text, 4);
    }
    more(page, "moved", report.moved.len() - shown);
    page.paragraph(Style::new().dimmed(), &same_text(report), 2);
}

fn more(page: &mut Page, label: &str, rest: usize) {
    if rest > 0 {
        page.paragraph(Style::new().dimmed(), &format!("{label}: {rest} more patterns (-n 0 shows all)"), 2);
    }
}

/// What both sides have.
pub(super) fn same_text(report: &CompareReport) -> String {
    let same = report.same;
    let differs = !(report.vanished.is_empty() && report.appeared.is_empty() && report.moved.is_empty());
    match (same.groups, differs) {
        (0, false) => "neither fuses anything".to_owned(),
        (0, true) => "no fused group is in both".to_owned(),
        (groups, false) => format!("all {groups} fused groups are in both"),
        (groups, true) => format!("{groups} fused groups of {} patterns are in both", same.patterns),
    }
}
