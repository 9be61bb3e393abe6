//! What the page is made of besides data: built from `web/` by `cargo xtask web` and committed, so that a build of the
//! tool needs nothing but cargo.

/// The script.
pub const PAGE_SCRIPT: &str = include_str!("../../../web/dist/page.js");

/// The style sheet.
pub const PAGE_STYLE: &str = include_str!("../../../web/dist/page.css");

/// Hashes of both as content policies name them, a line each: script, style.
pub(crate) const HASHES: &str = include_str!("../../../web/dist/hashes.txt");

/// What unpacks everything else, as WebAssembly compressed with gzip, which browsers know.
pub(crate) const UNPACKER: &[u8] = include_bytes!("../../../web/dist/unpacker.wasm.gz");

/// The planner as WebAssembly, packed. It takes graphs; files are read by a [`Reader`].
pub const PLANNER: &[u8] = include_bytes!("../../../web/dist/planner.wasm.lzma");

/// A reader of model files for the page: the page of one model holds one, the page for any file all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// ONNX files.
    Onnx,
    /// Archives of `torch.export` and FX JSON.
    Torch,
    /// `config.json` files.
    Config,
}

/// The programs, in the order of [`Reader::ALL`].
const READERS: [&[u8]; 3] = [
    include_bytes!("../../../web/dist/onnx.wasm.lzma"),
    include_bytes!("../../../web/dist/torch.wasm.lzma"),
    include_bytes!("../../../web/dist/config.wasm.lzma"),
];

impl Reader {
    /// All readers.
    pub const ALL: [Self; 3] = [Self::Onnx, Self::Torch, Self::Config];

    /// Name, as the page and the build know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::Torch => "torch",
            Self::Config => "config",
        }
    }

    /// The reader as WebAssembly, packed.
    pub fn packed(self) -> &'static [u8] {
        let [onnx, torch, config] = READERS;
        match self {
            Self::Onnx => onnx,
            Self::Torch => torch,
            Self::Config => config,
        }
    }
}
