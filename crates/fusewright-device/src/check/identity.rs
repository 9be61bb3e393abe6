//! Rules of what a device is called and what kind it is.

use super::Found;
use crate::{Class, Device};

pub(super) fn id(device: &Device, found: &mut Found) {
    for (field, text) in [("id", &device.id), ("family", &device.family)] {
        if !is_kebab_case(text) {
            let expected = "expected lower-case letters and digits, words joined by single hyphens, e.g. `h100-sxm`";
            found.add(field, format!("`{text}` is not in kebab-case; {expected}"));
        }
    }
    if device.name.trim().is_empty() {
        found.add("name", "it is empty; give the product's full name");
    }
}

fn is_kebab_case(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    };
    text.split('-').all(word)
}

pub(super) fn revision(device: &Device, found: &mut Found) {
    if device.revision == 0 {
        found.add("revision", "it is 0; start at 1 and add 1 with each change of a number");
    }
}

pub(super) fn references(device: &Device, found: &mut Found) {
    if device.references.iter().all(|reference| reference.trim().is_empty()) {
        found.add("references", "none is named; name the data sheet or the page that the numbers were read in");
    }
}

pub(super) fn section(device: &Device, found: &mut Found) {
    let sections = [
        (Class::Gpu, device.gpu.is_some()),
        (Class::Systolic, device.systolic.is_some()),
        (Class::Cpu, device.cpu.is_some()),
    ];
    for (class, given) in sections {
        let (name, own) = (class.name(), device.class.name());
        if class == device.class && !given {
            found.add(name, format!("the section [{name}] is missing, which class = \"{own}\" needs; add it"));
        } else if class != device.class && given {
            found.add(name, format!("the section [{name}] does not go with class = \"{own}\"; take it out"));
        }
    }
}
