//! What format bytes are in: by their beginning, and by the file's name where formats have no mark.

use std::path::Path;

use fusewright_torch::{fx, pt2};

use super::Content;

/// A format that models come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// What the Python exporter writes.
    Fx,
    /// What `torch.export.save` writes.
    Pt2,
    /// ONNX.
    Onnx,
    /// A Hugging Face `config.json`.
    Config,
    /// Something else that is known, in words.
    Unsupported(&'static str),
}

/// The format of a model. Where nothing speaks for another one it is FX JSON, whose reader says what it expected.
pub(super) fn format_of(content: &Content) -> Format {
    let bytes = &content.bytes[..];
    let named = |extension: &str| {
        let has = |path: &Path| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension));
        content.path.as_deref().is_some_and(has)
    };
    if bytes.starts_with(b"PK\x03\x04") || named("pt2") {
        return if named("pt2") || pt2::probe(bytes) { Format::Pt2 } else { Format::Unsupported(ARCHIVE) };
    }
    if let Some(kind) = weights_only(bytes) {
        return Format::Unsupported(kind);
    }
    if named("onnx") {
        return Format::Onnx;
    }
    let checkpoint = ["pt", "pth", "ckpt"].into_iter().any(named);
    if checkpoint {
        return Format::Unsupported("a PyTorch checkpoint, which holds weights and no graph");
    }
    if named("safetensors") {
        return Format::Unsupported(SAFETENSORS);
    }
    if named("gguf") {
        return Format::Unsupported(GGUF);
    }
    if fx::probe(bytes) {
        Format::Fx
    } else if fusewright_hf::probe(bytes) {
        Format::Config
    } else if fusewright_onnx::probe(bytes) {
        Format::Onnx
    } else {
        Format::Fx
    }
}

const ARCHIVE: &str = "a zip archive without an exported program, such as PyTorch checkpoints are";
const GGUF: &str = "a GGUF file, which holds weights and no graph";
const SAFETENSORS: &str = "a safetensors file, which holds weights and no graph";

/// Files that hold weights alone, by how they begin.
fn weights_only(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"GGUF") {
        return Some(GGUF);
    }
    if bytes.starts_with(b"\x80\x02") {
        return Some("a pickle, such as old PyTorch checkpoints are");
    }
    // Eight bytes of header length, then JSON.
    (bytes.get(8) == Some(&b'{') && bytes.get(4..8) == Some(&[0; 4])).then_some(SAFETENSORS)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn formats_are_recognised_by_content_and_by_name() {
        let cases: [(&str, &[u8], Format); 9] = [
            ("a.zip", b"PK\x03\x04....", Format::Unsupported(ARCHIVE)),
            ("a.pt2", b"PK\x03\x04....", Format::Pt2),
            ("a", b"\x10\0\0\0\0\0\0\0{\"w\":1}", Format::Unsupported(SAFETENSORS)),
            ("a.bin", b"GGUF\x03", Format::Unsupported(GGUF)),
            ("a.json", b"{\"architectures\": [\"BertModel\"], \"model_type\": \"bert\"}", Format::Config),
            ("a.json", b"{\"format\": \"fx-graph\", \"version\": 1, \"name\": \"\\\"model_type\\\"\"}", Format::Fx),
            ("a.onnx", b"\x08\x08", Format::Onnx),
            ("a.pth", b"anything", Format::Unsupported("a PyTorch checkpoint, which holds weights and no graph")),
            ("a", b"hello", Format::Fx),
        ];
        for (path, bytes, expected) in cases {
            let content = Content {
                source: path.to_owned(),
                path: Some(path.into()),
                alone: false,
                bytes: Bytes::from_static(bytes),
                built_in: None,
            };
            assert_eq!(format_of(&content), expected, "{path}");
        }
    }
}
