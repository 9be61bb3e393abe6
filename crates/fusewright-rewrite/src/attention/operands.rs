//! Queries, keys, values and the result as attention operators take and give them: rows `[batch, rows, heads · width]`
//! or heads `[batch, heads, rows, width]`.

use fusewright_ir::ValueId;

use crate::facts::Facts;
use crate::layout::{Axis, Factor, Layout, along, back, merged, regrouped};
use crate::recipe::{OpenRecipe, Recipe};

/// How an operator takes an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `[batch, rows, heads · width]`
    Rows,
    /// `[batch, heads, rows, width]`
    Heads,
}

/// An operand as it is found in one reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) value: ValueId,
    /// Its last two axes are width and rows, not rows and width.
    pub(super) turned: bool,
    pub(super) batch: u64,
    pub(super) heads: u64,
}

/// One way to an operand: a value of the document and what to do with it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Way {
    name: String,
    recipe: Recipe,
    /// The operand is this many times what the recipe gives.
    factor: f64,
    /// Heads that are stored; each stands for as many as are missing.
    kv_heads: u64,
}

/// A way that holds at every size.
#[derive(Clone, Debug)]
pub(super) struct OpenWay {
    pub(super) name: String,
    pub(super) recipe: OpenRecipe,
    pub(super) factor: f64,
    pub(super) kv_heads: u64,
    pub(super) cost: usize,
}

/// All ways to an operand, those that take fewest nodes first, of equal ones those that begin furthest back.
pub(super) fn ways(facts: &Facts, wanted: Wanted, form: Form, shared: bool) -> Vec<Way> {
    let steps = back(facts, wanted.value);
    let mut found = Vec::new();
    for length in (0..=steps.len()).rev() {
        let (source, layout) = match steps.get(..length) {
            Some([]) => (wanted.value, Some(Layout::whole(facts.shape(wanted.value)))),
            Some(walk) => (walk[length - 1].from, along(facts, walk)),
            None => continue,
        };
        let (Some(name), Some(layout)) = (facts.name(source), layout) else { continue };
        if let Some(way) = way(facts.shape(source), name, &layout, wanted, form, shared) {
            found.push(way);
        }
    }
    found.sort_by_key(|way| way.recipe.cost());
    found
}

fn way(shape: &[u64], name: &str, layout: &Layout, wanted: Wanted, form: Form, shared: bool) -> Option<Way> {
    let [lead @ .., one, two] = &layout.axes[..] else { return None };
    let (rows, width) = if wanted.turned { (two, one) } else { (one, two) };
    let lead = leading(lead, wanted)?;
    let [batch, heads] = &lead[..] else { return None };
    let (stored, kv_heads) = stored_heads(heads, wanted.heads);
    if kv_heads != wanted.heads && !shared {
        return None;
    }
    let target = match form {
        Form::Rows => vec![batch.clone(), rows.clone(), merged(&stored.iter().chain(width).copied().collect::<Axis>())],
        Form::Heads => vec![batch.clone(), stored, rows.clone(), width.clone()],
    };
    let recipe = Recipe::new(shape, layout.offset, &target)?;
    Some(Way { name: name.to_owned(), recipe, factor: layout.factor, kv_heads })
}

/// Batch and heads as an axis each. Where all heads read one, the product repeats it: that head comes in no steps.
fn leading(lead: &[Axis], wanted: Wanted) -> Option<Vec<Axis>> {
    let factors = || lead.iter().flatten().copied();
    let held = factors().fold(1, |product: u64, factor| product.saturating_mul(factor.extent));
    if wanted.heads == 1 || held != wanted.batch {
        return regrouped(factors(), &[wanted.batch, wanted.heads]);
    }
    let mut axes = regrouped(factors(), &[wanted.batch])?;
    axes.push([Factor { extent: wanted.heads, stride: 0 }].into_iter().collect());
    Some(axes)
}

/// The heads without repetitions of each, and how many there are.
fn stored_heads(heads: &Axis, count: u64) -> (Axis, u64) {
    match heads[..] {
        [.., Factor { extent, stride: 0 }] => {
            let stored: Axis = heads[..heads.len() - 1].into();
            (stored, count / extent.max(1))
        }
        _ => (heads.clone(), count),
    }
}

/// The first way of one reading that the other knows too.
pub(super) fn common(first: &[Way], second: &[Way]) -> Option<OpenWay> {
    first.iter().find_map(|way| {
        let same = |other: &&Way| {
            other.name == way.name && other.kv_heads == way.kv_heads && (other.factor - way.factor).abs() < 1e-12
        };
        let recipe = second.iter().filter(same).find_map(|other| way.recipe.join(&other.recipe))?;
        let (name, factor, kv_heads) = (way.name.clone(), way.factor, way.kv_heads);
        Some(OpenWay { name, recipe, factor, kv_heads, cost: way.recipe.cost() })
    })
}

/// Where the result of the operator enters the model: a value that the recipe makes of it.
#[derive(Clone, Debug)]
pub(super) struct Exit {
    name: String,
    recipe: Recipe,
}

/// An exit that holds at every size.
#[derive(Clone, Debug)]
pub(super) struct OpenExit {
    pub(super) name: String,
    pub(super) recipe: OpenRecipe,
    pub(super) cost: usize,
}

/// The values that only move the result of an attention, those that take fewest nodes first.
pub(super) fn exits(facts: &Facts, result: ValueId, [batch, heads, rows, width]: [u64; 4], form: Form) -> Vec<Exit> {
    let (shape, strides) = match form {
        Form::Rows => (vec![batch, rows, heads * width], [rows * heads * width, width, heads * width, 1]),
        Form::Heads => (vec![batch, heads, rows, width], [heads * rows * width, rows * width, width, 1]),
    };
    let factors = [batch, heads, rows, width].into_iter().zip(strides).filter(|(extent, _)| *extent != 1);
    let factors = factors.map(|(extent, stride)| Factor { extent, stride });
    let Some(axes) = regrouped(factors, facts.shape(result)) else { return Vec::new() };
    let mut layout = Layout { axes, offset: 0, factor: 1.0 };
    let mut value = result;
    let mut found = Vec::new();
    loop {
        if let (Some(name), Some(recipe)) = (facts.name(value), Recipe::new(&shape, 0, &layout.axes)) {
            found.push(Exit { name: name.to_owned(), recipe });
        }
        let &[reader] = facts.consumers.of_value(value) else { break };
        let node = facts.graph.node(reader);
        let (1, &[output], Some(&input)) = (node.inputs.len(), &node.outputs[..], node.inputs.first()) else { break };
        let step = crate::layout::Step { node: reader, from: input, to: output };
        let Some(next) = layout.after(facts, step) else { break };
        let whole = next.offset == 0 && (next.factor - 1.0).abs() < 1e-12;
        if facts.is_result(value) || !whole || found.len() > 16 {
            break;
        }
        (layout, value) = (next, output);
    }
    found.reverse();
    found.sort_by_key(|exit| exit.recipe.cost());
    found
}

/// The first exit of one reading that the other knows too.
pub(super) fn common_exit(first: &[Exit], second: &[Exit]) -> Option<OpenExit> {
    first.iter().find_map(|exit| {
        let same = |other: &&Exit| other.name == exit.name;
        let recipe = second.iter().filter(same).find_map(|other| exit.recipe.join(&other.recipe))?;
        Some(OpenExit { name: exit.name.clone(), recipe, cost: exit.recipe.cost() })
    })
}
