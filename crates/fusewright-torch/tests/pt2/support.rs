//! Archives for the tests.

use std::io::{Cursor, Write};
use std::path::PathBuf;

use fusewright_ir::{Bindings, Loaded, Origin, TensorType};
use fusewright_torch::pt2::{self, Pt2Error};

/// The folder of the captured models.
pub(crate) fn models() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/pt2/models")
}

/// A zip archive with these entries, in order.
pub(crate) fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    packed(entries, rawzip::CompressionMethod::STORE)
}

/// The same, every entry compressed.
pub(crate) fn deflated(entries: &[(&str, &[u8])]) -> Vec<u8> {
    packed(entries, rawzip::CompressionMethod::DEFLATE)
}

fn packed(entries: &[(&str, &[u8])], method: rawzip::CompressionMethod) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, data) in entries {
        let (mut entry, config) = archive.new_file(name).compression_method(method).start().unwrap();
        let descriptor = if method == rawzip::CompressionMethod::STORE {
            let mut writer = config.wrap(&mut entry);
            writer.write_all(data).unwrap();
            writer.finish().unwrap().1
        } else {
            let encoder = flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::best());
            let mut writer = config.wrap(encoder);
            writer.write_all(data).unwrap();
            let (encoder, descriptor) = writer.finish().unwrap();
            encoder.finish().unwrap();
            descriptor
        };
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    bytes.into_inner()
}

/// An archive with this program alone.
pub(crate) fn archive(program: &str) -> Vec<u8> {
    zip(&[("m/models/model.json", program.as_bytes())])
}

pub(crate) fn read(program: &str) -> Result<Loaded, Pt2Error> {
    pt2::read(&archive(program), &Bindings::default())
}

pub(crate) fn read_with(program: &str, sizes: &[(&str, u64)]) -> Result<Loaded, Pt2Error> {
    pt2::read(&archive(program), &bindings(sizes))
}

pub(crate) fn bindings(sizes: &[(&str, u64)]) -> Bindings {
    sizes.iter().map(|&(name, size)| (name.to_owned(), size)).collect()
}

/// A program of these parts; a part is what stands between the brackets of its field.
#[derive(Clone, Copy, Default)]
pub(crate) struct Parts<'a> {
    /// Names of inputs that are tensors.
    pub(crate) inputs: &'a [&'a str],
    pub(crate) outputs: &'a [&'a str],
    /// Name and type of each tensor, e.g. `("x", "7[2, 3]")`: code of the element type, then sizes.
    pub(crate) tensors: &'a [(&'a str, &'a str)],
    pub(crate) nodes: &'a str,
    pub(crate) specs: &'a str,
    pub(crate) symbols: &'a str,
    /// Further fields of the top level.
    pub(crate) more: &'a str,
}

impl Parts<'_> {
    pub(crate) fn json(self) -> String {
        format!(
            r#"{{"schema_version": {{"major": 8, "minor": 20}}, "graph_module": {{"graph": {},
            "signature": {{"input_specs": [{}], "output_specs": []}}}}{}}}"#,
            self.graph(),
            self.specs,
            self.more
        )
    }

    pub(crate) fn graph(self) -> String {
        let names = |names: &[&str]| {
            let all: Vec<String> = names.iter().map(|name| tensor(name)).collect();
            all.join(", ")
        };
        let metas: Vec<String> =
            self.tensors.iter().map(|(name, ty)| format!("\"{name}\": {}", tensor_meta(ty))).collect();
        format!(
            r#"{{"inputs": [{}], "outputs": [{}], "nodes": [{}], "tensor_values": {{{}}}, "sym_int_values": {{{}}}}}"#,
            names(self.inputs),
            names(self.outputs),
            self.nodes,
            metas.join(", "),
            self.symbols
        )
    }
}

pub(crate) fn tensor(name: &str) -> String {
    format!(r#"{{"as_tensor": {{"name": "{name}"}}}}"#)
}

/// `7[2, s0]` as the JSON of a tensor's type; a size that is no number is a symbol with the hint 4.
pub(crate) fn tensor_meta(ty: &str) -> String {
    let (dtype, sizes) = ty.strip_suffix(']').unwrap().split_once('[').unwrap();
    let size = |size: &str| match size.parse::<u64>() {
        Ok(number) => format!(r#"{{"as_int": {number}}}"#),
        Err(_) => symbol(size, 4),
    };
    let sizes: Vec<String> = sizes.split(',').map(str::trim).filter(|size| !size.is_empty()).map(size).collect();
    format!(r#"{{"dtype": {dtype}, "sizes": [{}], "layout": 7}}"#, sizes.join(", "))
}

pub(crate) fn symbol(name: &str, hint: i64) -> String {
    let symbol = format!("Symbol('{name}', positive=True, integer=True)");
    let text = if name.contains('(') { name.to_owned() } else { symbol };
    format!(r#"{{"as_expr": {{"expr_str": "{text}", "hint": {{"as_int": {hint}}}}}}}"#)
}

/// A call of an `aten` op with named arguments, `x=%name` for a tensor, and one tensor as its result.
pub(crate) fn call(op: &str, arguments: &str, result: &str) -> String {
    let inputs: Vec<String> = arguments
        .split_whitespace()
        .map(|argument| {
            let (name, value) = argument.split_once('=').unwrap();
            let value = value.strip_prefix('%').map_or_else(|| value.to_owned(), tensor);
            format!(r#"{{"name": "{name}", "arg": {value}, "kind": 1}}"#)
        })
        .collect();
    format!(
        r#"{{"target": "torch.ops.aten.{op}", "inputs": [{}], "outputs": [{}], "name": "{result}",
        "metadata": {{"nn_module_stack": "L__self__,,m.M;L__self___a,a.0@1,m.Layer"}}}}"#,
        inputs.join(", "),
        tensor(result)
    )
}

pub(crate) fn parameters(loaded: &Loaded) -> u64 {
    let own = loaded.graph.values().filter(|(_, value)| value.origin == Origin::Parameter);
    own.filter_map(|(_, value)| value.ty.as_tensor()).map(TensorType::elements).sum()
}
