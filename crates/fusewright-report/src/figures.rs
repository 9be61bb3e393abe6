//! Figures for people: three significant digits, decimal prefixes, real minus signs.

/// Decimal prefixes from 10³ on.
const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

/// Bytes, e.g. `14.5 MB` (10⁶) or `605 B`.
pub fn bytes_text(bytes: u64) -> String {
    scaled(bytes, "B")
}

/// A difference of bytes, e.g. `−14.5 MB`; a saving is shown as it is, without a plus.
pub(crate) fn signed_bytes_text(bytes: i64) -> String {
    signed(bytes, bytes_text)
}

/// FLOPs, e.g. `35.1 GFLOP`.
pub fn flop_text(flops: u64) -> String {
    scaled(flops, "FLOP")
}

/// A count, e.g. `86.6 M`; small counts in full.
pub fn count_text(count: u64) -> String {
    scaled(count, "")
}

/// A signed count in full.
pub(crate) fn signed_count_text(count: i64) -> String {
    signed(count, |magnitude| magnitude.to_string())
}

/// A time, e.g. `412 µs` or `1.23 ms`.
pub(crate) fn us_text(us: f64) -> String {
    match us {
        us if us < 999.5 => format!("{} µs", significant(us)),
        us if us < 999_500.0 => format!("{} ms", significant(us / 1e3)),
        us => format!("{} s", significant(us / 1e6)),
    }
}

/// An energy, e.g. `412 mJ` or `1.23 J`.
pub(crate) fn energy_text(mj: f64) -> String {
    if mj < 999.5 { format!("{} mJ", significant(mj)) } else { format!("{} J", significant(mj / 1e3)) }
}

/// The change from `before` to `after`, e.g. `−22.7 %`, or nothing to compare with.
pub(crate) fn change_text(before: u64, after: u64) -> String {
    if before == after {
        return "±0 %".to_owned();
    }
    if before == 0 {
        return "from 0".to_owned();
    }
    let percent = 100.0 * (after as f64 - before as f64) / before as f64;
    format!("{}{} %", if percent < 0.0 { '−' } else { '+' }, significant(percent.abs()))
}

/// Three significant digits of a number below 1000, e.g. `0.605`, `14.5`, `412`.
pub(crate) fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let decimals = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.9995 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

fn scaled(value: u64, unit: &str) -> String {
    if value < 1000 {
        let separator = if unit.is_empty() { "" } else { " " };
        return format!("{value}{separator}{unit}");
    }
    let mut number = value as f64;
    let mut prefix = 0;
    // 999.6 would be written as 1000.
    while number >= 999.5 && prefix + 1 < PREFIXES.len() {
        number /= 1000.0;
        prefix += 1;
    }
    format!("{} {}{unit}", significant(number), PREFIXES[prefix])
}

fn signed(value: i64, text: impl Fn(u64) -> String) -> String {
    let sign = if value < 0 { "−" } else { "" };
    format!("{sign}{}", text(value.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_significant_digits() {
        assert_eq!(bytes_text(0), "0 B");
        assert_eq!(bytes_text(999), "999 B");
        assert_eq!(bytes_text(605_184), "605 kB");
        assert_eq!(bytes_text(999_600), "1.00 MB");
        assert_eq!(bytes_text(14_524_416), "14.5 MB");
        assert_eq!(bytes_text(u64::MAX), "18.4 EB");
        assert_eq!(count_text(86_567_656), "86.6 M");
        assert_eq!(count_text(12), "12");
        assert_eq!(flop_text(35_127_656_448), "35.1 GFLOP");
        assert_eq!(signed_bytes_text(-1500), "−1.50 kB");
    }

    #[test]
    fn changes() {
        assert_eq!(change_text(264, 204), "−22.7 %");
        assert_eq!(change_text(100, 100), "±0 %");
        assert_eq!(change_text(0, 5), "from 0");
        assert_eq!(change_text(10, 11), "+10.0 %");
        assert_eq!(change_text(100_000, 99_999), "−0.001 %");
    }
}
