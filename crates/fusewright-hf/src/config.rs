//! A configuration as it is looked up: what the file says, under any of a key's names, else what the class says.

use fusewright_ir::DType;
use serde_json::{Map, Value};

use crate::HfError;
use crate::defaults::{self, Defaults};

/// Largest size that a key may hold: products of two sizes and sums of such products stay far inside `u64`.
pub(crate) const MAX_SIZE: u64 = 1 << 24;
/// Most layers of a stack.
pub(crate) const MAX_LAYERS: u64 = 10_000;

/// A configuration, or one nested in it.
pub(crate) struct Config<'a> {
    /// Which model this configures.
    pub(crate) model_type: String,
    path: String,
    given: &'a Map<String, Value>,
    defaults: Defaults,
}

impl<'a> Config<'a> {
    /// The outermost configuration.
    pub(crate) fn new(model_type: &str, given: &'a Map<String, Value>) -> Self {
        Self { model_type: model_type.to_owned(), path: String::new(), given, defaults: defaults::of(model_type) }
    }

    /// The configuration under `key`, of the model type that it names, else of `model_type`.
    pub(crate) fn nested(&self, key: &str, model_type: &str) -> Result<Config<'a>, HfError> {
        static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        let given = match self.given.get(key) {
            None | Some(Value::Null) => &*EMPTY,
            Some(Value::Object(given)) => given,
            Some(other) => {
                return Err(HfError::NotAnObject { path: self.full(key), found: shown(other) });
            }
        };
        let named = given.get("model_type").and_then(Value::as_str).unwrap_or(model_type);
        let mut nested = Config::new(named, given);
        nested.path = format!("{}.", self.full(key));
        Ok(nested)
    }

    /// True when the file itself has the key, with any value but null.
    pub(crate) fn states(&self, key: &str) -> bool {
        self.given.get(key).is_some_and(|value| !value.is_null())
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.path)
    }

    /// The value of a key, under whichever of its names; null is the same as nothing.
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        let own = self.defaults.aliases.get(key).and_then(Value::as_str);
        let common = self.defaults.aliases.iter().filter(|(_, own)| own.as_str() == Some(key)).map(|(name, _)| name);
        let names = || [Some(key), own].into_iter().flatten().chain(common.clone().map(String::as_str));
        let found = names().find_map(|name| self.given.get(name));
        found.or_else(|| names().find_map(|name| self.defaults.values.get(name))).filter(|value| !value.is_null())
    }

    /// An error about a key that is there or not.
    pub(crate) fn wrong(&self, key: &str, expected: impl Into<String>) -> HfError {
        let (key_path, expected) = (self.full(key), expected.into());
        match self.value(key) {
            Some(value) => HfError::BadKey { key: key_path, found: shown(value), expected },
            None => HfError::MissingKey { key: key_path, expected },
        }
    }

    /// An error about a setting that has no builder.
    pub(crate) fn unsupported(&self, key: &str, problem: impl Into<String>) -> HfError {
        let found = self.value(key).map_or_else(|| "missing".to_owned(), shown);
        HfError::Unsupported { key: self.full(key), found, problem: problem.into() }
    }

    fn integer(&self, key: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, HfError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        // Some writers give integers a fraction of zero.
        let whole = |number: f64| (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then_some(number);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range")]
        let integer = value.as_u64().or_else(|| value.as_f64().and_then(whole).map(|number| number as u64));
        match integer.filter(|integer| range.contains(integer)) {
            Some(integer) => Ok(Some(integer)),
            None => Err(self.wrong(key, format!("an integer from {} to {}", range.start(), range.end()))),
        }
    }

    /// A size of at least 1 that the model cannot do without.
    pub(crate) fn size(&self, key: &str) -> Result<u64, HfError> {
        let found = self.integer(key, 1..=MAX_SIZE)?;
        found.ok_or_else(|| self.wrong(key, format!("an integer from 1 to {MAX_SIZE}")))
    }

    /// A size of at least 1, if there is one.
    pub(crate) fn optional_size(&self, key: &str) -> Result<Option<u64>, HfError> {
        self.integer(key, 1..=MAX_SIZE)
    }

    /// A number that may be 0, which it is when nothing is said.
    pub(crate) fn count(&self, key: &str) -> Result<u64, HfError> {
        Ok(self.integer(key, 0..=MAX_SIZE)?.unwrap_or(0))
    }

    /// The number of layers of a stack.
    pub(crate) fn layers(&self, key: &str) -> Result<u64, HfError> {
        let found = self.integer(key, 0..=MAX_LAYERS)?;
        found.ok_or_else(|| self.wrong(key, format!("an integer from 0 to {MAX_LAYERS}")))
    }

    /// A truth value; false when nothing is said.
    pub(crate) fn flag(&self, key: &str) -> Result<bool, HfError> {
        match self.value(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    /// A number that must be there.
    pub(crate) fn float(&self, key: &str) -> Result<f64, HfError> {
        self.optional_float(key)?.ok_or_else(|| self.wrong(key, "a number"))
    }

    /// A number, if there is one.
    pub(crate) fn optional_float(&self, key: &str) -> Result<Option<f64>, HfError> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| self.wrong(key, "a number")),
        }
    }

    /// A text, if there is one.
    pub(crate) fn optional_text(&self, key: &str) -> Result<Option<&str>, HfError> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or_else(|| self.wrong(key, "a text")),
        }
    }

    /// A text that the model cannot do without.
    pub(crate) fn text(&self, key: &str) -> Result<&str, HfError> {
        self.optional_text(key)?.ok_or_else(|| self.wrong(key, "a text"))
    }

    /// A list, if there is one.
    pub(crate) fn list(&self, key: &str) -> Result<Option<&[Value]>, HfError> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => value.as_array().map(|list| Some(list.as_slice())).ok_or_else(|| self.wrong(key, "a list")),
        }
    }

    /// A list of integers from 0 to [`MAX_SIZE`], if there is one.
    pub(crate) fn sizes(&self, key: &str) -> Result<Option<Vec<u64>>, HfError> {
        let Some(list) = self.list(key)? else { return Ok(None) };
        let sizes = list.iter().map(|value| value.as_u64().filter(|&size| size <= MAX_SIZE)).collect();
        let sizes: Option<Vec<u64>> = sizes;
        sizes.map(Some).ok_or_else(|| self.wrong(key, format!("a list of integers from 0 to {MAX_SIZE}")))
    }

    /// A list of texts, if there is one.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<&str>>, HfError> {
        let Some(list) = self.list(key)? else { return Ok(None) };
        let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
        texts.map(Some).ok_or_else(|| self.wrong(key, "a list of texts"))
    }

    /// An object under a key, if there is one.
    pub(crate) fn object(&self, key: &str) -> Result<Option<&Map<String, Value>>, HfError> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => value.as_object().map(Some).ok_or_else(|| self.wrong(key, "an object")),
        }
    }

    /// What the weights are stored in; `None` when the configuration does not say.
    pub(crate) fn dtype(&self) -> Result<Option<DType>, HfError> {
        let key = if self.states("dtype") { "dtype" } else { "torch_dtype" };
        let Some(name) = self.optional_text(key)? else { return Ok(None) };
        Ok(Some(match name.strip_prefix("torch.").unwrap_or(name) {
            "auto" => return Ok(None),
            "float64" | "double" => DType::F64,
            "float32" | "float" => DType::F32,
            "float16" | "half" => DType::F16,
            "bfloat16" => DType::Bf16,
            "float8_e4m3fn" => DType::F8E4M3,
            "float8_e5m2" => DType::F8E5M2,
            _ => return Err(self.wrong(key, "float32, float16, bfloat16 or float64")),
        }))
    }

    /// How many classes a classifying head tells apart: `num_labels`, else the entries of `id2label`, else 2.
    pub(crate) fn labels(&self) -> Result<u64, HfError> {
        let named = self.object("id2label")?.map(|labels| labels.len() as u64);
        Ok(self.optional_size("num_labels")?.or(named).unwrap_or(2).max(1))
    }
}

/// A value as it is shown in messages, cut when it is long.
pub(crate) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
