//! From what a user names to a graph: find the bytes, see what format they are in, let its reader read them.

mod checkpoint;
mod content;
mod external;
mod format;
mod read;
mod rewrite;

pub(crate) use content::{Content, find};
pub(crate) use external::{map_beside, map_linked};
pub(crate) use read::{ReadOptions, read, reader_of};
pub(crate) use rewrite::{rewrite, with_files};
