//! Which version of the operators a model was written for.

use std::collections::HashMap;

use super::flatten::domain;
use super::proto::Opset;

/// The newest version of the standard domain whose definitions were read.
pub(crate) const NEWEST: i64 = 28;

/// Versions by domain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opsets<'m>(HashMap<&'m str, i64>);

impl<'m> Opsets<'m> {
    pub(crate) fn new(opsets: &'m [Opset]) -> Self {
        Self(opsets.iter().map(|opset| (domain(&opset.domain), opset.version)).collect())
    }

    /// These versions, replaced where `opsets` says another: a function has versions of its own.
    pub(crate) fn with(&self, opsets: &'m [Opset]) -> Self {
        let mut all = self.clone();
        all.0.extend(Self::new(opsets).0);
        all
    }

    /// The version of a domain; the newest known one where the file does not say.
    pub(crate) fn version(&self, domain: &str) -> i64 {
        self.0.get(domain).copied().unwrap_or(NEWEST)
    }
}
