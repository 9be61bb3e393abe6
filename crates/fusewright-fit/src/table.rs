//! The fitted coefficients as the source text that the cost model is built with.

use std::fmt::Write as _;

use fusewright_cost::time::gpu::Coefficients;

const HEAD: &str = "\
//! Coefficients by family. Written by `cargo run --release -p fusewright-fit`: do not edit by hand.

use super::coefficients::{
    AttentionCoefficients, Coefficients, Errors, GemmCoefficients, NormCoefficients, QuantiseCoefficients,
    StreamCoefficients,
};

/// What families get that nothing was measured on.
pub(super) const SHARED: Coefficients = ";

/// The text of `fitted.rs`. The debug form of the coefficients is Rust.
pub(crate) fn source(shared: &Coefficients, families: &[(&'static str, Coefficients)]) -> String {
    let mut text = format!("{HEAD}{shared:#?};\n\n");
    text.push_str("/// Families that something was measured on or published about.\n");
    text.push_str("pub(super) const FAMILIES: &[(&str, Coefficients)] = &[\n");
    for (family, coefficients) in families {
        let body = format!("{coefficients:#?}").replace('\n', "\n        ");
        let _ = write!(text, "    (\n        \"{family}\",\n        {body},\n    ),\n");
    }
    text.push_str("];\n");
    text
}
