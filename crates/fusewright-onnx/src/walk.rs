//! The walk: every call is computed now, becomes nodes, or is kept as an opaque op.

use std::sync::Arc;

use bytes::Bytes;
use fusewright_ir::ops::Opaque;
use fusewright_ir::{Bindings, Graph, Loaded, Op, TensorType, Type, Warning, text};

use super::OnnxError;
use super::attributes::Attributes;
use super::build::Build;
use super::dims::Sizes;
use super::emit::Emitter;
use super::external::{Extents, External};
use super::flatten::{Call, Name, Program, Step};
use super::fold::{self, Fold};
use super::held::Held;
use super::known::Names;
use super::locate::Whole;
use super::opset::NEWEST;
use super::origin::Origins;
use super::proto::{Model, Tensor};
use super::{ops, tensor, typing};

/// Most elements that are computed while reading one model.
const FUEL: usize = 1 << 26;
/// Most warnings about recorded shapes that differ from the inferred ones.
const MAX_CONFLICTS: usize = 16;

/// Builds the graph of a model. With `names`, what is known of each name of it comes along.
pub(crate) fn graph(
    model: &Model,
    whole: Whole,
    external: &External<'_>,
    bindings: &Bindings,
    names: bool,
) -> Result<(Loaded, Names), OnnxError> {
    let source = model.graph.as_ref().ok_or(OnnxError::NoGraph)?;
    let mut notes = Vec::new();
    let program = Program::new(model, source)?;
    if let Some(opset) = model.opsets.iter().find(|opset| super::flatten::domain(&opset.domain).is_empty())
        && opset.version > NEWEST
    {
        notes.push(format!("the model uses opset {}; operators are known up to {NEWEST}", opset.version));
    }
    let sizes = Sizes::bind(&program, bindings, &mut notes)?;
    let types = literal_types(&program, external, &mut notes)?;
    let origins = Origins::find(&program, &types, model.producer == "pytorch");
    let mut graph = Graph::new(source.name.as_str());
    sizes.record(&mut graph);
    let mut held: Vec<Held> = types.into_iter().map(|ty| Held { ty, ..Held::default() }).collect();
    held.resize_with(program.names.len(), Held::default);
    for (position, held) in held.iter_mut().enumerate() {
        let literal = program.entry(Name(position)).and_then(|entry| entry.literal.filter(|_| entry.sparse.is_none()));
        if let (Some(literal), Some(ty), false) = (literal, &held.ty, origins.is_trained(Name(position))) {
            held.known = tensor::content(literal, ty).map(Arc::new);
        }
    }
    let emitter = Emitter::new(&program, whole, origins, graph, held);
    let mut walk = Walk { program: &program, sizes, emitter, warnings: Vec::new(), conflicts: 0, fuel: FUEL };
    walk.inputs()?;
    walk.steps(&program.steps);
    walk.outputs();
    notes.append(&mut walk.emitter.take_notes());
    let known = if names { walk.emitter.known_names() } else { Names::default() };
    let Emitter { graph, contents, .. } = walk.emitter;
    Ok((Loaded { graph, warnings: walk.warnings, notes, contents }, known))
}

/// The types of all literals, by name; their data must lie where it can.
fn literal_types(
    program: &Program<'_>,
    external: &External<'_>,
    notes: &mut Vec<String>,
) -> Result<Vec<Option<TensorType>>, OnnxError> {
    let mut extents = Extents::default();
    let mut types = Vec::with_capacity(program.names.len());
    for entry in &program.names {
        let Some(literal) = entry.literal else {
            types.push(None);
            continue;
        };
        let ty = match entry.sparse {
            Some(dims) => {
                let dense = Tensor { dims: dims.to_vec(), raw: Some(Bytes::new()), ..literal.clone() };
                tensor::tensor_type(&dense)?
            }
            None => tensor::tensor_type(literal)?,
        };
        extents.claim(literal, ty.bytes())?;
        types.push(Some(ty));
    }
    let missing = extents.check(external)?;
    if !missing.is_empty() {
        notes.push(format!("the weights (`{}`) are not there; they are not needed", missing.join("`, `")));
    }
    Ok(types)
}

struct Walk<'p, 'm> {
    program: &'p Program<'m>,
    sizes: Sizes,
    emitter: Emitter<'p, 'm>,
    warnings: Vec<Warning>,
    conflicts: usize,
    fuel: usize,
}

impl<'p, 'm> Walk<'p, 'm> {
    fn inputs(&mut self) -> Result<(), OnnxError> {
        for &(name, input) in &self.program.inputs {
            let ty = self.sizes.input_type(input)?;
            self.emitter.add_input(name, ty);
        }
        Ok(())
    }

    fn outputs(&mut self) {
        for &name in &self.program.outputs {
            if let Some(value) = self.emitter.value_of(name) {
                {
                    self.emitter.graph.add_output(value);
                }
            } else {
                let text = "it is no tensor; it is left out of the results of the graph".to_owned();
                self.warnings.push(Warning { node: self.program.text(name).to_owned(), text });
            }
        }
    }

    fn steps(&mut self, steps: &'p [Step<'m>]) {
        for step in steps {
            match step {
                Step::Call(call) => self.call(call),
                Step::Alias { from, to } => self.emitter.alias(*from, *to),
            }
        }
    }

    fn call(&mut self, call: &'p Call<'m>) {
        let captured = call.branches.iter().flat_map(|branch| branch.captured.iter().copied());
        let unsure = call.inputs.iter().copied().flatten().chain(captured).any(|name| self.emitter.is_unsure(name));
        self.read(call);
        if unsure {
            self.emitter.doubt(call.outputs.iter().copied().flatten());
        }
    }

    fn read(&mut self, call: &'p Call<'m>) {
        if call.domain.is_empty() && call.node.op_type == "If" && self.choose_branch(call) {
            return;
        }
        if call.domain.is_empty() && self.computed(call) {
            return;
        }
        match self.plan(call) {
            Ok(()) => self.check_recorded(call),
            Err(reason) => self.opaque(call, reason),
        }
    }

    /// An If whose condition is known is the branch that it takes.
    fn choose_branch(&mut self, call: &'p Call<'m>) -> bool {
        let condition = call.inputs.first().copied().flatten().map(|name| self.emitter.held(name));
        let known = condition.and_then(|held| held.known.as_ref()?.scalar());
        let Some(taken) = known.map(|flag| if flag == 0.0 { "else_branch" } else { "then_branch" }) else {
            return false;
        };
        let Some(branch) = call.branches.iter().find(|branch| branch.name == taken) else { return false };
        self.steps(&branch.steps);
        for (from, to) in branch.results.iter().zip(&call.outputs) {
            if let Some(to) = to {
                self.emitter.alias(*from, *to);
            }
        }
        true
    }

    /// Computes a call now, if its operands are known.
    fn computed(&mut self, call: &'p Call<'m>) -> bool {
        let inputs: Vec<Option<&Held>> =
            call.inputs.iter().map(|name| name.map(|name| self.emitter.held(name))).collect();
        let fold = Fold {
            attributes: Attributes { node: call.node, settings: &call.settings },
            version: call.version,
            outputs: call.outputs.len(),
            inputs: &inputs,
        };
        if self.fuel == 0 {
            return false;
        }
        let Some(results) = fold::results(&call.node.op_type, &fold) else { return false };
        for (result, name) in results.into_iter().zip(&call.outputs) {
            self.fuel = self.fuel.saturating_sub(result.elements.len().saturating_add(1));
            if let Some(name) = name {
                self.emitter.set(*name, Held::content(Arc::new(result)));
            }
        }
        true
    }

    /// Reads a call by the row of its operator; `Err(None)` when there is no row.
    fn plan(&mut self, call: &'p Call<'m>) -> Result<(), Option<String>> {
        if call.domain.is_empty() && call.node.op_type == "Constant" {
            return self.large_constant(call).map_err(Some);
        }
        let row = ops::row(call.domain, &call.node.op_type).ok_or(None)?;
        let inputs: Vec<Option<&Held>> =
            call.inputs.iter().map(|name| name.map(|name| self.emitter.held(name))).collect();
        let attributes = Attributes { node: call.node, settings: &call.settings };
        let mut build = Build::new(attributes, call.version, call.outputs.len(), &inputs);
        let results = (row.build)(&mut build)?;
        let wanted = call.outputs.iter().rposition(Option::is_some).map_or(0, |last| last.saturating_add(1));
        if results.len() < wanted {
            return Err(Some(format!("{wanted} results are asked for, {} are known", results.len())));
        }
        let Build { steps, literals, warnings, notes, .. } = build;
        self.emitter.commit(call, steps, &literals, &results);
        self.warnings.extend(warnings.into_iter().map(|text| Warning { node: call.label(), text }));
        self.emitter.add_notes(notes);
        Ok(())
    }

    /// A constant that is too large to compute with becomes a constant of the graph.
    fn large_constant(&mut self, call: &'p Call<'m>) -> Result<(), String> {
        let attributes = Attributes { node: call.node, settings: &call.settings };
        let literal = attributes.tensor("value").ok_or("its value is no tensor")?;
        let ty = tensor::tensor_type(literal).map_err(|error| error.to_string())?;
        let name = call.outputs.first().copied().flatten().ok_or("it has no result")?;
        self.emitter.add_large_constant(name, ty, literal);
        Ok(())
    }

    /// Compares the types that the file states with those that were inferred.
    fn check_recorded(&mut self, call: &Call<'m>) {
        for &name in call.outputs.iter().flatten() {
            let Some(info) = self.program.entry(name).and_then(|entry| entry.info) else { continue };
            let (Some(stated), Some(found)) = (typing::stated(info, &self.sizes), &self.emitter.held(name).ty) else {
                continue;
            };
            if stated == *found || (stated.dtype == found.dtype && stated.shape == found.shape) {
                continue;
            }
            self.conflicts = self.conflicts.saturating_add(1);
            if self.conflicts <= MAX_CONFLICTS {
                let show = |ty: &TensorType| text::type_text(&Type::Tensor(ty.clone()));
                let text = format!(
                    "the file says that `{}` is {}, but it follows that it is {}; the latter is used",
                    self.program.text(name),
                    show(&stated),
                    show(found)
                );
                self.warnings.push(Warning { node: call.label(), text });
            }
        }
    }

    /// Keeps a call verbatim, with the result types that the file states.
    fn opaque(&mut self, call: &'p Call<'m>, reason: Option<String>) {
        let name = match call.domain {
            "" => call.node.op_type.clone(),
            domain => format!("{domain}.{}", call.node.op_type),
        };
        let mut text = match &reason {
            None => format!("`{name}` is not known; it is kept as an opaque op and its arithmetic is not counted"),
            Some(reason) => format!("`{name}` is kept as an opaque op and its arithmetic is not counted: {reason}"),
        };
        let mut operands: Vec<(usize, Name)> =
            call.inputs.iter().enumerate().filter_map(|(index, name)| name.map(|name| (index, name))).collect();
        for branch in &call.branches {
            for &name in &branch.captured {
                if !operands.iter().any(|&(_, other)| other == name) {
                    operands.push((usize::MAX, name));
                }
            }
        }
        let first = operands.iter().find_map(|&(_, name)| self.emitter.held(name).ty.clone());
        let mut types = Vec::with_capacity(call.outputs.len());
        let mut guessed = false;
        for name in &call.outputs {
            let info = name.and_then(|name| self.program.entry(name)).and_then(|entry| entry.info);
            let stated = info.and_then(|info| typing::stated(info, &self.sizes));
            guessed |= stated.is_none() && name.is_some();
            let guess = || first.clone().unwrap_or_else(|| TensorType::new(fusewright_ir::DType::F32, []));
            types.push(Type::Tensor(stated.unwrap_or_else(guess)));
        }
        if guessed {
            self.emitter.doubt(call.outputs.iter().copied().flatten());
            text.push_str("; the file does not say which shape it gives, that of its first operand is assumed");
        }
        self.warnings.push(Warning { node: call.label(), text });
        let op = Op::Opaque(Box::new(Opaque { name, reason }));
        self.emitter.commit_opaque(call, op, &operands, types);
    }
}
