//! Replays the seeds of the fuzzer, whole and damaged: reading may fail, but never panics.

use std::path::Path;

use fusewright_ir::Bindings;
use fusewright_torch::fx;

/// Damaged copies of each seed.
const MUTANTS: u64 = 1500;

fn seeds() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/fx_reader");
    let mut seeds: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

/// A small generator of pseudo-random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides.max(1)
    }
}

/// Texts that matter to the format, put in place of others.
const TOKENS: [&str; 24] = [
    "null",
    "true",
    "-1",
    "0",
    "1",
    "2",
    "9223372036854775807",
    "18446744073709551615",
    "1e308",
    "[]",
    "{}",
    "\"\"",
    "\"x\"",
    "{\"ref\":\"x\"}",
    "{\"ellipsis\":true}",
    "{\"slice\":[null,1,-1]}",
    "{\"tuple\":[]}",
    "{\"float\":\"NaN\"}",
    "281474976710656",
    "\"float16\"",
    "\"bool\"",
    "\"getitem\"",
    "[1,1,1]",
    "{\"const\":3}",
];

/// A copy with a few bytes flipped, a piece removed, repeated or replaced, or the end cut off.
fn damage(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.roll(3) {
        let position = dice.roll(bytes.len());
        match dice.roll(6) {
            0 => bytes.truncate(position),
            1 => {
                if let Some(byte) = bytes.get_mut(position) {
                    *byte ^= 1 << dice.roll(8);
                }
            }
            2 => {
                let end = (position + dice.roll(40)).min(bytes.len());
                let piece = bytes[position..end].to_vec();
                bytes.splice(position..position, piece);
            }
            3 => {
                let end = (position + dice.roll(20)).min(bytes.len());
                bytes.drain(position..end);
            }
            _ => replace_value(&mut bytes, position, TOKENS[dice.roll(TOKENS.len())]),
        }
    }
    bytes
}

/// Puts `token` in place of the value that starts after the next separator.
fn replace_value(bytes: &mut Vec<u8>, position: usize, token: &str) {
    let separator = |byte: &u8| b":,[".contains(byte);
    let Some(start) = bytes.iter().skip(position).position(separator).map(|offset| position + offset + 1) else {
        return;
    };
    let ends = |byte: &u8| b",]}".contains(byte);
    let Some(end) = bytes.iter().skip(start).position(ends).map(|offset| start + offset) else { return };
    bytes.splice(start..end, token.bytes());
}

#[test]
fn every_seed_is_read() {
    let seeds = seeds();
    assert!(seeds.len() >= 5, "seeds are missing");
    for (name, json) in seeds {
        if let Err(error) = fx::read(&json, &Bindings::default()) {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn damaged_seeds_do_not_panic() {
    let mut read = 0;
    for (name, json) in seeds() {
        let mut dice = Dice(json.len() as u64);
        for round in 0..MUTANTS {
            let damaged = damage(&json, &mut dice);
            let result = std::panic::catch_unwind(|| fx::read(&damaged, &Bindings::default()).is_ok());
            let ok = result.unwrap_or_else(|_| panic!("{name}, round {round}: {}", String::from_utf8_lossy(&damaged)));
            read += u64::from(ok);
        }
    }
    assert!(read > 100, "the damage is too heavy to reach the walk: {read} documents were read");
}
