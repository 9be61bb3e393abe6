//! Weights that lie in files beside the model. Only their places are checked; no byte of them is read.

use std::collections::BTreeMap;

use super::OnnxError;
use super::proto::Tensor;
use super::tensor::is_external;

/// Gives the size of a file beside the model by its relative name; `None` where there is no such file.
pub type External<'a> = dyn Fn(&str) -> Option<u64> + 'a;

/// The files that weights lie in.
#[derive(Debug, Default)]
pub(crate) struct Extents<'m> {
    /// Per file the extents that were claimed, with the tensor that claims each.
    claimed: BTreeMap<String, Vec<(u64, u64, &'m str)>>,
}

impl<'m> Extents<'m> {
    /// Takes note of where a tensor of `bytes` bytes lies.
    pub(crate) fn claim(&mut self, tensor: &'m Tensor, bytes: u64) -> Result<(), OnnxError> {
        if !is_external(tensor) {
            return Ok(());
        }
        let bad = |problem: String| OnnxError::External { tensor: tensor.name.clone(), problem };
        let entry = |key: &str| tensor.external.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
        let number = |key: &str| {
            entry(key).map(|text| text.parse::<u64>().map_err(|_| bad(format!("its {key} is `{text}`")))).transpose()
        };
        let location = entry("location").ok_or_else(|| bad("it has no location".to_owned()))?;
        let file = relative(location).ok_or_else(|| bad(format!("its location `{location}` is not a plain path")))?;
        let offset = number("offset")?.unwrap_or(0);
        let length = number("length")?.unwrap_or(bytes);
        if length != bytes {
            return Err(bad(format!("its data has {length} bytes, its shape takes {bytes}")));
        }
        let end = offset.checked_add(length).ok_or_else(|| bad(format!("its offset is {offset}")))?;
        self.claimed.entry(file).or_default().push((offset, end, &tensor.name));
        Ok(())
    }

    /// Checks that the extents lie inside their files and apart from each other. Gives the files that are not there.
    pub(crate) fn check(mut self, external: &External<'_>) -> Result<Vec<String>, OnnxError> {
        let mut missing = Vec::new();
        for (file, extents) in &mut self.claimed {
            extents.sort_unstable();
            let size = external(file);
            let bad = |tensor: &str, problem: String| OnnxError::External { tensor: tensor.to_owned(), problem };
            if let (Some(size), Some(&(_, end, tensor))) = (size, extents.iter().max_by_key(|extent| extent.1))
                && end > size
            {
                return Err(bad(tensor, format!("its data ends at byte {end} of `{file}`, which has {size} bytes")));
            }
            for (first, second) in extents.iter().zip(extents.iter().skip(1)) {
                // Tied tensors share one extent as a whole.
                if second.0 < first.1 && (first.0, first.1) != (second.0, second.1) {
                    return Err(bad(second.2, format!("its data overlaps that of `{}` in `{file}`", first.2)));
                }
            }
            if size.is_none() {
                missing.push(file.clone());
            }
        }
        Ok(missing)
    }
}

/// Where the elements of an external tensor of `bytes` bytes lie: file, first byte, length.
pub(crate) fn place(tensor: &Tensor, bytes: u64) -> Option<(String, u64, u64)> {
    let entry = |key: &str| tensor.external.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
    let number = |key: &str, absent| entry(key).map_or(Some(absent), |text| text.parse::<u64>().ok());
    Some((relative(entry("location")?)?, number("offset", 0)?, number("length", bytes)?))
}

/// The location with `/` between its parts, if it names something inside the model's folder whatever the system.
fn relative(location: &str) -> Option<String> {
    let parts: Vec<&str> = location.split('/').filter(|part| *part != ".").collect();
    let plain = |part: &&str| !part.is_empty() && *part != ".." && !part.contains(['\\', '\0', ':']);
    (!parts.is_empty() && location.len() <= 4096 && parts.iter().all(plain)).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Entry;

    fn tensor(name: &str, location: &str, offset: u64, length: u64) -> Tensor {
        let entry = |key: &str, value: String| Entry { key: key.to_owned(), value };
        let external = vec![
            entry("location", location.to_owned()),
            entry("offset", offset.to_string()),
            entry("length", length.to_string()),
        ];
        Tensor { name: name.to_owned(), location: 1, external, ..Tensor::default() }
    }

    #[test]
    fn locations_stay_in_the_folder() {
        assert_eq!(relative("./data/weights.bin").as_deref(), Some("data/weights.bin"));
        for bad in ["/etc/passwd", "../x", "a/../../x", "a\\..\\x", "c:/x", "a\0b", "", ".", "a//b"] {
            assert_eq!(relative(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn extents_lie_inside_the_file_and_apart() {
        let check = |tensors: &[Tensor], size: Option<u64>| {
            let mut extents = Extents::default();
            for tensor in tensors {
                extents.claim(tensor, 8)?;
            }
            extents.check(&|_| size)
        };
        let (a, b, c) = (tensor("a", "w", 0, 8), tensor("b", "w", 8, 8), tensor("c", "w", 4, 8));
        assert!(check(&[a.clone(), b.clone()], Some(16)).unwrap().is_empty());
        assert_eq!(check(&[a.clone(), a.clone()], None).unwrap(), ["w"]);
        assert!(check(&[a.clone(), b], Some(15)).unwrap_err().to_string().contains("ends at byte 16"));
        assert!(check(&[a, c], Some(16)).unwrap_err().to_string().contains("overlaps that of `a`"));
        assert!(check(&[tensor("d", "w", u64::MAX, 8)], None).is_err());
        assert!(check(&[tensor("d", "w", 0, 9)], None).unwrap_err().to_string().contains("its shape takes 8"));
    }
}
