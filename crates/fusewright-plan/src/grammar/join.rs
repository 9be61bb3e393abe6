//! Growing drafts of kernels node by node.

use fusewright_ir::{NodeId, Op, Origin, ValueId};
use fusewright_pattern::projection_of;
use smallvec::SmallVec;

use super::{Draft, Form, Joined, Limits, Loop, Projecting, Reason, Role, is_whole, joined, over_same_elements};
use super::{draft::can_be_a_step, site_element_bytes};
use crate::Analysis;
use crate::works::Works;

/// Nodes of one kernel at most.
const MOST_NODES: usize = 64;

/// What one kernel of a device can be, of the nodes of one graph.
#[derive(Debug)]
pub(crate) struct Grammar<'a> {
    pub(crate) analysis: &'a Analysis<'a>,
    pub(crate) works: Works,
    limits: Limits,
    roles: Vec<Option<Role>>,
    /// The attention that a node is a step of.
    chain_of: Vec<Option<u32>>,
    /// The same, where that attention streams.
    step_of: Vec<Option<u32>>,
    projecting: Vec<Option<Projecting>>,
    /// Products on the longest path to each node, itself not counted.
    depth: Vec<u32>,
    /// The nodes that do work, in the order in which kernels are put together, and the place of each.
    pub(crate) order: Vec<NodeId>,
    place: Vec<u32>,
}

impl<'a> Grammar<'a> {
    pub(crate) fn of(analysis: &'a Analysis<'a>, limits: Limits) -> Self {
        let graph = analysis.graph;
        let works = Works::of(analysis);
        let mut roles = vec![None; graph.node_count()];
        let mut depth = vec![0_u32; graph.node_count()];
        let mut projecting = vec![None; graph.node_count()];
        for &id in &works.nodes {
            let role = Role::of(graph, graph.node(id));
            roles[id.index()] = Some(role);
            let above = |&maker: &NodeId| {
                depth[maker.index()].saturating_add(u32::from(roles[maker.index()] == Some(Role::Product)))
            };
            depth[id.index()] = works.makers(id).iter().map(above).max().unwrap_or(0);
            if role == Role::Product {
                projecting[id.index()] = projection_of(graph, &analysis.storage, id).map(|projection| Projecting {
                    input: projection.input,
                    weight: 2 * (projection.dtype as u32) + u32::from(projection.out_first),
                });
            }
        }
        let (step_of, chain_of) = (vec![None; graph.node_count()], vec![None; graph.node_count()]);
        let (order, place) = (Vec::new(), vec![u32::MAX; graph.node_count()]);
        let mut grammar = Self { analysis, works, limits, roles, chain_of, step_of, projecting, depth, order, place };
        grammar.order = super::order::order(&grammar);
        for (at, id) in (0_u32..).zip(&grammar.order) {
            grammar.place[id.index()] = at;
        }
        for (number, site) in (0_u32..).zip(&analysis.attentions.sites) {
            site.chain.iter().for_each(|id| grammar.chain_of[id.index()] = Some(number));
            if grammar.streaming(&site.chain, site).is_ok() {
                site.chain.iter().for_each(|id| grammar.step_of[id.index()] = Some(number));
            }
        }
        grammar
    }

    /// Whether the steps of an attention can be one kernel.
    pub(crate) fn streaming(&self, chain: &[NodeId], site: &fusewright_pattern::AttentionSite) -> Result<(), Reason> {
        let Some((_, interior)) = chain.split_last().filter(|(_, interior)| !interior.is_empty()) else {
            return Err(Reason::Unrelated);
        };
        let inside = |reader: &NodeId| chain.contains(reader);
        if interior.iter().any(|&id| self.works.escapes(id) || !self.works.readers(id).iter().all(inside)) {
            return Err(Reason::ScoresAreRead);
        }
        let fits = self.limits.streams(site, self.element_bytes(site));
        if fits { Ok(()) } else { Err(Reason::AttentionDoesNotFit) }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Bytes of an element of an attention's result.
    pub(crate) fn element_bytes(&self, site: &fusewright_pattern::AttentionSite) -> f64 {
        site_element_bytes(self.analysis.graph, site)
    }

    /// The role of a node that does work.
    pub(crate) fn role(&self, node: NodeId) -> Role {
        self.roles[node.index()].unwrap_or(Role::Alone)
    }

    /// The place of a node that does work in the order in which kernels are put together.
    pub(crate) fn place(&self, node: NodeId) -> u32 {
        self.place[node.index()]
    }

    pub(crate) fn depth(&self, node: NodeId) -> u32 {
        self.depth[node.index()]
    }

    pub(crate) fn projecting(&self, node: NodeId) -> Option<Projecting> {
        self.projecting[node.index()]
    }

    /// The streaming attention that a node is a step of.
    pub(crate) fn step_of(&self, node: NodeId) -> Option<u32> {
        self.step_of[node.index()]
    }

    /// The attention that a node is a step of, streaming or not.
    pub(crate) fn attention_of(&self, node: NodeId) -> Option<&'a fusewright_pattern::AttentionSite> {
        self.chain_of[node.index()].and_then(|site| self.analysis.attentions.sites.get(site as usize))
    }

    /// The kernel that a node is by itself.
    pub(crate) fn alone(&self, node: NodeId) -> Draft {
        let form = match self.role(node) {
            Role::Product => Form::Product { beside: self.projecting(node), prologue: false },
            Role::Step(own) => Form::Loop { iteration: own.plain(), steps: true },
            Role::Row(own) => Form::Loop { iteration: own.plain(), steps: false },
            Role::Alone => Form::Alone,
        };
        Draft { members: vec![node], form }
    }

    /// The attention kernel whose first step a node is.
    pub(crate) fn opening(&self, node: NodeId) -> Option<Draft> {
        let site = self.step_of(node)?;
        let first = self.chain(site).first() == Some(&node);
        first.then(|| Draft { members: vec![node], form: Form::Attention { site, steps: 1 } })
    }

    fn chain(&self, site: u32) -> &[NodeId] {
        self.analysis.attentions.sites.get(site as usize).map_or(&[], |site| &site.chain)
    }

    /// An attention some of whose steps are missing is no kernel yet.
    pub(crate) fn is_complete(&self, form: Form) -> bool {
        !matches!(form, Form::Attention { site, steps } if (steps as usize) < self.chain(site).len())
    }

    /// The attention that is open in a draft, if one is.
    pub(crate) fn open_attention(&self, form: Form) -> Option<u32> {
        match form {
            Form::Attention { site, .. } if !self.is_complete(form) => Some(site),
            _ => None,
        }
    }

    /// The kernel that a node and the drafts that it reads from, or stands beside, are together.
    pub(crate) fn join(&self, node: NodeId, parts: &[&Draft]) -> Result<Draft, Reason> {
        let form = self.joined_form(node, parts)?;
        // What may be one kernel became one when the first of it read the other.
        if parts.iter().enumerate().any(|(at, part)| parts[..at].iter().any(|other| self.touch(part, other))) {
            return Err(Reason::OtherElements);
        }
        let size = parts.iter().map(|part| part.members.len()).sum::<usize>();
        if size >= MOST_NODES {
            return Err(Reason::TooLong);
        }
        let draft = Draft { members: Draft::united(parts, node), form };
        match form {
            Form::Product { .. } | Form::Attention { .. } if self.is_complete(form) => self.check_operands(&draft)?,
            _ => {}
        }
        Ok(draft)
    }

    fn joined_form(&self, node: NodeId, parts: &[&Draft]) -> Result<Form, Reason> {
        if let Some(site) = parts.iter().find_map(|part| self.open_attention(part.form)) {
            let belongs = parts.len() == 1 && self.step_of(node) == Some(site);
            let Form::Attention { steps, .. } = parts[0].form else { return Err(Reason::SeveralProducts) };
            return if belongs { Ok(Form::Attention { site, steps: steps + 1 }) } else { Err(Reason::SeveralProducts) };
        }
        match self.role(node) {
            Role::Alone => Err(Reason::Unrelated),
            Role::Product => self.product(node, parts),
            Role::Row(own) if parts.iter().all(|part| matches!(part.form, Form::Loop { .. })) => {
                self.looped(node, own, parts).map(|iteration| Form::Loop { iteration, steps: false })
            }
            Role::Row(_) => Err(Reason::RowAfterProduct),
            Role::Step(own) => self.step(node, own, parts),
        }
    }

    /// A product beside others of its input, or one whose operand is computed as it is loaded.
    fn product(&self, node: NodeId, parts: &[&Draft]) -> Result<Form, Reason> {
        if let [part] = parts
            && let Form::Product { beside: Some(beside), prologue: false } = part.form
        {
            let fits = self.projecting(node) == Some(beside) && !self.reads(node, part);
            return if fits { Ok(part.form) } else { Err(Reason::SeveralProducts) };
        }
        for part in parts {
            match part.form {
                Form::Loop { iteration, steps: true } if iteration.folded == 1 => {
                    self.prologue(node, iteration, part)?;
                }
                Form::Loop { .. } => return Err(Reason::RowAfterProduct),
                _ => return Err(Reason::SeveralProducts),
            }
        }
        Ok(Form::Product { beside: None, prologue: true })
    }

    /// Whether steps can be computed as an operand is loaded: each tile of it is loaded several times, so that steps over
    /// several tensors would multiply what is read.
    fn prologue(&self, node: NodeId, iteration: Loop, part: &Draft) -> Result<(), Reason> {
        if !self.reads(node, part) {
            return Err(Reason::Unrelated);
        }
        if !self.only_reader(part, &[], node) {
            return Err(Reason::ReadElsewhere);
        }
        if self.whole_count(part) > 1 {
            return Err(Reason::EpilogueTooWide);
        }
        // What is computed as it is loaded is never written.
        if part.members.iter().any(|&id| self.works.readers(id).is_empty()) {
            return Err(Reason::ReadElsewhere);
        }
        let makers = self.works.makers(node).iter().filter(|&&maker| part.holds(maker));
        let fits = makers.copied().all(|maker| self.loads_through(node, maker, iteration));
        if fits { Ok(()) } else { Err(Reason::OtherElements) }
    }

    /// A product reads each element of a step's results once, and could compute it as it loads it. Attention ops are calls
    /// of a library, which takes its operands as they are.
    pub(crate) fn loads_through(&self, product: NodeId, maker: NodeId, iteration: Loop) -> bool {
        let (graph, storage) = (self.analysis.graph, &self.analysis.storage);
        let node = graph.node(product);
        let from = |value: &&ValueId| graph.producer(storage.root(**value)) == Some(maker);
        !matches!(node.op, Op::Attention(_))
            && self.works.readers(maker) == [product]
            && node.inputs.iter().filter(from).all(|&value| storage.distinct_elements(value) == iteration.full)
    }

    /// A step: after a product, or in a loop.
    fn step(&self, node: NodeId, own: Loop, parts: &[&Draft]) -> Result<Form, Reason> {
        let has_product = |part: &&&Draft| matches!(part.form, Form::Product { .. } | Form::Attention { .. });
        let mut products = parts.iter().filter(has_product);
        let Some(product) = products.next() else {
            let iteration = self.looped(node, own, parts)?;
            let steps = parts.iter().all(|part| can_be_a_step(part.form));
            return Ok(Form::Loop { iteration, steps });
        };
        if products.next().is_some() {
            return Err(Reason::SeveralProducts);
        }
        if !self.reads(node, product) {
            return Err(Reason::Unrelated);
        }
        let storage = &self.analysis.storage;
        if !self.operands_from(node, product).all(|value| storage.distinct_elements(value) == own.full) {
            return Err(Reason::OtherElements);
        }
        for part in parts.iter().filter(|part| !has_product(part)) {
            let Form::Loop { iteration, steps: true } = part.form else { return Err(Reason::RowAfterProduct) };
            self.fused(node, own, own, part, parts).map_err(|reason| match reason {
                Reason::OtherElements if iteration.folded > 1 => Reason::RowAfterProduct,
                other => other,
            })?;
        }
        Ok(product.form)
    }

    /// The loop that a node and loops are together, the largest first.
    fn looped(&self, node: NodeId, own: Loop, parts: &[&Draft]) -> Result<Loop, Reason> {
        let mut loops: SmallVec<[(Loop, &Draft); 4]> = SmallVec::new();
        for part in parts {
            match part.form {
                Form::Loop { iteration, .. } => loops.push((iteration, part)),
                Form::Alone => return Err(Reason::Unrelated),
                _ => return Err(Reason::RowAfterProduct),
            }
        }
        loops.sort_by_key(|(iteration, part)| (std::cmp::Reverse(iteration.full), part.members[0]));
        let mut all = own.plain();
        for (_, part) in loops {
            all = self.fused(node, own, all, part, parts)?;
        }
        Ok(all)
    }

    /// The loop of a node, of what joined it so far and of a part.
    fn fused(&self, node: NodeId, own: Loop, so_far: Loop, part: &Draft, parts: &[&Draft]) -> Result<Loop, Reason> {
        let Form::Loop { iteration, .. } = part.form else { return Err(Reason::Unrelated) };
        if !self.reads(node, part) {
            let beside = self.stands_beside(node, part);
            return over_same_elements(iteration, so_far).filter(|_| beside).ok_or(Reason::Unrelated);
        }
        let graph = self.analysis.graph;
        let inputs = graph.node(node).inputs.iter().enumerate();
        let in_memory = |(position, &input): (usize, &ValueId)| {
            let maker = graph.producer(self.analysis.storage.root(input)).filter(|&maker| part.holds(maker));
            maker.is_some_and(|maker| own.scattered && position == 0 || is_whole(graph.node(maker)))
        };
        if inputs.filter(|(_, input)| graph.tensor(**input).is_some()).any(in_memory) {
            return Err(Reason::OtherElements);
        }
        match joined(iteration, so_far, own) {
            Joined::As(fused) => Ok(fused.plain()),
            Joined::IfOnlyReader(fused) if self.only_reader(part, parts, node) => Ok(fused.plain()),
            Joined::IfOnlyReader(_) => Err(Reason::ReadElsewhere),
            Joined::Not => Err(Reason::OtherElements),
        }
    }

    /// Nothing but the node and the other parts reads what a part makes.
    fn only_reader(&self, part: &Draft, parts: &[&Draft], node: NodeId) -> bool {
        let inside =
            |reader: &NodeId| *reader == node || part.holds(*reader) || parts.iter().any(|other| other.holds(*reader));
        part.members.iter().all(|&id| !self.works.escapes(id) && self.works.readers(id).iter().all(inside))
    }

    /// The node reads memory that one of the part's nodes reads, as many products after the graph's inputs.
    fn stands_beside(&self, node: NodeId, part: &Draft) -> bool {
        let depth = self.depth(node);
        let reads = self.shared_reads(node);
        part.members
            .iter()
            .filter(|&&id| self.depth(id) == depth)
            .any(|&id| self.shared_reads(id).iter().any(|root| reads.contains(root)))
    }

    /// The memory that a node reads and that is worth reading together: activations.
    pub(crate) fn shared_reads(&self, node: NodeId) -> SmallVec<[ValueId; 4]> {
        let graph = self.analysis.graph;
        let activation = |root: &ValueId| matches!(graph.value(*root).origin, Origin::Input | Origin::Node { .. });
        let roots = graph.node(node).inputs.iter().filter(|&&input| graph.tensor(input).is_some());
        roots.map(|&input| self.analysis.storage.root(input)).filter(activation).collect()
    }

    /// The node reads what one of the part's nodes made.
    pub(crate) fn reads(&self, node: NodeId, part: &Draft) -> bool {
        self.works.makers(node).iter().any(|&maker| part.holds(maker))
    }

    /// One of two drafts reads what the other makes.
    fn touch(&self, one: &Draft, other: &Draft) -> bool {
        one.members.iter().any(|&id| self.reads(id, other)) || other.members.iter().any(|&id| self.reads(id, one))
    }

    /// The operands of a node that a part made.
    fn operands_from(&self, node: NodeId, part: &Draft) -> impl Iterator<Item = ValueId> {
        let (graph, storage) = (self.analysis.graph, &self.analysis.storage);
        let from = |&value: &ValueId| {
            graph.tensor(value).is_some() && graph.producer(storage.root(value)).is_some_and(|maker| part.holds(maker))
        };
        graph.node(node).inputs.iter().copied().filter(from)
    }

    /// Tensors that a loop reads and that are as large as it runs long.
    pub(crate) fn whole_count(&self, draft: &Draft) -> usize {
        let Form::Loop { iteration, .. } = draft.form else { return 0 };
        let graph = self.analysis.graph;
        let whole = |value: &&ValueId| graph.tensor(**value).is_some_and(|t| t.elements() >= iteration.full.max(2));
        self.outside(&draft.members).iter().filter(whole).count()
    }

    /// The memory that nodes read and none of them made, each once.
    fn outside(&self, members: &[NodeId]) -> SmallVec<[ValueId; 8]> {
        let (graph, storage) = (self.analysis.graph, &self.analysis.storage);
        let mut outside: SmallVec<[ValueId; 8]> = SmallVec::new();
        for &id in members {
            for &value in graph.node(id).inputs.iter().filter(|&&value| graph.tensor(value).is_some()) {
                let root = storage.root(value);
                let inside = graph.producer(root).is_some_and(|maker| members.binary_search(&maker).is_ok());
                if !inside && !outside.contains(&root) {
                    outside.push(root);
                }
            }
        }
        outside
    }

    /// The steps around a product may read as many other tensors as registers hold.
    fn check_operands(&self, draft: &Draft) -> Result<(), Reason> {
        let fits = self.outside_count(draft) <= self.limits.epilogue_operands;
        if fits { Ok(()) } else { Err(Reason::EpilogueTooWide) }
    }

    /// Other tensors that the steps of a draft read.
    pub(crate) fn outside_count(&self, draft: &Draft) -> usize {
        let chain = match draft.form {
            Form::Attention { site, .. } => self.chain(site),
            _ => &[],
        };
        let is_step = |id: &NodeId| self.role(*id) != Role::Product && !chain.contains(id);
        let steps: SmallVec<[NodeId; 8]> = draft.members.iter().copied().filter(is_step).collect();
        let made = |root: &ValueId| self.analysis.graph.producer(*root).is_some_and(|maker| draft.holds(maker));
        self.outside(&steps).iter().filter(|root| !made(root)).count()
    }
}
