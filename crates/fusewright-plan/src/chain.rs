//! Growing chains by pair rules.
//!
//! Nodes are walked in topological order; from each unvisited one the chain runs on while its end has exactly one
//! consumer, the consumer is unvisited, has no other producer (where the rule says so), and the pair is in the table.
//!
//! Chains never make a cycle of groups. In the default profile only the last node of a chain is read outside it. In the
//! reference profile methods may read a chain midway or feed it midway; the walk lets no chain be fed after it was
//! read, so that what enters a chain always comes before what leaves it.

use fusewright_ir::ops::Normalization;
use fusewright_ir::{NodeId, Op, Symbol};
use fusewright_pattern::rules::{Join, RuleTable, kind_of_name};
use fusewright_pattern::{kind_of, literal_name, may_mask};
use rustc_hash::FxHashMap;

use crate::dataflow::Dataflow;
use crate::{Analysis, Profile};

/// Group number of each node; nodes outside the profile have none.
pub(crate) type Assignment = Vec<Option<u32>>;

/// Chains by the rules of `table`; gives each node's chain and the number of chains.
pub(crate) fn grow_chains(
    analysis: &Analysis,
    flow: &Dataflow,
    profile: Profile,
    table: &RuleTable,
) -> (Assignment, u32) {
    let pairs = Pairs::new(analysis, flow, profile, table);
    let mut chain_of: Assignment = vec![None; analysis.graph.node_count()];
    let mut chains = 0_u32;
    for (start, _) in analysis.graph.nodes() {
        if !flow.takes_part(start) || chain_of[start.index()].is_some() {
            continue;
        }
        chain_of[start.index()] = Some(chains);
        let mut end = start;
        let mut was_read = flow.has_side_exit(start);
        while let Some(next) = flow.sole_consumer(end) {
            let sole_producer = flow.producers(next).len() == 1;
            let fits = chain_of[next.index()].is_none()
                && pairs.join(end, next).is_some_and(|any| any || sole_producer)
                && !(was_read && flow.has_side_entrance(next));
            if !fits {
                break;
            }
            chain_of[next.index()] = Some(chains);
            was_read |= flow.has_side_exit(next);
            end = next;
        }
        chains += 1;
    }
    (chain_of, chains)
}

/// The rule table compiled for one graph: a class per node and a matrix over classes.
struct Pairs {
    class: Vec<u8>,
    classes: usize,
    /// `Some(any)` where the pair is in the table; `any` if the consumer may have other producers.
    matrix: Vec<Option<bool>>,
}

/// Class of nodes that no rule speaks of.
const NONE: u8 = u8::MAX;

impl Pairs {
    fn new(analysis: &Analysis, flow: &Dataflow, profile: Profile, table: &RuleTable) -> Self {
        let mut keys = Keys::default();
        let mut entries = Vec::new();
        for row in table.rows() {
            let any = match row.join {
                Join::Sole => false,
                Join::Any => true,
                Join::AnyInDefault => profile == Profile::Default,
            };
            let pair = match profile {
                Profile::Reference if row.in_reference => Some((Key::Name(row.producer), Key::Name(row.consumer))),
                Profile::Reference => None,
                Profile::Default => kind_of_name(row.producer)
                    .zip(kind_of_name(row.consumer))
                    .map(|(a, b)| (Key::Kind(a), Key::Kind(b))),
            };
            if let Some((producer, consumer)) = pair {
                entries.push((keys.class(producer), keys.class(consumer), any));
            }
        }
        let classes = keys.0.len();
        let mut matrix = vec![None; classes * classes];
        for (producer, consumer, any) in entries {
            let entry = &mut matrix[producer as usize * classes + consumer as usize];
            *entry = Some(entry.unwrap_or(false) || any);
        }
        let class = match profile {
            Profile::Reference => classes_by_name(analysis, &keys),
            Profile::Default => classes_by_kind(analysis, flow, &keys),
        };
        Self { class, classes, matrix }
    }

    fn join(&self, producer: NodeId, consumer: NodeId) -> Option<bool> {
        let (a, b) = (self.class[producer.index()], self.class[consumer.index()]);
        if a == NONE || b == NONE {
            return None;
        }
        self.matrix[a as usize * self.classes + b as usize]
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Name(&'static str),
    Kind(fusewright_pattern::Kind),
}

/// The names or kinds that occur in a table; a class is a position in it.
#[derive(Default)]
struct Keys(Vec<Key>);

impl Keys {
    fn class(&mut self, key: Key) -> u8 {
        self.find(key).unwrap_or_else(|| {
            self.0.push(key);
            u8::try_from(self.0.len() - 1).unwrap_or(NONE)
        })
    }

    fn find(&self, key: Key) -> Option<u8> {
        self.0.iter().position(|&known| known == key).and_then(|position| u8::try_from(position).ok())
    }

    fn find_name(&self, name: &str) -> Option<u8> {
        let position = self.0.iter().position(|known| matches!(known, Key::Name(text) if *text == name))?;
        u8::try_from(position).ok()
    }
}

fn classes_by_name(analysis: &Analysis, keys: &Keys) -> Vec<u8> {
    let graph = analysis.graph;
    let mut known: FxHashMap<Symbol, u8> = FxHashMap::default();
    let class = |node: &fusewright_ir::Node| {
        *known.entry(node.source.op).or_insert_with(|| keys.find_name(literal_name(graph, node)).unwrap_or(NONE))
    };
    graph.nodes().map(|(_, node)| node).map(class).collect()
}

fn classes_by_kind(analysis: &Analysis, flow: &Dataflow, keys: &Keys) -> Vec<u8> {
    let graph = analysis.graph;
    let mask_class = keys.find(Key::Kind(fusewright_pattern::Kind::Mask));
    let mut class = vec![NONE; graph.node_count()];
    // Backwards, so that a mask in front of another mask is known as one.
    let mut masks_scores = vec![false; graph.node_count()];
    for (id, node) in graph.nodes().rev() {
        let before_softmax = may_mask(&node.op)
            && flow.sole_consumer(id).is_some_and(|next| {
                masks_scores[next.index()]
                    || matches!(graph.node(next).op, Op::Normalization(Normalization::Softmax { log: false, .. }))
            });
        masks_scores[id.index()] = before_softmax;
        let found = match mask_class {
            Some(mask) if before_softmax => Some(mask),
            _ => kind_of(node, analysis.storage.is_free(id)).and_then(|kind| keys.find(Key::Kind(kind))),
        };
        class[id.index()] = found.unwrap_or(NONE);
    }
    class
}
