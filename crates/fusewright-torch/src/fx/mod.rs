//! FX JSON: a `torch.fx` graph with the shape of every value, as the Python bridge writes it.
//!
//! Reading is two steps. The document becomes typed structs (`document`, `schema`), its names and order are checked
//! (`references`), and then one walk over the nodes (`read`) turns each call into exactly one IR node. What a call
//! means is one row of a table: `functions` for functions and methods, `modules` for leaf modules, which are written
//! as calls of those functions with the module's settings and weights as further arguments.
//!
//! A row says which op it *would* be; the shapes that the document records decide. An op that is not known, or whose
//! implied shape disagrees with the record, is carried as [`Op::Opaque`](fusewright_ir::Op::Opaque) with its recorded
//! shapes and a [`Warning`](fusewright_ir::Warning); nothing is dropped.
//!
//! ```
//! use fusewright_torch::fx;
//!
//! let json = br#"{
//!   "format": "fx-graph", "version": 1, "name": "twice", "symbols": {"n": {"min": 1, "max": 64, "hint": 2}},
//!   "nodes": [
//!     {"name": "x", "op": "placeholder", "target": "x", "out": {"shape": ["n", 8], "dtype": "float32"}},
//!     {"name": "y", "op": "call_function", "target": "operator.add", "args": [{"ref": "x"}, {"ref": "x"}],
//!      "out": {"shape": ["n", 8], "dtype": "float32"}},
//!     {"name": "output", "op": "output", "target": "output", "args": [{"ref": "y"}]}
//!   ]}"#;
//! let bindings = [("n".to_owned(), 16)].into_iter().collect();
//! let loaded = fx::read(json, &bindings)?;
//! assert_eq!(loaded.graph.node_count(), 1);
//! assert_eq!(loaded.graph.tensor(loaded.graph.outputs()[0]).map(|t| t.elements()), Some(16 * 8));
//! # Ok::<(), fx::FxError>(())
//! ```

mod arguments;
mod decode;
mod document;
mod error;
mod expression;
mod functions;
mod host;
mod modules;
mod mutation;
mod names;
mod parameters;
mod parts;
pub(crate) mod read;
mod recorded;
mod references;
pub(crate) mod schema;
pub(crate) mod symbols;
mod values;
mod write;

use fusewright_ir::{Bindings, Loaded};

pub use document::probe;
pub use error::FxError;

/// Reads a document. The result passes [`fusewright_ir::verify`].
pub fn read(json: &[u8], bindings: &Bindings) -> Result<Loaded, FxError> {
    let document = document::parse(json)?;
    let loaded = read::graph(&document, bindings)?;
    fusewright_ir::verify(&loaded.graph)?;
    Ok(loaded)
}
