//! Execution of graphs: the reference interpreter, and the check that two models compute the same function.
//!
//! A run needs three things: a [`Graph`](fusewright_ir::Graph), its [`Weights`] — fetched through [`Files`], or made up
//! from a seed where no file holds them — and inputs, given or [made up](random_inputs). [`run`] executes node by node.
//!
//! ```
//! use fusewright_exec::{NoFiles, Weights, random_inputs, run};
//! use fusewright_ir::{Contents, text};
//!
//! let graph = text::parse(
//!     r#"
//!     graph "mlp" {
//!       input %x: f32[4, 8]
//!       parameter %w: f32[16, 8]
//!       %h: f32[4, 16] = linear(%x, %w)
//!       %y: f32[4, 16] = gelu(%h)
//!       output %y
//!     }"#,
//! )?;
//! let weights = Weights::load(&graph, &Contents::default(), &NoFiles, 0)?;
//! let outcome = run(&graph, &weights, &random_inputs(&graph, 0))?;
//! assert_eq!(outcome.outputs[0].shape(), [4, 16]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`verify`] runs two models on the same inputs and compares every output:
//!
//! ```
//! use fusewright_exec::{NoFiles, Side, VerifyOptions, verify};
//! use fusewright_ir::{Contents, text};
//!
//! let graph = |op: &str| text::parse(&format!("graph \"g\" {{\n input %x: f32[8]\n %y: f32[8] = {op}(%x)\n output %y\n}}"));
//! let (relu, silu) = (graph("relu")?, graph("silu")?);
//! let contents = Contents::default();
//! let side = |graph| Side { graph, contents: &contents, files: &NoFiles };
//! assert!(verify(side(&relu), side(&relu), &VerifyOptions::default())?.passes());
//! let found = verify(side(&relu), side(&silu), &VerifyOptions::default())?;
//! assert!(!found.passes());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![allow(
    clippy::many_single_char_names,
    clippy::similar_names,
    reason = "kernels are written in the letters of their formulas"
)]
#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for the processor's vector width")]
#![allow(clippy::needless_for_each, reason = "kernels are lines of iterators")]
#![cfg_attr(test, allow(clippy::float_cmp, reason = "tests compare numbers that are exact"))]

mod error;
mod files;
mod fused;
mod gemm;
mod generate;
mod interpret;
mod lanes;
mod math;
mod ops;
mod panels;
mod place;
mod random;
mod strided;
mod tensor;
mod uses;
mod verify;
mod weights;

pub use error::ExecError;
pub use files::{Files, NoFiles, from_bytes, to_bytes};
pub use fused::{Program, Timed};
pub use generate::random_inputs;
pub use interpret::{Outcome, run, run_with};
pub use tensor::Tensor;
pub use verify::{
    Case, Difference, Divergence, Exactness, OutputDifference, Side, Verification, VerifyOptions, tolerance_of, verify,
};
pub use weights::Weights;

/// How many threads kernels run on.
pub fn threads() -> usize {
    rayon::current_num_threads()
}
