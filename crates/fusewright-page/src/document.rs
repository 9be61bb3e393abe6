//! The HTML file: head, a table for readers without scripts, data, planner, script.

use std::fmt::Write as _;

use fusewright_pattern::Library;
use fusewright_report::{PlanReport, StrategyReport, bytes_text};

use crate::assets::{HASHES, PAGE_SCRIPT, PAGE_STYLE, PLANNER, Reader, UNPACKER};
use crate::base64::push_base64;
use crate::escape::{escape, shortened};
use crate::pack::pack;
use crate::{PageData, Tables};

/// Characters of a model's name in the title.
const TITLE: usize = 80;

/// A model that the planner in the page reads again for other settings: its file without weights.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedModel<'a> {
    /// The file's name; its extension tells the format where the content does not.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What reads them.
    pub reader: Reader,
    /// What the planner chooses from.
    pub tables: &'a Tables,
}

/// The report of a model as one HTML file. With `model` the planner is part of it, and so are its controls.
pub fn report_page(data: &PageData, model: Option<EmbeddedModel>) -> String {
    let title = format!("fusewright: {}", shortened(&data.report.model.name, TITLE));
    let mut out = head(&title);
    summary(&mut out, data);
    block(&mut out, "data", "", &pack(data.to_json().as_bytes()));
    if let Some(model) = model {
        block(&mut out, "model", model.name, &pack(model.bytes));
        planner(&mut out, model.tables, &[model.reader]);
    }
    end(out)
}

/// The page without a model: a file that is dropped on it is planned in it, and goes nowhere.
pub fn app_page() -> String {
    let mut out = head("fusewright");
    out.push_str("<noscript><p>This page plans models in the browser, which takes JavaScript.</p></noscript>\n");
    planner(&mut out, &Tables::of(&Library::built_in(), None), &Reader::ALL);
    end(out)
}

/// The planner with readers.
fn planner(out: &mut String, tables: &Tables, readers: &[Reader]) {
    block(out, "tables", "", &pack(tables.to_json().as_bytes()));
    block(out, "planner", "", PLANNER);
    for reader in readers {
        block(out, &format!("reader-{}", reader.name()), "", reader.packed());
    }
}

fn head(title: &str) -> String {
    let mut hashes = HASHES.lines();
    let (script, style) = (hashes.next().unwrap_or(""), hashes.next().unwrap_or(""));
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src '{script}' \
         'wasm-unsafe-eval'; worker-src blob:; style-src '{style}'; img-src data: blob:; connect-src 'none'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>{title}</title>\n<style>{PAGE_STYLE}</style>\n</head>\n<body>\n<div id=\"page\"></div>\n"
    )
}

fn end(mut out: String) -> String {
    block(&mut out, "unpacker", "", UNPACKER);
    let _ = write!(out, "<script>{PAGE_SCRIPT}</script>\n</body>\n</html>\n");
    out
}

/// Bytes in a script element that no browser runs.
fn block(out: &mut String, id: &str, name: &str, bytes: &[u8]) {
    let _ = write!(out, "<script type=\"application/octet-stream\" id=\"{id}\" data-name=\"{}\">", escape(name));
    push_base64(out, bytes);
    out.push_str("</script>\n");
}

/// What readers without scripts see.
fn summary(out: &mut String, data: &PageData) {
    let report = &data.report;
    let _ = writeln!(out, "<noscript>\n<h1>{}</h1>", escape(&data.verdict));
    out.push_str("<table>\n<tr><th></th>");
    for strategy in &report.strategies {
        let _ = write!(out, "<th>{}</th>", escape(&strategy.name));
    }
    out.push_str("</tr>\n");
    for (name, cell) in ROWS {
        let cells: Vec<Option<String>> = report.strategies.iter().map(|strategy| cell(report, strategy)).collect();
        if cells.iter().all(Option::is_none) {
            continue;
        }
        let _ = write!(out, "<tr><th>{name}</th>");
        for cell in cells {
            let _ = write!(out, "<td>{}</td>", escape(&cell.unwrap_or_default()));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n<p>Everything else on this page takes JavaScript.</p>\n</noscript>\n");
}

type Cell = fn(&PlanReport, &StrategyReport) -> Option<String>;

const ROWS: [(&str, Cell); 6] = [
    ("kernels", |_, strategy| Some(strategy.kernels.to_string())),
    ("bytes", |_, strategy| Some(bytes_text(strategy.bytes.moved()))),
    ("peak memory", |_, strategy| Some(bytes_text(strategy.peak_memory_bytes))),
    ("time, µs", |_, strategy| strategy.latency_us.map(|range| format!("{:.1}", range.mid))),
    ("energy, mJ", |_, strategy| strategy.energy_mj.map(|energy| format!("{energy:.2}"))),
    ("attention chains", |report, strategy| {
        (report.attention.found > 0).then(|| strategy.attention_chains.to_string())
    }),
];
