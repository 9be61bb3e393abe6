//! From the text of a configuration to a graph.

use fusewright_ir::{DType, Graph, Loaded, Origin, Type};
use serde_json::Value;

use crate::builder::Builder;
use crate::config::{Config, shown};
use crate::models::{self, Request};
use crate::{HfError, Options, Phase};

/// Most bytes of a configuration; class names of large label sets take a megabyte or two.
const MAX_TEXT: usize = 16 << 20;

/// Bytes at the beginning that are looked at to tell what a file is.
const SNIFFED: usize = 1 << 16;

/// True for what looks like a model's configuration.
pub fn probe(text: &[u8]) -> bool {
    let beginning = String::from_utf8_lossy(text.get(..SNIFFED).unwrap_or(text));
    let names_a_model = ["\"model_type\"", "\"architectures\""].iter().any(|key| beginning.contains(key));
    beginning.trim_start().starts_with('{') && names_a_model && !beginning.contains("\"fx-graph\"")
}

/// Builds the graph that a configuration describes. It passes the verifier.
pub fn read(config: &[u8], options: &Options) -> Result<Loaded, HfError> {
    if config.len() > MAX_TEXT {
        return Err(HfError::TooLong { bytes: config.len(), limit: MAX_TEXT });
    }
    let parsed: Value = serde_json::from_slice(config).map_err(|error| {
        let (line, column, text) = (error.line(), error.column(), error.to_string());
        let place = format!(" at line {line} column {column}");
        HfError::NotJson { problem: text.strip_suffix(&place).unwrap_or(&text).to_owned(), line, column }
    })?;
    let Value::Object(given) = &parsed else {
        return Err(HfError::NotAnObject { path: "$".to_owned(), found: shown(&parsed) });
    };
    let model_type = match given.get("model_type") {
        Some(Value::String(name)) => name.as_str(),
        None | Some(Value::Null) => return Err(HfError::NoModelType),
        Some(other) => {
            let expected = "a text such as \"llama\"".to_owned();
            return Err(HfError::BadKey { key: "model_type".to_owned(), found: shown(other), expected });
        }
    };
    let model = models::find(model_type)?;
    let config = Config::new(model_type, given);
    let head = model.head(&config)?;
    if options.phase == Phase::Decode && !model.generates() {
        return Err(HfError::NoDecode { model_type: model_type.to_owned() });
    }
    let dtype = config.dtype()?.unwrap_or(DType::F32);
    let mut builder = Builder::new(model_type, dtype, options.phase);
    if config.states("quantization_config") {
        builder.note("`quantization_config` is not applied: weights have the element type of the configuration");
    }
    (model.build)(&mut builder, &config, &Request { options, head })?;
    builder.results(&[]);
    fusewright_ir::verify(&builder.graph)?;
    Ok(Loaded { graph: builder.graph, warnings: Vec::new(), notes: builder.notes, contents: builder.contents })
}

/// Number of trained elements: each tensor once, however often it is used.
pub fn parameters(graph: &Graph) -> u64 {
    let elements = |ty: &Type| ty.as_tensor().map_or(0, fusewright_ir::TensorType::elements);
    let trained = graph.values().filter(|(_, value)| value.origin == Origin::Parameter);
    trained.fold(0, |sum: u64, (_, value)| sum.saturating_add(elements(&value.ty)))
}
