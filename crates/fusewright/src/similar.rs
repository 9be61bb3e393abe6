//! "Did you mean": names that are nearly the one that was given.

/// Names near to one that does not exist, nearest first.
pub(crate) fn similar_names<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', '/', ' '], "");
    let wanted = plain(name);
    let near = |known: &'a str| {
        let distance = strsim::damerau_levenshtein(&wanted, &plain(known));
        (distance <= 2).then_some((distance, known))
    };
    // The distance takes time in the product of the lengths; no name is this long.
    let mut near: Vec<_> = if wanted.len() > 64 { Vec::new() } else { known.filter_map(near).collect() };
    near.sort_unstable();
    near.into_iter().map(|(_, name)| name).take(3).collect()
}
