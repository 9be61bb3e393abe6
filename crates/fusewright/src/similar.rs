//! "Did you mean": names that are nearly the one that was given.

/// Names near to one that does not exist, nearest first.
pub(crate) fn similar_names<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', '/', ' '], "");
    let wanted = plain(name);
    let near = |known: &'a str| {
        // A name that is much longer is no near one, and comparing it would take time.
        let other = if known.len() > 4 * wanted.len().max(16) { return None } else { plain(known) };
        let distance = strsim::damerau_levenshtein(&wanted, &other);
        (distance <= 2).then_some((distance, known))
    };
    // The distance takes time in the product of the lengths; no name is this long.
    let mut near: Vec<_> = if wanted.len() > 64 { Vec::new() } else { known.filter_map(near).collect() };
    near.sort_unstable();
    near.into_iter().map(|(_, name)| name).take(3).collect()
}
