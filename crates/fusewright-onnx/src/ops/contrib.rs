//! The operators of onnxruntime's own domain, `com.microsoft`, in families like those of the standard domain.

use super::Row;

/// The families.
pub(super) const FAMILIES: &[&[Row]] = &[];
