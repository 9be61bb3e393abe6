//! The graph that every stage of fusewright takes and gives.
//!
//! A [`Graph`] is in static single assignment form: each [`Value`] is defined once, by the caller, by the model or by a
//! [`Node`]. Nodes are stored in topological order, ids are `u32`, and an [`Op`] is typed: what a node means is never a
//! string. Each op family lives in one file of `ops/` with its operands, its shape rule and its FLOP count.
//!
//! ```
//! use fusewright_ir::text;
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
//! fusewright_ir::verify(&graph)?;
//! assert_eq!(fusewright_ir::total_work(&graph).macs, 4 * 8 * 16);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attributes;
mod channels_last;
mod consumers;
mod contents;
mod dtype;
mod graph;
mod ids;
mod loaded;
mod op;
pub mod ops;
mod rows;
mod storage;
mod structure;
mod symbols;
pub mod text;
mod types;
mod verify;
mod work;

pub use attributes::{Attribute, AttributeError, Attributes};
pub use consumers::Consumers;
pub use contents::{Content, Contents, Stored};
pub use dtype::DType;
pub use graph::{BoundDim, Form, Graph, Node, Origin, Source, Value};
pub use ids::{NodeId, Symbol, ValueId};
pub use loaded::{Bindings, Loaded, Warning};
pub use op::Op;
pub use ops::ShapeError;
pub use rows::Rows;
pub use storage::Storage;
pub use structure::{StructureHash, text_hash};
pub use symbols::Symbols;
pub use types::{MAX_ELEMENTS, Shape, TensorType, Type, checked_elements, row_major_strides};
pub use verify::{VerifyError, verify};
pub use work::{Work, node_work, total_work};
