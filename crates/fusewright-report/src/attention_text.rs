//! The attentions of a model in one sentence: equal ones counted together.

use std::fmt::Write;

use crate::figures::significant;
use crate::{AttentionReport, AttentionSiteReport};

/// Most kinds of attention that are told apart.
const SHOWN: usize = 4;

/// What the attentions are, e.g. `12 × self, 12 heads of 64, mask none`; `None` if there are none. The words of one
/// kind are joined by no-break spaces only where they belong together.
pub(crate) fn attention_summary(report: &AttentionReport) -> Option<String> {
    let mut kinds: Vec<(String, u64)> = Vec::new();
    for site in &report.sites {
        let text = description(site);
        match kinds.iter_mut().find(|kind| kind.0 == text) {
            Some(kind) => kind.1 += 1,
            None => kinds.push((text, 1)),
        }
    }
    let more = kinds.len().saturating_sub(SHOWN);
    let mut texts: Vec<String> =
        kinds.iter().take(SHOWN).map(|(text, count)| format!("{count}\u{a0}×\u{a0}{text}")).collect();
    if more > 0 {
        texts.push(format!("and {more} kinds more"));
    }
    (!texts.is_empty()).then(|| format!("attention: {}", texts.join("; ")))
}

/// One attention without its place and its lengths.
fn description(site: &AttentionSiteReport) -> String {
    let plural = if site.heads == 1 { "head" } else { "heads" };
    let mut heads = format!("{} {plural} of {}", site.heads, site.head_dim);
    if site.value_dim != site.head_dim {
        let _ = write!(heads, " (values {})", site.value_dim);
    }
    if site.kv_heads != site.heads {
        let _ = write!(heads, " on {}", site.kv_heads);
    }
    let mask = match site.window {
        Some(keys) if site.causal => format!("causal window {keys}"),
        Some(keys) => format!("window {keys}"),
        None if site.causal && site.mask != "causal" => format!("mask {}, causal", site.mask),
        None => format!("mask {}", site.mask),
    };
    let mut facts = vec![site.kind.clone(), heads, mask];
    facts.extend(site.bias.then(|| "position bias".to_owned()));
    facts.extend(site.sinks.then(|| "sinks".to_owned()));
    facts.extend(site.softcap.map(|cap| format!("softcap {}", significant(cap))));
    facts.iter().map(|fact| fact.replace(' ', "\u{a0}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(kv_heads: u64, window: Option<u64>) -> AttentionSiteReport {
        AttentionSiteReport {
            name: "layer".into(),
            kind: "self".into(),
            heads: 8,
            kv_heads,
            head_dim: 64,
            value_dim: 64,
            queries: 10,
            keys: 10,
            mask: if window.is_some() { "window" } else { "causal" }.into(),
            window,
            causal: true,
            scale: Some(0.125),
            bias: false,
            sinks: window.is_some(),
            softcap: None,
            packed: false,
        }
    }

    #[test]
    fn equal_attentions_are_counted_together() {
        let sites = vec![site(2, None), site(2, Some(4)), site(2, None)];
        let report = AttentionReport { found: 3, self_: 3, cross: 0, single_op: 0, sites, missed: Vec::new() };
        let text = attention_summary(&report).map(|text| text.replace('\u{a0}', " "));
        let expected = "attention: 2 × self, 8 heads of 64 on 2, mask causal; \
                        1 × self, 8 heads of 64 on 2, causal window 4, sinks";
        assert_eq!(text.as_deref(), Some(expected));
        let none =
            AttentionReport { found: 0, self_: 0, cross: 0, single_op: 0, sites: Vec::new(), missed: Vec::new() };
        assert_eq!(attention_summary(&none), None);
    }
}
