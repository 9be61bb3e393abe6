//! Writing a lock file: two spaces, keys sorted, a newline at the end; the same plans give the same bytes.

use super::Lock;
use crate::json;

impl Lock {
    /// The file.
    pub fn to_json(&self) -> String {
        json::indented(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fusewright_ir::text::parse;
    use fusewright_plan::{Analysis, AttentionFusionPartitioner, Partitioner, Profile};

    use super::super::{LockEntry, LockSettings};
    use super::*;
    use crate::Subject;

    const MLP: &str = r#"graph "mlp" {
        input %x: f32[4, 8]
        parameter %w: f32[16, 8]
        %h: f32[4, 16] = linear(%x, %w) in "layers.0"
        %y: f32[4, 16] = gelu(%h) in "layers.0"
        output %y
      }"#;

    fn lock() -> Lock {
        let graph = parse(MLP).expect("the graph is valid");
        let analysis = Analysis::of(&graph);
        let plan = AttentionFusionPartitioner::default().partition(&analysis, Profile::Default).expect("a plan");
        let subject = Subject { analysis: &analysis, source: "mlp.fir", format: "text" };
        let dims = BTreeMap::from([("batch".to_owned(), 4)]);
        let settings =
            LockSettings { model: "mlp.fir".into(), profile: "default".into(), dims, ..LockSettings::default() };
        let device = fusewright_device::find("h100-sxm").expect("a built-in device");
        let timing = fusewright_plan::time_plan(&analysis, &plan, &device);
        let entry = LockEntry::of(&subject, settings, Some(&device), &[(&plan, Some(&timing))]);
        Lock { models: BTreeMap::from([(entry.settings.command(), entry)]), ..Lock::default() }
    }

    /// Every object of a document has its keys in order.
    fn sorted(text: &str) {
        let mut open: Vec<Option<String>> = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(key) = line.strip_prefix('"').and_then(|rest| rest.split_once("\":")).map(|(key, _)| key) {
                let last = open.last_mut().expect("keys stand in objects");
                assert!(last.as_deref().is_none_or(|last| last < key), "{key} after {last:?}");
                *last = Some(key.to_owned());
            }
            if line.ends_with('{') {
                open.push(None);
            }
            if line.starts_with('}') {
                open.pop();
            }
        }
    }

    #[test]
    fn a_lock_file_reads_as_it_was_written() {
        let lock = lock();
        let text = lock.to_json();
        assert!(text.ends_with("}\n"));
        sorted(&text);
        assert!(text.contains("\"linear_gelu\": {") && text.contains("\"layers.0\": 1\n"), "{text}");
        let read = Lock::read(&text).expect("it can be read");
        assert_eq!(read, lock);
        assert_eq!(read.to_json(), text);
    }

    #[test]
    fn empty_objects_are_sorted_too() {
        sorted(&Lock::default().to_json());
    }
}
