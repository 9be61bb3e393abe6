//! The graph under construction: what each name of the model stands for in it.

use std::collections::{BTreeSet, HashMap, HashSet};

use fusewright_ir::ops::View;
use fusewright_ir::{Contents, Form, Graph, Op, Origin, Source, TensorType, Type, ValueId};

use super::build::{self, Operand};
use super::content::Known;
use super::flatten::{Call, Name, Program};
use super::held::Held;
use super::known;
use super::locate::{self, Whole};
use super::names::Names;
use super::origin::{Identity, Origins};
use super::proto::Tensor;
use super::scope::module_path;

/// Adds nodes and values, and gives literals their origin when they are first used.
pub(crate) struct Emitter<'p, 'm> {
    program: &'p Program<'m>,
    origins: Origins,
    pub(crate) graph: Graph,
    whole: Whole,
    /// Where the elements of literals lie.
    pub(crate) contents: Contents,
    held: Vec<Held>,
    /// Names whose extents were assumed somewhere before them.
    unsure: HashSet<Name>,
    /// The literal that a name stands for, where it is another name for one.
    literals: HashMap<Name, Name>,
    /// Values of literals, one per tensor of the model that the literal stands for.
    sources: HashMap<Identity, ValueId>,
    value_names: Names,
    node_names: Names,
    notes: BTreeSet<String>,
}

impl<'p, 'm> Emitter<'p, 'm> {
    pub(crate) fn new(program: &'p Program<'m>, whole: Whole, origins: Origins, graph: Graph, held: Vec<Held>) -> Self {
        Self {
            program,
            origins,
            graph,
            whole,
            contents: Contents::default(),
            held,
            unsure: HashSet::new(),
            literals: HashMap::new(),
            sources: HashMap::new(),
            value_names: Names::default(),
            node_names: Names::default(),
            notes: BTreeSet::new(),
        }
    }

    /// What a user should know about the parameters.
    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        let mut notes: Vec<String> = std::mem::take(&mut self.notes).into_iter().collect();
        notes.append(&mut self.origins.take_notes());
        notes
    }

    pub(crate) fn add_notes(&mut self, notes: Vec<String>) {
        self.notes.extend(notes);
    }

    pub(crate) fn held(&self, name: Name) -> &Held {
        static NOTHING: Held = Held { ty: None, known: None, value: None };
        self.held.get(name.0).unwrap_or(&NOTHING)
    }

    pub(crate) fn set(&mut self, name: Name, held: Held) {
        if let Some(place) = self.held.get_mut(name.0) {
            *place = held;
        }
    }

    /// Extents of these names follow from an assumption.
    pub(crate) fn doubt(&mut self, names: impl Iterator<Item = Name>) {
        self.unsure.extend(names);
    }

    /// Extents of this name follow from an assumption.
    pub(crate) fn is_unsure(&self, name: Name) -> bool {
        self.unsure.contains(&name)
    }

    /// What was found out about each name that has a type, but for those whose extents are assumed.
    pub(crate) fn known_names(&self) -> known::Names {
        let all = self.held.iter().enumerate();
        let sure = all.filter(|&(position, _)| !self.is_unsure(Name(position)));
        let known = sure.filter_map(|(position, held)| {
            let content = held.known.as_ref().map(|known| locate::known(known));
            let facts = known::NameFacts { ty: held.ty.clone()?, content };
            Some((self.program.text(Name(position)).to_owned(), facts))
        });
        known.collect()
    }

    pub(crate) fn add_input(&mut self, name: Name, ty: TensorType) {
        let text = self.value_names.unique(self.program.text(name));
        let value = self.graph.add_source(&text, Type::Tensor(ty.clone()), Origin::Input);
        self.set(name, Held::tensor(value, ty));
    }

    /// Adds a literal that is written in a call.
    pub(crate) fn add_large_constant(&mut self, name: Name, ty: TensorType, literal: &Tensor) {
        let text = self.value_names.unique(self.program.text(name));
        if let Some(content) = self.whole.content(literal, &ty) {
            self.contents.insert(text.as_str(), content);
        }
        let value = self.graph.add_source(&text, Type::Tensor(ty.clone()), Origin::Constant);
        self.set(name, Held::tensor(value, ty));
    }

    /// A name for what another name stands for.
    pub(crate) fn alias(&mut self, from: Option<Name>, to: Name) {
        let Some(from) = from else { return };
        let held = self.held(from).clone();
        if self.is_unsure(from) {
            self.unsure.insert(to);
        }
        if let Some(literal) = self.literal(from) {
            self.literals.insert(to, literal);
        }
        self.set(to, held);
    }

    fn literal(&self, name: Name) -> Option<Name> {
        let own = || self.program.entry(name).is_some_and(|entry| entry.literal.is_some()).then_some(name);
        self.literals.get(&name).copied().or_else(own)
    }

    /// The value of a result of the graph.
    pub(crate) fn value_of(&mut self, name: Name) -> Option<ValueId> {
        self.value(name, None)
    }

    /// The value that a name stands for where this input of this call reads it.
    fn value(&mut self, name: Name, place: Option<(&Call<'m>, usize)>) -> Option<ValueId> {
        let held = self.held(name);
        if held.value.is_some() {
            return held.value;
        }
        let (ty, known) = (held.ty.clone()?, held.known.clone());
        let Some(literal) = self.literal(name) else {
            let value = self.add_constant(self.program.text(name), ty, known.as_ref());
            if let Some(held) = self.held.get_mut(name.0) {
                held.value = Some(value);
            }
            return Some(value);
        };
        Some(self.literal_value(literal, name, &ty, place))
    }

    fn literal_value(
        &mut self,
        literal: Name,
        name: Name,
        ty: &TensorType,
        place: Option<(&Call<'m>, usize)>,
    ) -> ValueId {
        if let Some(tie) = self.origins.tie(literal)
            && let Some(target) = self.held(tie.target).ty.clone()
        {
            let value = self.literal_value(tie.target, tie.target, &target, None);
            return if tie.transposed { self.transposed(value, literal, &target, place) } else { value };
        }
        let (identity, origin) = self.origins.identify(self.program, literal, name, place);
        if let Some(&value) = self.sources.get(&identity) {
            return value;
        }
        let wanted = self.origins.display_name(self.program, literal, &identity);
        let text = self.value_names.unique(&wanted);
        let entry = self.program.entry(literal).filter(|entry| entry.sparse.is_none());
        if let Some(content) = entry.and_then(|entry| self.whole.content(entry.literal?, ty)) {
            self.contents.insert(text.as_str(), content);
        }
        let value = self.graph.add_source(&text, Type::Tensor(ty.clone()), origin);
        self.sources.insert(identity, value);
        value
    }

    /// The stored copy of a tied matrix is the matrix itself, turned around.
    fn transposed(
        &mut self,
        value: ValueId,
        literal: Name,
        target: &TensorType,
        place: Option<(&Call<'m>, usize)>,
    ) -> ValueId {
        let identity = Identity::whole(literal);
        if let Some(&turned) = self.sources.get(&identity) {
            return turned;
        }
        let text = self.program.text(literal);
        let scope = place.map(|(call, _)| module_path(call)).unwrap_or_default();
        let ty = target.with_shape(target.shape.iter().rev().copied());
        let view = View::Permute { axes: [1, 0].as_slice().into() };
        let source =
            Source { form: Form::Function, op: self.graph.intern("Transpose"), scope: self.graph.intern(&scope) };
        let node = self.node_names.unique(text);
        let output = self.value_names.unique(text);
        let id = self.graph.add_node(&node, view.into(), [value], [(output, Type::Tensor(ty))], source);
        let turned = self.graph.node(id).outputs.first().copied().unwrap_or(value);
        self.sources.insert(identity, turned);
        turned
    }

    fn add_constant(&mut self, name: &str, ty: TensorType, known: Option<&Known>) -> ValueId {
        let text = self.value_names.unique(name);
        if let Some(known) = known {
            self.contents.insert(text.as_str(), locate::known(known));
        }
        self.graph.add_source(&text, Type::Tensor(ty), Origin::Constant)
    }

    fn source(&mut self, call: &Call<'m>) -> Source {
        let op = match call.domain {
            "" => call.node.op_type.clone(),
            domain => format!("{domain}.{}", call.node.op_type),
        };
        let scope = module_path(call);
        Source { form: Form::Function, op: self.graph.intern(&op), scope: self.graph.intern(&scope) }
    }

    /// Adds what a call became. Its inputs have types, or the row would have refused.
    pub(crate) fn commit(&mut self, call: &Call<'m>, steps: Vec<build::Step>, literals: &[Known], results: &[Operand]) {
        let label = call.label();
        let source = self.source(call);
        let mut constants: HashMap<usize, ValueId> = HashMap::new();
        let mut made: Vec<Vec<ValueId>> = Vec::with_capacity(steps.len());
        for (position, step) in steps.into_iter().enumerate() {
            let inputs: Vec<ValueId> = step
                .inputs
                .iter()
                .filter_map(|&operand| match operand {
                    Operand::Input(index) => self.value(call.inputs.get(index).copied()??, Some((call, index))),
                    Operand::Made { step, output } => made.get(step)?.get(output).copied(),
                    Operand::Literal(index) => {
                        let known = literals.get(index)?;
                        let value = constants.get(&index).copied();
                        let value = value.unwrap_or_else(|| {
                            self.add_constant(&format!("{label}.constant"), known.ty.clone(), Some(known))
                        });
                        constants.insert(index, value);
                        Some(value)
                    }
                })
                .collect();
            let outputs: Vec<(String, Type)> = step
                .results
                .into_iter()
                .enumerate()
                .map(|(output, ty)| {
                    let own = Operand::Made { step: position, output };
                    let name = results.iter().position(|&result| result == own);
                    let name = name.and_then(|index| call.outputs.get(index).copied().flatten());
                    let wanted =
                        name.map_or_else(|| format!("{label}.{position}"), |name| self.program.text(name).to_owned());
                    (self.value_names.unique(&wanted), ty)
                })
                .collect();
            let name = self.node_names.unique(&label);
            let id = self.graph.add_node(&name, step.op, inputs, outputs, source);
            made.push(self.graph.node(id).outputs.to_vec());
        }
        for (&result, name) in results.iter().zip(&call.outputs) {
            let Some(name) = *name else { continue };
            match result {
                Operand::Input(index) => self.alias(call.inputs.get(index).copied().flatten(), name),
                Operand::Literal(index) => {
                    if let Some(known) = literals.get(index) {
                        self.set(name, Held { value: constants.get(&index).copied(), ..Held::content(known.clone()) });
                    }
                }
                Operand::Made { step, output } => {
                    if let Some(&value) = made.get(step).and_then(|outputs| outputs.get(output))
                        && let Some(ty) = self.graph.tensor(value).cloned()
                    {
                        self.set(name, Held::tensor(value, ty));
                    }
                }
            }
        }
    }

    /// Adds a call that is kept verbatim.
    pub(crate) fn commit_opaque(&mut self, call: &Call<'m>, op: Op, operands: &[(usize, Name)], types: Vec<Type>) {
        let inputs: Vec<ValueId> =
            operands.iter().filter_map(|&(index, name)| self.value(name, Some((call, index)))).collect();
        let source = self.source(call);
        let label = call.label();
        let outputs: Vec<(String, Type)> = call
            .outputs
            .iter()
            .zip(types)
            .map(|(name, ty)| {
                let wanted = name.map_or_else(|| format!("{label}.unused"), |name| self.program.text(name).to_owned());
                (self.value_names.unique(&wanted), ty)
            })
            .collect();
        let name = self.node_names.unique(&label);
        let id = self.graph.add_node(&name, op, inputs, outputs, source);
        let made = self.graph.node(id).outputs.to_vec();
        for (name, value) in call.outputs.iter().zip(made) {
            if let (Some(name), Some(ty)) = (name, self.graph.tensor(value).cloned()) {
                self.set(*name, Held::tensor(value, ty));
            }
        }
    }
}
