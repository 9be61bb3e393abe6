//! What no way to run a graph or a product can beat.
//!
//! Three kinds: bytes that have to move because they come from outside or are asked for outside ([`floor_bytes`]), words
//! that a product has to move through a memory of limited size ([`product_io_words`], with [`attainable_words`] as the
//! best that a tiling reaches), and the time that follows on a device ([`floor_us`]).

mod compulsory;
mod divisors;
mod floor_time;
mod product_io;

pub use compulsory::floor_bytes;
pub use floor_time::{floor_us, launch_floor_us};
pub use product_io::{attainable_words, compulsory_words, product_io_words, tiled_words};
