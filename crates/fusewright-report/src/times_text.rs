//! Predicted times in words and cells, for pages.

use crate::PlanReport;
use crate::figures::{energy_text, significant, us_text};
use crate::layout::printable;
use crate::strategy::StrategyReport;

/// Share of a time below which a part of it is not worth words.
const LEAST_SHARE: f64 = 0.005;

/// Rows of the table of strategies that exist where a device is modelled: a label, and a cell a strategy.
pub(crate) fn time_rows(report: &PlanReport) -> Vec<(&'static str, Vec<String>)> {
    if report.strategies.iter().all(|strategy| strategy.latency_us.is_none()) {
        return Vec::new();
    }
    let row = |label, cell: fn(&StrategyReport) -> Option<String>| {
        let cells = report.strategies.iter().map(|strategy| cell(strategy).unwrap_or_default());
        (label, cells.collect::<Vec<String>>())
    };
    let mut rows = vec![
        row("device kernels", |s| s.times.as_ref().map(|times| times.device_kernels.to_string())),
        row("time", |s| {
            s.latency_us.map(|range| {
                let spread = spread_percent(range.low, range.mid, range.high);
                format!("{} ±{spread:.0} %", us_text(range.mid))
            })
        }),
        row("+ eager dispatch", |s| s.times.as_ref().map(|times| us_text(times.framework_overhead_us))),
        row("- found in cache", |s| s.times.as_ref().map(|times| us_text(times.found_in_cache_us))),
        row("above the floor", |s| s.above_floor.latency.map(|multiple| format!("{}×", significant(multiple)))),
        row("of the roofline", |s| s.times.as_ref().map(|times| percent(times.attained))),
    ];
    let told = |strategy: &StrategyReport| {
        let found = strategy.times.as_ref().map_or(0.0, |times| times.found_in_cache_us);
        strategy.latency_us.is_some_and(|range| found >= LEAST_SHARE * range.mid && found > 0.0)
    };
    if !report.strategies.iter().any(told) {
        rows.retain(|(label, _)| *label != "- found in cache");
    }
    if report.strategies.iter().any(|strategy| strategy.energy_mj.is_some()) {
        rows.push(row("energy", |s| s.energy_mj.map(energy_text)));
    }
    rows
}

/// How far a plan may be from the best partition into kernels of the device.
pub(crate) fn gap_text(gap: f64) -> String {
    if gap == 0.0 { "0, proven".to_owned() } else { format!("≤ {} %", significant(100.0 * gap)) }
}

fn spread_percent(low: f64, mid: f64, high: f64) -> f64 {
    if mid > 0.0 { 100.0 * (high - mid).max(mid - low) / mid } else { 0.0 }
}

/// A share in percent without decimals.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// What the time of a plan waits for, what the device does not do in one kernel, and which merges it refuses.
pub(crate) fn time_summary(report: &PlanReport, best: &StrategyReport) -> Option<String> {
    let (times, latency) = (best.times.as_ref()?, best.latency_us?);
    let device = printable(report.device.title.as_deref().unwrap_or_default());
    let by = times.by_limiter;
    let shares = [("arithmetic", by.compute), ("memory", by.memory), ("caches", by.cache), ("launches", by.launch)];
    let shares = shares.iter().filter(|(_, us)| *us >= LEAST_SHARE * latency.mid && latency.mid > 0.0);
    let shares: Vec<String> =
        shares.map(|(name, us)| format!("{name}\u{a0}{}", tied(&percent(us / latency.mid)))).collect();
    let mut text = format!("{device}: time of {} waits for {}", printable(&best.name), shares.join(", "));
    for entry in &times.not_realizable {
        let plural = if entry.groups == 1 { "group takes" } else { "groups take" };
        let _ = std::fmt::Write::write_fmt(
            &mut text,
            format_args!("; {}\u{a0}{plural} several kernels ({})", entry.groups, entry.reason),
        );
    }
    if let Some(refused) = times.refused_merges.first() {
        let count = times.refused_merges.len();
        let plural = if count == 1 { "merge" } else { "merges" };
        let _ = std::fmt::Write::write_fmt(
            &mut text,
            format_args!(
                "; {count} {plural} refused as no gain: {} apart, {} merged",
                tied(&us_text(refused.apart_us)),
                tied(&us_text(refused.merged_us))
            ),
        );
    }
    Some(text)
}

fn tied(text: &str) -> String {
    text.replace(' ', "\u{a0}")
}
