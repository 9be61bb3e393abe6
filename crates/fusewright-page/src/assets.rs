//! What the page is made of besides data: built from `web/` by `cargo xtask web` and committed, so that a build of the
//! tool needs nothing but cargo.

/// The script.
pub const PAGE_SCRIPT: &str = include_str!("../../../web/dist/page.js");

/// The style sheet.
pub const PAGE_STYLE: &str = include_str!("../../../web/dist/page.css");

/// Hashes of both as content policies name them, a line each: script, style.
pub(crate) const HASHES: &str = include_str!("../../../web/dist/hashes.txt");

/// The planner as WebAssembly, compressed with gzip.
pub const PLANNER: &[u8] = include_bytes!("../../../web/dist/planner.wasm.gz");
