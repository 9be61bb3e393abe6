//! The built-in pattern files, in the order of their names. `BLESS=1 cargo test -p fusewright-pattern` writes this file.

pub(super) const FILES: &[(&str, &str)] = &[
    ("geglu.toml", include_str!("../../library/geglu.toml")),
    ("gelu-erf.toml", include_str!("../../library/gelu-erf.toml")),
    ("gelu-tanh.toml", include_str!("../../library/gelu-tanh.toml")),
    ("layer-norm.toml", include_str!("../../library/layer-norm.toml")),
    ("quick-gelu.toml", include_str!("../../library/quick-gelu.toml")),
    ("rms-norm.toml", include_str!("../../library/rms-norm.toml")),
    ("silu.toml", include_str!("../../library/silu.toml")),
    ("swiglu.toml", include_str!("../../library/swiglu.toml")),
];
