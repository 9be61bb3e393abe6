//! Predicted against measured.

use std::collections::BTreeMap;

use fusewright_cost::time::gpu::{Coefficients, predict_with};
use fusewright_device::Device;

use crate::data::{Class, Row};

/// Device files by id.
pub(crate) type Devices = BTreeMap<String, Device>;

/// predicted / measured − 1 of each row, with the host time of eager rows added to the prediction.
///
/// Host time is one figure for each device and class, the one that fits `rows` best: a property of the framework and
/// the machine around the device, not of the kernel.
pub(crate) fn relative_errors(rows: &[&Row], devices: &Devices, coefficients: &Coefficients) -> Vec<f64> {
    let predicted = predictions(rows, devices, coefficients);
    let dispatch = dispatch_us(rows, &predicted);
    let with_host = |(row, us): (&&Row, &f64)| (us + dispatch.get(&group(row)).copied().unwrap_or(0.0)) / row.us - 1.0;
    rows.iter().zip(&predicted).map(with_host).collect()
}

/// The same with host times that fit `fitted` best: what a fit knew before it saw `rows`.
pub(crate) fn errors_left_out(
    rows: &[&Row],
    fitted: &[&Row],
    devices: &Devices,
    coefficients: &Coefficients,
) -> Vec<f64> {
    let dispatch = dispatch_us(fitted, &predictions(fitted, devices, coefficients));
    let predicted = predictions(rows, devices, coefficients);
    let with_host = |(row, us): (&&Row, &f64)| (us + dispatch.get(&group(row)).copied().unwrap_or(0.0)) / row.us - 1.0;
    rows.iter().zip(&predicted).map(with_host).collect()
}

fn predictions(rows: &[&Row], devices: &Devices, coefficients: &Coefficients) -> Vec<f64> {
    let predict = |row: &&Row| {
        let device = devices.get(row.device)?;
        Some(row.kernels.iter().map(|kernel| predict_with(device, kernel, coefficients).us).sum())
    };
    rows.iter().map(|row| predict(row).unwrap_or(f64::NAN)).collect()
}

fn group(row: &Row) -> (&'static str, Class) {
    (row.device, row.class)
}

/// The host time of each group of eager rows that makes the mean relative error least: a weighted median.
fn dispatch_us(rows: &[&Row], predicted: &[f64]) -> BTreeMap<(&'static str, Class), f64> {
    let mut gaps: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
    for (row, us) in rows.iter().zip(predicted).filter(|(row, _)| row.eager) {
        gaps.entry(group(row)).or_default().push((row.us - us, 1.0 / row.us));
    }
    gaps.into_iter().map(|(group, gaps)| (group, weighted_median(gaps).max(0.0))).collect()
}

fn weighted_median(mut values: Vec<(f64, f64)>) -> f64 {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = values.iter().map(|it| it.1).sum::<f64>() / 2.0;
    let mut seen = 0.0;
    let middle = values.iter().find(|(_, weight)| {
        seen += weight;
        seen >= half
    });
    middle.map_or(0.0, |it| it.0)
}

/// Mean, median and share within 20 % of relative errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    pub(crate) rows: usize,
    pub(crate) mean: f64,
    pub(crate) median: f64,
    pub(crate) within_fifth: f64,
}

impl Summary {
    pub(crate) fn of(errors: &[f64]) -> Self {
        let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let count = sizes.len().max(1) as f64;
        let near = sizes.iter().filter(|size| **size <= 0.2).count();
        Self {
            rows: sizes.len(),
            mean: sizes.iter().sum::<f64>() / count,
            median: sizes.get(sizes.len() / 2).copied().unwrap_or(f64::NAN),
            within_fifth: near as f64 / count,
        }
    }
}
