//! Candidates and misses of a model.

use std::collections::BTreeMap;
use std::fmt::Write;

use fusewright_ir::{Graph, NodeId};
use fusewright_pattern::{Findings, Library, Miss, Saving};
use serde::Serialize;

use crate::figures::bytes_text;
use crate::layout::{printable, wrap};

/// What a fusion saves or would save.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SavingReport {
    /// Launches.
    pub kernels: u32,
    /// Bytes that are neither written nor read again.
    pub bytes: u64,
}

/// A place where a rule holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CandidateReport {
    /// Id of the rule.
    pub rule: String,
    /// Ids of further rules that describe the place.
    pub also: Vec<String>,
    /// Module path of the first node that does work.
    pub module: String,
    /// Names of the nodes.
    pub nodes: Vec<String>,
    /// The values that the rule names.
    pub values: BTreeMap<String, String>,
    /// What one kernel for them saves against one each.
    pub saving: SavingReport,
}

/// What was found at the place that broke a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvidenceReport {
    /// Name of the node.
    pub node: Option<String>,
    /// Name of the value.
    pub value: Option<String>,
    /// Its type, e.g. `f32[1, 197, 768]`.
    pub value_type: Option<String>,
    /// What is there.
    pub found: String,
    /// What the rule asks for.
    pub expected: String,
}

/// A place where all but one constraint of a rule hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissReport {
    /// Id of the rule.
    pub rule: String,
    /// Id of the reason.
    pub reason: String,
    /// What the reason means.
    pub title: String,
    /// What was found.
    pub evidence: EvidenceReport,
    /// Module path of the first node that does work.
    pub module: String,
    /// Names of the nodes that would run as one kernel.
    pub nodes: Vec<String>,
    /// What that would save.
    pub saving: SavingReport,
    /// What to change in the model.
    pub change: String,
}

/// All candidates and misses of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FindingsReport {
    /// What may fuse.
    pub candidates: Vec<CandidateReport>,
    /// What nearly may.
    pub misses: Vec<MissReport>,
}

impl From<Saving> for SavingReport {
    fn from(saving: Saving) -> Self {
        Self { kernels: saving.kernels, bytes: saving.bytes }
    }
}

impl MissReport {
    /// A miss with the names of the graph.
    pub fn of(graph: &Graph, library: &Library, miss: &Miss) -> Self {
        let evidence = EvidenceReport {
            node: miss.evidence.node.map(|id| graph.node_name(id).to_owned()),
            value: miss.evidence.value.map(|id| graph.value_name(id).to_owned()),
            value_type: miss.evidence.value.map(|id| fusewright_ir::text::type_text(&graph.value(id).ty)),
            found: miss.evidence.found.clone(),
            expected: miss.evidence.expected.clone(),
        };
        Self {
            rule: library.rule(miss.rule).id.clone(),
            reason: miss.reason.id().to_owned(),
            title: miss.reason.title().to_owned(),
            evidence,
            module: module(graph, &miss.nodes),
            nodes: names(graph, &miss.nodes),
            saving: miss.saving.into(),
            change: miss.change.clone(),
        }
    }
}

impl FindingsReport {
    /// Findings with the names of the graph.
    pub fn of(graph: &Graph, library: &Library, findings: &Findings) -> Self {
        let candidate = |candidate: &fusewright_pattern::Candidate| CandidateReport {
            rule: library.rule(candidate.rule).id.clone(),
            also: candidate.also.iter().map(|&rule| library.rule(rule).id.clone()).collect(),
            module: module(graph, &candidate.nodes),
            nodes: names(graph, &candidate.nodes),
            values: candidate
                .values
                .iter()
                .map(|(name, value)| (name.clone(), graph.value_name(*value).to_owned()))
                .collect(),
            saving: candidate.saving.into(),
        };
        Self {
            candidates: findings.candidates.iter().map(candidate).collect(),
            misses: findings.misses.iter().map(|miss| MissReport::of(graph, library, miss)).collect(),
        }
    }

    /// As JSON.
    ///
    /// # Panics
    /// Never: the report holds strings and numbers only.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("the report holds strings and numbers only") + "\n"
    }
}

fn names(graph: &Graph, nodes: &[NodeId]) -> Vec<String> {
    nodes.iter().map(|&id| graph.node_name(id).to_owned()).collect()
}

fn module(graph: &Graph, nodes: &[NodeId]) -> String {
    nodes.first().map_or(String::new(), |&id| graph.text(graph.node(id).source.scope).to_owned())
}

/// What misses of one kind share: rule, reason, kind of finding.
type Place<'a> = (&'a str, &'a str, &'a str);

/// The findings for people: candidates counted by rule, misses counted by rule, reason and what was found, each with a
/// place as an example.
pub fn findings_text(report: &FindingsReport, width: usize) -> String {
    let mut out = String::new();
    let mut rules: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for candidate in &report.candidates {
        let row = rules.entry(&candidate.rule).or_default();
        row.0 += 1;
        row.1 += u64::from(candidate.saving.kernels);
        row.2 = row.2.saturating_add(candidate.saving.bytes);
    }
    let columns = rules.keys().map(|rule| rule.len()).max().unwrap_or(0).max(4);
    if rules.is_empty() {
        out += "no rule fires\n";
    } else {
        let _ = writeln!(out, "{:columns$}  times  kernels     bytes", "rule");
    }
    for (rule, (times, kernels, bytes)) in &rules {
        let _ = writeln!(out, "{rule:columns$}  {times:>5}  {kernels:>7}  {:>8}", bytes_text(*bytes));
    }
    let mut misses: Vec<(Place, Vec<&MissReport>)> = Vec::new();
    for miss in &report.misses {
        let key = (&*miss.rule, &*miss.reason, kind(&miss.evidence.found));
        match misses.iter_mut().find(|(known, _)| *known == key) {
            Some((_, same)) => same.push(miss),
            None => misses.push((key, vec![miss])),
        }
    }
    if misses.is_empty() {
        out += "\nnothing nearly fires\n";
        return out;
    }
    out += "\nmissed\n";
    for ((rule, reason, ..), same) in &misses {
        let first = same[0];
        let bytes = same.iter().fold(0_u64, |sum, miss| sum.saturating_add(miss.saving.bytes));
        let kernels: u64 = same.iter().map(|miss| u64::from(miss.saving.kernels)).sum();
        let _ = writeln!(
            out,
            "  {rule}: {reason}, {} time{}, would save {kernels} kernels and {}",
            same.len(),
            if same.len() == 1 { "" } else { "s" },
            bytes_text(bytes)
        );
        let evidence = &first.evidence;
        let at = evidence.value.as_ref().map_or(String::new(), |value| {
            format!(" at %{value}: {}", evidence.value_type.as_deref().unwrap_or_default())
        });
        let text =
            format!("{}; found {}, expected {}{at}. {}.", first.title, evidence.found, evidence.expected, first.change);
        for line in wrap(&printable(&text), width.saturating_sub(4), 0) {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}

/// What a finding shares with those of other layers: its first word, without names.
fn kind(found: &str) -> &str {
    found.split(|c: char| !c.is_ascii_alphabetic() && c != '_').next().unwrap_or_default()
}
