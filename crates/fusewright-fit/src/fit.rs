//! Fits every set of coefficients, shared and by family, and measures the errors on rows left out.

use fusewright_cost::time::gpu::{Coefficients, Errors};

use crate::data::{Class, Row};
use crate::errors::{Devices, Summary, errors_left_out, relative_errors};
use crate::search::minimise;
use crate::sets::{SETS, Set};
use crate::stated::{FAMILIES, START, publish};

/// What was fitted.
pub(crate) struct Fitted {
    pub(crate) shared: Coefficients,
    pub(crate) families: Vec<(&'static str, Coefficients)>,
    /// Errors on rows left out of the fit.
    pub(crate) lines: Vec<Line>,
}

/// Errors of one class on one device.
pub(crate) struct Line {
    /// `shared`, or the family.
    pub(crate) set: &'static str,
    pub(crate) device: &'static str,
    pub(crate) class: Class,
    pub(crate) errors: Summary,
}

struct Data<'a> {
    rows: &'a [Row],
    devices: &'a Devices,
}

impl<'a> Data<'a> {
    fn select(&self, classes: &[Class], family: Option<&str>, held_out: bool) -> Vec<&'a Row> {
        let of_family = |row: &Row| {
            let own = self.devices.get(row.device).map(|device| device.family.as_str());
            family.is_none_or(|family| own == Some(family))
        };
        let wanted = |row: &&Row| classes.contains(&row.class) && row.held_out == held_out && of_family(row);
        self.rows.iter().filter(wanted).collect()
    }

    /// The values that make the mean error on rows that are not left out least. The search starts from those in `from`
    /// and from the common start, because it may end in a hollow beside the lowest.
    fn fit(&self, set: &Set, family: Option<&str>, from: &Coefficients, rounds: usize) -> Coefficients {
        let rows = self.select(set.classes, family, false);
        if rows.is_empty() {
            return *from;
        }
        let with = |values: &[f64]| {
            let mut coefficients = *from;
            for (field, value) in (set.fields)(&mut coefficients).into_iter().zip(values) {
                *field = *value;
            }
            coefficients
        };
        let cost = |values: &[f64]| Summary::of(&relative_errors(&rows, self.devices, &with(values))).mean;
        let found = [*from, START].map(|mut start| {
            let start: Vec<f64> = (set.fields)(&mut start).into_iter().map(|field| *field).collect();
            minimise(&start, set.bounds, rounds, cost)
        });
        let [values, other] = found;
        let (values, _) = if other.1 < values.1 { other } else { values };
        let rounded: Vec<f64> = values.iter().map(|value| (value * 1e3).round() / 1e3).collect();
        with(&rounded)
    }

    fn errors(&self, classes: &[Class], family: Option<&str>, coefficients: &Coefficients) -> Vec<f64> {
        let fitted = self.select(classes, family, false);
        errors_left_out(&self.select(classes, family, true), &fitted, self.devices, coefficients)
    }

    fn median(&self, classes: &[Class], family: Option<&str>, coefficients: &Coefficients) -> Option<f64> {
        let errors = self.errors(classes, family, coefficients);
        (!errors.is_empty()).then(|| (Summary::of(&errors).median * 1e3).round() / 1e3)
    }
}

/// Fits all sets.
pub(crate) fn fit(rows: &[Row], devices: &Devices, rounds: usize) -> Fitted {
    let data = Data { rows, devices };
    let mut shared = START;
    for set in SETS {
        shared = data.fit(set, None, &shared, rounds);
    }
    let mut families: Vec<_> = FAMILIES.iter().map(|family| (*family, shared)).collect();
    for (family, coefficients) in &mut families {
        publish(family, coefficients);
        for set in SETS.iter().filter(|set| set.families.contains(family)) {
            *coefficients = data.fit(set, Some(family), coefficients, rounds);
        }
    }
    spreads(&data, &mut shared, &mut families);
    let lines = lines(&data, &shared, &families);
    Fitted { shared, families, lines }
}

/// Median errors on rows left out. For families without measurements: of coefficients on a family that they were not
/// fitted to, and where only one family was measured, that family's error times how much larger the errors of products
/// are in a family that they were not fitted to.
fn spreads(data: &Data<'_>, shared: &mut Coefficients, families: &mut [(&'static str, Coefficients)]) {
    let measured = families.to_vec();
    let foreign = |classes: &[Class], set: &Set| {
        let pairs = measured.iter().flat_map(|(from, coefficients)| {
            let others = measured.iter().filter(move |(to, _)| from != to);
            others.filter_map(move |(to, _)| {
                let both = set.families.contains(from) && set.families.contains(to);
                both.then(|| data.median(classes, Some(to), coefficients)).flatten()
            })
        });
        mean(pairs)
    };
    let own = |classes: &[Class]| {
        let medians = measured.iter().filter_map(|(family, it)| data.median(classes, Some(family), it));
        mean(medians)
    };
    let ratio = foreign(SETS[0].classes, &SETS[0]) / own(SETS[0].classes);
    let unknown = |set: &Set, classes: &[Class]| {
        let several = set.families.len() > 1;
        let error = if several { foreign(classes, set) } else { own(classes) * ratio };
        (error * 1e3).round() / 1e3
    };
    let attention = &[Class::AttentionCausal, Class::AttentionFull];
    shared.errors = Errors {
        gemm: unknown(&SETS[0], SETS[0].classes),
        gemm_f8: unknown(&SETS[1], SETS[1].classes),
        gemm_vector: unknown(&SETS[2], SETS[2].classes),
        attention: unknown(&SETS[3], attention),
        sdpa: unknown(&SETS[10], SETS[10].classes),
        pointwise: unknown(&SETS[5], SETS[5].classes),
        softmax: unknown(&SETS[6], SETS[6].classes),
        norm: unknown(&SETS[8], SETS[8].classes),
    };
    for (family, coefficients) in families {
        let known =
            |classes: &[Class], otherwise: f64| data.median(classes, Some(family), coefficients).unwrap_or(otherwise);
        let unknown = &shared.errors;
        coefficients.errors = Errors {
            gemm: known(SETS[0].classes, unknown.gemm),
            gemm_f8: known(SETS[1].classes, unknown.gemm_f8),
            gemm_vector: known(SETS[2].classes, unknown.gemm_vector),
            attention: known(attention, unknown.attention),
            sdpa: known(SETS[10].classes, unknown.sdpa),
            pointwise: known(&[Class::Elementwise, Class::Pass], unknown.pointwise),
            softmax: known(SETS[6].classes, unknown.softmax),
            norm: known(SETS[8].classes, unknown.norm),
        };
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / f64::max(count, 1.0)
}

fn lines(data: &Data<'_>, shared: &Coefficients, families: &[(&'static str, Coefficients)]) -> Vec<Line> {
    let mut lines = Vec::new();
    for class in SETS.iter().flat_map(|set| set.classes).chain(&[Class::UnfusedCausal]) {
        let mut devices: Vec<&'static str> =
            data.rows.iter().filter(|row| row.class == *class).map(|row| row.device).collect();
        devices.sort_unstable();
        devices.dedup();
        for device in devices {
            let family = data.devices.get(device).map_or("", |device| device.family.as_str());
            let own = families.iter().find(|(name, _)| *name == family);
            let sets = [("shared", shared)].into_iter().chain(own.map(|(name, it)| (*name, it)));
            for (set, coefficients) in sets {
                let of = |held_out| {
                    let rows = data.select(&[*class], None, held_out);
                    rows.into_iter().filter(|row| row.device == device).collect::<Vec<_>>()
                };
                let errors = errors_left_out(&of(true), &of(false), data.devices, coefficients);
                lines.push(Line { set, device, class: *class, errors: Summary::of(&errors) });
            }
        }
    }
    lines
}
