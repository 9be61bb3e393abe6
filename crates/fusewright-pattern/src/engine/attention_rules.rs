//! The rules of the family `attention`: what a recognised attention is, and why a softmax is none.

use super::findings::Findings;
use super::library::Library;
use super::search::Surroundings;

pub(super) fn find(_at: &Surroundings, _library: &Library, _findings: &mut Findings) {}
