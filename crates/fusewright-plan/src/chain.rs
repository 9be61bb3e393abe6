//! Growing chains by pair rules.
//!
//! Nodes are walked in topological order; from each unvisited one the chain runs on while its end has exactly one
//! consumer, the consumer is unvisited, has no other producer (where the rule says so), and the pair is in the table.
//!
//! Chains never make a cycle of groups. In the default profile only the last node of a chain is read outside it. In the
//! reference profile methods may read a chain midway or feed it midway; the walk lets no chain be fed after it was
//! read, by a method or by a second producer, so that what enters a chain always comes before what leaves it.

use fusewright_ir::{Node, NodeId, Symbol};
use fusewright_pattern::rules::{Join, RuleTable, kind_of_name, pair_id};
use fusewright_pattern::{Kind, kind_of, literal_name, may_mask};
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
    let pairs = Pairs::new(analysis, profile, table);
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
                && pairs.accepts(end, next, sole_producer)
                && !(was_read && (flow.has_side_entrance(next) || !sole_producer));
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
#[derive(Debug)]
pub(crate) struct Pairs {
    class: Vec<u8>,
    classes: usize,
    /// The join of each pair that is in the table.
    matrix: Vec<Option<Join>>,
    /// Number of the attention whose steps a node is one of, in the default profile.
    attention: Vec<Option<u32>>,
    keys: Keys,
}

/// Class of nodes that no rule speaks of.
const NONE: u8 = u8::MAX;

impl Pairs {
    pub(crate) fn new(analysis: &Analysis, profile: Profile, table: &RuleTable) -> Self {
        let mut keys = Keys::default();
        let mut entries = Vec::new();
        for row in table.rows() {
            let pair = match profile {
                Profile::Reference if row.in_reference => Some((Key::Name(row.producer), Key::Name(row.consumer))),
                Profile::Reference => None,
                Profile::Default => kind_of_name(row.producer)
                    .zip(kind_of_name(row.consumer))
                    .map(|(producer, consumer)| (Key::Kind(producer), Key::Kind(consumer))),
            };
            if let Some((producer, consumer)) = pair {
                entries.push((keys.class(producer), keys.class(consumer), row.join));
            }
        }
        let classes = keys.0.len();
        let mut matrix = vec![None; classes * classes];
        for (producer, consumer, join) in entries {
            let entry: &mut Option<Join> = &mut matrix[producer as usize * classes + consumer as usize];
            // Names that share a kind share the most permissive of their rules.
            *entry = (*entry).max(Some(join));
        }
        let mut attention = vec![None; analysis.graph.node_count()];
        if profile == Profile::Default {
            for (number, site) in (0_u32..).zip(&analysis.attentions.sites) {
                site.chain.iter().for_each(|id| attention[id.index()] = Some(number));
            }
        }
        let class = match profile {
            Profile::Reference => classes_by_name(analysis, &keys),
            Profile::Default => classes_by_kind(analysis, &keys, &attention),
        };
        Self { class, classes, matrix, attention, keys }
    }

    /// The rule that joins the two, if the table has one.
    pub(crate) fn rule(&self, producer: NodeId, consumer: NodeId) -> Option<Join> {
        let (a, b) = (self.class[producer.index()], self.class[consumer.index()]);
        if a == NONE || b == NONE { None } else { self.matrix[a as usize * self.classes + b as usize] }
    }

    /// The id of the rule that joins the two, if the table has one.
    pub(crate) fn rule_id(&self, producer: NodeId, consumer: NodeId) -> Option<String> {
        self.rule(producer, consumer)?;
        let name = |node: NodeId| match self.keys.0.get(self.class[node.index()] as usize)? {
            Key::Kind(kind) => Some(kind.name().to_owned()),
            Key::Name(name) => {
                Some(kind_of_name(name).map_or_else(|| name.to_lowercase(), |kind| kind.name().to_owned()))
            }
        };
        Some(pair_id(&name(producer)?, &name(consumer)?))
    }

    /// The table has the pair, and the consumer may have the producers that it has.
    pub(crate) fn accepts(&self, producer: NodeId, consumer: NodeId, sole_producer: bool) -> bool {
        match self.rule(producer, consumer) {
            None => false,
            Some(Join::Sole) => sole_producer,
            Some(Join::InAttention) => {
                let attention = self.attention[producer.index()];
                sole_producer || attention.is_some() && attention == self.attention[consumer.index()]
            }
            Some(Join::Any) => true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Name(&'static str),
    Kind(Kind),
}

/// The names or kinds that occur in a table; a class is a position in it.
#[derive(Debug, Default)]
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
    let class = |node: &Node| {
        *known.entry(node.source.op).or_insert_with(|| keys.find_name(literal_name(graph, node)).unwrap_or(NONE))
    };
    graph.nodes().map(|(_, node)| node).map(class).collect()
}

fn classes_by_kind(analysis: &Analysis, keys: &Keys, attention: &[Option<u32>]) -> Vec<u8> {
    let class = |(id, node): (NodeId, &Node)| {
        let masks = may_mask(&node.op) && attention[id.index()].is_some();
        let kind = if masks { Some(Kind::Mask) } else { kind_of(analysis.graph, &analysis.storage, id) };
        kind.and_then(|kind| keys.find(Key::Kind(kind))).unwrap_or(NONE)
    };
    analysis.graph.nodes().map(class).collect()
}
