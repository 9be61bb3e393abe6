//! The rules of the family `projections`: products of one input with several weights, and why some stay apart.

use super::findings::Findings;
use super::library::Library;
use super::search::Surroundings;

pub(super) fn find(_at: &Surroundings, _library: &Library, _findings: &mut Findings) {}
