//! Whether two models compute the same function: both are run on the same inputs, and every output is compared.

mod correspond;
mod difference;
mod divergence;

pub use difference::{Difference, Exactness, tolerance_of};
pub use divergence::Divergence;

use fusewright_ir::{Contents, Graph};

use crate::ExecError;
use crate::files::Files;
use crate::generate::random_inputs;
use crate::interpret::run;
use crate::tensor::Tensor;
use crate::weights::Weights;

/// One of the two models: a graph, where its tensors lie, and its files.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The graph; attention layers must be opened into their steps.
    pub graph: &'a Graph,
    /// Where its weights lie.
    pub contents: &'a Contents,
    /// The files that they lie in.
    pub files: &'a dyn Files,
}

/// How models are compared.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// One case per seed: inputs, and weights that no file holds, are made up from it.
    pub seeds: Vec<u64>,
    /// Largest relative difference; `None` = by the type of each output.
    pub tolerance: Option<f64>,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self { seeds: vec![0, 1, 2], tolerance: None }
    }
}

/// The comparison of all outputs for one seed.
#[derive(Clone, Debug)]
pub struct Case {
    /// Inputs were made up from it.
    pub seed: u64,
    /// One row per output of the first model.
    pub outputs: Vec<OutputDifference>,
    /// Where the models first differ, for a case that failed.
    pub divergence: Option<Divergence>,
}

/// One output of both models.
#[derive(Clone, Debug)]
pub struct OutputDifference {
    /// Its name in the first model.
    pub name: String,
    /// Its name in the second.
    pub other: String,
    /// How far apart the two are.
    pub difference: Difference,
    /// What was allowed.
    pub tolerance: f64,
}

impl OutputDifference {
    /// The difference is inside the tolerance.
    pub fn passes(&self) -> bool {
        self.difference.relative <= self.tolerance
    }
}

/// What came out of comparing two models.
#[derive(Clone, Debug)]
pub struct Verification {
    /// One case per seed.
    pub cases: Vec<Case>,
    /// Tensors of the first and the second model that were made up because no file holds them.
    pub generated: [usize; 2],
    /// Tensors that one model took from the other because only that one has them.
    pub shared: usize,
}

impl Verification {
    /// All outputs of all cases are inside their tolerances.
    pub fn passes(&self) -> bool {
        self.cases.iter().all(|case| case.outputs.iter().all(OutputDifference::passes))
    }

    /// The largest relative difference.
    pub fn worst(&self) -> f64 {
        let rows = self.cases.iter().flat_map(|case| &case.outputs);
        rows.map(|row| row.difference.relative).fold(0.0, f64::max)
    }
}

/// Runs both models on the same inputs, once per seed.
///
/// Inputs and outputs belong together by name, else by position. Weights come from the files of each model; what only
/// one of them has is taken by the other under the same name; what neither has is made up from seed and name.
///
/// # Errors
///
/// When a graph cannot be run, or when inputs or outputs do not correspond.
pub fn verify(a: Side<'_>, b: Side<'_>, options: &VerifyOptions) -> Result<Verification, ExecError> {
    let inputs = correspond::inputs(a.graph, b.graph)?;
    let outputs = correspond::outputs(a.graph, b.graph)?;
    let mut verification = Verification { cases: Vec::new(), generated: [0; 2], shared: 0 };
    for &seed in &options.seeds {
        let mut left = Weights::load(a.graph, a.contents, a.files, seed)?;
        let mut right = Weights::load(b.graph, b.contents, b.files, seed)?;
        verification.shared = left.share(a.graph, &mut right, b.graph);
        verification.generated = [left.generated(), right.generated()];
        let given = random_inputs(a.graph, seed);
        let matched: Vec<Tensor> = inputs.iter().map(|&position| given[position].clone()).collect();
        let (first, second) = (run(a.graph, &left, &given)?, run(b.graph, &right, &matched)?);
        let rows = outputs.iter().enumerate().map(|(position, &other)| {
            let (x, y) = (&first.outputs[position], &second.outputs[other]);
            OutputDifference {
                name: a.graph.value_name(a.graph.outputs()[position]).to_owned(),
                other: b.graph.value_name(b.graph.outputs()[other]).to_owned(),
                difference: Difference::between(x, y),
                tolerance: options.tolerance.unwrap_or_else(|| tolerance_of(x.dtype()).max(tolerance_of(y.dtype()))),
            }
        });
        let rows: Vec<OutputDifference> = rows.collect();
        let divergence = if rows.iter().all(OutputDifference::passes) {
            None
        } else {
            divergence::first((a.graph, &left, &given), (b.graph, &right, &matched), options.tolerance)?
        };
        verification.cases.push(Case { seed, outputs: rows, divergence });
    }
    Ok(verification)
}
