//! Writing the text form.

use std::fmt::Write;

use crate::{Attribute, Form, Graph, Node, NodeId, Origin, Type, ValueId};

/// The text form of a graph.
pub fn print(graph: &Graph) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "graph {} {{", quoted(&graph.name));
    if graph.training {
        out.push_str("  training\n");
    }
    for dim in &graph.dims {
        let _ = writeln!(out, "  dim {} = {}", quoted(&dim.name), dim.size);
    }
    for (id, value) in graph.values() {
        let keyword = match value.origin {
            Origin::Node { .. } => continue,
            Origin::Part { of, start } => {
                let (part, whole) = (value_text(graph, id), value_text(graph, of));
                let _ = writeln!(out, "  part {part} = {whole} from {start}: {}", type_text(&value.ty));
                continue;
            }
            Origin::Input => "input",
            Origin::Parameter => "parameter",
            Origin::Buffer => "buffer",
            Origin::Constant => "constant",
        };
        let _ = writeln!(out, "  {keyword} {}: {}", value_text(graph, id), type_text(&value.ty));
    }
    for (id, node) in graph.nodes() {
        let _ = writeln!(out, "  {}", node_text(graph, id, node));
    }
    for &output in graph.outputs() {
        let _ = writeln!(out, "  output {}", value_text(graph, output));
    }
    out.push_str("}\n");
    out
}

fn node_text(graph: &Graph, id: NodeId, node: &Node) -> String {
    let mut out = String::new();
    for (position, &output) in node.outputs.iter().enumerate() {
        let separator = if position > 0 { ", " } else { "" };
        let _ = write!(out, "{separator}{}: {}", value_text(graph, output), type_text(&graph.value(output).ty));
    }
    if node.outputs.is_empty() {
        out.push('_');
    }
    let operands: Vec<String> = node.inputs.iter().map(|&input| value_text(graph, input)).collect();
    let mnemonic = node.op.mnemonic();
    let _ = write!(out, " = {mnemonic}({})", operands.join(", "));
    let attributes = node.op.attributes();
    if !attributes.is_empty() {
        let texts: Vec<String> =
            attributes.iter().map(|(name, value)| format!("{name} = {}", attribute_text(value))).collect();
        let _ = write!(out, " {{{}}}", texts.join(", "));
    }
    let form = match node.source.form {
        Form::Module => "module",
        Form::Function => "function",
        Form::Method => "method",
    };
    let source_op = graph.text(node.source.op);
    if node.source.form != Form::Function || source_op != mnemonic {
        let _ = write!(out, " @{form} {}", quoted(source_op));
    }
    let scope = graph.text(node.source.scope);
    if !scope.is_empty() {
        let _ = write!(out, " in {}", quoted(scope));
    }
    let name = graph.node_name(id);
    if node.outputs.first().is_none_or(|&first| graph.value_name(first) != name) {
        let _ = write!(out, " named {}", quoted(name));
    }
    out
}

/// A type as text, e.g. `f32[1, 197, 768]`.
pub fn type_text(ty: &Type) -> String {
    match ty {
        Type::Host(None) => "host".to_owned(),
        Type::Host(Some(value)) => format!("host({value})"),
        Type::Tensor(tensor) => {
            let mut out = format!("{}[{}", tensor.dtype.name(), list(&tensor.shape));
            if let Some(strides) = &tensor.strides {
                let _ = write!(out, "; {}", list(strides));
            }
            out.push(']');
            out
        }
    }
}

fn value_text(graph: &Graph, id: ValueId) -> String {
    let name = graph.value_name(id);
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    if plain { format!("%{name}") } else { format!("%{}", quoted(name)) }
}

fn attribute_text(attribute: &Attribute) -> String {
    match attribute {
        Attribute::Int(value) => value.to_string(),
        Attribute::Float(value) => format!("{value:?}"),
        Attribute::Bool(value) => value.to_string(),
        Attribute::Ints(values) => format!("[{}]", list(values)),
        Attribute::Text(text) => quoted(text),
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}
