//! The families: what each does differently from Llama.

use super::Stack;
use crate::HfError;
use crate::builder::Builder;
use crate::config::Config;
use crate::models::Request;

pub(crate) fn llama(b: &mut Builder, config: &Config<'_>, request: &Request<'_>) -> Result<(), HfError> {
    Stack::of(config)?.build(b, config, request)
}
