//! The page for a terminal: verdict, model, table, largest opportunities, what was not counted, what is assumed, what
//! to do next.

use anstyle::{AnsiColor, Style};

use crate::PlanReport;
use crate::attention_text::attention_summary;
use crate::figures::{bytes_text, count_text, flop_text, signed_bytes_text, signed_count_text, significant, us_text};
use crate::group_rows::{GroupKind, GroupRow};
use crate::layout::{Side, Table, printable};
use crate::page::Page;
use crate::strategy::StrategyReport;
use crate::times_text::{gap_text, percent, time_rows, time_summary};
use crate::verdict::verdict;

/// How the page is set.
#[derive(Clone, Copy, Debug)]
pub struct TextOptions {
    /// Opportunities and groups shown; 0 for all.
    pub top: usize,
    /// Columns that lines may take; names are cut to fit.
    pub width: usize,
    /// Bold, dim and colour by escape sequences.
    pub styled: bool,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { top: 5, width: 80, styled: false }
    }
}

/// The report as text.
pub fn text(report: &PlanReport, options: TextOptions) -> String {
    let mut page = Page::new(options);
    page.verdict(report);
    page.model(report);
    page.strategies(report);
    if let Some(best) = report.best() {
        page.opportunities(best);
        page.groups(report, best);
    }
    page.notes(report);
    page.finish()
}

impl Page {
    fn verdict(&mut self, report: &PlanReport) {
        self.paragraph(Style::new().bold(), &verdict(report), 0);
    }

    fn model(&mut self, report: &PlanReport) {
        let facts: Vec<String> = model_facts(report).iter().map(|fact| fact.replace(' ', "\u{a0}")).collect();
        self.paragraph(Style::new().dimmed(), &facts.join(", "), 0);
        // A page of a usual model fills a screen: the attentions stand where the blank line would.
        match attention_summary(&report.attention) {
            Some(attentions) => self.paragraph(Style::new().dimmed(), &attentions, 2),
            None => self.blank(),
        }
    }

    fn strategies(&mut self, report: &PlanReport) {
        let columns = &report.strategies;
        let mut table = Table::new(std::iter::once(Side::Left).chain(columns.iter().map(|_| Side::Right)));
        let mut row = |name: &str, cell: &dyn Fn(&StrategyReport) -> String| {
            // Blank space left of each figure makes columns of equal width.
            let cells = columns.iter().map(|strategy| format!("{:>14}", cell(strategy)));
            table.row(std::iter::once(name.to_owned()).chain(cells));
        };
        row(&profile(report), &|s| s.name.clone());
        // With times the page keeps to a screen by leaving out what the JSON has anyway.
        let timed = report.device.name.is_some();
        if !timed {
            row("nodes", &|s| s.nodes.to_string());
        }
        row("groups", &|s| s.groups.to_string());
        row("kernels", &|s| s.kernels.to_string());
        if !timed {
            row("mean size, largest", &|s| format!("{}, {}", significant(s.mean_group_size), s.max_group_size));
        }
        row(merges_label(report), &|s| s.parallel_merges.to_string());
        row("attention chains", &|s| s.attention_chains.to_string());
        row("bytes", &|s| bytes_text(s.bytes.moved()));
        if !timed {
            row("bytes saved", &|s| signed_bytes_text(s.bytes_saved));
        }
        if !timed {
            row("above the floor", &|s| s.above_floor.bytes.map_or_else(String::new, times_text));
        }
        row("peak memory", &|s| bytes_text(s.peak_memory_bytes));
        if !timed {
            row("FLOPs (2·MAC)", &|s| flop_text(s.flops.contraction));
        }
        for (label, cells) in time_rows(report) {
            table.row(std::iter::once(label.to_owned()).chain(cells));
        }
        if columns.iter().any(|strategy| strategy.certificate.gap.is_some()) {
            let gap = |strategy: &StrategyReport| strategy.certificate.gap.map_or_else(String::new, gap_text);
            let cells = columns.iter().map(|strategy| format!("{:>14}", gap(strategy)));
            table.row(std::iter::once("from the best".to_owned()).chain(cells));
        }
        self.table(&table, &[(0, 0)]);
        if let Some(summary) = report.best().and_then(|best| time_summary(report, best)) {
            self.paragraph(Style::new().dimmed(), &summary, 2);
        }
        self.blank();
    }

    fn opportunities(&mut self, best: &StrategyReport) {
        let rows = best.opportunities();
        if rows.is_empty() {
            return;
        }
        let shown = self.shown(rows.len());
        let mut table = Table::new([Side::Left, Side::Right, Side::Right, Side::Right, Side::Left]);
        table.row([&format!("saved by {}", best.name), "times", "kernels", "bytes", "for example in"]);
        for pattern in &rows[..shown] {
            table.row([
                printable(&pattern.name),
                pattern.count.to_string(),
                signed_count_text(pattern.kernels_saved),
                signed_bytes_text(pattern.bytes_saved),
                printable(place(&pattern.example.module)),
            ]);
        }
        self.table(&table, &[(4, 20), (0, 0)]);
        if shown < rows.len() {
            let rest = &rows[shown..];
            let kernels: i64 = rest.iter().map(|pattern| pattern.kernels_saved).sum();
            let bytes: i64 = rest.iter().map(|pattern| pattern.bytes_saved).sum();
            let (kernels, bytes) = (signed_count_text(kernels), signed_bytes_text(bytes));
            let line = format!("and {} smaller: {kernels} kernels, {bytes} (-n 0 shows all)", rest.len());
            self.line(Style::new().dimmed(), &line);
        }
        self.blank();
    }

    fn groups(&mut self, report: &PlanReport, best: &StrategyReport) {
        let Some(all) = &report.groups else { return };
        let rows: Vec<&GroupRow> =
            all.iter().filter(|row| row.strategy == best.name && row.kind != GroupKind::View).collect();
        let timed = best.latency_us.is_some();
        let figures = [Side::Right; 6];
        let figures = if timed { &figures[..] } else { &figures[..3] };
        let sides = [Side::Right, Side::Left].iter().chain(figures).chain(&[Side::Left]).copied();
        let mut table = Table::new(sides);
        let heading = ["group", &format!("kernels of {}", best.name), "2·MAC", "bytes", "FLOP/B"];
        let more = if timed { &["time", "waits for", "roof"][..] } else { &[] };
        table.row(heading.iter().chain(more).chain(&["module"]).copied());
        for row in &rows {
            let mut cells = vec![
                row.id.to_string(),
                printable(&group_label(row)),
                count_text(row.flops.contraction),
                bytes_text(row.bytes.moved()),
                significant(row.intensity),
            ];
            if timed {
                cells.push(row.time.map_or_else(String::new, |range| us_text(range.mid)));
                cells.push(row.bottleneck.clone().unwrap_or_default());
                cells.push(row.roofline.map_or_else(String::new, |roofline| percent(roofline.attained)));
            }
            cells.push(printable(place(&row.module)));
            table.row(cells);
        }
        let module = if timed { 8 } else { 5 };
        self.table(&table, &[(module, if timed { 12 } else { 24 }), (1, 0)]);
        self.blank();
    }

    fn notes(&mut self, report: &PlanReport) {
        let warning = Style::new().fg_color(Some(AnsiColor::Yellow.into()));
        let uncounted = &report.model.uncounted_ops;
        if uncounted.is_empty() {
            self.paragraph(Style::new().dimmed(), &format!("not counted: nothing. {}", assumptions(report)), 2);
        } else {
            let shown = self.shown(uncounted.len());
            let texts: Vec<String> = uncounted[..shown].iter().map(uncounted_text).collect();
            let rest = uncounted.len() - shown;
            let more = if rest == 0 { String::new() } else { format!(", and {rest} more (-n 0 shows all)") };
            self.paragraph(warning, &format!("not counted: FLOPs of {}{more}", texts.join(", ")), 2);
            self.paragraph(Style::new().dimmed(), assumptions(report), 2);
        }
        if let Some(miss) = report.attention.missed.first() {
            let rest = match report.attention.missed.len() - 1 {
                0 => String::new(),
                more => format!(", and {more} more (--format json lists them)"),
            };
            let at = match &miss.stopped_by {
                Some(node) => format!(" ({} at {})", printable(&miss.value), printable(node)),
                None => format!(" ({})", printable(&miss.value)),
            };
            let note = format!("attention missed: {}: {}{at}{rest}", printable(&miss.node), printable(&miss.reason));
            self.paragraph(warning, &note, 2);
        }
        self.paragraph(Style::new().dimmed(), &next(report), 2);
    }
}

fn times_text(multiple: f64) -> String {
    format!("{}×", significant(multiple))
}

fn assumptions(report: &PlanReport) -> &'static str {
    if report.device.name.is_some() {
        "assumed: one forward pass; kernels in a replayed launch graph"
    } else {
        "assumed: one forward pass; each group can be one kernel"
    }
}

pub(crate) fn profile(report: &PlanReport) -> String {
    let profile = report.strategies.first().map_or("default", |strategy| &strategy.profile);
    format!("{profile} profile")
}

/// What is worth saying of the model in one line.
pub(crate) fn model_facts(report: &PlanReport) -> Vec<String> {
    let model = &report.model;
    let mut facts = vec![
        format!("{} nodes", model.nodes),
        format!("{} parameters", count_text(model.parameters)),
        format!("{} (2·MAC) + {} other", flop_text(report.flops.contraction), flop_text(report.flops.other)),
    ];
    facts.extend(model.kv_cache.map(|cache| format!("KV cache {}", bytes_text(cache.after))));
    facts.extend(report.device.dtype.clone());
    facts.extend(report.device.name.as_deref().map(|name| format!("on {}", printable(name))));
    facts.extend(model.training.then(|| "training".to_owned()));
    facts.extend(model.dims.iter().map(|dim| format!("{} = {}", printable(&dim.name), dim.size)));
    facts
}

/// Commands that lead on from here.
fn next(report: &PlanReport) -> String {
    let profile = report.strategies.first().map_or("default", |strategy| &strategy.profile);
    let mut hints = Vec::new();
    if report.strategies.len() == 1 {
        hints.push("without --strategy all are compared");
    } else if profile == "reference" {
        hints.push("--profile default");
    }
    let predicts = report.device.name.is_some() || profile == "reference";
    match (report.groups.is_some(), predicts) {
        (false, true) => hints.push("--groups lists every kernel"),
        (false, false) => hints.push("--hw h100-sxm predicts times · --groups"),
        (true, true) => {}
        (true, false) => hints.push("--hw h100-sxm predicts times"),
    }
    hints.push("--format json|markdown|csv|dot");
    format!("next: {}", hints.join(" · "))
}

fn uncounted_text(op: &crate::UncountedOp) -> String {
    let times = if op.count == 1 { String::new() } else { format!("{}\u{a0}×\u{a0}", op.count) };
    let reason = op.reason.as_ref().map_or_else(String::new, |reason| format!(" ({})", printable(reason)));
    format!("{times}{}{reason}", printable(&op.name))
}

pub(crate) fn merges_label(report: &PlanReport) -> &'static str {
    let mut names = report.strategies.iter().flat_map(|s| &s.patterns).map(|p| p.name.as_str());
    let other = names.any(|name| name.starts_with("Parallel_") && name != "Parallel_QKV_Linear");
    if other { "parallel merges" } else { "Q/K/V merges" }
}

/// A module path as people read it.
pub(crate) fn place(module: &str) -> &str {
    if module.is_empty() { "the model itself" } else { module }
}

/// What a group is called in a table of kernels: its pattern, or its only node.
pub(crate) fn group_label(row: &GroupRow) -> String {
    match (&row.pattern, row.kind) {
        (Some(pattern), GroupKind::Fused | GroupKind::Parallel) => pattern.clone(),
        _ => row.first_node.clone(),
    }
}
