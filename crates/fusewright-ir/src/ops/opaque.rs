//! Ops that fusewright carries without knowing what they compute.

use crate::{AttributeError, Attributes};

/// An op kept verbatim: its result types come from the source, its bytes are its operands and results, its FLOPs are
/// unknown and the report says so.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Opaque {
    /// Op name in the source.
    pub name: String,
    /// Why it is opaque, when that is not simply that the op is unknown.
    pub reason: Option<String>,
}

impl Opaque {
    pub(crate) fn write(&self, attributes: &mut Attributes) {
        attributes.set_text("name", &self.name);
        if let Some(reason) = &self.reason {
            attributes.set_text("reason", reason);
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        if mnemonic != "opaque" {
            return Ok(None);
        }
        let name = attributes.text("name")?;
        let reason = match attributes.take("reason") {
            Some(crate::Attribute::Text(reason)) => Some(reason),
            _ => None,
        };
        Ok(Some(Opaque { name, reason }))
    }
}
