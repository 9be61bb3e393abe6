//! Cutting groups into the kernels that a device can really run.
//!
//! A product is a kernel of its own; what follows it element by element rides along as its epilogue as far as registers
//! reach. Steps of an attention are one kernel where it can stream. A group without products is one loop.

use fusewright_cost::Groups;
use fusewright_ir::ops::{Copy, Normalization};
use fusewright_ir::{NodeId, Op};

use super::Limits;
use super::limits::site_element_bytes;
use super::reason::Reason;
use crate::{Analysis, Plan};

/// Kernels of a plan's groups.
pub(crate) struct Segments {
    /// The nodes of each kernel; free nodes travel with the group's first kernel or have one without work.
    pub(crate) kernels: Groups,
    /// The group of each kernel.
    pub(crate) group_of: Vec<u32>,
    /// Why a group of the plan takes more than one kernel.
    pub(crate) reasons: Vec<Option<Reason>>,
    /// The attention that a kernel is, as a position among the analysis's sites.
    pub(crate) attention: Vec<Option<u32>>,
}

/// What a node is to a kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Its own kernel, which steps may follow.
    Product,
    /// Follows a product or another step element by element, or moves results to where they belong.
    Step,
    /// Needs a whole row or window: joins loops only.
    Row,
    /// Its own kernel.
    Alone,
}

fn role(op: &Op) -> Role {
    match op {
        Op::Contraction(_) | Op::Convolution(_) | Op::Attention(_) => Role::Product,
        Op::Copy(copy) if matches!(**copy, Copy::Concat { .. }) => Role::Row,
        Op::Pointwise(_)
        | Op::Copy(_)
        | Op::View(_)
        | Op::Normalization(Normalization::BatchNorm { training: false, .. }) => Role::Step,
        Op::Normalization(_) | Op::Reduction(_) | Op::Pooling(_) => Role::Row,
        Op::Gather(_) | Op::Scatter(_) | Op::Host(_) | Op::Opaque(_) => Role::Alone,
    }
}

/// Cuts every group of a plan.
pub(crate) fn segments(analysis: &Analysis, plan: &Plan, limits: &Limits) -> Segments {
    let count = analysis.graph.node_count();
    let mut cutter = Cutter {
        analysis,
        groups: &plan.groups,
        limits,
        kernel_of: vec![0; count],
        streaming: vec![None; count],
        streaming_kernel: vec![None; analysis.attentions.sites.len()],
        merge_of: vec![None; count],
        merge_kernel: vec![None; plan.merges.len()],
        group_of: Vec::new(),
        attention: Vec::new(),
        has_product: Vec::new(),
        operands: Vec::new(),
        reasons: vec![None; plan.groups.count()],
    };
    for (number, site) in (0_u32..).zip(&analysis.attentions.sites) {
        cutter.mark_streaming(number, &site.chain, site);
    }
    for (number, merge) in plan.merges.iter().enumerate() {
        merge.members.iter().for_each(|id| cutter.merge_of[id.index()] = Some(number));
    }
    for group in 0..plan.groups.count() {
        cutter.cut(group);
    }
    let kernels = Groups::from_assignment(cutter.kernel_of, cutter.group_of.len());
    Segments { kernels, group_of: cutter.group_of, reasons: cutter.reasons, attention: cutter.attention }
}

struct Cutter<'a> {
    analysis: &'a Analysis<'a>,
    groups: &'a Groups,
    limits: &'a Limits,
    kernel_of: Vec<u32>,
    /// The attention that streams and that a node is a step of.
    streaming: Vec<Option<u32>>,
    /// The kernel that each streaming attention is.
    streaming_kernel: Vec<Option<u32>>,
    merge_of: Vec<Option<usize>>,
    merge_kernel: Vec<Option<u32>>,
    group_of: Vec<u32>,
    attention: Vec<Option<u32>>,
    has_product: Vec<bool>,
    /// Outside tensors that the steps after a kernel's product read.
    operands: Vec<usize>,
    reasons: Vec<Option<Reason>>,
}

impl Cutter<'_> {
    fn mark_streaming(&mut self, number: u32, chain: &[NodeId], site: &fusewright_pattern::AttentionSite) {
        let Some(&first) = chain.first() else { return };
        let group = self.groups.of(first);
        if chain.len() < 2 || chain.iter().any(|&id| self.groups.of(id) != group) {
            return;
        }
        if self.limits.streams(site, site_element_bytes(self.analysis.graph, site)) {
            for id in chain {
                self.streaming[id.index()] = Some(number);
            }
        } else {
            self.reasons[group as usize] = Some(Reason::AttentionDoesNotFit);
        }
    }

    fn open(&mut self, group: usize, product: bool) -> u32 {
        self.group_of.push(u32::try_from(group).unwrap_or(u32::MAX));
        self.attention.push(None);
        self.has_product.push(product);
        self.operands.push(0);
        u32::try_from(self.group_of.len() - 1).unwrap_or(u32::MAX)
    }

    fn cut(&mut self, group: usize) {
        let first_kernel = self.group_of.len();
        let analysis = self.analysis;
        let members = self.groups.members(group);
        let works = |id: &NodeId| !analysis.storage.is_free(*id);
        let loops = members.iter().copied().filter(works).all(|id| role(&analysis.graph.node(id).op) != Role::Product);
        for &id in members.iter().filter(|id| works(id)) {
            let kernel = if loops {
                if self.group_of.len() == first_kernel { self.open(group, false) } else { self.last() }
            } else {
                self.place(group, first_kernel, id)
            };
            self.kernel_of[id.index()] = kernel;
        }
        if self.group_of.len() == first_kernel {
            self.open(group, false);
        }
        let home = u32::try_from(first_kernel).unwrap_or(u32::MAX);
        members.iter().filter(|id| !works(id)).for_each(|id| self.kernel_of[id.index()] = home);
    }

    fn last(&self) -> u32 {
        u32::try_from(self.group_of.len() - 1).unwrap_or(u32::MAX)
    }

    /// The kernel of a node in a group that has products.
    fn place(&mut self, group: usize, first_kernel: usize, id: NodeId) -> u32 {
        if let Some(number) = self.streaming[id.index()] {
            return self.streaming_kernel[number as usize].unwrap_or_else(|| {
                let kernel = self.open(group, true);
                self.attention[kernel as usize] = Some(number);
                self.streaming_kernel[number as usize] = Some(kernel);
                self.more(group, first_kernel, Reason::SeveralProducts);
                kernel
            });
        }
        if let Some(number) = self.merge_of[id.index()] {
            return self.merge_kernel[number].unwrap_or_else(|| {
                let kernel = self.open(group, true);
                self.merge_kernel[number] = Some(kernel);
                self.more(group, first_kernel, Reason::SeveralProducts);
                kernel
            });
        }
        let role = role(&self.analysis.graph.node(id).op);
        let (maker, outside) = self.sources(group, first_kernel, id);
        match (role, maker) {
            (Role::Step, Some(kernel)) => {
                let used = self.operands[kernel as usize] + outside;
                if !self.has_product[kernel as usize] || used <= self.limits.epilogue_operands {
                    self.operands[kernel as usize] = used;
                    return kernel;
                }
                self.more(group, first_kernel, Reason::EpilogueTooWide);
            }
            (Role::Row, Some(kernel)) if !self.has_product[kernel as usize] => return kernel,
            (Role::Row, Some(_)) => self.more(group, first_kernel, Reason::RowAfterProduct),
            (Role::Product, _) => self.more(group, first_kernel, Reason::SeveralProducts),
            _ => self.more(group, first_kernel, Reason::Unrelated),
        }
        self.open(group, role == Role::Product)
    }

    /// The latest kernel of this group that the node reads from, and how many tensors it reads from elsewhere. Joining
    /// the latest keeps every edge between kernels leading forward.
    fn sources(&self, group: usize, first_kernel: usize, id: NodeId) -> (Option<u32>, usize) {
        let graph = self.analysis.graph;
        let (mut latest, mut outside) = (None, 0);
        for &input in graph.node(id).inputs.iter().filter(|&&input| graph.tensor(input).is_some()) {
            let maker = graph.producer(self.analysis.storage.root(input));
            match maker.filter(|&maker| self.groups.of(maker) as usize == group) {
                Some(maker) if self.kernel_of[maker.index()] as usize >= first_kernel => {
                    latest = latest.max(Some(self.kernel_of[maker.index()]));
                }
                _ => outside += 1,
            }
        }
        (latest, outside)
    }

    /// Notes why a group needs a kernel beyond its first; the first reason stands.
    fn more(&mut self, group: usize, first_kernel: usize, reason: Reason) {
        if self.group_of.len() > first_kernel {
            self.reasons[group].get_or_insert(reason);
        }
    }
}
