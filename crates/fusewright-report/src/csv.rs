//! The report as comma-separated values (RFC 4180 with bare line feeds): one row per plan, or one per group where the
//! report has groups.

use crate::PlanReport;
use crate::group_rows::GroupRow;
use crate::strategy::StrategyReport;

/// The report as CSV.
pub fn csv(report: &PlanReport) -> String {
    let model = report.model.name.as_str();
    let mut out = String::new();
    match &report.groups {
        None => {
            line(&mut out, STRATEGY_COLUMNS.iter().map(|column| (*column).to_owned()));
            for strategy in &report.strategies {
                line(&mut out, strategy_cells(report, strategy));
            }
        }
        Some(groups) => {
            line(&mut out, GROUP_COLUMNS.iter().map(|column| (*column).to_owned()));
            for group in groups {
                line(&mut out, group_cells(model, group));
            }
        }
    }
    out
}

const STRATEGY_COLUMNS: [&str; 30] = [
    "model",
    "strategy",
    "profile",
    "nodes",
    "groups",
    "kernels",
    "kernels_saved",
    "mean_group_size",
    "max_group_size",
    "parallel_merges",
    "shared_input_bytes_saved",
    "attention_chains",
    "bytes_read",
    "bytes_written",
    "bytes_internal",
    "bytes_weights",
    "bytes_saved",
    "peak_memory_bytes",
    "flops_contraction",
    "flops_other",
    "intensity",
    "device",
    "latency_us",
    "latency_us_low",
    "latency_us_high",
    "framework_overhead_us",
    "found_in_cache_us",
    "device_kernels",
    "attained",
    "energy_mj",
];

fn strategy_cells(report: &PlanReport, strategy: &StrategyReport) -> [String; STRATEGY_COLUMNS.len()] {
    let times = strategy.times.as_ref();
    let latency = strategy.latency_us;
    [
        report.model.name.clone(),
        strategy.name.clone(),
        strategy.profile.clone(),
        strategy.nodes.to_string(),
        strategy.groups.to_string(),
        strategy.kernels.to_string(),
        strategy.kernels_saved.to_string(),
        strategy.mean_group_size.to_string(),
        strategy.max_group_size.to_string(),
        strategy.parallel_merges.to_string(),
        strategy.shared_input_bytes_saved.to_string(),
        strategy.attention_chains.to_string(),
        strategy.bytes.read.to_string(),
        strategy.bytes.written.to_string(),
        strategy.bytes.internal.to_string(),
        strategy.bytes.weights.to_string(),
        strategy.bytes_saved.to_string(),
        strategy.peak_memory_bytes.to_string(),
        strategy.flops.contraction.to_string(),
        strategy.flops.other.to_string(),
        strategy.intensity.to_string(),
        report.device.name.clone().unwrap_or_default(),
        cell(latency.map(|range| range.mid)),
        cell(latency.map(|range| range.low)),
        cell(latency.map(|range| range.high)),
        cell(times.map(|times| times.framework_overhead_us)),
        cell(times.map(|times| times.found_in_cache_us)),
        cell(times.map(|times| times.device_kernels)),
        cell(times.map(|times| times.attained)),
        cell(strategy.energy_mj),
    ]
}

/// A figure, or an empty cell where it is not known.
fn cell<T: ToString>(figure: Option<T>) -> String {
    figure.map_or_else(String::new, |figure| figure.to_string())
}

const GROUP_COLUMNS: [&str; 23] = [
    "model",
    "strategy",
    "id",
    "pattern",
    "kind",
    "first_node",
    "module",
    "flops_contraction",
    "flops_other",
    "bytes_read",
    "bytes_written",
    "bytes_internal",
    "bytes_weights",
    "intensity",
    "time_us",
    "time_us_low",
    "time_us_high",
    "bottleneck",
    "device_kernels",
    "gflop_s",
    "attained",
    "depends_on",
    "nodes",
];

/// Lists inside a cell are separated by spaces: neither numbers nor node names of the formats read hold any.
fn group_cells(model: &str, group: &GroupRow) -> [String; GROUP_COLUMNS.len()] {
    let depends_on: Vec<String> = group.depends_on.iter().map(u64::to_string).collect();
    [
        model.to_owned(),
        group.strategy.clone(),
        group.id.to_string(),
        group.pattern.clone().unwrap_or_default(),
        group.kind.name().to_owned(),
        group.first_node.clone(),
        group.module.clone(),
        group.flops.contraction.to_string(),
        group.flops.other.to_string(),
        group.bytes.read.to_string(),
        group.bytes.written.to_string(),
        group.bytes.internal.to_string(),
        group.bytes.weights.to_string(),
        group.intensity.to_string(),
        cell(group.time.map(|range| range.mid)),
        cell(group.time.map(|range| range.low)),
        cell(group.time.map(|range| range.high)),
        group.bottleneck.clone().unwrap_or_default(),
        cell(group.device_kernels.as_ref().map(Vec::len)),
        cell(group.roofline.map(|roofline| roofline.gflop_s)),
        cell(group.roofline.map(|roofline| roofline.attained)),
        depends_on.join(" "),
        group.nodes.join(" "),
    ]
}

fn line(out: &mut String, cells: impl IntoIterator<Item = String>) {
    for (position, cell) in cells.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            out.push('"');
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&cell);
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let mut out = String::new();
        super::line(&mut out, ["plain", "a,b", "say \"hi\"", "two\nlines"].map(str::to_owned));
        assert_eq!(out, "plain,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\n");
    }
}
