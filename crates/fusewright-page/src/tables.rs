//! What the planner in the page knows of devices and rules: their files as data, so that no reader of files is in it.

use fusewright_device::Device;
use fusewright_pattern::{Library, RuleEntry};
use serde::{Deserialize, Serialize};

use crate::data::DeviceChoice;

/// Devices that can be chosen, and the rules that say what is not fused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tables {
    /// The devices.
    pub devices: Vec<Device>,
    /// The rules.
    pub rules: Vec<RuleEntry>,
}

impl Tables {
    /// The built-in devices, `device` if it is not one of them, and the rules of a library.
    pub fn of(library: &Library, device: Option<&Device>) -> Self {
        let mut devices: Vec<Device> = fusewright_device::ids().filter_map(fusewright_device::find).collect();
        if let Some(device) = device.filter(|device| devices.iter().all(|known| known.id != device.id)) {
            devices.push(device.clone());
        }
        Self { devices, rules: library.entries() }
    }

    /// What the page's controls offer.
    pub fn choices(&self) -> Vec<DeviceChoice> {
        self.devices.iter().map(DeviceChoice::of).collect()
    }

    /// As JSON in one line.
    pub fn to_json(&self) -> String {
        // Lists, texts and numbers, written to memory.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_again_is_what_was_written() {
        let tables = Tables::of(&Library::built_in(), None);
        let again: Tables = serde_json::from_str(&tables.to_json()).unwrap();
        assert_eq!(again.to_json(), tables.to_json());
        for (again, device) in again.devices.iter().zip(&tables.devices) {
            let (one, other) = (again.figures(), device.figures());
            // Notes are left out, and every number keeps all of its bits.
            assert!(one.iter().map(|f| f.value.to_bits()).eq(other.iter().map(|f| f.value.to_bits())), "{}", device.id);
        }
    }

    #[test]
    fn a_device_of_the_users_own_is_one_of_the_choices() {
        let mut own = fusewright_device::find("h100-sxm").unwrap();
        own.id = "mine".to_owned();
        let tables = Tables::of(&Library::default(), Some(&own));
        assert_eq!(tables.choices().last().map(|choice| choice.id.as_str()), Some("mine"));
        assert_eq!(tables.choices().len(), fusewright_device::ids().len() + 1);
    }
}
