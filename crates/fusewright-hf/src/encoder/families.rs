//! The families in the style of BERT.

use fusewright_ir::ops::Unary;

use super::bert::Family;
use super::head::{Classifier, HiddenTokens, Pooler};
use crate::HfError;
use crate::builder::Builder;
use crate::config::Config;
use crate::models::Request;

const BERT: Family = Family {
    root: "bert",
    layer: "encoder.layer.{}",
    projections: ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"],
    attention_norm: "attention.output.LayerNorm",
    mlp: ["intermediate.dense", "output.dense"],
    mlp_norm: "output.LayerNorm",
    keys: ["intermediate_size", "hidden_act"],
    projection: None,
    padded_positions: false,
    distance_bias: false,
    pooler: Pooler::Dense,
    hidden_tokens: HiddenTokens {
        dense: "cls.predictions.transform.dense",
        norm: "cls.predictions.transform.LayerNorm",
        bias: "cls.predictions",
        decoder: "cls.predictions.decoder",
        activation: Some("hidden_act"),
    },
    classifier: Classifier::Pooled,
};

const LM_HEAD: HiddenTokens = HiddenTokens {
    dense: "lm_head.dense",
    norm: "lm_head.layer_norm",
    bias: "lm_head",
    decoder: "lm_head.decoder",
    activation: None,
};

const ROBERTA: Family = Family {
    root: "roberta",
    padded_positions: true,
    hidden_tokens: LM_HEAD,
    classifier: Classifier::Dense(Unary::Tanh),
    ..BERT
};

const MPNET: Family = Family {
    root: "mpnet",
    projections: ["attention.attn.q", "attention.attn.k", "attention.attn.v", "attention.attn.o"],
    attention_norm: "attention.LayerNorm",
    distance_bias: true,
    ..ROBERTA
};

const ELECTRA: Family = Family {
    root: "electra",
    projection: Some("embeddings_project"),
    pooler: Pooler::None,
    hidden_tokens: HiddenTokens {
        dense: "generator_predictions.dense",
        norm: "generator_predictions.LayerNorm",
        bias: "generator_lm_head",
        decoder: "generator_lm_head",
        activation: None,
    },
    classifier: Classifier::Dense(Unary::Gelu),
    ..BERT
};

const ALBERT: Family = Family {
    root: "albert",
    layer: "encoder.albert_layer_groups.0.albert_layers.0",
    projections: ["attention.query", "attention.key", "attention.value", "attention.dense"],
    attention_norm: "attention.LayerNorm",
    mlp: ["ffn", "ffn_output"],
    mlp_norm: "full_layer_layer_norm",
    projection: Some("encoder.embedding_hidden_mapping_in"),
    pooler: Pooler::Linear,
    hidden_tokens: HiddenTokens {
        dense: "predictions.dense",
        norm: "predictions.LayerNorm",
        bias: "predictions",
        decoder: "predictions.decoder",
        activation: Some("hidden_act"),
    },
    ..BERT
};

const DISTILBERT: Family = Family {
    root: "distilbert",
    layer: "transformer.layer.{}",
    projections: ["attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin"],
    attention_norm: "sa_layer_norm",
    mlp: ["ffn.lin1", "ffn.lin2"],
    mlp_norm: "output_layer_norm",
    keys: ["hidden_dim", "activation"],
    pooler: Pooler::None,
    hidden_tokens: HiddenTokens {
        dense: "vocab_transform",
        norm: "vocab_layer_norm",
        bias: "vocab_projector",
        decoder: "vocab_projector",
        activation: Some("activation"),
    },
    classifier: Classifier::Hidden,
    ..BERT
};

pub(crate) fn bert(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    BERT.build(b, config, request)
}

pub(crate) fn roberta(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    ROBERTA.build(b, config, request)
}

pub(crate) fn mpnet(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    MPNET.build(b, config, request)
}

pub(crate) fn electra(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    ELECTRA.build(b, config, request)
}

/// All layers share the weights of one; a configuration with several groups of layers has no builder.
pub(crate) fn albert(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    for key in ["num_hidden_groups", "inner_group_num"] {
        if config.optional_size(key)?.is_some_and(|groups| groups != 1) {
            return Err(config.unsupported(key, "only one group of one layer is known; export the model instead"));
        }
    }
    ALBERT.build(b, config, request)
}

pub(crate) fn distilbert(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    DISTILBERT.build(b, config, request)
}
