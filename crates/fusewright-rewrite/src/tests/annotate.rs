use bytes::Bytes;
use fusewright_ir::NodeId;
use prost::Message;

use super::model::{Dim, Model};
use super::{graph, nodes, written};
use crate::emit::F32;
use crate::message::{Attribute, Entry};
use crate::{Note, annotate, wire};

/// `gelu(x · w)` with the norm as one operator, which becomes one node of the graph or more, and one that nobody knows.
fn model() -> Model {
    let mut model = Model::new(20);
    model.input("x", &[Dim::Open("n"), Dim::Fixed(16)], F32).weight("w", &[16, 32]).weight("scale", &[32]);
    model.node("MatMul", &["x", "w"], "h", vec![]).node("Gelu", &["h"], "g", vec![]);
    let axis = vec![Attribute::of_int("axis", -1)];
    model.node("LayerNormalization", &["g", "scale"], "l", axis).node("Frobnicate", &["l"], "y", vec![]);
    model.output("y", &[Dim::Open("n"), Dim::Fixed(32)]);
    model
}

fn annotated(model: &Bytes, word: &str) -> Bytes {
    let graph = graph(model);
    let notes = |nodes: &[NodeId]| -> Vec<Note> {
        let names: Vec<&str> = nodes.iter().map(|&id| graph.node_name(id)).collect();
        vec![("fusewright.nodes", names.join(" ")), ("fusewright.word", word.to_owned())]
    };
    let model_notes = vec![("fusewright.word", word.to_owned())];
    written(&annotate(model, &|_| None, &graph, model_notes, &notes).unwrap())
}

fn notes(entries: impl IntoIterator<Item = Bytes>) -> Vec<(String, String)> {
    entries.into_iter().map(|entry| Entry::decode(entry).unwrap()).map(|entry| (entry.key, entry.value)).collect()
}

#[test]
fn every_node_says_what_it_became() {
    let before = model().bytes();
    let after = annotated(&before, "first");
    let (old, new) = (nodes(&before), nodes(&after));
    assert_eq!(old.len(), new.len());
    for (old, new) in old.iter().zip(&new) {
        let said = notes(new.metadata.clone());
        // What was there before stays first.
        assert_eq!(said[..old.metadata.len()], notes(old.metadata.clone()));
        let (key, names) = &said[old.metadata.len()];
        assert_eq!(key, "fusewright.nodes");
        assert!(names.split(' ').all(|name| name.starts_with(&old.name)), "{names} are of {}", old.name);
        let bare = crate::message::Node { metadata: old.metadata.clone(), ..new.clone() };
        assert_eq!(bare, *old);
    }
    assert_eq!(graph(&before).nodes().count(), graph(&after).nodes().count());
}

#[test]
fn notes_are_replaced_and_not_piled_up() {
    let once = annotated(&model().bytes(), "first");
    let twice = annotated(&once, "second");
    let again = annotated(&annotated(&once, "second"), "second");
    assert_eq!(twice, again);
    assert_eq!(once.len() + "second".len() * 5, twice.len() + "first".len() * 5);
    let of_model: Vec<Bytes> =
        wire::fields(&twice).unwrap().into_iter().filter(|f| f.number == 14).filter_map(|f| f.content).collect();
    assert_eq!(notes(of_model), [("fusewright.word".to_owned(), "second".to_owned())]);
}

#[test]
fn notes_of_others_stay() {
    let mut model = model();
    let other = Entry { key: "author".to_owned(), value: "somebody".to_owned() }.encode_to_vec();
    model.after.extend(wire::header(14, other.len() as u64));
    model.after.extend(&other);
    let fields = wire::fields(&annotated(&model.bytes(), "first")).unwrap();
    let entries: Vec<Bytes> = fields.into_iter().filter(|f| f.number == 14).filter_map(|f| f.content).collect();
    let said = notes(entries);
    assert_eq!(said[0], ("author".to_owned(), "somebody".to_owned()));
    assert_eq!(said.len(), 2);
}
