//! `.pt2`: an archive that `torch.export.save` wrote.
//!
//! The archive is a zip. One of its entries is the exported program as JSON; it holds the shape of every value, so that
//! weights are never looked at (`archive` finds the entries, `layout` says which is which). The program becomes typed
//! structs (`schema`, `argument`) and then a document of the FX reader, whose call tables and walk do the rest: `signature`
//! tells parameters from inputs, `ties` which parameters are one tensor, `dims` names the sizes that may change, and
//! `convert` turns nodes into calls with named arguments, regions that only set a mode opened.
//!
//! ```no_run
//! use fusewright_ir::Bindings;
//! use fusewright_torch::pt2;
//!
//! let archive = std::fs::read("bert.pt2")?;
//! let bindings: Bindings = [("batch".to_owned(), 8), ("input_ids.1".to_owned(), 384)].into_iter().collect();
//! let loaded = pt2::read(&archive, &bindings)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
mod argument;
mod codes;
mod contents;
mod convert;
mod dims;
mod error;
mod json;
mod layout;
mod outputs;
mod pickle;
mod regions;
mod saved;
mod schema;
mod signature;
mod srepr;
mod ties;

use fusewright_ir::{Bindings, Loaded};

pub use error::Pt2Error;

/// True when the bytes are a zip archive with an exported program in it. Only the list of entries is looked at.
pub fn probe(archive: &[u8]) -> bool {
    archive::Archive::open(archive).is_ok_and(|archive| layout::holds_program(&archive))
}

/// Reads the program of an archive. The result passes [`fusewright_ir::verify`].
///
/// `bindings` may name a size by input and axis (`input_ids.1`), by `batch` (axis 0 of any input) or `seq` (axis 1 of any
/// integer input), or by PyTorch's own symbol. Sizes that are not bound are those of the example inputs.
pub fn read(archive: &[u8], bindings: &Bindings) -> Result<Loaded, Pt2Error> {
    let archive = archive::Archive::open(archive)?;
    let layout = layout::Layout::find(&archive)?;
    let text = archive.read(&layout.program)?;
    let program = json::program(&layout.program, &text)?;
    let mut notes = Vec::new();
    let ties = ties::Ties::find(&archive, &layout, &program, &mut notes)?;
    let dims = dims::Dims::find(&program, bindings)?;
    let converted = convert::document(&program, &layout.name, &dims, &ties)?;
    let mut loaded = crate::fx::read::graph(&converted.document, &dims.bindings).map_err(Pt2Error::Graph)?;
    fusewright_ir::verify(&loaded.graph).map_err(|error| Pt2Error::Graph(error.into()))?;
    loaded.warnings.splice(0..0, converted.warnings);
    loaded.contents = contents::find(&archive, &layout, &mut notes)?;
    loaded.notes.extend(notes);
    Ok(loaded)
}
