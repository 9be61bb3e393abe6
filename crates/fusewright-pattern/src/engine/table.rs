//! The built-in pattern files, in the order of their names. `BLESS=1 cargo test -p fusewright-pattern` writes this file.

pub(super) const FILES: &[(&str, &str)] = &[("silu.toml", include_str!("../../library/silu.toml"))];
