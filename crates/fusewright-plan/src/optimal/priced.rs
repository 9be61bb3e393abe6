//! Every draft that the search meets, once, with its price.

use fusewright_cost::SetCosts;
use fusewright_cost::time::{Kernel, StreamKind};
use fusewright_ir::NodeId;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::objective::{Objective, Slope};
use crate::grammar::{Draft, Form, Grammar};
use crate::realize::leading;

/// A draft with what it would cost if nothing joined it any more.
#[derive(Debug)]
pub(super) struct Priced {
    pub(super) draft: Draft,
    /// Infinite for what is no kernel yet.
    pub(super) price: f64,
    /// Bytes moved and operations beside products.
    pub(super) bytes: u64,
    pub(super) flops: u64,
    /// How the price of a loop grows.
    pub(super) slope: Option<Slope>,
    /// What the price depends on beside bytes and operations, in numbers.
    pub(super) shape: SmallVec<[u64; 8]>,
}

/// Share of its price at which a preferred draft is compared: far below what a model of time can tell.
const PREFERRED: f64 = 1.0 - 1e-11;

/// Numbers of drafts.
pub(super) type DraftId = u32;

pub(super) struct Drafts<'a> {
    grammar: &'a Grammar<'a>,
    costs: SetCosts<'a>,
    objective: Objective<'a>,
    ids: FxHashMap<Vec<NodeId>, SmallVec<[DraftId; 2]>>,
    all: Vec<Priced>,
}

impl<'a> Drafts<'a> {
    pub(super) fn new(grammar: &'a Grammar<'a>, objective: Objective<'a>) -> Self {
        let costs = SetCosts::of(grammar.analysis.graph, &grammar.analysis.storage);
        Self { grammar, costs, objective, ids: FxHashMap::default(), all: Vec::new() }
    }

    pub(super) fn get(&self, id: DraftId) -> &Priced {
        &self.all[id as usize]
    }

    /// The number of a draft; the same nodes may be drafts of different forms.
    pub(super) fn number(&mut self, draft: Draft) -> DraftId {
        if let Some(known) = self.ids.get(&draft.members)
            && let Some(&id) = known.iter().find(|&&id| self.all[id as usize].draft.form == draft.form)
        {
            return id;
        }
        let id = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.ids.entry(draft.members.clone()).or_default().push(id);
        let priced = self.priced(draft);
        self.all.push(priced);
        id
    }

    fn priced(&self, draft: Draft) -> Priced {
        let analysis = self.grammar.analysis;
        let cost = self.costs.cost(&draft.members);
        let bytes = cost.moved();
        let flops = cost.work.other_flops;
        if !self.grammar.is_complete(draft.form) {
            return Priced { draft, price: f64::INFINITY, bytes, flops, slope: None, shape: SmallVec::new() };
        }
        let (kernels, price) = self.objective.launched(self.grammar, &draft, &cost);
        let slope = match kernels.as_slice() {
            [Kernel::Stream(stream)] => self.objective.slope(stream),
            _ => None,
        };
        let mut shape: SmallVec<[u64; 8]> = SmallVec::new();
        for kernel in &kernels {
            describe(kernel, &mut shape);
        }
        if let ([Kernel::Stream(_)], Some((kind, elements, _))) =
            (kernels.as_slice(), leading(analysis.graph, &draft.members))
        {
            shape.extend([rank(kind), elements]);
        }
        // Of equals, attention in one group: the layers of a model should not differ by chance.
        let preference = if matches!(draft.form, Form::Attention { .. }) { PREFERRED } else { 1.0 };
        Priced { price: preference * price, draft, bytes, flops, slope, shape }
    }
}

fn rank(kind: StreamKind) -> u64 {
    kind as u64
}

/// What the time of a kernel depends on beside bytes and operations.
fn describe(kernel: &Kernel, numbers: &mut SmallVec<[u64; 8]>) {
    match kernel {
        Kernel::Gemm(gemm) => {
            numbers.extend([0, gemm.batch, gemm.m, gemm.n, gemm.k, gemm.input as u64, gemm.output as u64]);
        }
        Kernel::Convolution(convolution) => {
            let gemm = &convolution.product;
            numbers.extend([1, gemm.batch, gemm.m, gemm.n, gemm.k, gemm.input as u64, gemm.output as u64]);
        }
        Kernel::Attention(attention) => numbers.extend([2, attention.batch, attention.queries, attention.keys]),
        Kernel::Stream(stream) => {
            numbers.extend([3, rank(stream.kind), stream.rows, stream.cols, stream.dtype as u64]);
        }
    }
}
