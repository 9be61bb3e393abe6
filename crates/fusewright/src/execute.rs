//! Running models: inputs from NumPy or made up, weights from their files, results compared.

use fusewright_exec::{Outcome, Side, Tensor, Verification, VerifyOptions, Weights, random_inputs, run, verify};

use crate::{Error, Model, npz};

impl Model {
    fn failed(&self) -> impl Fn(fusewright_exec::ExecError) -> Error {
        let path = self.source().to_owned();
        move |problem| Error::Execute { path: path.clone(), problem }
    }

    /// The model's weights: from its files, and made up from `seed` where no file holds them.
    pub fn weights(&self, seed: u64) -> Result<Weights, Error> {
        Weights::load(self.decomposed(), self.contents(), self.files(), seed).map_err(self.failed())
    }

    /// Inputs that a user could give, made up from `seed`.
    pub fn random_inputs(&self, seed: u64) -> Vec<Tensor> {
        random_inputs(self.decomposed(), seed)
    }

    /// Inputs from the bytes of an archive of NumPy, by name, else by position.
    pub fn inputs_from_npz(&self, archive: &[u8]) -> Result<Vec<Tensor>, Error> {
        let failed = |problem: String| Error::Inputs { path: self.source().to_owned(), problem };
        let given = npz::read(archive).map_err(failed)?;
        let graph = self.decomposed();
        let names: Vec<&str> = graph.inputs().iter().map(|&value| graph.value_name(value)).collect();
        let by_name: Option<Vec<Tensor>> = names
            .iter()
            .map(|name| given.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor.clone()))
            .collect();
        if let Some(inputs) = by_name {
            return Ok(inputs);
        }
        if given.len() == names.len() {
            return Ok(given.into_iter().map(|(_, tensor)| tensor).collect());
        }
        let known: Vec<&str> = given.iter().map(|(name, _)| name.as_str()).collect();
        Err(failed(format!("the archive holds `{}`, the model takes `{}`", known.join("`, `"), names.join("`, `"))))
    }

    /// An archive of NumPy with the results of a run, by name.
    pub fn outputs_to_npz(&self, outputs: &[Tensor]) -> Result<Vec<u8>, Error> {
        let graph = self.decomposed();
        let named = graph.outputs().iter().zip(outputs);
        let named: Vec<(String, Tensor)> =
            named.map(|(&value, tensor)| (graph.value_name(value).to_owned(), tensor.clone())).collect();
        npz::write(&named).map_err(|problem| Error::Inputs { path: self.source().to_owned(), problem })
    }

    /// Runs the model node by node.
    pub fn run(&self, weights: &Weights, inputs: &[Tensor]) -> Result<Outcome, Error> {
        run(self.decomposed(), weights, inputs).map_err(self.failed())
    }

    /// Runs this model and another on the same inputs and compares every output.
    pub fn verify(&self, other: &Model, options: &VerifyOptions) -> Result<Verification, Error> {
        verify(self.side(), other.side(), options)
            .map_err(|problem| Error::Execute { path: format!("{}`, `{}", self.source(), other.source()), problem })
    }

    fn side(&self) -> Side<'_> {
        Side { graph: self.decomposed(), contents: self.contents(), files: self.files() }
    }
}
