//! Prints what was read of ONNX files: parameters, work, nodes, opaque ops, notes.
//!
//!     cargo run -p fusewright-onnx --example summary -- MODEL.onnx[.gz]... [--dim NAME=SIZE]... [--text]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use fusewright_ir::{Bindings, Graph, Op, Origin, text, total_work};

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    let mut dims = Vec::new();
    let mut show = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--dim" => {
                let pair = arguments.next().ok_or("--dim takes NAME=SIZE")?;
                let (name, size) = pair.split_once('=').ok_or("--dim takes NAME=SIZE")?;
                dims.push((name.to_owned(), size.parse::<u64>()?));
            }
            "--text" => show = true,
            file => files.push(file.to_owned()),
        }
    }
    let bindings: Bindings = dims.into_iter().collect();
    for file in files {
        if let Err(error) = summarise(Path::new(&file), &bindings, show) {
            print_line(&format!("{file}: {error}"));
        }
    }
    Ok(())
}

fn summarise(path: &Path, bindings: &Bindings, show: bool) -> Result<(), Box<dyn Error>> {
    let mut model = std::fs::read(path)?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(model.as_slice()).read_to_end(&mut plain)?;
        model = plain;
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let size = |name: &str| std::fs::metadata(folder.join(name)).ok().map(|file| file.len());
    let loaded = fusewright_onnx::read(Bytes::from(model), &size, bindings)?;
    let graph = &loaded.graph;
    let work = total_work(graph);
    let [parameters, buffers, constants] =
        [Origin::Parameter, Origin::Buffer, Origin::Constant].map(|origin| elements(graph, &origin));
    print_line(&format!(
        "{}: {} nodes, {parameters} parameters, {} contraction FLOPs, {buffers} buffer and {constants} constant elements",
        path.display(),
        graph.node_count(),
        2 * work.macs,
    ));
    let mut opaque: BTreeMap<String, usize> = BTreeMap::new();
    for (_, node) in graph.nodes() {
        if let Op::Opaque(op) = &node.op {
            *opaque.entry(op.name.clone()).or_default() += 1;
        }
    }
    for (name, count) in opaque {
        print_line(&format!("  opaque: {name} ×{count}"));
    }
    for note in &loaded.notes {
        print_line(&format!("  note: {note}"));
    }
    for warning in &loaded.warnings {
        print_line(&format!("  warning: {warning}"));
    }
    if show {
        print_line(&text::print(graph));
    }
    Ok(())
}

fn elements(graph: &Graph, origin: &Origin) -> u64 {
    let values = graph.values().filter(|(_, value)| value.origin == *origin);
    values.filter_map(|(_, value)| value.ty.as_tensor()).map(fusewright_ir::TensorType::elements).sum()
}

#[allow(clippy::print_stdout, reason = "what an example is for")]
fn print_line(text: &str) {
    println!("{text}");
}
