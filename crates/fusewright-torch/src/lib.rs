//! Readers of what PyTorch writes: the FX JSON form and archives of `torch.export`.

// A file is hostile until proven otherwise: nothing here may panic on what it says.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod fx;
pub mod pt2;
