//! Unique names for values and nodes. Functions are inlined and nodes expand into several, so wanted names may meet.

use std::collections::HashMap;

/// The names that are taken.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Each name with the number of times it was asked for.
    taken: HashMap<String, u32>,
}

impl Names {
    /// The wanted name, or the next free one that is like it: `scale`, `scale.2`, `scale.3`.
    pub(crate) fn unique(&mut self, wanted: &str) -> String {
        let Some(&count) = self.taken.get(wanted) else {
            self.taken.insert(wanted.to_owned(), 1);
            return wanted.to_owned();
        };
        let mut number = count;
        loop {
            number = number.saturating_add(1);
            let candidate = format!("{wanted}.{number}");
            if !self.taken.contains_key(&candidate) {
                self.taken.insert(wanted.to_owned(), number);
                self.taken.insert(candidate.clone(), 1);
                return candidate;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn names_are_never_given_twice() {
        let mut names = Names::default();
        let given: Vec<String> = ["a", "a.2", "a", "a", "a.2"].map(|wanted| names.unique(wanted)).into();
        assert_eq!(given, ["a", "a.2", "a.3", "a.4", "a.2.2"]);
    }
}
