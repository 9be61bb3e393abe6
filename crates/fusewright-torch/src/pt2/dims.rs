//! Sizes that may change: which are equal, what they are called, and which the caller gave.
//!
//! PyTorch names sizes `s77`, often gives equal ones different symbols, and says in a guard that they are equal:
//! `L['mask'].size()[1] == L['input_ids'].size()[1]`. Such symbols are one dim here. A dim is called by where the user
//! finds it: `batch` or `seq` where that is clear, else input and axis.

use std::collections::{BTreeMap, HashMap};

use fusewright_ir::Bindings;

use super::Pt2Error;
use super::argument::{Argument, Extent};
use super::schema::{Graph, Program};
use super::srepr::{Tree, parse};
use crate::fx::schema::{Size, SymbolEntry};

/// Codes of integer element types.
const INTEGERS: std::ops::RangeInclusive<i64> = 1..=5;

/// Longest name that an input lends to a dim.
const MAX_NAME: usize = 64;

/// Symbols that are equal.
#[derive(Debug, Default)]
struct Dim {
    name: String,
    /// Input and axis, wherever it is found.
    places: Vec<String>,
    symbols: Vec<String>,
    /// `batch` or `seq`, which several dims may answer to.
    aliases: Vec<&'static str>,
    min: Option<i64>,
    max: Option<i64>,
    hint: Option<i64>,
}

impl Dim {
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.places.iter().chain(&self.symbols).any(|known| known == name)
    }
}

/// The dims of a program.
#[derive(Debug, Default)]
pub(super) struct Dims {
    list: Vec<Dim>,
    /// The dim of each symbol.
    by_symbol: HashMap<String, usize>,
    /// Every expression of the program in the FX reader's notation; `None` where it has no such form.
    expressions: HashMap<String, Option<String>>,
    /// The table of named sizes and expressions for the FX reader.
    pub(super) table: BTreeMap<String, SymbolEntry>,
    /// The caller's sizes by the names in the table.
    pub(super) bindings: Bindings,
}

impl Dims {
    /// Finds the dims of a program and gives them the caller's sizes.
    pub(super) fn find(program: &Program, bindings: &Bindings) -> Result<Self, Pt2Error> {
        let mut trees = BTreeMap::new();
        let graph = &program.graph_module.graph;
        collect(graph, &mut trees);
        let mut symbols: BTreeMap<&str, Option<i64>> = BTreeMap::new();
        for (tree, hint) in trees.values() {
            if let Some(tree) = tree {
                tree.each_symbol(&mut |symbol| _ = symbols.entry(symbol).or_default());
            }
            if let Some(Tree::Symbol(symbol)) = tree {
                let known = symbols.entry(symbol).or_default();
                *known = known.or(*hint);
            }
        }
        let inputs = inputs(graph, &trees);
        let mut dims = Self::default();
        dims.join(program, &symbols, &inputs);
        dims.name(&inputs);
        for (&text, (tree, hint)) in &trees {
            let written = tree.as_ref().and_then(|tree| tree.write(&|symbol| dims.name_of(symbol)));
            if let Some(written) = &written {
                let entry = SymbolEntry { min: None, max: None, hint: *hint };
                dims.table.entry(written.clone()).or_insert(entry);
            }
            dims.expressions.insert(text.to_owned(), written);
        }
        for dim in &dims.list {
            let entry = SymbolEntry { min: dim.min, max: dim.max, hint: dim.hint };
            dims.table.insert(dim.name.clone(), entry);
        }
        dims.bindings = dims.bind(bindings)?;
        Ok(dims)
    }

    /// The size that an extent stands for; false when only its value for the example inputs is known.
    pub(super) fn size(&self, extent: &Extent) -> (Option<Size>, bool) {
        match extent {
            Extent::Number(number) => (Some(Size::Number((*number).into())), true),
            Extent::Expression { text, hint } => match self.expressions.get(text) {
                Some(Some(written)) => (Some(Size::Symbol(written.clone())), true),
                _ => (hint.map(|hint| Size::Number(hint.into())), false),
            },
        }
    }

    /// Makes a dim of every set of symbols that guards call equal.
    fn join(&mut self, program: &Program, symbols: &BTreeMap<&str, Option<i64>>, inputs: &[InputAxis<'_>]) {
        let places: HashMap<(&str, usize), &str> =
            inputs.iter().map(|axis| ((axis.input, axis.axis), axis.symbol)).collect();
        let mut joined = Joined::default();
        for guard in &program.guards_code {
            let Some((left, right)) = guard.split_once("==") else { continue };
            let symbol = |side: &str| {
                let (input, axis) = guarded(side)?;
                places.get(&(input.as_str(), axis)).copied()
            };
            if let (Some(left), Some(right)) = (symbol(left), symbol(right)) {
                joined.join(left, right);
            }
        }
        let mut by_first: HashMap<&str, usize> = HashMap::new();
        for (&symbol, &hint) in symbols {
            let first = joined.first(symbol);
            let index = *by_first.entry(first).or_insert(self.list.len());
            if index == self.list.len() {
                self.list.push(Dim::default());
            }
            self.by_symbol.insert(symbol.to_owned(), index);
            let Some(dim) = self.list.get_mut(index) else { continue };
            let range = program.range_constraints.get(symbol);
            dim.min = dim.min.max(range.and_then(|range| range.min_val));
            let max = range.and_then(|range| range.max_val);
            dim.max = dim.max.min(max).or(dim.max).or(max);
            dim.hint = dim.hint.or(hint);
            dim.symbols.push(symbol.to_owned());
        }
    }

    /// Names the dims by the inputs that have them.
    fn name(&mut self, inputs: &[InputAxis<'_>]) {
        for axis in inputs {
            let dim = self.by_symbol.get(axis.symbol).and_then(|&index| self.list.get_mut(index));
            let Some(dim) = dim else { continue };
            if is_plain(axis.input) {
                dim.places.push(format!("{}.{}", axis.input, axis.axis));
            }
            let alias = match axis.axis {
                0 => Some("batch"),
                1 if axis.is_integer => Some("seq"),
                _ => None,
            };
            dim.aliases.extend(alias.filter(|alias| !dim.aliases.contains(alias)));
        }
        let bearers = |alias| self.list.iter().filter(|dim| dim.aliases.contains(&alias)).count();
        let clear: Vec<&str> = ["batch", "seq"].into_iter().filter(|alias| bearers(alias) == 1).collect();
        let mut taken = std::collections::BTreeSet::new();
        for (index, dim) in self.list.iter_mut().enumerate() {
            let alias = dim.aliases.iter().copied().find(|alias| clear.contains(alias)).map(str::to_owned);
            let wanted =
                alias.into_iter().chain(dim.places.iter().chain(&dim.symbols).filter(|name| is_plain(name)).cloned());
            let numbered = (0..).map(|attempt: usize| format!("dim.{index}.{attempt}"));
            dim.name = wanted.chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default();
            taken.insert(dim.name.clone());
        }
    }

    fn name_of(&self, symbol: &str) -> Option<String> {
        let index = *self.by_symbol.get(symbol)?;
        self.list.get(index).map(|dim| dim.name.clone())
    }

    /// The caller's sizes by the names of dims. A name of one dim comes before one that several answer to.
    fn bind(&self, bindings: &Bindings) -> Result<Bindings, Pt2Error> {
        let mut given: BTreeMap<usize, u64> = BTreeMap::new();
        let mut by_alias: BTreeMap<usize, u64> = BTreeMap::new();
        for (name, size) in bindings.iter() {
            let dims = || self.list.iter().enumerate();
            let mut chosen: Vec<usize> =
                dims().filter(|(_, dim)| dim.aliases.contains(&name)).map(|(index, _)| index).collect();
            let into = if chosen.is_empty() { &mut given } else { &mut by_alias };
            if chosen.is_empty() {
                chosen.extend(dims().find(|(_, dim)| dim.is_called(name)).map(|(index, _)| index));
            }
            if chosen.is_empty() {
                return Err(Pt2Error::UnknownBinding { name: name.to_owned(), known: self.known_names() });
            }
            for index in chosen {
                if let Some(other) = into.insert(index, size).filter(|&other| other != size) {
                    return Err(Pt2Error::Contradiction { name: name.to_owned(), size, other });
                }
            }
        }
        by_alias.append(&mut given);
        let name = |(index, size): (usize, u64)| self.list.get(index).map(|dim| (dim.name.clone(), size));
        Ok(by_alias.into_iter().filter_map(name).collect())
    }

    fn known_names(&self) -> Vec<String> {
        let aliases = self.list.iter().flat_map(|dim| dim.aliases.iter().map(|&alias| alias.to_owned()));
        let names = self.list.iter().map(|dim| dim.name.clone());
        aliases.chain(names).collect::<std::collections::BTreeSet<String>>().into_iter().collect()
    }
}

/// An axis of an input whose extent is a symbol.
#[derive(Clone, Copy, Debug)]
struct InputAxis<'a> {
    input: &'a str,
    axis: usize,
    symbol: &'a str,
    is_integer: bool,
}

type Trees<'a> = BTreeMap<&'a str, (Option<Tree>, Option<i64>)>;

/// Every expression of a graph and the graphs in it, with its value for the example inputs.
fn collect<'a>(graph: &'a Graph, trees: &mut Trees<'a>) {
    let sizes = sorted(&graph.tensor_values).flat_map(|(_, meta)| &meta.sizes);
    for extent in sizes.chain(sorted(&graph.sym_int_values).map(|(_, extent)| extent)) {
        if let Extent::Expression { text, hint } = extent {
            let known = trees.entry(text).or_insert_with(|| (parse(text), None));
            known.1 = known.1.or(*hint);
        }
    }
    for argument in graph.nodes.iter().flat_map(|node| &node.inputs) {
        if let Argument::Graph(inner) = &argument.arg {
            collect(inner, trees);
        }
    }
}

fn sorted<T>(table: &HashMap<String, T>) -> impl Iterator<Item = (&str, &T)> {
    let mut rows: Vec<(&str, &T)> = table.iter().map(|(name, value)| (name.as_str(), value)).collect();
    rows.sort_unstable_by_key(|row| row.0);
    rows.into_iter()
}

/// The axes of inputs that are symbols; weights have none.
fn inputs<'a>(graph: &'a Graph, trees: &'a Trees<'a>) -> Vec<InputAxis<'a>> {
    let mut found = Vec::new();
    for input in &graph.inputs {
        let Argument::Tensor(name) = input else { continue };
        let Some(meta) = graph.tensor_values.get(name) else { continue };
        for (axis, extent) in meta.sizes.iter().enumerate() {
            let Extent::Expression { text, .. } = extent else { continue };
            if let Some((Some(Tree::Symbol(symbol)), _)) = trees.get(text.as_str()) {
                found.push(InputAxis { input: name, axis, symbol, is_integer: INTEGERS.contains(&meta.dtype) });
            }
        }
    }
    found
}

/// Input and axis of one side of a guard: `L['past'][0].size()[2]` is axis 2 of `past_0`.
fn guarded(side: &str) -> Option<(String, usize)> {
    let (source, axis) = side.trim().strip_prefix('L')?.split_once(".size()[")?;
    let axis = axis.strip_suffix(']')?.parse().ok()?;
    let mut name = String::new();
    for key in source.split(']') {
        let Some(key) = key.strip_prefix('[') else { continue };
        name.push_str(if name.is_empty() { "" } else { "_" });
        name.push_str(key.trim_matches(['\'', '"']));
    }
    Some((name, axis))
}

/// A name that can stand in an expression.
fn is_plain(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
}

/// Sets of equal symbols, each known by one of them.
#[derive(Debug, Default)]
struct Joined<'a>(HashMap<&'a str, &'a str>);

impl<'a> Joined<'a> {
    fn first(&mut self, symbol: &'a str) -> &'a str {
        let mut first = symbol;
        while let Some(&next) = self.0.get(first) {
            // Each step halves the way for the next search.
            if let Some(&after) = self.0.get(next) {
                self.0.insert(first, after);
            }
            first = next;
        }
        first
    }

    fn join(&mut self, left: &'a str, right: &'a str) {
        let (left, right) = (self.first(left), self.first(right));
        // The smaller name stays, so that the result does not depend on the order of guards.
        match left.cmp(right) {
            std::cmp::Ordering::Less => self.0.insert(right, left),
            std::cmp::Ordering::Greater => self.0.insert(left, right),
            std::cmp::Ordering::Equal => None,
        };
    }
}
