//! Experts: a router picks some for each token, their weights are held together in one tensor, and each chosen pair of
//! token and expert is computed once.

use fusewright_ir::ops::{Binary, Contraction, Gather, Pointwise, ReduceKind, Reduction, Scatter, Unary, View};
use fusewright_ir::{DType, Op, ValueId};

use super::Activation;
use super::layer::gated;
use crate::HfError;
use crate::builder::Builder;
use crate::config::Config;

/// Most experts of a layer.
const MAX_EXPERTS: u64 = 1 << 14;

/// How the router turns logits into weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scores {
    /// Softmax over all experts, then the largest.
    Softmax,
    /// The largest logits, then softmax over those.
    SoftmaxOfChosen,
    /// The largest logits, then the sigmoid of those.
    SigmoidOfChosen,
    /// Sigmoid; a correction that is no parameter takes part in the choice only.
    Sigmoid,
}

/// The experts of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Moe {
    pub(crate) router: &'static str,
    pub(crate) experts: u64,
    /// Experts of a token.
    pub(crate) chosen: u64,
    /// Width of an expert.
    pub(crate) inner: u64,
    pub(crate) scores: Scores,
    /// Weights of a token add up to one.
    pub(crate) normalised: bool,
    /// Factor on the weights.
    pub(crate) factor: f64,
    /// Experts stand in so many groups, of which so many take part for a token.
    pub(crate) groups: Option<[u64; 2]>,
    /// Expert weights are stored `[experts, out, in]`.
    pub(crate) transposed: bool,
    /// Weights multiply what an expert reads, not what it gives.
    pub(crate) weighs_input: bool,
    /// Router and experts have biases, gate and up alternate, and their values are kept in a range.
    pub(crate) clamped: Option<[f64; 2]>,
    /// An expert for every token: name, width, and whether a gate weighs it.
    pub(crate) shared: Option<(&'static str, u64, bool)>,
    /// The shared expert has biases.
    pub(crate) shared_bias: bool,
}

impl Moe {
    /// Softmax routing with the sizes under these keys.
    pub(crate) fn of(config: &Config<'_>, experts_key: &str, inner_key: &str) -> Result<Self, HfError> {
        let experts = config.size(experts_key)?;
        if experts > MAX_EXPERTS {
            return Err(config.wrong(experts_key, format!("at most {MAX_EXPERTS}")));
        }
        let chosen = config.size("num_experts_per_tok")?;
        if chosen > experts {
            return Err(config.wrong("num_experts_per_tok", format!("at most {experts}, the number of experts")));
        }
        Ok(Self {
            router: "gate",
            experts,
            chosen,
            inner: config.size(inner_key)?,
            scores: Scores::Softmax,
            normalised: config.flag("norm_topk_prob")?,
            factor: 1.0,
            groups: None,
            transposed: true,
            weighs_input: false,
            clamped: None,
            shared: None,
            shared_bias: false,
        })
    }

    /// Limits the choice to some groups of experts, as `n_group` and `topk_group` say.
    pub(crate) fn with_groups(mut self, config: &Config<'_>) -> Result<Self, HfError> {
        let groups = config.optional_size("n_group")?.unwrap_or(1);
        if !self.experts.is_multiple_of(groups) {
            return Err(config.wrong("n_group", format!("a divisor of {}, the number of experts", self.experts)));
        }
        let part = config.optional_size("topk_group")?.unwrap_or(groups);
        if part > groups {
            return Err(config.wrong("topk_group", format!("at most n_group = {groups}")));
        }
        self.groups = Some([groups, part]);
        Ok(self)
    }

    /// The layer on `[batch, tokens, hidden]`.
    pub(super) fn build(
        &self,
        b: &mut Builder,
        config: &Config<'_>,
        activation: Activation,
        x: ValueId,
    ) -> Result<ValueId, HfError> {
        let shape = b.shape(x);
        let hidden = b.width(x);
        let tokens: u64 = shape.iter().rev().skip(1).product();
        let flat = b.reshape(x, &[tokens, hidden])?;
        let [weights, chosen] = b.within(self.router, |b| self.route(b, flat, tokens))?;
        let mut result = b.within("experts", |b| self.experts(b, config, activation, flat, weights, chosen))?;
        if let Some((name, inner, weighed)) = self.shared {
            let mut shared = b.within(name, |b| gated(b, config, activation, flat, inner, self.shared_bias))?;
            if weighed {
                let gate = b.linear("shared_expert_gate", flat, 1, false)?;
                let gate = b.unary(Unary::Sigmoid, gate)?;
                shared = b.mul(gate, shared)?;
            }
            result = b.add(result, shared)?;
        }
        b.reshape(result, &shape)
    }

    /// Weights and experts of each token, `[tokens, chosen]` both.
    fn route(&self, b: &mut Builder, x: ValueId, tokens: u64) -> Result<[ValueId; 2], HfError> {
        let weight = b.parameter("weight", &[self.experts, b.width(x)])?;
        let mut inputs = vec![x, weight];
        if self.clamped.is_some() {
            inputs.push(b.parameter("bias", &[self.experts])?);
        }
        let logits = b.node("linear", Op::Contraction(Contraction::Linear), &inputs)?;
        let (mut weights, chosen) = match self.scores {
            Scores::SoftmaxOfChosen => {
                let [best, chosen] = b.topk(logits, self.chosen)?;
                (b.softmax(best)?, chosen)
            }
            Scores::SigmoidOfChosen => {
                let [best, chosen] = b.topk(logits, self.chosen)?;
                (b.unary(Unary::Sigmoid, best)?, chosen)
            }
            Scores::Softmax => {
                let scores = b.softmax(logits)?;
                let scores = self.in_groups(b, scores, tokens)?;
                let [weights, chosen] = b.topk(scores, self.chosen)?;
                (weights, chosen)
            }
            Scores::Sigmoid => {
                let scores = b.unary(Unary::Sigmoid, logits)?;
                let correction = b.buffer("e_score_correction_bias", b.dtype, &[self.experts])?;
                let corrected = b.add(scores, correction)?;
                let corrected = self.in_groups(b, corrected, tokens)?;
                let [_, chosen] = b.topk(corrected, self.chosen)?;
                (b.node("gather", Op::Gather(Gather::Elements { axis: 1 }), &[scores, chosen])?, chosen)
            }
        };
        if self.normalised {
            let sum = b.row_sum(weights)?;
            weights = b.binary(Binary::Div, weights, sum)?;
        }
        Ok([b.scaled(weights, self.factor)?, chosen])
    }

    /// Scores `[tokens, experts]` with those outside the best groups set to zero.
    fn in_groups(&self, b: &mut Builder, scores: ValueId, tokens: u64) -> Result<ValueId, HfError> {
        let Some([groups, part]) = self.groups.filter(|[groups, part]| groups != part) else { return Ok(scores) };
        let size = self.experts / groups;
        let grouped = b.reshape(scores, &[tokens, groups, size])?;
        let fold = |kind| Op::Reduction(Reduction::Reduce { kind, axes: vec![-1], keep: false });
        let best = if self.scores == Scores::Sigmoid {
            let [best, _] = b.topk(grouped, size.min(2))?;
            b.node("sum", fold(ReduceKind::Sum), &[best])?
        } else {
            b.node("amax", fold(ReduceKind::Max), &[grouped])?
        };
        let [_, chosen] = b.topk(best, part)?;
        let outside = b.full_of(1.0, DType::Bool, &[tokens, groups])?;
        let inside = b.full_of(0.0, DType::Bool, &[tokens, part])?;
        let op = Op::Scatter(Scatter::Elements { axis: 1, add: false });
        let outside = b.node("scatter", op, &[outside, inside, chosen])?;
        let outside = b.reshape(outside, &[tokens, groups, 1])?;
        let outside = b.expand(outside, &[tokens, groups, size])?;
        let outside = b.reshape(outside, &[tokens, self.experts])?;
        b.node("masked_fill", Op::Pointwise(Pointwise::MaskedFill { value: 0.0 }), &[scores, outside])
    }

    /// Every chosen pair, sorted by expert, weighted and added up by token.
    fn experts(
        &self,
        b: &mut Builder,
        config: &Config<'_>,
        activation: Activation,
        x: ValueId,
        weights: ValueId,
        chosen: ValueId,
    ) -> Result<ValueId, HfError> {
        let (tokens, hidden) = (b.extent(x, 0), b.width(x));
        let pairs = tokens * self.chosen;
        let ids = b.reshape(chosen, &[pairs])?;
        let sorted = b.nodes("sort", Op::Reduction(Reduction::Sort { axis: 0 }), &[ids])?;
        let [experts, order] = <[ValueId; 2]>::try_from(sorted)
            .map_err(|_| HfError::Shape { place: "sort".to_owned(), problem: "lost a result".to_owned() })?;
        let token = b.with_scalar(Binary::FloorDiv, order, self.chosen as f64)?;
        let counts = b.node("histc", Op::Reduction(Reduction::Histogram { bins: self.experts }), &[ids])?;
        let offsets = b.node("cumsum", Op::Reduction(Reduction::CumulativeSum { axis: 0 }), &[counts])?;

        let flat = b.reshape(weights, &[pairs])?;
        let weights = b.rows(flat, order)?;
        let weights = b.reshape(weights, &[pairs, 1])?;
        let mut rows = b.rows(x, token)?;
        if self.weighs_input {
            rows = b.mul(rows, weights)?;
        }
        let both = self.grouped(b, "gate_up_proj", 2 * self.inner, rows, experts, offsets)?;
        let inner = self.activated(b, config, activation, both)?;
        let mut result = self.grouped(b, "down_proj", hidden, inner, experts, offsets)?;
        if !self.weighs_input {
            result = b.mul(result, weights)?;
        }
        let zeros = b.full_of(0.0, b.dtype, &[tokens, hidden])?;
        let by_row = Scatter::Slices { axis: 0, add: true };
        b.node("index_add", Op::Scatter(by_row), &[zeros, result, token])
    }

    fn grouped(
        &self,
        b: &mut Builder,
        name: &str,
        out: u64,
        rows: ValueId,
        experts: ValueId,
        offsets: ValueId,
    ) -> Result<ValueId, HfError> {
        let width = b.width(rows);
        let shape = if self.transposed { [self.experts, out, width] } else { [self.experts, width, out] };
        let weight = b.parameter(name, &shape)?;
        let op = Op::Contraction(Contraction::GroupedMatMul { transposed: self.transposed });
        let result = b.node("grouped_mm", op, &[rows, weight, offsets])?;
        if self.clamped.is_none() {
            return Ok(result);
        }
        let biases = b.parameter(&format!("{name}_bias"), &[self.experts, out])?;
        let bias = b.rows(biases, experts)?;
        b.add(result, bias)
    }

    fn activated(
        &self,
        b: &mut Builder,
        config: &Config<'_>,
        activation: Activation,
        both: ValueId,
    ) -> Result<ValueId, HfError> {
        let Some([alpha, limit]) = self.clamped else {
            let [gate, up] = b.split(both, [self.inner, self.inner])?;
            let gate = activation.apply(b, config, gate)?;
            return b.mul(gate, up);
        };
        let mut every_second =
            |start| b.node("slice", View::Slice { axis: 1, start, length: self.inner, step: 2 }, &[both]);
        let (gate, up) = (every_second(0)?, every_second(1)?);
        let gate = b.clamp(gate, None, Some(limit))?;
        let up = b.clamp(up, Some(-limit), Some(limit))?;
        let sharp = b.scaled(gate, alpha)?;
        let open = b.unary(Unary::Sigmoid, sharp)?;
        let gate = b.mul(gate, open)?;
        let up = b.with_scalar(Binary::Add, up, 1.0)?;
        b.mul(up, gate)
    }
}
