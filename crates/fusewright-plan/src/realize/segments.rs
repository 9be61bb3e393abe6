//! Cutting groups into the kernels that a device can really run.
//!
//! A group that the kernel grammar accepts is one kernel, and so is one of the plan `compiled`, whose groups are the loops
//! and calls that its compiler writes. Any other is cut: walking its nodes in order, each joins the latest kernel that it
//! reads from if the grammar lets it, and opens one of its own if not.

use fusewright_cost::Groups;
use fusewright_ir::NodeId;

use crate::grammar::{Draft, Form, Grammar, Reason};
use crate::{Analysis, CompiledPartitioner, Partitioner, Plan};

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

/// Cuts every group of a plan.
pub(crate) fn segments(analysis: &Analysis, plan: &Plan, grammar: &Grammar) -> Segments {
    let count = analysis.graph.node_count();
    let mut merge_of = vec![None; count];
    for (number, merge) in plan.merges.iter().enumerate() {
        merge.members.iter().for_each(|id| merge_of[id.index()] = Some(number));
    }
    let mut cutter = Cutter {
        grammar,
        merge_of,
        is_written: plan.strategy == CompiledPartitioner.name(),
        kernel_of: vec![0; count],
        group_of: Vec::new(),
        drafts: Vec::new(),
        reasons: vec![None; plan.groups.count()],
    };
    for group in 0..plan.groups.count() {
        let members = plan.groups.members(group);
        let (works, free): (Vec<NodeId>, Vec<NodeId>) = members.iter().partition(|id| !analysis.storage.is_free(**id));
        let first_kernel = cutter.group_of.len();
        cutter.cut(group, &works);
        if cutter.group_of.len() == first_kernel {
            cutter.open(group, None);
        }
        let home = u32::try_from(first_kernel).unwrap_or(u32::MAX);
        for id in free {
            cutter.kernel_of[id.index()] = home;
        }
    }
    let attention = cutter.drafts.iter().map(|draft| match draft.as_ref().map(|draft| draft.form) {
        Some(Form::Attention { site, .. }) => Some(site),
        _ => None,
    });
    Segments {
        attention: attention.collect(),
        kernels: Groups::from_assignment(cutter.kernel_of, cutter.group_of.len()),
        group_of: cutter.group_of,
        reasons: cutter.reasons,
    }
}

struct Cutter<'a> {
    grammar: &'a Grammar<'a>,
    merge_of: Vec<Option<usize>>,
    /// Groups are kernels as they stand.
    is_written: bool,
    kernel_of: Vec<u32>,
    group_of: Vec<u32>,
    /// What each kernel is so far.
    drafts: Vec<Option<Draft>>,
    reasons: Vec<Option<Reason>>,
}

impl Cutter<'_> {
    fn open(&mut self, group: usize, draft: Option<Draft>) -> u32 {
        self.group_of.push(u32::try_from(group).unwrap_or(u32::MAX));
        self.drafts.push(draft);
        u32::try_from(self.group_of.len() - 1).unwrap_or(u32::MAX)
    }

    fn cut(&mut self, group: usize, works: &[NodeId]) {
        let draft = self.grammar.kernel(works);
        if draft.is_ok() || self.is_written && !works.is_empty() {
            let kernel = self.open(group, draft.ok());
            for id in works {
                self.kernel_of[id.index()] = kernel;
            }
            return;
        }
        let first_kernel = self.group_of.len();
        for &id in works {
            let kernel = self.place(group, first_kernel, works, id);
            self.kernel_of[id.index()] = kernel;
        }
    }

    /// The kernel of a node in a group that is cut.
    fn place(&mut self, group: usize, first_kernel: usize, works: &[NodeId], id: NodeId) -> u32 {
        let grammar = self.grammar;
        let beside = self.merge_of[id.index()].and_then(|merge| {
            let same = |other: &&NodeId| **other < id && self.merge_of[other.index()] == Some(merge);
            works.iter().find(same).map(|other| self.kernel_of[other.index()])
        });
        if let Some(kernel) = beside {
            self.extend(kernel, id);
            return kernel;
        }
        let streams = grammar.holds_attention(works, id);
        let target = if streams {
            if let Some(opening) = grammar.opening(id) {
                self.note(group, first_kernel, Reason::SeveralProducts);
                return self.open(group, Some(opening));
            }
            self.drafts.iter().rposition(|draft| {
                draft.as_ref().is_some_and(|draft| grammar.open_attention(draft.form) == grammar.step_of(id))
            })
        } else {
            let makers = grammar.works.makers(id).iter().filter(|maker| works.binary_search(maker).is_ok());
            makers.map(|maker| self.kernel_of[maker.index()] as usize).max()
        };
        let joined = match target.and_then(|kernel| self.drafts[kernel].as_ref().map(|draft| (kernel, draft))) {
            Some((kernel, draft)) => grammar.join(id, &[draft]).map(|joined| (kernel, joined)),
            None => Err(Reason::Unrelated),
        };
        match joined {
            Ok((kernel, draft)) => {
                self.drafts[kernel] = Some(draft);
                u32::try_from(kernel).unwrap_or(u32::MAX)
            }
            Err(reason) => {
                let reason = self.attention_reason(works, id).unwrap_or(reason);
                self.note(group, first_kernel, reason);
                self.open(group, Some(grammar.alone(id)))
            }
        }
    }

    /// Why the attention that a node is a step of does not stream though its group holds all of it.
    fn attention_reason(&self, works: &[NodeId], id: NodeId) -> Option<Reason> {
        let site = self.grammar.attention_of(id).filter(|site| site.chain.len() > 1)?;
        let whole = site.chain.iter().all(|step| works.binary_search(step).is_ok());
        self.grammar.streaming(&site.chain, site).err().filter(|_| whole)
    }

    /// A projection that a plan puts beside others, whatever their weights.
    fn extend(&mut self, kernel: u32, id: NodeId) {
        if let Some(draft) = &mut self.drafts[kernel as usize] {
            let at = draft.members.partition_point(|&member| member < id);
            draft.members.insert(at, id);
        }
    }

    /// Notes why a group needs a kernel beyond its first; the first reason stands.
    fn note(&mut self, group: usize, first_kernel: usize, reason: Reason) {
        if self.group_of.len() > first_kernel {
            self.reasons[group].get_or_insert(reason);
        }
    }
}
