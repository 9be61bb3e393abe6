//! The search: all rules of a library on one graph.

use fusewright_ir::{Consumers, Graph, NodeId, Storage, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::climb::roots;
use super::findings::{Candidate, Findings, Miss, RuleId};
use super::form::{Form, Term};
use super::library::{Library, Recogniser, Rule};
use super::matcher::{Found, Matched, Matcher};
use super::operand::{self, PROJECTION};
use super::region;
use super::transparent::is_transparent;
use super::{attention_rules, projection_rules};
use crate::{Attentions, projection_of};

/// A graph with what is known of it before the search.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// The graph, attention layers opened into their steps.
    pub graph: &'a Graph,
    /// Who shares memory with whom.
    pub storage: &'a Storage,
    /// Who reads what.
    pub consumers: &'a Consumers,
    /// The attentions in it.
    pub attentions: &'a Attentions,
    results: FxHashSet<ValueId>,
}

impl<'a> Surroundings<'a> {
    /// Puts together what a search needs.
    pub fn new(graph: &'a Graph, storage: &'a Storage, consumers: &'a Consumers, attentions: &'a Attentions) -> Self {
        let results = graph.outputs().iter().copied().collect();
        Self { graph, storage, consumers, attentions, results }
    }

    /// The value is a result of the model.
    pub(super) fn is_result(&self, value: ValueId) -> bool {
        self.results.contains(&value)
    }
}

/// Fewest nodes that do work in a near miss: with fewer, anything nearly matches.
const LEAST_EVIDENCE: usize = 3;

/// Finds where the rules of a library hold, and where they nearly do.
///
/// ```
/// use fusewright_ir::{Consumers, Storage, text};
/// use fusewright_pattern::{Library, Surroundings, find, find_attentions};
///
/// let graph = text::parse(
///     r#"
///     graph "gate" {
///       input %x: f32[4, 8]
///       %s: f32[4, 8] = sigmoid(%x)
///       %y: f32[4, 8] = mul(%s, %x)
///       output %y
///     }"#,
/// )?;
/// let (storage, consumers) = (Storage::of(&graph), Consumers::of(&graph));
/// let attentions = find_attentions(&graph, &storage, &consumers);
/// let library = Library::built_in();
/// let found = find(&Surroundings::new(&graph, &storage, &consumers, &attentions), &library);
/// let rules: Vec<&str> = found.candidates.iter().map(|c| library.rule(c.rule).id.as_str()).collect();
/// assert_eq!(rules, ["silu"]);
/// # Ok::<(), fusewright_ir::text::ParseError>(())
/// ```
pub fn find(at: &Surroundings, library: &Library) -> Findings {
    let mut search = Search::new(at, library);
    let rules = in_order(library);
    for &(id, rule) in &rules {
        search.holds(id, rule);
    }
    let mut covered: FxHashMap<(&str, NodeId), usize> = FxHashMap::default();
    for candidate in &search.findings.candidates {
        let work = candidate.nodes.iter().filter(|&&id| !at.storage.is_free(id)).count();
        for &node in &candidate.nodes {
            let known = covered.entry((library.rule(candidate.rule).family.as_str(), node)).or_default();
            *known = work.max(*known);
        }
    }
    for &(id, rule) in &rules {
        search.nearly_holds(id, rule, &covered);
    }
    let Search { mut findings, .. } = search;
    drop_explained(at, library, &mut findings);
    if library.rules().any(|(_, rule)| rule.recogniser == Some(Recogniser::Attention)) {
        attention_rules::find(at, library, &mut findings);
    }
    if library.rules().any(|(_, rule)| rule.recogniser == Some(Recogniser::Projections)) {
        projection_rules::find(at, library, &mut findings);
    }
    findings.candidates.sort_by(|a, b| (a.anchor, a.rule, &a.nodes).cmp(&(b.anchor, b.rule, &b.nodes)));
    findings.misses.sort_by(|a, b| (a.anchor, a.rule, &a.nodes).cmp(&(b.anchor, b.rule, &b.nodes)));
    findings
}

/// Rules with patterns, those that others build on first.
fn in_order(library: &Library) -> Vec<(RuleId, &Rule)> {
    let builds_on = |rule: &Rule| -> Vec<RuleId> {
        let terms = rule.forms.iter().flat_map(|form| &form.terms);
        terms.filter_map(|term| if let Term::Rule { id, .. } = term { library.find(id) } else { None }).collect()
    };
    let mut left: Vec<(RuleId, &Rule)> = library.rules().filter(|(_, rule)| rule.recogniser.is_none()).collect();
    let mut ordered: Vec<(RuleId, &Rule)> = Vec::new();
    while !left.is_empty() {
        let ready = |rule: &Rule| builds_on(rule).iter().all(|id| !left.iter().any(|(other, _)| other == id));
        let (now, later): (Vec<_>, Vec<_>) = left.iter().copied().partition(|(_, rule)| ready(rule));
        if now.is_empty() {
            break;
        }
        ordered.extend(now);
        left = later;
    }
    ordered
}

struct Search<'a> {
    at: &'a Surroundings<'a>,
    library: &'a Library,
    found: Found,
    findings: Findings,
    /// Results of candidates, by rule.
    taken: FxHashSet<(RuleId, ValueId)>,
    /// Anchors at which a rule holds.
    matched: FxHashSet<(RuleId, NodeId)>,
}

/// Nodes of a match in its shortest spelling; a form that builds on another rule has as many as that rule has found.
fn usual_nodes(form: &Form) -> usize {
    let of = |term: &Term| match term {
        Term::Leaf { .. } => 0,
        Term::Product { factors, .. } => factors.len().max(2) - 1,
        Term::Sum { addends, .. } => addends.len().max(2) - 1,
        Term::Op(applied) => usize::from(!applied.optional && applied.result == 0),
        Term::Rule { .. } => usize::MAX,
    };
    form.terms.iter().map(of).fold(0, usize::saturating_add)
}

impl<'a> Search<'a> {
    fn new(at: &'a Surroundings<'a>, library: &'a Library) -> Self {
        Self {
            at,
            library,
            found: Found::default(),
            findings: Findings::default(),
            taken: FxHashSet::default(),
            matched: FxHashSet::default(),
        }
    }

    /// Where the rule holds.
    fn holds(&mut self, id: RuleId, rule: &Rule) {
        for form in &rule.forms {
            for (anchor, start) in self.anchors(form) {
                if let Some(matched) = self.look(rule, form, anchor, &start, false) {
                    self.candidate(id, form, anchor, matched);
                }
            }
        }
    }

    /// Where the rule nearly holds and nothing larger of its family is known to. `covered` has the size of the largest
    /// candidate of each family at each node.
    fn nearly_holds(&mut self, id: RuleId, rule: &Rule, covered: &FxHashMap<(&str, NodeId), usize>) {
        if rule.near.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        let mut misses: FxHashMap<NodeId, ((usize, u32), Miss)> = FxHashMap::default();
        for form in &rule.forms {
            let usual = usual_nodes(form);
            for (anchor, start) in self.anchors(form) {
                let larger = covered.get(&(rule.family.as_str(), anchor)).is_some_and(|&known| known >= usual);
                if larger || self.matched.contains(&(id, anchor)) {
                    continue;
                }
                let Some(matched) = self.look(rule, form, anchor, &start, true) else { continue };
                let Some(defect) = &matched.defect else {
                    self.candidate(id, form, anchor, matched);
                    continue;
                };
                let evidence = (self.evidence(&matched), defect.reason.weight());
                let better = misses.get(&anchor).is_none_or(|(known, _)| evidence > *known);
                if evidence.0 >= LEAST_EVIDENCE
                    && better
                    && let Some(miss) = self.miss(id, rule, form, anchor, matched)
                {
                    misses.insert(anchor, (evidence, miss));
                }
            }
        }
        let mut misses: Vec<Miss> = misses.into_values().map(|(_, miss)| miss).collect();
        misses.retain(|miss| !self.matched.contains(&(id, miss.anchor)));
        misses.sort_by_key(|miss| miss.anchor);
        self.findings.misses.extend(misses);
    }

    /// Nodes that do work.
    fn evidence(&self, matched: &Matched) -> usize {
        let mut nodes = matched.nodes.clone();
        nodes.sort_unstable();
        nodes.dedup();
        nodes.iter().filter(|&&id| !is_transparent(self.at.graph, self.at.storage, id)).count()
    }

    /// The places where a form may hold: the anchor, and the values that it makes.
    fn anchors(&self, form: &Form) -> Vec<(NodeId, Vec<ValueId>)> {
        let graph = self.at.graph;
        match &form.terms[form.anchor] {
            Term::Op(applied) => {
                let is_anchor = |id: NodeId| {
                    let mnemonic = graph.node(id).op.mnemonic();
                    applied.names.iter().any(|name| {
                        name == mnemonic
                            || name == "slice" && operand::as_slice(graph, id).is_some()
                            || name == PROJECTION && projection_of(graph, self.at.storage, id).is_some()
                    })
                };
                let start = |id: NodeId| graph.node(id).outputs.get(applied.result).copied().into_iter().collect();
                graph.nodes().map(|(id, _)| id).filter(|&id| is_anchor(id)).map(|id| (id, start(id))).collect()
            }
            Term::Rule { id, .. } => {
                let Some(rule) = self.library.find(id) else { return Vec::new() };
                let made = self.findings.candidates.iter().filter(|candidate| candidate.rule == rule);
                let root = |candidate: &Candidate| {
                    let last = *candidate.nodes.last()?;
                    Some((candidate.anchor, graph.node(last).outputs.iter().copied().collect()))
                };
                made.filter_map(root).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The best match around an anchor: a whole one, or where `tolerant` one with a constraint broken.
    fn look(&self, rule: &Rule, form: &Form, anchor: NodeId, start: &[ValueId], tolerant: bool) -> Option<Matched> {
        let rules = |id: &str| self.library.find(id);
        let mut matcher = Matcher::new(self.at, (rule, form), &self.found, &rules, anchor, tolerant);
        for root in roots(self.at, form, start, tolerant) {
            matcher.try_root(root);
            if matcher.is_whole() && !tolerant || matcher.budget == 0 {
                break;
            }
        }
        matcher.into_best()
    }

    fn outputs(form: &Form, matched: &Matched) -> Vec<ValueId> {
        let terms = std::iter::once(form.root).chain(form.outputs.iter().copied());
        terms.filter_map(|term| matched.bound[term]).collect()
    }

    fn candidate(&mut self, id: RuleId, form: &Form, anchor: NodeId, matched: Matched) {
        self.matched.insert((id, anchor));
        let outputs = Self::outputs(form, &matched);
        let Some(&root) = outputs.first() else { return };
        if !self.taken.insert((id, root)) {
            return;
        }
        let nodes = region::grown(self.at, matched.nodes);
        let saving = region::saving(self.at, &nodes, &outputs);
        if saving.kernels == 0 {
            return;
        }
        let named = form.names.iter().zip(&matched.bound);
        let values: Vec<(String, ValueId)> =
            named.filter_map(|(name, value)| Some((name.clone()?, (*value)?))).collect();
        if let Some((_, input)) = values.first() {
            self.found.insert((id, root), (*input, nodes.clone()));
        }
        self.findings.candidates.push(Candidate { rule: id, also: Vec::new(), nodes, anchor, values, saving });
    }

    fn miss(&self, id: RuleId, rule: &Rule, form: &Form, anchor: NodeId, mut matched: Matched) -> Option<Miss> {
        matched.nodes.sort_unstable();
        matched.nodes.dedup();
        let outputs = Self::outputs(form, &matched);
        let defect = matched.defect?;
        let nodes = region::grown(self.at, matched.nodes);
        let saving = region::saving(self.at, &nodes, &outputs);
        let change = rule.change(&defect.reason);
        let (reason, evidence) = (defect.reason, defect.evidence);
        (saving.kernels > 0).then_some(Miss { rule: id, reason, evidence, nodes, anchor, saving, change })
    }
}

/// Drops what a larger finding of the same family explains: candidates inside another, misses that no step of theirs goes
/// beyond a candidate, and all but the fullest miss at one place.
fn drop_explained(at: &Surroundings, library: &Library, findings: &mut Findings) {
    let family = |rule: RuleId| library.rule(rule).family.as_str();
    let work =
        |nodes: &[NodeId]| -> Vec<NodeId> { nodes.iter().copied().filter(|&id| !at.storage.is_free(id)).collect() };
    let inside = |part: &[NodeId], whole: &[NodeId]| part.iter().all(|id| whole.binary_search(id).is_ok());
    // The largest candidate of each family at each node.
    findings.candidates.sort_by(|a, b| {
        let size = |candidate: &Candidate| work(&candidate.nodes).len();
        size(b).cmp(&size(a)).then(a.rule.cmp(&b.rule)).then(a.anchor.cmp(&b.anchor)).then(a.nodes.cmp(&b.nodes))
    });
    let mut largest: FxHashMap<(&str, NodeId), usize> = FxHashMap::default();
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in std::mem::take(&mut findings.candidates) {
        let (family, nodes) = (family(candidate.rule), work(&candidate.nodes));
        let known = largest.get(&(family, candidate.anchor)).map(|&known| &kept[known]);
        if known.is_some_and(|known| inside(&nodes, &known.nodes)) {
            continue;
        }
        for node in nodes {
            largest.entry((family, node)).or_insert(kept.len());
        }
        kept.push(candidate);
    }
    findings.misses.retain(|miss| {
        let here = work(&miss.nodes);
        let places = [Some(miss.anchor), here.last().copied()];
        places.into_iter().flatten().all(|place| {
            let known = largest.get(&(family(miss.rule), place)).map(|&known| &kept[known]);
            known.is_none_or(|known| {
                let there = work(&known.nodes);
                there.len() < here.len() && inside(&there, &here) && known.rule != miss.rule
            })
        })
    });
    findings.candidates = kept;
    let size = |miss: &Miss| work(&miss.nodes).len();
    findings.misses.sort_by(|a, b| size(b).cmp(&size(a)).then(a.rule.cmp(&b.rule)).then(a.anchor.cmp(&b.anchor)));
    let mut told: FxHashSet<(&str, NodeId)> = FxHashSet::default();
    findings.misses.retain(|miss| {
        let (family, nodes) = (family(miss.rule), work(&miss.nodes));
        let new = !nodes.iter().any(|&node| told.contains(&(family, node)));
        if new {
            told.extend(nodes.into_iter().map(|node| (family, node)));
        }
        new
    });
}
