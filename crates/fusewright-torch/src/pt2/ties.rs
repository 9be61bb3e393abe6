//! Weights that are one tensor under two names.
//!
//! Names of tied weights point to the same bytes of the same file in the archive's table. A model that was exported
//! without data has one empty file for all its weights, and flat archives have no table: there a name is a weight.

use std::collections::{BTreeMap, BTreeSet};

use super::Pt2Error;
use super::archive::Archive;
use super::argument::Extent;
use super::json;
use super::layout::Layout;
use super::schema::{Program, WeightsTable};

/// Which weights have another name.
#[derive(Debug, Default)]
pub(super) struct Ties {
    /// The name of the first weight with the same elements, by name; only for those that are not the first.
    originals: BTreeMap<String, String>,
}

/// The elements of a weight: file, offset, sizes and element type.
type Elements<'a> = (&'a str, i64, Vec<i64>, i64);

impl Ties {
    /// Reads the archive's table. Says in `notes` what a user may want to know about weights.
    pub(super) fn find(
        archive: &Archive<'_>,
        layout: &Layout,
        program: &Program,
        notes: &mut Vec<String>,
    ) -> Result<Self, Pt2Error> {
        let specs = &program.graph_module.signature.input_specs;
        // Parameters first: a buffer that shares the elements of one is that parameter.
        let parameters =
            specs.iter().filter_map(|spec| spec.parameter.as_ref()).map(|spec| spec.parameter_name.as_str());
        let buffers = specs.iter().filter_map(|spec| spec.buffer.as_ref()).map(|spec| spec.buffer_name.as_str());
        let names: Vec<&str> = parameters.chain(buffers).collect();
        let Some(entry) = &layout.weights_table else {
            if !names.is_empty() && !layout.has_packed_weights(archive) {
                notes.push(MISSING.to_owned());
            }
            return Ok(Self::default());
        };
        let table: WeightsTable = json::parse(entry, &archive.read(entry)?)?;
        let file = |path: &str| archive.size(&format!("{}{path}", layout.weights_folder));
        let files: BTreeSet<&str> = table.config.values().map(|weight| weight.path_name.as_str()).collect();
        let sizes: BTreeMap<&str, Option<u64>> = files.into_iter().map(|path| (path, file(path))).collect();
        // Of a model without data there is one empty file.
        if table
            .config
            .values()
            .any(|weight| sizes.get(weight.path_name.as_str()).is_none_or(|size| size.is_none_or(|size| size == 0)))
        {
            notes.push(MISSING.to_owned());
        }
        let empty = empty_files(&table);
        let mut originals = BTreeMap::new();
        let mut first: BTreeMap<Elements<'_>, &str> = BTreeMap::new();
        for name in names {
            let Some(elements) = elements(&table, name) else { continue };
            // An empty file holds no elements that could be the same.
            if sizes.get(elements.0) == Some(&Some(0)) || empty.contains(elements.0) {
                continue;
            }
            let original = *first.entry(elements).or_insert(name);
            if original != name {
                originals.insert(name.to_owned(), original.to_owned());
            }
        }
        Ok(Self { originals })
    }

    /// The other name of a weight, if it has one.
    pub(super) fn original(&self, name: &str) -> Option<&str> {
        self.originals.get(name).map(String::as_str)
    }
}

const MISSING: &str = "the weights are not in the archive; they are not needed";

fn elements<'a>(table: &'a WeightsTable, name: &str) -> Option<Elements<'a>> {
    let weight = table.config.get(name)?;
    let meta = weight.tensor_meta.as_ref()?;
    let number = |extent: &Extent| if let Extent::Number(number) = extent { Some(*number) } else { None };
    let sizes = meta.sizes.iter().map(number).collect::<Option<Vec<i64>>>()?;
    Some((&weight.path_name, number(&meta.storage_offset)?, sizes, meta.dtype))
}

/// Files with weights of different sizes at one place: they have no elements, though they may have been left out since.
fn empty_files(table: &WeightsTable) -> BTreeSet<&str> {
    let mut first: BTreeMap<(&str, i64), Vec<i64>> = BTreeMap::new();
    let mut empty = BTreeSet::new();
    for name in table.config.keys() {
        let Some((path, offset, sizes, _)) = elements(table, name) else { continue };
        if *first.entry((path, offset)).or_insert_with(|| sizes.clone()) != sizes {
            empty.insert(path);
        }
    }
    empty
}
