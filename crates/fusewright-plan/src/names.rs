//! Names of fused patterns: what a group holds, in order, e.g. `LayerNorm_Linear_GELU_Dropout`.

use fusewright_cost::Groups;
use fusewright_ir::{NodeId, Op, ops::Binary, ops::Pointwise};
use fusewright_pattern::{canonical_name, literal_name};
use rustc_hash::FxHashMap;

use crate::dataflow::Dataflow;
use crate::parallel::ParallelMerge;
use crate::{Analysis, Profile};

/// The name of groups of one node.
pub const UNFUSED: &str = "Unfused";

/// A name per counted group: positions in the table of names that comes with them.
pub(crate) fn name_groups(
    analysis: &Analysis,
    profile: Profile,
    flow: &Dataflow,
    groups: &Groups,
    counted: usize,
    merges: &[ParallelMerge],
) -> (Vec<u32>, Vec<String>) {
    let graph = analysis.graph;
    let mut table: Vec<String> = Vec::new();
    let mut positions: FxHashMap<String, u32> = FxHashMap::default();
    let mut position_of = |name: String| {
        *positions.entry(name).or_insert_with_key(|name| {
            table.push(name.clone());
            u32::try_from(table.len() - 1).unwrap_or(u32::MAX)
        })
    };
    let mut patterns = Vec::with_capacity(counted);
    let mut name = String::new();
    for group in 0..counted {
        name.clear();
        let mut parts = 0;
        for &id in groups.members(group).iter().filter(|&&id| flow.takes_part(id)) {
            let node = graph.node(id);
            if parts > 0 {
                name.push('_');
            }
            parts += 1;
            name.push_str(match profile {
                Profile::Reference => literal_name(graph, node),
                Profile::Default => canonical_name(node),
            });
        }
        patterns.push(position_of(if parts > 1 { name.clone() } else { UNFUSED.to_owned() }));
    }
    if !merges.is_empty() {
        let roles = Roles::of(analysis);
        for merge in merges {
            let label = match profile {
                Profile::Reference => "Parallel_QKV_Linear",
                Profile::Default => roles.label(analysis, flow, merge),
            };
            patterns[groups.of(merge.members[0]) as usize] = position_of(label.to_owned());
        }
    }
    (patterns, table)
}

/// What projections are for.
struct Roles {
    query: Vec<bool>,
    key_or_value: Vec<bool>,
}

impl Roles {
    fn of(analysis: &Analysis) -> Self {
        let count = analysis.graph.node_count();
        let mut roles = Self { query: vec![false; count], key_or_value: vec![false; count] };
        for site in &analysis.attentions.sites {
            let [q, k, v] = site.projections;
            if let Some(id) = q {
                roles.query[id.index()] = true;
            }
            for id in [k, v].into_iter().flatten() {
                roles.key_or_value[id.index()] = true;
            }
        }
        roles
    }

    fn label(&self, analysis: &Analysis, flow: &Dataflow, merge: &ParallelMerge) -> &'static str {
        let members = &merge.members;
        let key_or_value = members.iter().filter(|id| self.key_or_value[id.index()]).count();
        let query = members.iter().any(|id| self.query[id.index()]);
        if query && key_or_value > 0 {
            "Parallel_QKV_Linear"
        } else if key_or_value > 0 {
            "Parallel_KV_Linear"
        } else if members.len() == 2 && gates(analysis, flow, members) {
            "Parallel_GateUp_Linear"
        } else {
            "Parallel_Linear"
        }
    }
}

/// Two projections of a gated MLP: their results meet in a product, one of them after an activation.
fn gates(analysis: &Analysis, flow: &Dataflow, members: &[NodeId]) -> bool {
    let product_after = |&id: &NodeId| {
        let mut node = flow.sole_consumer(id)?;
        if matches!(analysis.graph.node(node).op, Op::Pointwise(Pointwise::Unary(_))) {
            node = flow.sole_consumer(node)?;
        }
        matches!(analysis.graph.node(node).op, Op::Pointwise(Pointwise::Binary(Binary::Mul))).then_some(node)
    };
    let products: Vec<_> = members.iter().map(product_after).collect();
    products.iter().all(|product| product.is_some() && *product == products[0])
}
