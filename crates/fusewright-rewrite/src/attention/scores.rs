//! What happens to the scores of an attention: scale, masks, cap, softmax.

use fusewright_ir::ops::{Binary, Contraction, Normalization, Pointwise, Unary};
use fusewright_ir::{NodeId, Op, ValueId};
use fusewright_pattern::{AttentionSite, MaskKind};

use super::fills::Fills;
use super::path::{Hop, path};
use crate::facts::Facts;
use crate::layout::{Layout, Step, extent_of, regrouped};

/// Most steps between the products.
pub(super) const STEPS: usize = 64;
/// A number that hides a key however large the scores are.
pub(super) const HIDDEN: f64 = -1e9;

/// Why an attention cannot become one node.
pub(crate) type Reason = &'static str;

/// How a mask acts on the scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Action {
    /// It is added.
    Add,
    /// Scores stay where it has this truth value; elsewhere this number takes their place.
    Keep { when: bool, otherwise: f64 },
}

/// A mask or bias.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Term {
    /// The result of the step that applies it.
    pub(crate) step: String,
    pub(crate) action: Action,
    /// Which input of that node the scores are.
    pub(crate) scores_at: usize,
    /// Its extents, as many axes as it has.
    pub(crate) shape: Vec<u64>,
    /// The extents of the scores where it is applied.
    pub(crate) scores: Vec<u64>,
    /// How many leading axes of the scores there are batch; the axis of heads follows.
    pub(crate) batch_axes: usize,
    /// It depends on what the caller gives.
    pub(crate) varies: bool,
}

/// The steps of one attention, in one reading.
#[derive(Clone, Debug)]
pub(crate) struct Steps {
    pub(crate) query: ValueId,
    pub(crate) key: ValueId,
    pub(crate) value: ValueId,
    /// The result of the second product.
    pub(crate) result: ValueId,
    pub(crate) batch: u64,
    pub(crate) heads: u64,
    pub(crate) queries: u64,
    pub(crate) keys: u64,
    pub(crate) head_dim: u64,
    pub(crate) value_dim: u64,
    /// Factor on the product, as far as it stands behind it.
    pub(crate) scale: f64,
    pub(crate) softcap: Option<f64>,
    pub(crate) terms: Vec<Term>,
    /// Rows that see nothing become zeros.
    pub(crate) guarded: bool,
    /// The only mask hides what follows, at every size.
    pub(crate) causal: bool,
    pub(crate) softmax: NodeId,
}

/// Reads the steps of an attention off a graph.
pub(crate) fn steps(facts: &Facts, site: &AttentionSite, fills: &Fills) -> Result<Steps, Reason> {
    let graph = &facts.graph;
    let (Some(&first), Some(&last)) = (site.chain.first(), site.chain.last()) else { return Err("it has no products") };
    let product = |id: NodeId| match (&graph.node(id).op, &graph.node(id).inputs[..], &graph.node(id).outputs[..]) {
        (Op::Contraction(Contraction::MatMul), &[a, b], &[result]) => Some((a, b, result)),
        _ => None,
    };
    let (query, key, scores) = product(first).ok_or("its scores are no plain matrix product")?;
    let (weights, value, result) = product(last).ok_or("its values enter by no plain matrix product")?;
    let softmax = graph.node(site.anchor);
    let Op::Normalization(Normalization::Softmax { axis, zero_masked, .. }) = &softmax.op else {
        return Err("it is one node already");
    };
    let (Some(&input), Some(&output)) = (softmax.inputs.first(), softmax.outputs.first()) else {
        return Err("its softmax has no operand");
    };
    let rank = i64::try_from(facts.shape(input).len()).unwrap_or(0);
    if *axis != -1 && *axis != rank - 1 {
        return Err("its softmax does not run over the last axis");
    }
    let mut budget = STEPS;
    let path =
        path(facts, input, first, &mut budget).ok_or("a step between scores and softmax is of an unknown kind")?;
    let (q, k, s, v) = (facts.shape(query), facts.shape(key), facts.shape(scores), facts.shape(value));
    let (&[ref q_lead @ .., queries, head_dim], &[ref k_lead @ .., width, keys]) = (q, k) else {
        return Err("its operands are no matrices");
    };
    let (&[ref v_lead @ .., length, value_dim], &[ref s_lead @ .., _, _]) = (v, s) else {
        return Err("its operands are no matrices");
    };
    let lead = |extents: &[u64]| extents.iter().fold(1, |product: u64, &extent| product.saturating_mul(extent));
    // One head of keys and values may serve all heads of queries.
    let serves = |own: &[u64]| matches!((own, s_lead), (&[batch, 1], &[all, _]) if batch == all);
    let (k_fits, v_fits) = (k_lead == s_lead || serves(k_lead), lead(v_lead) == lead(s_lead) || serves(v_lead));
    if q_lead != s_lead || !k_fits || !v_fits || width != head_dim || length != keys {
        return Err("its operands broadcast");
    }
    if s.contains(&0) {
        return Err("it is empty");
    }
    let heads = match s_lead {
        [_, heads] => *heads,
        [all] if site.heads > 0 && all.is_multiple_of(site.heads) => site.heads,
        _ => return Err("its axes are not batch, heads, queries and keys"),
    };
    let mut found = Steps {
        query,
        key,
        value,
        result,
        batch: lead(s_lead) / heads.max(1),
        heads,
        queries,
        keys,
        head_dim,
        value_dim,
        scale: 1.0,
        softcap: None,
        terms: Vec::new(),
        guarded: *zero_masked,
        causal: false,
        softmax: site.anchor,
    };
    found.between(facts, fills, &path, scores)?;
    found.behind(facts, fills, output, weights, last)?;
    let only = |terms: &[Term]| matches!(terms, [term] if !term.varies);
    found.causal = only(&found.terms) && site.mask == MaskKind::Causal && !site.bias && queries == keys;
    Ok(found)
}

impl Steps {
    /// Follows the scores from their product to the softmax.
    fn between(&mut self, facts: &Facts, fills: &Fills, path: &[Hop], scores: ValueId) -> Result<(), Reason> {
        let graph = &facts.graph;
        let canonical = Layout::whole(&[self.batch, self.heads, self.queries, self.keys]);
        let factors = canonical.axes.iter().flatten().copied();
        let axes = regrouped(factors, facts.shape(scores)).ok_or("its scores have unusual axes")?;
        let mut layout = Layout { axes, ..canonical };
        let mut current = scores;
        let mut capped = false;
        for hop in path {
            let readers = facts.consumers.of_value(current);
            if readers.len() != 1 || facts.is_result(current) {
                return Err("its scores are read elsewhere too");
            }
            let node = graph.node(hop.node);
            let input = *node.inputs.get(hop.operand).ok_or("a step has no operand")?;
            if let Some((_, factor)) = facts.scaled(hop.node) {
                self.multiply(factor, capped)?;
                current = hop.output;
                continue;
            }
            match &node.op {
                Op::Pointwise(Pointwise::Unary(Unary::Tanh)) => {
                    if capped || !self.terms.is_empty() {
                        return Err("its scores are capped after they are masked");
                    }
                    capped = true;
                    self.softcap = Some(1.0);
                }
                Op::Pointwise(Pointwise::Binary(Binary::Add)) => {
                    let other = *node.inputs.get(1 - hop.operand.min(1)).ok_or("a step has no operand")?;
                    self.term(facts, hop, &layout, other, Action::Add)?;
                }
                Op::Pointwise(Pointwise::Where) => {
                    let fill = fills.beside(facts.name(hop.output), hop.operand);
                    let fill = fill.ok_or("its scores are replaced by a tensor")?;
                    let mask = *node.inputs.first().ok_or("a step has no operand")?;
                    self.term(facts, hop, &layout, mask, hides(hop.operand == 1, fill)?)?;
                }
                _ => {
                    let step = Step { node: hop.node, from: input, to: hop.output };
                    layout = layout.after(facts, step).ok_or("a step between scores and softmax moves elements")?;
                }
            }
            current = hop.output;
        }
        let last = layout.axes.last().map_or(0, |axis| extent_of(axis));
        if last != self.keys {
            return Err("its softmax does not run over the keys");
        }
        if facts.consumers.of_value(current).len() != 1 || facts.is_result(current) {
            return Err("its scores are read elsewhere too");
        }
        Ok(())
    }

    fn multiply(&mut self, factor: f64, capped: bool) -> Result<(), Reason> {
        if !factor.is_finite() || factor <= 0.0 {
            return Err("its scale is no positive number");
        }
        if !self.terms.is_empty() && (factor - 1.0).abs() > 1e-12 {
            return Err("its scores are scaled after they are masked");
        }
        if capped {
            self.softcap = self.softcap.map(|cap| cap * factor);
        }
        self.scale *= factor;
        Ok(())
    }

    fn term(&mut self, facts: &Facts, hop: &Hop, layout: &Layout, mask: ValueId, action: Action) -> Result<(), Reason> {
        let Some(step) = facts.name(hop.output) else { return Err("a step has no name of its own") };
        let scores = facts.shape(hop.output).to_vec();
        // Queries and keys come last; what stands before is batch, in one or several axes, and the heads.
        let batch_axes = scores.len().checked_sub(3).ok_or("its masks act on scores without heads")?;
        let extents: Vec<u64> = layout.axes.iter().map(|axis| extent_of(axis)).collect();
        let fits = match extents[..] {
            [.., heads, queries, keys] if batch_axes > 0 => {
                [heads, queries, keys] == [self.heads, self.queries, self.keys]
            }
            [lead, queries, keys] => [lead, queries, keys] == [self.batch * self.heads, self.queries, self.keys],
            _ => false,
        };
        if !fits || extents != scores {
            return Err("its masks act on scores with unusual axes");
        }
        self.terms.push(Term {
            step: step.to_owned(),
            action,
            scores_at: hop.operand,
            shape: facts.shape(mask).to_vec(),
            scores,
            batch_axes,
            varies: facts.varies[mask.index()],
        });
        Ok(())
    }
}

fn hides(when: bool, otherwise: f64) -> Result<Action, Reason> {
    if otherwise <= HIDDEN {
        Ok(Action::Keep { when, otherwise })
    } else {
        Err("its mask hides by a number that is not large")
    }
}
