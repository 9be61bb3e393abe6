//! Which tensor of a checkpoint is which parameter of a graph.
//!
//! A graph names its parameters as the class does. A checkpoint has the same names, but for these: the class around a model
//! adds a word in front of all names or does not; a tensor that has two uses is there under one of its names; classes
//! renamed modules after their checkpoints were published (`renamed`); experts have a tensor each. A tensor counts only if
//! its shape is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fusewright_ir::{Content, Contents, DType, Graph, Origin, Stored};

use crate::renamed::{expert_parts, former};
use crate::safetensors::{Header, Tensor};

/// Endings of names under which the table of words is known.
const WORDS: [&str; 10] = [
    "shared.weight",
    "embed_tokens.weight",
    "lm_head.weight",
    "word_embeddings.weight",
    "tok_embeddings.weight",
    "wte.weight",
    "embed_in.weight",
    "embed_out.weight",
    "predictions.decoder.weight",
    "decoder.weight",
];

/// Where the parameters of a graph lie.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Located {
    /// Those that were found.
    pub contents: Contents,
    /// The names of those that were not, in the order of the graph.
    pub missing: Vec<String>,
}

/// The tensors of all files of a checkpoint.
struct Checkpoint<'h> {
    tensors: BTreeMap<&'h str, (&'h str, &'h Header, &'h Tensor)>,
    /// First words of names.
    words: BTreeSet<&'h str>,
}

/// Finds the parameters of a graph that [`read`](crate::read) made of a `model_type`, and state that training leaves
/// behind, in a checkpoint: its headers by the names of their files.
pub fn locate<'h>(graph: &Graph, model_type: &str, files: impl IntoIterator<Item = (&'h str, &'h Header)>) -> Located {
    let mut checkpoint = Checkpoint { tensors: BTreeMap::new(), words: BTreeSet::new() };
    for (file, header) in files {
        for (name, tensor) in &header.tensors {
            checkpoint.tensors.insert(name, (file, header, tensor));
            checkpoint.words.extend(name.split_once('.').map(|(word, _)| word));
        }
    }
    let mut located = Located::default();
    for (id, value) in graph.values() {
        if !matches!(value.origin, Origin::Parameter | Origin::Buffer) {
            continue;
        }
        let Some(tensor) = graph.tensor(id) else { continue };
        let name = graph.value_name(id);
        // Old checkpoints hold speeds of rotary positions as well, rounded.
        let speeds = name.ends_with("inv_freq");
        let found = checkpoint.find(name, &tensor.shape).filter(|_| !speeds);
        match found.or_else(|| checkpoint.experts(name, &tensor.shape)) {
            // Gemma scales by one more than the weight.
            Some(Content::Stored(stored)) if model_type.starts_with("gemma") && name.ends_with("norm.weight") => {
                located.contents.insert(name, Content::Plus(stored, 1.0));
            }
            Some(content) => located.contents.insert(name, content),
            None if value.origin == Origin::Parameter => located.missing.push(name.to_owned()),
            None => {}
        }
    }
    located
}

impl Checkpoint<'_> {
    fn find(&self, name: &str, shape: &[u64]) -> Option<Content> {
        let found = self.under_any_word(name, shape);
        let found = found.or_else(|| former(name).find_map(|name| self.under_any_word(&name, shape)));
        found.or_else(|| self.table_of_words(name, shape)).map(Content::Stored)
    }

    /// The matrices of all experts `[experts, out, in]`, from a tensor each, or two that stand one on the other.
    fn experts(&self, name: &str, shape: &[u64]) -> Option<Content> {
        let &[experts, out, width] = shape else { return None };
        expert_parts(name).find_map(|parts| {
            let rows = out / parts.len() as u64;
            let each =
                (0..experts).flat_map(|expert| parts.iter().map(move |part| part.replace('#', &expert.to_string())));
            let stored: Option<Arc<[Stored]>> = each.map(|name| self.under_any_word(&name, &[rows, width])).collect();
            stored.map(Content::Joined)
        })
    }

    /// The tensor of this name, with another word in front of it or one less.
    fn under_any_word(&self, name: &str, shape: &[u64]) -> Option<Stored> {
        let shorter = name.split_once('.').map(|(_, rest)| rest);
        let found = self.stored(name, shape).or_else(|| self.stored(shorter?, shape));
        found.or_else(|| self.words.iter().find_map(|word| self.stored(&format!("{word}.{name}"), shape)))
    }

    /// The one tensor of this shape that is a table of words, for a name of that table.
    fn table_of_words(&self, name: &str, shape: &[u64]) -> Option<Stored> {
        let is_table = |name: &str| WORDS.iter().any(|ending| name.ends_with(ending));
        if !is_table(name) {
            return None;
        }
        let mut tables =
            self.tensors.keys().filter(|known| is_table(known)).filter_map(|known| self.stored(known, shape));
        tables.next().filter(|_| tables.next().is_none())
    }

    fn stored(&self, name: &str, shape: &[u64]) -> Option<Stored> {
        let &(file, header, tensor) = self.tensors.get(name)?;
        let dtype = dtype(&tensor.dtype).filter(|_| tensor.shape == shape)?;
        Some(Stored {
            file: Some(Arc::from(file)),
            offset: header.data_start.saturating_add(tensor.start),
            length: tensor.end.saturating_sub(tensor.start),
            dtype,
            strides: None,
            first: 0,
        })
    }
}

/// The element type that the format calls so; `None` for those that are not computed with.
fn dtype(name: &str) -> Option<DType> {
    Some(match name {
        "F64" => DType::F64,
        "F32" => DType::F32,
        "F16" => DType::F16,
        "BF16" => DType::Bf16,
        "I64" => DType::I64,
        "I32" => DType::I32,
        "I16" => DType::I16,
        "I8" => DType::I8,
        "U8" => DType::U8,
        "BOOL" => DType::Bool,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::safetensors::header;

    /// A file with tensors of 16-bit floats.
    fn file(tensors: &[(&str, &[u64])]) -> Header {
        let mut at = 0;
        let entries: Vec<String> = tensors
            .iter()
            .map(|(name, shape)| {
                let start = at;
                at += 2 * shape.iter().product::<u64>();
                format!(r#""{name}": {{"dtype": "BF16", "shape": {shape:?}, "data_offsets": [{start}, {at}]}}"#)
            })
            .collect();
        let text = format!("{{{}}}", entries.join(", "));
        header(&[&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()).unwrap()
    }

    fn graph(config: &str) -> Graph {
        crate::read(config.as_bytes(), &crate::Options::default()).unwrap().graph
    }

    fn llama(more: &str) -> Graph {
        graph(&format!(
            r#"{{"model_type": "llama", "num_hidden_layers": 0, "hidden_size": 8, "num_attention_heads": 2,
            "intermediate_size": 4, "vocab_size": 10{more}}}"#
        ))
    }

    #[test]
    fn tensors_are_found_with_and_without_a_word_in_front() {
        let graph = llama("");
        for prefix in ["model.", "", "language_model.model."] {
            let names = [format!("{prefix}embed_tokens.weight"), format!("{prefix}norm.weight")];
            let header = file(&[(&names[0], &[10, 8]), (&names[1], &[8]), ("lm_head.weight", &[10, 8])]);
            let located = locate(&graph, "llama", [("a.safetensors", &header)]);
            assert_eq!(located.missing, Vec::<String>::new(), "{prefix}");
            let Some(Content::Stored(stored)) = located.contents.get("model.norm.weight") else {
                panic!("{located:?}")
            };
            assert_eq!((stored.offset, stored.length), (header.data_start + 160, 16));
        }
    }

    #[test]
    fn a_tied_table_is_found_under_its_other_name_and_only_where_it_is_alone() {
        let graph = llama(r#", "tie_word_embeddings": true"#);
        let one = file(&[("lm_head.weight", &[10, 8]), ("model.norm.weight", &[8])]);
        assert_eq!(locate(&graph, "llama", [("a", &one)]).missing, Vec::<String>::new());
        let two = file(&[("lm_head.weight", &[10, 8]), ("shared.weight", &[10, 8]), ("model.norm.weight", &[8])]);
        assert_eq!(locate(&graph, "llama", [("a", &two)]).missing, ["model.embed_tokens.weight"]);
    }

    #[test]
    fn another_shape_is_another_tensor() {
        let header = file(&[("model.norm.weight", &[9]), ("model.embed_tokens.weight", &[10, 8])]);
        let located = locate(&llama(""), "llama", [("a", &header)]);
        assert_eq!(located.missing, ["model.norm.weight"]);
    }

    #[test]
    fn gemma_scales_by_one_more_than_the_weight() {
        let graph = graph(
            r#"{"model_type": "gemma", "num_hidden_layers": 0, "hidden_size": 8, "num_attention_heads": 2,
            "num_key_value_heads": 2, "head_dim": 4, "intermediate_size": 4, "vocab_size": 10}"#,
        );
        let header = file(&[("model.norm.weight", &[8]), ("model.embed_tokens.weight", &[10, 8])]);
        let located = locate(&graph, "gemma", [("a", &header)]);
        assert!(matches!(located.contents.get("model.norm.weight"), Some(Content::Plus(_, more)) if *more > 0.9));
        assert!(matches!(located.contents.get("model.embed_tokens.weight"), Some(Content::Stored(_))));
    }
}
