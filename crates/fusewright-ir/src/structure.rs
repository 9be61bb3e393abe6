//! A fingerprint of what a graph computes: ops, attributes, shapes and dtypes, without names, weights or the order in
//! which independent nodes were written.
//!
//! Each value is hashed from how it is made: a source by its kind and type, a result by its op and the hashes of the
//! op's operands. The graph's hash covers all nodes as a sorted list and its results in order, so the same model
//! exported twice, into whatever path, has one hash.

use std::fmt;

use xxhash_rust::xxh3::xxh3_128;

use crate::{Attribute, Graph, Node, Origin, Type};

/// The fingerprint of a graph; it prints as 32 hexadecimal digits.
///
/// ```
/// use fusewright_ir::{StructureHash, text};
///
/// let one = text::parse("graph \"a\" {\n input %x: f32[8]\n %y: f32[8] = relu(%x)\n output %y\n}")?;
/// let renamed = text::parse("graph \"b\" {\n input %p: f32[8]\n %q: f32[8] = relu(%p) in \"act\"\n output %q\n}")?;
/// let wider = text::parse("graph \"a\" {\n input %x: f32[9]\n %y: f32[9] = relu(%x)\n output %y\n}")?;
/// assert_eq!(StructureHash::of(&one), StructureHash::of(&renamed));
/// assert_ne!(StructureHash::of(&one), StructureHash::of(&wider));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StructureHash(u128);

impl fmt::Display for StructureHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl StructureHash {
    /// The hash of a graph, in time linear in its nodes and edges but for one sort.
    pub fn of(graph: &Graph) -> Self {
        let mut hasher = Hasher { graph, of_value: vec![0; graph.value_count()], bytes: Vec::new() };
        let mut all = Vec::with_capacity(graph.value_count());
        hasher.sources(&mut all);
        for (_, node) in graph.nodes() {
            all.push(hasher.node(node));
        }
        all.sort_unstable();
        let mut bytes: Vec<u8> = vec![u8::from(graph.training)];
        bytes.extend(all.iter().flat_map(|hash| hash.to_le_bytes()));
        bytes.push(b'>');
        bytes.extend(graph.outputs().iter().flat_map(|output| hasher.of_value[output.index()].to_le_bytes()));
        Self(xxh3_128(&bytes))
    }
}

/// The hash of a text, as 32 hexadecimal digits: the same on every machine and in every version.
pub fn text_hash(text: &str) -> String {
    format!("{:032x}", xxh3_128(text.as_bytes()))
}

struct Hasher<'a> {
    graph: &'a Graph,
    of_value: Vec<u128>,
    bytes: Vec<u8>,
}

impl Hasher<'_> {
    /// Hashes what no node makes. Parameters of one type are alike: which of them is meant is a matter of names. Only
    /// those that something reads count, since exporters differ in what they leave lying about.
    fn sources(&mut self, all: &mut Vec<u128>) {
        let mut read = vec![false; self.graph.value_count()];
        let inputs = self.graph.nodes().flat_map(|(_, node)| node.inputs.iter());
        inputs.chain(self.graph.outputs()).for_each(|value| read[value.index()] = true);
        let mut position = 0_u32;
        for (id, value) in self.graph.values() {
            self.bytes.clear();
            match value.origin {
                Origin::Node { .. } => continue,
                Origin::Input => {
                    self.bytes.push(b'i');
                    self.bytes.extend(position.to_le_bytes());
                    position += 1;
                }
                Origin::Parameter => self.bytes.push(b'p'),
                Origin::Buffer => self.bytes.push(b'b'),
                Origin::Constant => self.bytes.push(b'c'),
                Origin::Part { of, start } => {
                    self.bytes.push(b'r');
                    self.bytes.extend(self.of_value[of.index()].to_le_bytes());
                    self.bytes.extend(start.to_le_bytes());
                }
            }
            push_type(&mut self.bytes, &value.ty);
            let hash = xxh3_128(&self.bytes);
            self.of_value[id.index()] = hash;
            if read[id.index()] {
                all.push(hash);
            }
        }
    }

    fn node(&mut self, node: &Node) -> u128 {
        self.bytes.clear();
        push_text(&mut self.bytes, node.op.mnemonic());
        for (name, attribute) in node.op.attributes().iter() {
            push_text(&mut self.bytes, name);
            push_attribute(&mut self.bytes, attribute);
        }
        self.bytes.push(b'(');
        for input in &node.inputs {
            self.bytes.extend(self.of_value[input.index()].to_le_bytes());
        }
        self.bytes.push(b')');
        for &output in &node.outputs {
            push_type(&mut self.bytes, &self.graph.value(output).ty);
        }
        let hash = xxh3_128(&self.bytes);
        for (position, &output) in (0_u32..).zip(&node.outputs) {
            self.of_value[output.index()] = result(hash, position);
        }
        hash
    }
}

/// The hash of one of the results of a node with this hash.
fn result(node: u128, position: u32) -> u128 {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(&node.to_le_bytes());
    bytes[16..].copy_from_slice(&position.to_le_bytes());
    xxh3_128(&bytes)
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn push_attribute(bytes: &mut Vec<u8>, attribute: &Attribute) {
    match attribute {
        Attribute::Int(value) => {
            bytes.push(b'n');
            bytes.extend(value.to_le_bytes());
        }
        Attribute::Float(value) => {
            bytes.push(b'f');
            bytes.extend(value.to_bits().to_le_bytes());
        }
        Attribute::Bool(value) => bytes.extend([b'?', u8::from(*value)]),
        Attribute::Ints(values) => {
            bytes.push(b'l');
            bytes.extend((values.len() as u64).to_le_bytes());
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        Attribute::Text(text) => {
            bytes.push(b't');
            push_text(bytes, text);
        }
    }
}

/// Dtype and shape; strides are a refinement and do not count.
fn push_type(bytes: &mut Vec<u8>, ty: &Type) {
    match ty {
        Type::Tensor(tensor) => {
            push_text(bytes, tensor.dtype.name());
            bytes.extend((tensor.rank() as u64).to_le_bytes());
            bytes.extend(tensor.shape.iter().flat_map(|extent| extent.to_le_bytes()));
        }
        Type::Host(value) => {
            bytes.push(b'h');
            bytes.extend(value.unwrap_or(i64::MIN).to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::parse;

    fn hash(body: &str) -> String {
        let graph = parse(&format!("graph \"g\" {{\n{body}\n}}")).expect("the graph is valid");
        StructureHash::of(&graph).to_string()
    }

    const TWO: &str = "input %x: f32[8]\n %a: f32[8] = exp(%x)\n %b: f32[8] = tanh(%x)\n \
                       %y: f32[8] = sub(%a, %b)\n output %y";

    #[test]
    fn the_order_of_independent_nodes_does_not_count() {
        let turned = "input %x: f32[8]\n %b: f32[8] = tanh(%x)\n %a: f32[8] = exp(%x)\n \
                      %y: f32[8] = sub(%a, %b)\n output %y";
        assert_eq!(hash(TWO), hash(turned));
        assert_eq!(hash(TWO).len(), 32);
    }

    #[test]
    fn what_is_computed_counts() {
        let changed = [
            TWO.replace("f32", "f16"),
            TWO.replace("sub(%a, %b)", "sub(%b, %a)"),
            TWO.replace("sub", "add"),
            TWO.replace("output %y", "output %y\n output %a"),
            TWO.replace("input", "parameter"),
            TWO.replace("exp(%x)", "exp(%b)").replace(
                "%a: f32[8] = exp(%b)\n %b: f32[8] = tanh(%x)",
                "%b: f32[8] = tanh(%x)\n %a: f32[8] = exp(%b)",
            ),
            TWO.replace("tanh(%x)", "mul(%x) {scalar = 2.0}"),
            TWO.replace("tanh(%x)", "mul(%x) {scalar = 3.0}"),
        ];
        let mut hashes: Vec<String> = changed.iter().map(|body| hash(body)).chain([hash(TWO)]).collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), changed.len() + 1);
    }

    #[test]
    fn a_tied_weight_is_not_two_weights() {
        let tied = "input %x: f32[2, 2]\n parameter %w: f32[2, 2]\n %a: f32[2, 2] = linear(%x, %w)\n \
                    %b: f32[2, 2] = linear(%a, %w)\n output %b";
        let apart = tied.replace("%w: f32[2, 2]\n", "%w: f32[2, 2]\n parameter %v: f32[2, 2]\n");
        let apart = apart.replace("(%a, %w)", "(%a, %v)");
        assert_ne!(hash(tied), hash(&apart));
        let unread = tied.replace("parameter %w", "parameter %lost: f32[7]\n parameter %w");
        assert_eq!(hash(tied), hash(&unread));
    }
}
