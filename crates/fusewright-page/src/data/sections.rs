//! Consecutive kernels that belong together, most often a layer, and where their boxes stand.

use std::collections::BTreeMap;

use fusewright_ir::NodeId;
use fusewright_plan::{Analysis, Plan};
use fusewright_report::shared_prefix;
use serde::Serialize;

use super::Kernels;
use super::deltas::deltas;
use super::repeats::repeats;
use super::stack::{contains, layer_of};
use super::strings::Strings;
use crate::layered;

/// Kernels of a section beyond which it is looked through for repetition, and cut if there is none.
const LONG: usize = 60;
/// Longest stretch of kernels that is looked for in a long section.
const LONGEST_PERIOD: usize = 200;
/// Kernels of a piece of a long section that does not repeat itself.
const PIECE: usize = 40;

/// Consecutive kernels of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Section {
    /// The module path that they share; a number is added where a long stretch was cut.
    pub name: u32,
    /// Number of the first kernel.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// Number of the first section that is equal to it: itself, or one before it.
    pub like: u32,
    /// Where the boxes stand, for the first of equal sections.
    pub layout: Option<SectionLayout>,
    #[serde(skip)]
    pub(super) title: String,
}

/// Where the boxes of a section stand. Kernels are numbered from the section's first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SectionLayout {
    /// Layer of each kernel, from the top.
    #[serde(serialize_with = "deltas")]
    pub layer: Vec<u32>,
    /// Middle of each, in widths of a box.
    pub x: Vec<f64>,
    /// Number of layers.
    pub layers: u32,
    /// Largest middle.
    pub width: f64,
    /// Edges inside.
    pub edges: Vec<[u32; 2]>,
    /// Kernels whose edges pass layers, with the middles that they pass at.
    pub chains: Vec<(u32, Vec<f64>)>,
}

/// A stretch of kernels with the path that it is named after.
struct Stretch {
    first: usize,
    end: usize,
    title: String,
}

pub(super) fn sections(analysis: &Analysis, plan: &Plan, kernels: &Kernels, strings: &mut Strings) -> Vec<Section> {
    let stretches = cut_long(by_layer(analysis, plan, kernels), kernels);
    let mut known: BTreeMap<Vec<u64>, u32> = BTreeMap::new();
    let mut sections: Vec<Section> = Vec::with_capacity(stretches.len());
    for (number, stretch) in stretches.into_iter().enumerate() {
        let joins = Joins::of(kernels, &stretch);
        let id = u32::try_from(number).unwrap_or(u32::MAX);
        let like = *known.entry(joins.key(kernels, &stretch)).or_insert(id);
        sections.push(Section {
            name: strings.place(&stretch.title),
            first: u32::try_from(stretch.first).unwrap_or(u32::MAX),
            count: u32::try_from(stretch.end - stretch.first).unwrap_or(u32::MAX),
            like,
            layout: (like == id).then(|| joins.layout(stretch.end - stretch.first)),
            title: stretch.title,
        });
    }
    sections
}

/// Stretches of one layer each. What stands in no layer, or in what contains the layer, stays with the layer before it.
fn by_layer(analysis: &Analysis, plan: &Plan, kernels: &Kernels) -> Vec<Stretch> {
    let graph = analysis.graph;
    let scope = |kernel: usize| {
        let members = plan.groups.members(kernels.group[kernel] as usize);
        let works = |id: &&NodeId| !analysis.storage.is_free(**id);
        members.iter().find(works).map_or("", |&id| graph.text(graph.node(id).source.scope))
    };
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut layer = "";
    for kernel in 0..kernels.count() {
        let path = scope(kernel);
        let next = layer_of(path);
        match stretches.last_mut() {
            Some(stretch) if next == layer || contains(path, layer) => stretch.end = kernel + 1,
            _ => {
                stretches.push(Stretch { first: kernel, end: kernel + 1, title: next.to_owned() });
                layer = next;
            }
        }
    }
    // A stretch is named after what all of it shares, where that says more than its layer.
    for stretch in &mut stretches {
        let shared = (stretch.first..stretch.end).map(scope).reduce(|a, b| shared_prefix(a, b)).unwrap_or("");
        if shared.len() > stretch.title.len() {
            shared.clone_into(&mut stretch.title);
        }
    }
    stretches
}

/// Long stretches are cut where they repeat themselves, else into pieces of equal size.
fn cut_long(stretches: Vec<Stretch>, kernels: &Kernels) -> Vec<Stretch> {
    let mut cut = Vec::new();
    for stretch in stretches {
        let length = stretch.end - stretch.first;
        if length <= LONG {
            cut.push(stretch);
            continue;
        }
        let mut ends = Vec::new();
        let mut known: BTreeMap<[u64; 4], u32> = BTreeMap::new();
        let mut key = |kernel: usize| {
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
            let facts = [
                u64::from(kernels.label[kernel]),
                kernels.flops[kernel],
                kernels.read[kernel],
                kernels.written[kernel],
            ];
            *known.entry(facts).or_insert(next)
        };
        let keys: Vec<u32> = (stretch.first..stretch.end).map(&mut key).collect();
        let mut open = stretch.first;
        let close = |open: usize, end: usize, ends: &mut Vec<usize>| {
            let mut at = open;
            while end - at > LONG {
                at += PIECE;
                ends.push(at);
            }
            if end > at {
                ends.push(end);
            }
        };
        for run in repeats(&keys, LONGEST_PERIOD) {
            let start = stretch.first + run.start;
            if run.times < 2 || run.period < 4 {
                continue;
            }
            close(open, start, &mut ends);
            for time in 1..=run.times {
                close(start + (time - 1) * run.period, start + time * run.period, &mut ends);
            }
            open = start + run.period * run.times;
        }
        close(open, stretch.end, &mut ends);
        let mut first = stretch.first;
        for (number, end) in ends.into_iter().enumerate() {
            let title = format!("{} {}", if stretch.title.is_empty() { "part" } else { &stretch.title }, number + 1);
            cut.push(Stretch { first, end, title });
            first = end;
        }
    }
    cut
}

/// How a section's kernels hang together: what is read inside of it, and how much from outside. What exactly is read
/// from outside differs between equal layers.
struct Joins {
    edges: Vec<[u32; 2]>,
    outside: Vec<u32>,
}

impl Joins {
    fn of(kernels: &Kernels, stretch: &Stretch) -> Self {
        let mut joins = Self { edges: Vec::new(), outside: Vec::new() };
        for (local, kernel) in (0_u32..).zip(stretch.first..stretch.end) {
            let row = |starts: &[u32]| starts[kernel] as usize..starts[kernel + 1] as usize;
            let mut outside = row(&kernels.inputs_start).len();
            for &from in &kernels.reads[row(&kernels.reads_start)] {
                match (from as usize).checked_sub(stretch.first).filter(|&place| place < stretch.end - stretch.first) {
                    Some(place) => joins.edges.push([u32::try_from(place).unwrap_or(u32::MAX), local]),
                    None => outside += 1,
                }
            }
            joins.outside.push(u32::try_from(outside).unwrap_or(u32::MAX));
        }
        joins
    }

    /// What makes two sections the same picture with the same figures.
    fn key(&self, kernels: &Kernels, stretch: &Stretch) -> Vec<u64> {
        let mut key = Vec::new();
        for kernel in stretch.first..stretch.end {
            let us = kernels.us.get(kernel).map_or(0, |us| us.to_bits());
            key.extend([
                u64::from(kernels.label[kernel]),
                kernels.flops[kernel],
                kernels.read[kernel],
                kernels.written[kernel],
                us,
            ]);
        }
        key.extend(self.outside.iter().map(|&count| u64::from(count)));
        key.extend(self.edges.iter().flat_map(|&[a, b]| [u64::from(a), u64::from(b)]));
        key
    }

    fn layout(self, count: usize) -> SectionLayout {
        let edges: Vec<(u32, u32)> = self.edges.iter().map(|&[from, to]| (from, to)).collect();
        let found = layered(count, &edges);
        let short = |x: f64| (x * 100.0).round() / 100.0;
        let passing = found.chains.into_iter().enumerate().filter(|(_, chain)| !chain.is_empty());
        let chains = passing
            .map(|(from, chain)| (u32::try_from(from).unwrap_or(u32::MAX), chain.into_iter().map(short).collect()));
        SectionLayout {
            layer: found.layer,
            x: found.x.into_iter().map(short).collect(),
            layers: found.layers,
            width: short(found.width),
            chains: chains.collect(),
            edges: self.edges,
        }
    }
}
