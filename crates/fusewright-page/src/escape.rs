//! Text of a model as text of a page.

use fusewright_report::printable;

/// Text that stays text between tags and in quoted attributes; control characters are shown, not kept.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// At most so many characters of a text.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_could_be_a_tag_or_end_an_attribute() {
        let out = escape("</script><img src=x onerror='a()' alt=\"b\">&\u{0}\n");
        assert!(!out.contains(['<', '>', '"', '\'', '\0', '\n']), "{out}");
        assert!(out.starts_with("&lt;/script&gt;"));
    }

    #[test]
    fn long_names_end() {
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(shortened("äöüß", 3), "äö…");
    }
}
