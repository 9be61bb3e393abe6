//! Where the elements of weights and constants lie in an archive, by the archive's tables or by the containers that they
//! are saved in.

use fusewright_ir::{Content, Contents, DType, Stored};

use super::Pt2Error;
use super::archive::Archive;
use super::argument::Extent;
use super::layout::Layout;
use super::saved::Saved;
use super::schema::{Weight, WeightsTable};
use super::{codes, json};
use crate::fx::symbols;

/// Notes every tensor whose elements are in the archive. Says in `notes` which containers cannot be read: a plan does not
/// need them.
pub(super) fn find(archive: &Archive<'_>, layout: &Layout, notes: &mut Vec<String>) -> Result<Contents, Pt2Error> {
    let mut contents = Contents::default();
    let tables = [(&layout.weights_table, &layout.weights_folder), (&layout.constants_table, &layout.constants_folder)];
    for ((table, folder), container) in tables.into_iter().zip(&layout.containers) {
        let Some(entry) = table else {
            if archive.size(container).is_some() {
                match Saved::open(archive, container) {
                    Ok(saved) => {
                        for (name, stored) in saved.tensors() {
                            contents.insert(name, Content::Stored(stored));
                        }
                    }
                    Err(problem) => notes.push(format!("the weights cannot be found: {problem}")),
                }
            }
            continue;
        };
        let table: WeightsTable = json::parse(entry, &archive.read(entry)?)?;
        for (name, weight) in &table.config {
            if let Some(stored) = stored(archive, folder, weight) {
                contents.insert(name, Content::Stored(stored));
            }
        }
    }
    Ok(contents)
}

/// The place of a tensor's storage; `None` where it is empty, packed, or of a type that the graph has none for.
fn stored(archive: &Archive<'_>, folder: &str, weight: &Weight) -> Option<Stored> {
    let entry = format!("{folder}{}", weight.path_name);
    let (mut offset, mut length) = archive.place(&entry)?;
    if weight.use_pickle {
        // The container is an archive inside the archive; its only storage is called `data/0`.
        let inner = Archive::open(archive.stored(&entry)?).ok()?;
        let storage = inner.names().find(|name| name.ends_with("/data/0"))?;
        let place = inner.place(storage)?;
        offset = offset.checked_add(place.0)?;
        length = place.1;
    }
    let meta = weight.tensor_meta.as_ref()?;
    let number = |extent: &Extent| if let Extent::Number(number) = extent { Some(*number) } else { None };
    let dtype: DType = symbols::dtype(codes::dtype(meta.dtype, &entry).ok()?)?;
    let strides = meta.strides.iter().map(number).collect::<Option<Vec<i64>>>()?;
    let strides = (strides.len() == meta.sizes.len()).then(|| strides.into_boxed_slice());
    let first = u64::try_from(number(&meta.storage_offset)?).ok()?;
    (length > 0).then_some(Stored { file: None, offset, length, dtype, strides, first })
}
