//! Replays the seeds of the fuzzer, whole and damaged: reading may fail, but never panics.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use fusewright_device::{Device, check};
use proptest::prelude::*;

fn seeds() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/device_reader");
    let mut seeds: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

#[test]
fn every_seed_is_read() {
    let seeds = seeds();
    assert!(seeds.len() >= 5, "seeds are missing");
    for (name, text) in seeds {
        Device::from_toml(&text, &name).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Values that matter, put in place of others.
const VALUES: &[&str] = &[
    "0",
    "-1",
    "1",
    "1e300",
    "1e-300",
    "nan",
    "inf",
    "-inf",
    "0.5",
    "4294967295",
    "9223372036854775807",
    "\"\"",
    "true",
    "[]",
    "{}",
    "{ value = 1, source = \"measured\" }",
];

/// The text with some bytes taken out or a few values replaced.
fn damaged() -> impl Strategy<Value = String> {
    let value = (any::<prop::sample::Index>(), prop::sample::select(VALUES));
    let cut = (any::<prop::sample::Index>(), 0..30_usize);
    let seed = prop::sample::select(seeds());
    (seed, prop::collection::vec(value, 0..4), prop::collection::vec(cut, 0..2)).prop_map(
        |((_, text), values, cuts)| {
            let mut text = text;
            for (place, value) in values {
                let places: Vec<usize> = text.match_indices("value = ").map(|(at, found)| at + found.len()).collect();
                let Some(&start) = places.get(place.index(places.len().max(1))) else { continue };
                let end = text[start..].find([',', ' ']).map_or(text.len(), |length| start + length);
                text.replace_range(start..end, value);
            }
            for (place, length) in cuts {
                let bytes: Vec<char> = text.chars().collect();
                let start = place.index(bytes.len().max(1));
                text = bytes.iter().take(start).chain(bytes.iter().skip(start + length)).collect();
            }
            text
        },
    )
}

proptest! {
    #[test]
    fn what_is_read_passes_the_check(text in damaged()) {
        match Device::from_toml(&text, "damaged.toml") {
            Ok(device) => {
                prop_assert!(check(&device).is_empty());
                prop_assert!(device.figures().iter().all(|figure| figure.value > 0.0 && figure.value.is_finite()));
            }
            Err(error) => {
                prop_assert!(!error.problems().is_empty());
                prop_assert!(error.to_string().starts_with("damaged.toml"));
            }
        }
    }
}
