//! Which model types are known, what builds them, and which heads they have.

use crate::HfError;
use crate::builder::Builder;
use crate::config::Config;
use crate::decoder;
use crate::encoder;
use crate::encoder_decoder;
use crate::gpt;
use crate::sizes::{self, Dim, Options};
use crate::vision;

/// What stands on top of the stack of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// Nothing: the last hidden states are the result.
    None,
    /// Logits of the next token, at every position.
    CausalLm,
    /// Logits of hidden tokens, at every position.
    MaskedLm,
    /// What a family was trained with at first: logits of hidden tokens and a class for the text, or the like.
    PreTraining,
    /// Logits of a decoder that reads an encoder's result.
    ConditionalGeneration,
    /// One class for the whole input.
    SequenceClassification,
    /// A class for each token.
    TokenClassification,
    /// Where an answer starts and ends.
    QuestionAnswering,
    /// One class for an image.
    ImageClassification,
    /// The same from two tokens, one of which learned from a teacher.
    DistilledImageClassification,
    /// A class for each pixel.
    SemanticSegmentation,
    /// What stands for the whole, brought to the width of another tower.
    Projection,
}

/// Endings of class names and the heads they mean.
const ENDINGS: [(&str, Head); 16] = [
    ("ForCausalLM", Head::CausalLm),
    ("LMHeadModel", Head::CausalLm),
    ("DoubleHeadsModel", Head::CausalLm),
    ("ForMaskedLM", Head::MaskedLm),
    ("ForPreTraining", Head::PreTraining),
    ("ForConditionalGeneration", Head::ConditionalGeneration),
    ("MTModel", Head::ConditionalGeneration),
    ("ForSequenceClassification", Head::SequenceClassification),
    ("ForTokenClassification", Head::TokenClassification),
    ("ForQuestionAnswering", Head::QuestionAnswering),
    ("ForImageClassification", Head::ImageClassification),
    ("ForImageClassificationWithTeacher", Head::DistilledImageClassification),
    ("ForSemanticSegmentation", Head::SemanticSegmentation),
    ("ModelWithProjection", Head::Projection),
    ("TextModel", Head::None),
    ("Model", Head::None),
];

/// What a family's builder is asked for.
pub(crate) struct Request<'o> {
    pub(crate) options: &'o Options,
    pub(crate) head: Head,
}

impl Request<'_> {
    /// The sizes of the dims that a model has, recorded in the graph; a binding for any other dim is an error.
    pub(crate) fn dims<const N: usize>(&self, b: &mut Builder, dims: [Dim; N]) -> Result<[u64; N], HfError> {
        let resolved = sizes::resolve(&self.options.bindings, &dims)?;
        for &(name, size) in &resolved {
            b.graph.bind_dim(name, size);
        }
        let mut found = [1; N];
        for (slot, (_, size)) in found.iter_mut().zip(resolved) {
            *slot = size;
        }
        Ok(found)
    }
}

/// A family's builder.
type Build = fn(&mut Builder, &Config<'_>, &Request<'_>) -> Result<(), HfError>;

/// A known model type.
pub(crate) struct Model {
    pub(crate) name: &'static str,
    pub(crate) build: Build,
    /// The heads it has; the first one is taken when the configuration names none.
    heads: &'static [Head],
}

const DECODER: &[Head] =
    &[Head::CausalLm, Head::None, Head::SequenceClassification, Head::TokenClassification, Head::QuestionAnswering];

const fn decoder(name: &'static str, build: Build) -> Model {
    Model { name, build, heads: DECODER }
}

/// A model with a vision tower, of which the language model is built.
const fn language_model(name: &'static str) -> Model {
    Model { name, build: decoder::language_model, heads: &[Head::ConditionalGeneration, Head::CausalLm, Head::None] }
}

/// The encoders of text whose class has a pooler or no more than the layers.
const ENCODER: &[Head] = &[
    Head::None,
    Head::MaskedLm,
    Head::PreTraining,
    Head::SequenceClassification,
    Head::TokenClassification,
    Head::QuestionAnswering,
];

/// The same without a class for training from scratch.
const FINE_TUNED: &[Head] =
    &[Head::None, Head::MaskedLm, Head::SequenceClassification, Head::TokenClassification, Head::QuestionAnswering];

const fn other(name: &'static str, build: Build, heads: &'static [Head]) -> Model {
    Model { name, build, heads }
}

const ENCODERS: &[Model] = &[
    other("albert", encoder::albert, ENCODER),
    other("bert", encoder::bert, ENCODER),
    other("camembert", encoder::roberta, FINE_TUNED),
    other("deberta-v2", encoder::deberta_v2, FINE_TUNED),
    other("distilbert", encoder::distilbert, FINE_TUNED),
    other("electra", encoder::electra, ENCODER),
    other("modernbert", encoder::modernbert, FINE_TUNED),
    other("mpnet", encoder::mpnet, FINE_TUNED),
    other("roberta", encoder::roberta, FINE_TUNED),
    other("xlm-roberta", encoder::roberta, FINE_TUNED),
];

const GENERATION: &[Head] = &[Head::ConditionalGeneration, Head::None];

const ENCODER_DECODERS: &[Model] = &[
    other("bart", encoder_decoder::bart, GENERATION),
    other("m2m_100", encoder_decoder::m2m_100, GENERATION),
    other("marian", encoder_decoder::marian, GENERATION),
    other("mbart", encoder_decoder::mbart, GENERATION),
    other("mt5", encoder_decoder::t5, GENERATION),
    other("pegasus", encoder_decoder::pegasus, GENERATION),
    other("t5", encoder_decoder::t5, GENERATION),
    other("umt5", encoder_decoder::umt5, GENERATION),
    other("whisper", encoder_decoder::whisper, GENERATION),
];

const IMAGES: &[Head] = &[Head::None, Head::ImageClassification];
const TOWER: &[Head] = &[Head::None, Head::Projection];

const VISION: &[Model] = &[
    other("beit", vision::beit, IMAGES),
    other("clip", vision::clip, &[Head::None]),
    other("clip_text_model", vision::clip_text, TOWER),
    other("clip_vision_model", vision::clip_vision, TOWER),
    other("convnext", vision::convnext, IMAGES),
    other("deit", vision::deit, &[Head::None, Head::ImageClassification, Head::DistilledImageClassification]),
    other("dinov2", vision::dinov2, IMAGES),
    other("segformer", vision::segformer, &[Head::None, Head::ImageClassification, Head::SemanticSegmentation]),
    other("siglip", vision::siglip, &[Head::None]),
    other("siglip_text_model", vision::siglip_text, &[Head::None]),
    other("siglip_vision_model", vision::siglip_vision, &[Head::None]),
    other("swin", vision::swin, IMAGES),
    other("vit", vision::vit, IMAGES),
];

const MODELS: &[Model] = &[
    decoder("bloom", gpt::bloom),
    decoder("cohere", decoder::cohere),
    decoder("deepseek_v2", decoder::deepseek_v2),
    decoder("deepseek_v3", decoder::deepseek_v3),
    decoder("falcon", gpt::falcon),
    decoder("gemma", decoder::gemma),
    decoder("gemma2", decoder::gemma2),
    language_model("gemma3"),
    language_model("llama4"),
    language_model("llava"),
    language_model("mistral3"),
    decoder("llama4_text", decoder::llama4_text),
    decoder("gemma3_text", decoder::gemma3_text),
    decoder("glm", decoder::glm),
    decoder("glm4", decoder::glm4),
    decoder("gpt2", gpt::gpt2),
    decoder("gpt_bigcode", gpt::gpt_bigcode),
    decoder("gpt_neo", gpt::gpt_neo),
    decoder("gpt_neox", gpt::gpt_neox),
    decoder("gpt_oss", decoder::gpt_oss),
    decoder("gptj", gpt::gptj),
    decoder("granite", decoder::granite),
    decoder("llama", decoder::llama),
    decoder("mistral", decoder::mistral),
    decoder("mixtral", decoder::mixtral),
    decoder("olmo", decoder::olmo),
    decoder("olmo2", decoder::olmo2),
    decoder("olmoe", decoder::olmoe),
    decoder("opt", gpt::opt),
    decoder("phi", decoder::phi),
    decoder("phi3", decoder::phi3),
    decoder("qwen2", decoder::qwen2),
    decoder("qwen2_moe", decoder::qwen2_moe),
    decoder("qwen3", decoder::qwen3),
    decoder("qwen3_moe", decoder::qwen3_moe),
    decoder("smollm3", decoder::smollm3),
    decoder("stablelm", decoder::stablelm),
    decoder("starcoder2", decoder::starcoder2),
];

/// Every model that can be read.
fn models() -> impl Iterator<Item = &'static Model> {
    MODELS.iter().chain(ENCODERS).chain(ENCODER_DECODERS).chain(VISION)
}

/// Every model type that can be read.
pub fn model_types() -> impl Iterator<Item = &'static str> {
    models().map(|model| model.name)
}

/// The row of a model type.
pub(crate) fn find(model_type: &str) -> Result<&'static Model, HfError> {
    models().find(|model| model.name == model_type).ok_or_else(|| HfError::UnknownModelType {
        found: model_type.chars().take(60).collect(),
        similar: similar(model_type),
    })
}

impl Model {
    /// True when it writes token after token.
    pub(crate) fn generates(&self) -> bool {
        self.heads.contains(&Head::CausalLm) || self.heads.contains(&Head::ConditionalGeneration)
    }

    /// The head that the first of `architectures` names.
    pub(crate) fn head(&self, config: &Config<'_>) -> Result<Head, HfError> {
        let architectures = config.texts("architectures")?.unwrap_or_default();
        let mut default = self.heads.first().copied().unwrap_or(Head::None);
        // Labels are of use to a head for them only.
        let labelled = config.states("id2label") || config.states("num_labels");
        if labelled && self.heads.contains(&Head::ImageClassification) {
            default = Head::ImageClassification;
        }
        let Some(&class) = architectures.first() else { return Ok(default) };
        let head = ENDINGS.iter().find(|(ending, _)| class.ends_with(ending)).map(|(_, head)| *head);
        match head {
            Some(head) if self.heads.contains(&head) => Ok(head),
            _ => Err(HfError::UnknownHead {
                found: class.chars().take(60).collect(),
                model_type: self.name.to_owned(),
                expected: ENDINGS
                    .iter()
                    .filter(|(_, head)| self.heads.contains(head))
                    .map(|(ending, _)| (*ending).to_owned())
                    .collect(),
            }),
        }
    }
}

/// Known model types that share their beginning with a name, longest first.
fn similar(name: &str) -> Vec<String> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let shared = |known: &str| name.chars().zip(known.chars()).take_while(|(a, b)| a == b).count();
    let mut found: Vec<(usize, &str)> = model_types().map(|known| (shared(known), known)).collect();
    found.retain(|&(shared, _)| shared >= 3);
    found.sort_by_key(|&(shared, known)| (std::cmp::Reverse(shared), known.len()));
    found.into_iter().take(4).map(|(_, known)| known.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_share_a_beginning() {
        assert!(similar("llama5").contains(&"llama".to_owned()));
        assert!(similar("zzz").is_empty());
    }

    #[test]
    fn model_types_are_listed_once() {
        let mut types: Vec<_> = model_types().collect();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), models().count());
    }
}
