//! The tables of a report, a column a figure. Units are in the names of the columns.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder, UInt64Builder};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow_schema::ArrowError;
use fusewright::report::{DeviceKernel, GroupRow, PatternReport, PlanReport, StrategyReport};

type Made = Result<RecordBatch, ArrowError>;

/// One row a plan.
pub(crate) fn strategies(report: &PlanReport) -> Made {
    let rows: Vec<&StrategyReport> = report.strategies.iter().collect();
    batch([
        ("strategy", strings(&rows, |row| Some(row.name.as_str()))),
        ("profile", strings(&rows, |row| Some(row.profile.as_str()))),
        ("nodes", counts(&rows, |row| row.nodes)),
        ("groups", counts(&rows, |row| row.groups)),
        ("kernels", counts(&rows, |row| row.kernels)),
        ("kernels_saved", signed(&rows, |row| row.kernels_saved)),
        ("mean_group_size", floats(&rows, |row| Some(row.mean_group_size))),
        ("max_group_size", counts(&rows, |row| row.max_group_size)),
        ("parallel_merges", counts(&rows, |row| row.parallel_merges)),
        ("attention_chains", counts(&rows, |row| row.attention_chains)),
        ("read_bytes", counts(&rows, |row| row.bytes.read)),
        ("written_bytes", counts(&rows, |row| row.bytes.written)),
        ("internal_bytes", counts(&rows, |row| row.bytes.internal)),
        ("weight_bytes", counts(&rows, |row| row.bytes.weights)),
        ("bytes_saved", signed(&rows, |row| row.bytes_saved)),
        ("peak_memory_bytes", counts(&rows, |row| row.peak_memory_bytes)),
        ("contraction_flops", counts(&rows, |row| row.flops.contraction)),
        ("other_flops", counts(&rows, |row| row.flops.other)),
        ("latency_us", floats(&rows, |row| row.latency_us.map(|range| range.mid))),
        ("latency_low_us", floats(&rows, |row| row.latency_us.map(|range| range.low))),
        ("latency_high_us", floats(&rows, |row| row.latency_us.map(|range| range.high))),
        ("energy_mj", floats(&rows, |row| row.energy_mj)),
        ("not_realizable", optional_counts(&rows, |row| row.not_realizable)),
    ])
}

/// One row a pattern of a plan.
pub(crate) fn patterns(report: &PlanReport) -> Made {
    let of = |strategy| move |pattern| (strategy, pattern);
    let rows: Vec<(&StrategyReport, &PatternReport)> =
        report.strategies.iter().flat_map(|strategy| strategy.patterns.iter().map(of(strategy))).collect();
    batch([
        ("strategy", strings(&rows, |(plan, _)| Some(plan.name.as_str()))),
        ("pattern", strings(&rows, |(_, row)| Some(row.name.as_str()))),
        ("count", counts(&rows, |(_, row)| row.count)),
        ("nodes", counts(&rows, |(_, row)| row.nodes)),
        ("kernels_saved", signed(&rows, |(_, row)| row.kernels_saved)),
        ("bytes_saved", signed(&rows, |(_, row)| row.bytes_saved)),
        ("example", strings(&rows, |(_, row)| Some(row.example.node.as_str()))),
        ("module", strings(&rows, |(_, row)| Some(row.example.module.as_str()))),
    ])
}

/// One row a group of a plan.
pub(crate) fn groups(report: &PlanReport) -> Made {
    let rows: Vec<&GroupRow> = report.groups.iter().flatten().collect();
    batch([
        ("strategy", strings(&rows, |row| Some(row.strategy.as_str()))),
        ("id", counts(&rows, |row| row.id)),
        ("pattern", strings(&rows, |row| row.pattern.as_deref())),
        ("kind", strings(&rows, |row| Some(row.kind.name()))),
        ("nodes", lists_of_strings(&rows, |row| row.nodes.as_slice())),
        ("first_node", strings(&rows, |row| Some(row.first_node.as_str()))),
        ("module", strings(&rows, |row| Some(row.module.as_str()))),
        ("contraction_flops", counts(&rows, |row| row.flops.contraction)),
        ("other_flops", counts(&rows, |row| row.flops.other)),
        ("read_bytes", counts(&rows, |row| row.bytes.read)),
        ("written_bytes", counts(&rows, |row| row.bytes.written)),
        ("internal_bytes", counts(&rows, |row| row.bytes.internal)),
        ("weight_bytes", counts(&rows, |row| row.bytes.weights)),
        ("intensity", floats(&rows, |row| Some(row.intensity))),
        ("time_us", floats(&rows, |row| row.time.map(|range| range.mid))),
        ("time_low_us", floats(&rows, |row| row.time.map(|range| range.low))),
        ("time_high_us", floats(&rows, |row| row.time.map(|range| range.high))),
        ("bottleneck", strings(&rows, |row| row.bottleneck.as_deref())),
        ("depends_on", lists_of_counts(&rows, |row| row.depends_on.as_slice())),
    ])
}

/// One row a kernel of a device; empty without a device.
pub(crate) fn kernels(report: &PlanReport) -> Made {
    let of = |group| move |kernel| (group, kernel);
    let rows: Vec<(&GroupRow, &DeviceKernel)> =
        report.groups.iter().flatten().flat_map(|group| group.device_kernels.iter().flatten().map(of(group))).collect();
    batch([
        ("strategy", strings(&rows, |(group, _)| Some(group.strategy.as_str()))),
        ("group", counts(&rows, |(group, _)| group.id)),
        ("module", strings(&rows, |(group, _)| Some(group.module.as_str()))),
        ("op", strings(&rows, |(_, row)| Some(row.op.as_str()))),
        ("dtype", strings(&rows, |(_, row)| Some(row.dtype.as_str()))),
        ("bytes", counts(&rows, |(_, row)| row.bytes)),
        ("time_us", floats(&rows, |(_, row)| Some(row.us))),
        ("limiter", strings(&rows, |(_, row)| Some(row.limiter.as_str()))),
    ])
}

/// One row an attention.
pub(crate) fn attentions(report: &PlanReport) -> Made {
    let rows: Vec<_> = report.attention.sites.iter().collect();
    batch([
        ("name", strings(&rows, |row| Some(row.name.as_str()))),
        ("kind", strings(&rows, |row| Some(row.kind.as_str()))),
        ("heads", counts(&rows, |row| row.heads)),
        ("kv_heads", counts(&rows, |row| row.kv_heads)),
        ("head_dim", counts(&rows, |row| row.head_dim)),
        ("value_dim", counts(&rows, |row| row.value_dim)),
        ("queries", counts(&rows, |row| row.queries)),
        ("keys", counts(&rows, |row| row.keys)),
        ("mask", strings(&rows, |row| Some(row.mask.as_str()))),
        ("window", optional_counts(&rows, |row| row.window)),
        ("causal", truths(&rows, |row| row.causal)),
        ("scale", floats(&rows, |row| row.scale)),
        ("bias", truths(&rows, |row| row.bias)),
        ("packed", truths(&rows, |row| row.packed)),
    ])
}

/// One row a softmax that nearly is an attention.
pub(crate) fn missed(report: &PlanReport) -> Made {
    let rows: Vec<_> = report.attention.missed.iter().collect();
    batch([
        ("node", strings(&rows, |row| Some(row.node.as_str()))),
        ("module", strings(&rows, |row| Some(row.module.as_str()))),
        ("reason", strings(&rows, |row| Some(row.reason.as_str()))),
        ("step", strings(&rows, |row| Some(row.step.as_str()))),
        ("value", strings(&rows, |row| Some(row.value.as_str()))),
        ("stopped_by", strings(&rows, |row| row.stopped_by.as_deref())),
    ])
}

fn batch<const N: usize>(columns: [(&'static str, ArrayRef); N]) -> Made {
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
}

fn strings<'a, T>(rows: &'a [T], get: impl Fn(&'a T) -> Option<&'a str>) -> ArrayRef {
    Arc::new(rows.iter().map(get).collect::<StringArray>())
}

fn counts<T>(rows: &[T], get: impl Fn(&T) -> u64) -> ArrayRef {
    Arc::new(rows.iter().map(get).collect::<UInt64Array>())
}

fn optional_counts<T>(rows: &[T], get: impl Fn(&T) -> Option<u64>) -> ArrayRef {
    Arc::new(rows.iter().map(get).collect::<UInt64Array>())
}

fn signed<T>(rows: &[T], get: impl Fn(&T) -> i64) -> ArrayRef {
    Arc::new(rows.iter().map(get).collect::<Int64Array>())
}

fn floats<T>(rows: &[T], get: impl Fn(&T) -> Option<f64>) -> ArrayRef {
    Arc::new(rows.iter().map(get).collect::<Float64Array>())
}

fn truths<T>(rows: &[T], get: impl Fn(&T) -> bool) -> ArrayRef {
    Arc::new(rows.iter().map(|row| Some(get(row))).collect::<BooleanArray>())
}

fn lists_of_strings<'a, T>(rows: &'a [T], get: impl Fn(&'a T) -> &'a [String]) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in rows {
        lists.append_value(get(row).iter().map(Some));
    }
    Arc::new(lists.finish())
}

fn lists_of_counts<'a, T>(rows: &'a [T], get: impl Fn(&'a T) -> &'a [u64]) -> ArrayRef {
    let mut lists = ListBuilder::new(UInt64Builder::new());
    for row in rows {
        lists.append_value(get(row).iter().copied().map(Some));
    }
    Arc::new(lists.finish())
}
