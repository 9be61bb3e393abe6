//! Tables of kernels: what passes through, what is refused, and how near predictions are to measured times.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use fusewright::{KernelTableError, device, predict_table};

fn predict(table: &str) -> Result<String, KernelTableError> {
    predict_table(&device("h100-sxm").unwrap(), table.as_bytes())
}

/// Greatest mean error of each table and device: what was measured on all rows left out of the fit, and a sample's luck.
const GATES: [(&str, &str, f64); 5] = [
    ("GEMM bf16", "a100-sxm-80", 0.105),
    ("GEMM bf16", "h100-sxm", 0.095),
    ("GEMM fp8", "h100-sxm", 0.16),
    ("streaming attention, causal", "h100-sxm", 0.09),
    ("streaming attention, full", "h100-sxm", 0.13),
];

#[test]
fn predictions_are_near_measured_times_that_were_not_fitted() {
    let sample = include_str!("data/kernels.csv");
    for (table, id, gate) in GATES {
        let of_table = |record: &csv::StringRecord| &record[0] == id && &record[1] == table;
        let (mean, rows) = mean_error(id, sample, of_table);
        assert!(rows >= 50, "{table} on {id}: {rows} rows");
        assert!(mean <= gate, "{table} on {id}: mean error {mean:.3}, expected {gate} or less");
    }
}

/// Of attention half of the rows were fitted, of norms none.
#[test]
fn attention_and_norms_of_pytorch_are_near_what_was_measured() {
    let measured = include_str!("../../../python/accuracy/measured/h100-sxm/kernels.csv");
    let column = measured.lines().next().unwrap().split(',').position(|name| name == "kernel").unwrap();
    for (kernel, gate) in [("sdpa", 0.1), ("layer_norm", 0.08), ("rms_norm", 0.19)] {
        let (mean, rows) = mean_error("h100-sxm", measured, |record| &record[column] == kernel);
        assert!(rows >= 40, "{kernel}: {rows} rows");
        assert!(mean <= gate, "{kernel}: mean error {mean:.3}, expected {gate} or less");
    }
}

/// Mean of |predicted / measured − 1| over the rows of a table that are wanted, and their number.
fn mean_error(id: &str, table: &str, wanted: impl Fn(&csv::StringRecord) -> bool) -> (f64, usize) {
    let header = table.lines().next().unwrap();
    let rows = table.lines().skip(1).filter(|row| {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(row.as_bytes());
        wanted(&reader.records().next().unwrap().unwrap())
    });
    let own: String = std::iter::once(header).chain(rows).flat_map(|row| [row, "\n"]).collect();
    let result = predict_table(&device(id).unwrap(), own.as_bytes()).unwrap();
    let mut reader = csv::Reader::from_reader(result.as_bytes());
    let errors: Vec<f64> = reader
        .deserialize::<BTreeMap<String, String>>()
        .map(|row| {
            let row = row.unwrap();
            let us = |column: &str| row[column].parse::<f64>().unwrap();
            (us("predicted_us") / us("measured_us") - 1.0).abs()
        })
        .collect();
    (errors.iter().sum::<f64>() / errors.len() as f64, errors.len())
}

#[test]
fn unknown_columns_pass_through_and_results_are_added() {
    let table = "note,op,dtype,m,n,k,mine\n\"a, b\",gemm,bf16,1,4096,4096,0.10\n";
    let result = predict(table).unwrap();
    let mut lines = result.lines();
    assert_eq!(lines.next(), Some("note,op,dtype,m,n,k,mine,predicted_us,limiter"));
    let row = lines.next().unwrap();
    assert!(row.starts_with("\"a, b\",gemm,bf16,1,4096,4096,0.10,"), "{row}");
    assert!(row.ends_with(",memory"), "{row}");
}

#[test]
fn every_op_is_read() {
    let table = "\
op,dtype,m,n,k,batch,b,h,h_kv,s_q,s_kv,d,causal,rows,cols,reads,writes
gemm,fp8,512,4096,4096,,,,,,,,,,,,
attention,bf16,,,,,8,32,8,1,4096,128,1,,,,
attention,bf16,,,,,8,32,,512,,128,,,,,
pointwise,f16,,,,,,,,,,,,8192,4096,2,1
softmax,f32,,,,,,,,,,,,8192,1024,,
layernorm,f16,,,,,,,,,,,,8192,768,,
rmsnorm,bf16,,,,,,,,,,,,8192,4096,,
";
    let result = predict(table).unwrap();
    assert_eq!(result.lines().count(), table.lines().count());
    assert!(!result.contains("NaN") && !result.contains("inf"), "{result}");
}

#[test]
fn errors_name_line_and_column() {
    let cases = [
        ("op,m\n", "line 1 has no column `dtype`"),
        ("op,dtype,predicted_us\n", "line 1 has a column `predicted_us` already"),
        ("op,dtype,m,n,k\ngemm,bf16,1,2,3\ngemm,bf16,1,-2,3\n", "line 3, column `n`: `-2`"),
        ("op,dtype,m,n,k\ngemm,bf16,1,,3\n", "line 2, column `n`: ``"),
        ("op,dtype,m,n,k\nconv,bf16,1,2,3\n", "line 2, column `op`: `conv`; expected gemm, attention"),
        ("op,dtype,m,n,k\ngemm,b16,1,2,3\n", "line 2, column `dtype`: `b16`"),
        ("op,dtype,b,h,s_q,d,causal\nattention,f16,1,1,1,1,yes\n", "line 2, column `causal`: `yes`; expected 0 or 1"),
        ("op,dtype,m\ngemm,bf16\n", "expected comma-separated values"),
    ];
    for (table, expected) in cases {
        let problem = predict(table).unwrap_err().to_string();
        assert!(problem.contains(expected), "{problem}\nexpected: {expected}");
    }
}

#[test]
fn no_size_is_too_large_or_too_small() {
    let most = u64::MAX;
    for size in [0, most] {
        let gemm = format!("op,dtype,m,n,k,batch\ngemm,f32,{size},{size},{size},{size}\n");
        let result = predict(&gemm).unwrap();
        assert!(!result.contains("NaN") && !result.contains("inf"), "{result}");
    }
}
