//! Attention as one node: what the recogniser found, in whatever steps an exporter wrote it.
//!
//! Products, scale, masks, softmax and guards become the operator of the target. Heads that were split off and moved by
//! reshapes and transposes are taken from the rows that they came from, so those steps go too. Masks stay the tensors
//! that they are, except for one that hides what follows at every size, which becomes a flag.

mod constants;
mod fills;
mod grouped;
mod masks;
mod operands;
mod path;
pub(crate) mod rotary;
mod scores;
mod weights;

use bytes::Bytes;
use fusewright_pattern::{AttentionSite, MaskKind};

use crate::MICROSOFT;
use crate::document::Document;
use crate::emit::{Emitter, Place};
use crate::facts::{Facts, Readings};
use crate::message::Attribute;
use crate::report::{Change, Report, Rewrite, Skip};
use crate::target::Target;
use constants::Known;
use fills::Fills;
use fusewright_ir::DType;
use grouped::Grouped;
use masks::{Lengths, Made, Masks};
use operands::{Form, OpenExit, OpenWay, Wanted, common, common_exit, exits, ways};
use scores::{Action, Reason, Steps, steps};

/// Rewrites every attention that can be.
pub(crate) fn rewrite(document: &mut Document, readings: &Readings, target: Target, report: &mut Report) {
    let mut work = Work {
        emitter: Emitter::new(document),
        made: Made::new(),
        known: Known::new(),
        fills: Fills::of(document),
        target,
    };
    let first = &readings.first;
    let second = readings.second.as_ref().unwrap_or(first);
    report.attentions = first.attentions.sites.len() as u64;
    // A window wider than the sizes that are read hides nothing at those.
    let long = readings.long(document);
    let bounded = readings.second.is_some();
    for (position, site) in first.attentions.sites.iter().enumerate() {
        let scope = first.scope(site.anchor).to_owned();
        let twin = second.attentions.sites.get(position).filter(|_| same_places(first, second));
        let outcome = twin.ok_or("it is found at some sizes only").and_then(|twin| {
            if site.chain.len() == 1 {
                return Err(WHOLE);
            }
            let mut found = Found::of([first, second], [site, twin], &work.fills)?;
            if bounded && !long.as_ref().is_some_and(|long| is_causal(long, first.graph.node_name(site.anchor))) {
                found.steps.iter_mut().for_each(|steps| steps.causal = false);
            }
            found.emit(document, &mut work, &scope)
        });
        match outcome {
            Ok((op, before)) => {
                report.changes.push(Change { rewrite: Rewrite::Attention, module: scope, op, nodes: before });
            }
            Err(WHOLE) => report.whole += 1,
            Err(reason) => {
                report.skips.push(Skip { rewrite: Rewrite::Attention, module: scope, reason: reason.to_owned() });
            }
        }
    }
    work.emitter.apply(document);
    if document.slots.iter().any(|slot| slot.node().domain == MICROSOFT) {
        document.import(MICROSOFT, 1);
    }
    document.prune();
}

/// What is common to all attentions of a model.
struct Work {
    emitter: Emitter,
    made: Made,
    known: Known,
    fills: Fills,
    target: Target,
}

/// An attention that is one node already.
const WHOLE: Reason = "it is one node already";

/// Both readings found the same attentions.
fn same_places(first: &Facts, second: &Facts) -> bool {
    let (one, two) = (&first.attentions.sites, &second.attentions.sites);
    let name = |facts: &Facts, site: &AttentionSite| facts.graph.node_name(site.anchor).to_owned();
    one.len() == two.len() && one.iter().zip(two).all(|(a, b)| name(first, a) == name(second, b))
}

/// The attention of this name hides what follows and nothing else.
fn is_causal(facts: &Facts, anchor: &str) -> bool {
    let mut sites = facts.attentions.sites.iter();
    let site = sites.find(|site| facts.graph.node_name(site.anchor) == anchor);
    site.is_some_and(|site| site.mask == MaskKind::Causal && !site.bias)
}

/// An attention in both readings.
struct Found<'a> {
    facts: [&'a Facts; 2],
    steps: [Steps; 2],
    nodes: u64,
}

/// One form of all operands.
struct Plan {
    /// Form of queries and result, and of keys and values.
    form: Form,
    kv: Form,
    query: OpenWay,
    key: OpenWay,
    value: OpenWay,
    exit: OpenExit,
}

impl Plan {
    fn cost(&self) -> usize {
        self.query.cost + self.key.cost + self.value.cost + self.exit.cost
    }
}

impl<'a> Found<'a> {
    fn of(facts: [&'a Facts; 2], [one, two]: [&AttentionSite; 2], fills: &Fills) -> Result<Self, Reason> {
        let steps = [steps(facts[0], one, fills)?, steps(facts[1], two, fills)?];
        let [a, b] = &steps;
        let equal = a.heads == b.heads && a.head_dim == b.head_dim && a.value_dim == b.value_dim;
        if !equal || (a.scale - b.scale).abs() > 1e-12 || a.softcap != b.softcap || a.guarded != b.guarded {
            return Err("its heads or its scale depend on sizes");
        }
        Ok(Self { facts, steps, nodes: one.chain.len() as u64 })
    }

    fn ways(&self, of: impl Fn(&Steps) -> Wanted, form: Form, shared: bool) -> Option<OpenWay> {
        let [one, two] = [0, 1].map(|at| ways(self.facts[at], of(&self.steps[at]), form, shared));
        common(&one, &two)
    }

    fn query(&self, form: Form) -> Option<OpenWay> {
        let of = |steps: &Steps| Wanted { value: steps.query, turned: false, batch: steps.batch, heads: steps.heads };
        self.ways(of, form, false)
    }

    fn key(&self, form: Form, shared: bool) -> Option<OpenWay> {
        let of = |steps: &Steps| Wanted { value: steps.key, turned: true, batch: steps.batch, heads: steps.heads };
        self.ways(of, form, shared)
    }

    fn value(&self, form: Form, shared: bool) -> Option<OpenWay> {
        let of = |steps: &Steps| Wanted { value: steps.value, turned: false, batch: steps.batch, heads: steps.heads };
        self.ways(of, form, shared)
    }

    fn exit(&self, form: Form) -> Option<OpenExit> {
        let [one, two] = [0, 1].map(|at| {
            let steps = &self.steps[at];
            let extents = [steps.batch, steps.heads, steps.queries, steps.value_dim];
            exits(self.facts[at], steps.result, extents, form)
        });
        common_exit(&one, &two)
    }

    /// All operands in one form, with keys and values of shared heads as they are where `shared`.
    fn plan(&self, form: Form, kv: Form, exit: Form, shared: bool) -> Option<Plan> {
        let mut key = self.key(kv, shared)?;
        let mut value = self.value(kv, shared)?;
        if key.kv_heads != value.kv_heads {
            (key, value) = (self.key(kv, false)?, self.value(kv, false)?);
        }
        Some(Plan { form, kv, query: self.query(form)?, key, value, exit: self.exit(exit)? })
    }

    /// Its masks hide what follows and nothing else.
    fn hides_what_follows(&self, masks: &Masks) -> bool {
        self.steps.iter().all(|steps| steps.causal) || masks.is_causal()
    }

    fn emit(&self, document: &Document, work: &mut Work, scope: &str) -> Result<(String, u64), Reason> {
        let [steps, other] = &self.steps;
        let single = self.facts[0].graph.tensor(steps.query).is_some_and(|tensor| tensor.dtype == DType::F32);
        let replaces = steps.terms.iter().any(|term| matches!(term.action, Action::Keep { .. }));
        if (replaces || steps.guarded) && !single {
            return Err("its mask replaces numbers that are not of single precision");
        }
        let masks = Masks::of(document, &work.fills, &mut work.known, steps, other)?;
        let grouped = if work.target == Target::Ort { Grouped::of(self, &masks) } else { None };
        let grouped = grouped.and_then(|grouped| Some((grouped, self.plan(Form::Rows, Form::Rows, Form::Rows, true)?)));
        let (grouped, plan) = match (grouped, work.target) {
            (Some((grouped, plan)), _) => (Some(grouped), Some(plan)),
            (None, Target::Ort) => {
                if steps.softcap.is_some() {
                    return Err("its scores are capped, which MultiHeadAttention does not do");
                }
                let rows = self.plan(Form::Rows, Form::Rows, Form::Rows, false);
                let heads = self.plan(Form::Rows, Form::Heads, Form::Rows, false);
                (None, cheaper(rows, heads))
            }
            (None, Target::Onnx) => {
                let rows = self.plan(Form::Rows, Form::Rows, Form::Rows, true);
                let heads = self.plan(Form::Heads, Form::Heads, Form::Heads, true);
                (None, cheaper(rows, heads))
            }
        };
        let plan = plan.ok_or("its operands cannot be brought into the axes of the operator")?;
        let makers = document.makers();
        let before = *makers.get(plan.exit.name.as_str()).ok_or("its result has no name")?;
        let anchor = self.facts[0].graph.node(steps.softmax).outputs.first().copied();
        let anchor = anchor.and_then(|value| self.facts[0].name(value)).and_then(|name| makers.get(name)).copied();
        let place = Place::of(document, anchor.unwrap_or(before), scope, before);
        let op = match grouped {
            Some(grouped) => grouped.emit(document, work, &place, &plan)?,
            None => self.node(work, &place, &plan, &masks)?,
        };
        work.emitter.remove(before);
        Ok((op, self.nodes))
    }

    fn node(&self, work: &mut Work, place: &Place, plan: &Plan, masks: &Masks) -> Result<String, Reason> {
        let steps = &self.steps[0];
        if (plan.value.factor - 1.0).abs() > 1e-12 {
            return Err("its values are scaled");
        }
        let Work { emitter, made, fills, target, .. } = work;
        let target = *target;
        let [query, key, value] =
            [&plan.query, &plan.key, &plan.value].map(|way| emitter.recipe(place, &way.recipe, &way.name, None));
        let scale = steps.scale * plan.query.factor * plan.key.factor;
        let causal = self.hides_what_follows(masks);
        let rows = |form: Form| if form == Form::Rows { 1 } else { 2 };
        let bias = if masks.is_empty() || causal {
            None
        } else {
            let lengths = Lengths { queries: (&query, rows(plan.form)), keys: (&key, rows(plan.kv)) };
            Some(masks.emit(emitter, place, &lengths, target == Target::Onnx, made)?)
        };
        let may_hide_all = steps.guarded && !masks.are_finite(fills);
        let guarded = may_hide_all && !causal && steps.terms.iter().any(|term| term.varies);
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let (domain, op, mut inputs, mut attributes): (&str, &str, Vec<&str>, Vec<Bytes>) = match target {
            Target::Ort => (
                MICROSOFT,
                "MultiHeadAttention",
                vec![&query, &key, &value, "", "", bias.as_deref().unwrap_or_default()],
                vec![Attribute::of_int("num_heads", count(steps.heads)), Attribute::of_float("scale", scale)],
            ),
            Target::Onnx => (
                "",
                "Attention",
                vec![&query, &key, &value, bias.as_deref().unwrap_or_default()],
                vec![Attribute::of_float("scale", scale)],
            ),
        };
        while inputs.last() == Some(&"") {
            inputs.pop();
        }
        match target {
            Target::Ort if causal => attributes.push(Attribute::of_int("unidirectional", 1)),
            Target::Ort => {}
            Target::Onnx => {
                if causal {
                    attributes.push(Attribute::of_int("is_causal", 1));
                }
                if plan.form == Form::Rows {
                    attributes.push(Attribute::of_int("q_num_heads", count(steps.heads)));
                    attributes.push(Attribute::of_int("kv_num_heads", count(plan.key.kv_heads)));
                }
                if let Some(cap) = steps.softcap {
                    attributes.push(Attribute::of_float("softcap", cap));
                }
            }
        }
        let direct = plan.exit.cost == 0;
        let last = |wanted: bool| wanted.then_some(plan.exit.name.as_str());
        let mut result = emitter.node(place, (domain, op), &inputs, attributes, last(direct && !guarded));
        if guarded {
            // A query that sees no key gives zeros, as the steps did, where the operator may divide zero by zero.
            let empty = emitter.node(place, ("", "IsNaN"), &[&result], Vec::new(), None);
            let zero = emitter.number(0.0);
            result = emitter.node(place, ("", "Where"), &[&empty, &zero, &result], Vec::new(), last(direct));
        }
        if !direct {
            emitter.recipe(place, &plan.exit.recipe, &result, Some(&plan.exit.name));
        }
        let name = if domain.is_empty() { op.to_owned() } else { format!("{domain}.{op}") };
        Ok(name)
    }
}

fn cheaper(one: Option<Plan>, other: Option<Plan>) -> Option<Plan> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.cost() < one.cost() { other } else { one }),
        (one, other) => one.or(other),
    }
}
