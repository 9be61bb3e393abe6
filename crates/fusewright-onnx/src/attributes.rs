//! The settings of a call.

use fusewright_ir::DType;

use super::proto::{Attribute, Node, Tensor};
use super::tensor;

/// Attributes that a function call gives to the nodes of the function.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings<'m>(Vec<(&'m str, &'m Attribute)>);

impl<'m> Settings<'m> {
    /// What a call of a function gives: its own attributes, then the function's defaults.
    pub(crate) fn of_call(node: &'m Node, outer: &Settings<'m>, defaults: &'m [Attribute]) -> Self {
        let own = node.attributes.iter().filter_map(|attribute| {
            let given = if attribute.reference.is_empty() { Some(attribute) } else { outer.get(&attribute.reference) };
            Some((attribute.name.as_str(), given?))
        });
        Self(own.chain(defaults.iter().map(|attribute| (attribute.name.as_str(), attribute))).collect())
    }

    fn get(&self, name: &str) -> Option<&'m Attribute> {
        self.0.iter().find(|(given, _)| *given == name).map(|(_, attribute)| *attribute)
    }
}

/// The attributes of one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'a, 'm> {
    pub(crate) node: &'m Node,
    pub(crate) settings: &'a Settings<'m>,
}

impl<'m> Attributes<'_, 'm> {
    fn get(&self, name: &str) -> Option<&'m Attribute> {
        let attribute = self.node.attributes.iter().find(|attribute| attribute.name == name)?;
        if attribute.reference.is_empty() { Some(attribute) } else { self.settings.get(&attribute.reference) }
    }

    /// The node says something about this.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// An integer. Zeros are not written by all writers.
    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        self.get(name).map_or(default, |attribute| attribute.int.unwrap_or(0))
    }

    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        self.int(name, i64::from(default)) != 0
    }

    pub(crate) fn float(&self, name: &str, default: f64) -> f64 {
        self.optional_float(name).unwrap_or(default)
    }

    /// A number that was written in decimals: `1e-5`, not the nearest single-precision number.
    pub(crate) fn optional_float(&self, name: &str) -> Option<f64> {
        let value = self.get(name)?.float.unwrap_or(0.0);
        Some(value.to_string().parse().unwrap_or(f64::from(value)))
    }

    pub(crate) fn ints(&self, name: &str) -> Option<&'m [i64]> {
        self.get(name).map(|attribute| attribute.ints.as_slice())
    }

    /// Non-negative integers.
    pub(crate) fn sizes(&self, name: &str) -> Result<Option<Vec<u64>>, String> {
        let size = |&value: &i64| u64::try_from(value).map_err(|_| format!("`{name}` holds {value}"));
        self.ints(name).map(|values| values.iter().map(size).collect()).transpose()
    }

    pub(crate) fn floats(&self, name: &str) -> Option<&'m [f32]> {
        self.get(name).map(|attribute| attribute.floats.as_slice())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'m str> {
        std::str::from_utf8(self.get(name)?.text.as_ref()?).ok()
    }

    pub(crate) fn tensor(&self, name: &str) -> Option<&'m Tensor> {
        self.get(name)?.tensor.as_deref()
    }

    /// An element type by its code.
    pub(crate) fn dtype(&self, name: &str) -> Result<Option<DType>, String> {
        let code = self.get(name).and_then(|attribute| attribute.int);
        let read =
            |code| tensor::dtype(i32::try_from(code).unwrap_or(-1)).map_err(|problem| format!("`{name}`: {problem}"));
        code.map(read).transpose()
    }
}
