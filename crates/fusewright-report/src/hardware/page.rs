//! Devices for people.

use fusewright_device::{Class, Device};

use super::{DeviceDetails, DeviceFigure, DevicePeaks, DeviceRow};
use crate::figures::significant;
use crate::layout::{Side, Table, printable, wrap};

/// The list as tables of one class each, at most `width` columns wide.
pub fn device_table(devices: &[Device], width: usize) -> String {
    use Side::{Left, Right};
    let mut table = Table::new([Left, Left, Right, Right, Right, Right, Right, Right]);
    for (position, class) in [Class::Gpu, Class::Systolic, Class::Cpu].into_iter().enumerate() {
        let rows: Vec<DeviceRow> = devices.iter().filter(|device| device.class == class).map(DeviceRow::of).collect();
        if position > 0 && !rows.is_empty() {
            table.row([""]);
        }
        if !rows.is_empty() {
            table.row([class.name(), "family", "GB", "GB/s", "f32", "16-bit", "i8", "W"]);
        }
        for row in rows {
            let (memory, rate, watts) = (given(row.memory_gb), rounded(row.bandwidth_gb_s), rounded(row.board_w));
            let DevicePeaks { f32, bf16, f16, i8, .. } = row.peak;
            let peaks = [given(f32), given(bf16.or(f16)), given(i8)];
            table.row([row.name, row.family, memory, rate].into_iter().chain(peaks).chain([watts]));
        }
    }
    let mut lines = table.lines(width, &[(1, 6), (0, 12)]);
    lines.push(String::new());
    lines.push("f32, 16-bit (bf16, else f16) and i8 are peaks of dense products, 10¹² op/s".to_owned());
    lines.push("next: fusewright hw show NAME has every number with its source".to_owned());
    lines.join("\n") + "\n"
}

/// One device with every number, at most `width` columns wide.
pub fn device_page(device: &Device, width: usize) -> String {
    let details = DeviceDetails::of(device);
    let row = &details.row;
    let mut lines = wrap(&printable(&format!("{}: {}", row.name, row.title)), width, 2);
    let mut facts = vec![row.class.to_owned(), row.family.clone()];
    facts.extend(details.compute_capability.as_ref().map(|version| format!("compute capability {version}")));
    let attention = |runs| if runs { "streaming attention runs" } else { "no streaming attention" };
    facts.extend(details.streaming_attention.map(|runs| attention(runs).to_owned()));
    facts.extend(details.dataflow.map(ToOwned::to_owned));
    facts.extend(details.double_buffered.filter(|double| *double).map(|_| "double-buffered weights".to_owned()));
    facts.push(format!("revision {}", row.revision));
    lines.extend(wrap(&printable(&facts.join(", ")), width, 2));
    lines.push(String::new());
    lines.extend(figures(&details.figures, width));
    lines.push(String::new());
    let product = format!("units.fma_per_clock is that of {}", details.fma_dtype);
    lines.extend(wrap(&printable(&product), width, 2));
    for reference in &details.references {
        lines.extend(wrap(&printable(&format!("from: {reference}")), width, 6));
    }
    lines.join("\n") + "\n"
}

/// A line for each figure, and its note below it.
fn figures(figures: &[DeviceFigure], width: usize) -> Vec<String> {
    use Side::{Left, Right};
    let mut table = Table::new([Left, Right, Left, Left]);
    for figure in figures {
        let unit = figure.unit.unwrap_or_default();
        table.row([printable(&figure.field), number(figure.value), unit.to_owned(), figure.source.to_owned()]);
    }
    let mut lines = Vec::new();
    for (line, figure) in table.lines(width, &[(0, 12)]).into_iter().zip(figures) {
        lines.push(line);
        if let Some(note) = &figure.note {
            let note = printable(note);
            lines.extend(wrap(&note, width.saturating_sub(4), 0).into_iter().map(|line| format!("    {line}")));
        }
    }
    lines
}

fn given(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), rounded)
}

/// Three significant digits, or all of a whole number.
fn rounded(value: f64) -> String {
    let text = significant(value);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A number as its file has it, but in a form that stays short.
fn number(value: f64) -> String {
    let plain = value.to_string();
    if plain.len() <= 10 { plain } else { format!("{value:.4e}") }
}
