//! From what a user calls a device to what is known of it: a built-in id, or a file.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{MAIN_SEPARATOR, Path};

use fusewright_device::{Device, find, ids};

use crate::Error;
use crate::similar::similar_names;

/// Most bytes of a device file that are read: a hundred times as many as any has.
const LIMIT: u64 = 1 << 20;

/// The built-in device of this id, or the one that a TOML file describes. Whatever ends in `.toml` or has a path
/// separator in it is a file.
///
/// ```
/// let device = fusewright::device("h100-sxm")?;
/// assert_eq!(device.family, "hopper");
/// # Ok::<(), fusewright::Error>(())
/// ```
pub fn device(name_or_path: impl AsRef<OsStr>) -> Result<Device, Error> {
    let name = name_or_path.as_ref();
    if let Some(device) = name.to_str().and_then(find) {
        return Ok(device);
    }
    let shown = name.to_string_lossy();
    if !is_path(&shown) {
        let similar = similar_devices(&shown);
        return Err(Error::UnknownDevice { name: shown.into_owned(), similar });
    }
    device_file(Path::new(name))
}

/// The device that a TOML file describes.
pub fn device_file(path: impl AsRef<Path>) -> Result<Device, Error> {
    let path = path.as_ref();
    let file = path.display().to_string();
    let text = read(path, &file)?;
    Device::from_toml(&text, &file).map_err(|problem| Error::Device { problem })
}

fn is_path(name: &str) -> bool {
    name.contains(['/', MAIN_SEPARATOR]) || Path::new(name).extension().is_some_and(|end| end == "toml")
}

/// Most devices that are offered in place of one that does not exist.
const OFFERED: usize = 4;

fn similar_devices(name: &str) -> Vec<&'static str> {
    // What comes in several versions is often called by the part that they share: `h100`, `a100`.
    let part = name.to_lowercase().replace(['_', ' '], "-");
    let versions: Vec<&str> = ids().filter(|id| part.len() > 1 && id.contains(&part)).take(OFFERED).collect();
    if versions.is_empty() { similar_names(name, ids()) } else { versions }
}

fn read(path: &Path, file: &str) -> Result<String, Error> {
    let unreadable = |problem| Error::Unreadable { path: file.to_owned(), problem };
    let opened = File::open(path).map_err(unreadable)?;
    if opened.metadata().map_err(unreadable)?.is_dir() {
        return Err(Error::Folder { path: file.to_owned(), expected: "a device file" });
    }
    let mut bytes = Vec::new();
    opened.take(LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LIMIT {
        let problem = format!("it has more than {LIMIT} bytes; expected a device file, which has a few thousand");
        return Err(unreadable(io::Error::new(io::ErrorKind::InvalidData, problem)));
    }
    let problem = "it is not UTF-8; expected a TOML file";
    String::from_utf8(bytes).map_err(|_| unreadable(io::Error::new(io::ErrorKind::InvalidData, problem)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_before_names_that_look_alike() {
        assert_eq!(similar_devices("H100"), ["h100-nvl", "h100-pcie", "h100-sxm"]);
        assert_eq!(similar_devices("rtx4090"), ["rtx-4090", "rtx-3090", "rtx-5090"]);
        assert_eq!(similar_devices("a100"), ["a100-pcie-40", "a100-pcie-80", "a100-sxm-40", "a100-sxm-80"]);
        assert!(similar_devices("abacus").is_empty());
    }

    #[test]
    fn what_is_a_path_is_told_by_its_form() {
        for path in ["mine.toml", "./mine", "folder/mine", "/dev/null"] {
            assert!(is_path(path), "{path}");
        }
        for name in ["h100-sxm", "mine", "toml", "h100.tom"] {
            assert!(!is_path(name), "{name}");
        }
    }
}
