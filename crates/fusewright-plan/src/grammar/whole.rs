//! Whether a given set of nodes is one kernel.

use fusewright_ir::NodeId;

use super::{Draft, Grammar, Reason};

impl Grammar<'_> {
    /// The kernel that these nodes, ascending, are together; or the first reason why they are none.
    pub(crate) fn kernel(&self, members: &[NodeId]) -> Result<Draft, Reason> {
        let mut parts: Vec<Draft> = Vec::new();
        let mut refused = None;
        let mut ordered = members.to_vec();
        ordered.sort_unstable_by_key(|&id| self.place(id));
        for node in ordered {
            let opening = self.opening(node).filter(|_| self.holds_attention(members, node));
            let draft = match opening {
                Some(opening) => opening,
                None => self.placed(node, &mut parts).unwrap_or_else(|reason| {
                    refused.get_or_insert(reason);
                    self.alone(node)
                }),
            };
            parts.push(draft);
        }
        match parts.pop() {
            Some(draft) if parts.is_empty() && self.is_complete(draft.form) => Ok(draft),
            _ => Err(refused.unwrap_or(Reason::Unrelated)),
        }
    }

    /// All steps of the attention that a node opens are among these nodes.
    pub(crate) fn holds_attention(&self, members: &[NodeId], node: NodeId) -> bool {
        let site = self.step_of(node).and_then(|site| self.analysis.attentions.sites.get(site as usize));
        site.is_some_and(|site| site.chain.iter().all(|id| members.binary_search(id).is_ok()))
    }

    /// The draft of a node with all parts that it reads from and, where they fit, those that it stands beside; takes them
    /// out of `parts`.
    fn placed(&self, node: NodeId, parts: &mut Vec<Draft>) -> Result<Draft, Reason> {
        let (read, others): (Vec<usize>, Vec<usize>) = (0..parts.len()).partition(|&at| self.reads(node, &parts[at]));
        let drafts = |chosen: &[usize]| chosen.iter().map(|&at| &parts[at]).collect::<Vec<&Draft>>();
        let mut chosen = read;
        let mut found = if chosen.is_empty() { Ok(self.alone(node)) } else { self.join(node, &drafts(&chosen)) };
        for other in others {
            let more: Vec<usize> = chosen.iter().copied().chain([other]).collect();
            if let Ok(wider) = self.join(node, &drafts(&more)) {
                (found, chosen) = (Ok(wider), more);
            }
        }
        let draft = found?;
        chosen.sort_unstable();
        for at in chosen.into_iter().rev() {
            parts.remove(at);
        }
        Ok(draft)
    }
}
