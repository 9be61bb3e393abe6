//! Reads arbitrary bytes as a device file. Of what is read, the check finds nothing and every number is in range.
#![no_main]

use fusewright_device::{Device, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Device::from_toml(text, "fuzz.toml") {
        Ok(device) => {
            assert!(check(&device).is_empty());
            assert!(device.figures().iter().all(|figure| figure.value > 0.0 && figure.value.is_finite()));
        }
        Err(error) => assert!(!error.problems().is_empty()),
    }
});
