//! Which literals are the model's parameters.
//!
//! A file does not say: it holds weights, running statistics, and whatever the exporter computed ahead. A literal is
//! trained when something that depends on the model's inputs uses it as a weight, a table, a scale or a bias; what it
//! passes on the way there (transposes, casts, scales of a quantised tensor) does not matter.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use fusewright_ir::{Origin, TensorType};

use super::flatten::{Call, Name, Program, Step, each_call};
use super::ops;
use super::scope::{module_path, traced};
use super::ties::{Matrix, Tables, Tie, Verdict};

/// Most steps from a literal to where it is used as a weight.
const DEPTH: usize = 12;

/// What a literal is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Constant,
    Buffer,
    Parameter,
}

/// One tensor of the model: a literal, or one of several equal ones that the exporter stored once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    literal: Name,
    /// The module that owns it and the input that it is there, where a literal stands for several tensors.
    owner: Option<(String, String, usize)>,
}

impl Identity {
    /// The literal as one tensor.
    pub(crate) fn whole(literal: Name) -> Self {
        Self { literal, owner: None }
    }
}

/// What each literal of a model is.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    roles: HashMap<Name, Role>,
    /// Names that traced operations give to literals whose own name was lost.
    recovered: HashMap<Name, String>,
    ties: HashMap<Name, Tie>,
    /// Equal tensors are stored once: the file comes from an exporter of PyTorch.
    merged: bool,
    /// Nodes say which operation they were traced from.
    traced: bool,
    notes: Vec<String>,
}

impl Origins {
    /// Looks at how every literal is used.
    pub(crate) fn find(program: &Program<'_>, types: &[Option<TensorType>], from_pytorch: bool) -> Self {
        let uses = Uses::collect(program);
        let mut origins = Self { merged: from_pytorch, traced: uses.traced, ..Self::default() };
        for (position, entry) in program.names.iter().enumerate() {
            let name = Name(position);
            let Some(ty) = types.get(position).and_then(Option::as_ref).filter(|_| entry.literal.is_some()) else {
                continue;
            };
            if !ty.dtype.is_float() && !uses.is_quantised(name) {
                continue;
            }
            let role = uses.role(name, ty, DEPTH);
            origins.roles.insert(name, role);
            if role == Role::Parameter
                && uses.traced
                && is_generated(&entry.text)
                && let Some(found) = uses.recovered(name, DEPTH)
            {
                origins.recovered.insert(name, found);
            }
        }
        origins.find_ties(program, types);
        if origins.merged && !origins.traced {
            origins.compare_tables(&uses, types);
        }
        origins
    }

    /// Compares matrices whose name was lost with the tables that rows are looked up in.
    fn compare_tables(&mut self, uses: &Uses<'_, '_>, types: &[Option<TensorType>]) {
        let matrices = || {
            uses.program.names.iter().enumerate().filter_map(|(position, entry)| {
                let ty = types.get(position)?.as_ref().filter(|ty| ty.rank() == 2)?;
                let name = Name(position);
                let trained = self.roles.get(&name) == Some(&Role::Parameter);
                Some((entry, Matrix { name, literal: entry.literal?, ty })).filter(|_| trained)
            })
        };
        let mut tables = Tables::default();
        for (_, table) in matrices().filter(|(_, matrix)| uses.is_looked_up(matrix.name)) {
            tables.add(table);
        }
        let mut ties = HashMap::new();
        let mut unknown = Vec::new();
        for (entry, copy) in
            matrices().filter(|(entry, matrix)| is_generated(&entry.text) && !uses.is_looked_up(matrix.name))
        {
            match tables.find(copy) {
                Verdict::Tied(tie) => {
                    ties.insert(copy.name, tie);
                }
                // Matrices of layers repeat; a head stands alone with its shape.
                Verdict::Unknown if matrices().filter(|(_, other)| other.ty.shape == copy.ty.shape).count() == 1 => {
                    unknown.push(entry.text.clone());
                }
                Verdict::Apart | Verdict::Unknown => {}
            }
        }
        self.ties = ties;
        if !unknown.is_empty() {
            self.notes.push(format!(
                "`{}` may be a copy of an embedding table; without the weights that cannot be seen, and both are counted",
                unknown.join("`, `")
            ));
        }
    }

    /// A generated name that turns out to be that of another literal is a second copy of it.
    fn find_ties(&mut self, program: &Program<'_>, types: &[Option<TensorType>]) {
        let mangled: HashMap<String, Name> = program
            .names
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.literal.is_some() && !is_generated(&entry.text))
            .map(|(position, entry)| (mangle(&entry.text), Name(position)))
            .collect();
        for (&literal, found) in sorted(&self.recovered) {
            let Some(&target) = mangled.get(&mangle(found)) else { continue };
            let shape = |name: Name| types.get(name.0).and_then(Option::as_ref).map(|ty| ty.shape.as_slice());
            match (shape(target), shape(literal)) {
                (Some(&[rows, columns]), Some(&[height, width])) if (rows, columns) == (width, height) => {
                    self.ties.insert(literal, Tie { target, transposed: true });
                }
                (Some(a), Some(b)) if a == b => {
                    self.ties.insert(literal, Tie { target, transposed: false });
                }
                _ => {}
            }
        }
    }

    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// The literal is a parameter or a buffer; its elements are nothing to compute with.
    pub(crate) fn is_trained(&self, name: Name) -> bool {
        self.roles.get(&name).is_some_and(|role| *role != Role::Constant)
    }

    pub(crate) fn tie(&self, literal: Name) -> Option<Tie> {
        self.ties.get(&literal).copied()
    }

    /// Which tensor a literal stands for where this input of this call reads it.
    pub(crate) fn identify(
        &self,
        program: &Program<'_>,
        literal: Name,
        name: Name,
        place: Option<(&Call<'_>, usize)>,
    ) -> (Identity, Origin) {
        let origin = match self.roles.get(&literal) {
            Some(Role::Parameter) => Origin::Parameter,
            Some(Role::Buffer) => Origin::Buffer,
            _ => Origin::Constant,
        };
        let dims = program.entry(literal).and_then(|entry| entry.literal).map(|tensor| tensor.dims.as_slice());
        let vector = dims.is_some_and(|dims| dims.iter().filter(|&&extent| extent != 1).count() == 1);
        if !self.merged || origin == Origin::Constant || !vector {
            return (Identity::whole(literal), origin);
        }
        if self.traced {
            let owner = place.and_then(|(call, index)| {
                let own = mangle(program.text(literal));
                traced_owner(call, index, &own).map(|found| (found, String::new(), 0))
            });
            return (Identity { literal, owner }, origin);
        }
        // The exporter writes an Identity for each further name of a merged tensor.
        if name != literal && !is_generated(program.text(name)) {
            return (Identity { literal, owner: Some((program.text(name).to_owned(), String::new(), 0)) }, origin);
        }
        let owner = place.and_then(|(call, index)| {
            let path = called_again(module_path(call), program.text(literal));
            let op = call.node.op_type.clone();
            let index = if matches!(op.as_str(), "Add" | "Mul" | "Sub" | "Div") { 0 } else { index };
            (!path.is_empty()).then_some((path, op, index))
        });
        (Identity { literal, owner }, origin)
    }

    /// What a literal is called in the graph.
    pub(crate) fn display_name(&self, program: &Program<'_>, literal: Name, identity: &Identity) -> String {
        if let Some(found) = self.recovered.get(&literal) {
            return found.clone();
        }
        let own = program.text(literal);
        match &identity.owner {
            // The owner is the name itself.
            Some((found, op, _)) if op.is_empty() => found.clone(),
            Some((path, op, index)) => {
                let belongs = own.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.'));
                if belongs { own.to_owned() } else { format!("{path}.{}", role_name(op, *index)) }
            }
            None => own.to_owned(),
        }
    }
}

/// The parameter that a traced operation reads where a call reads a literal, when that is another one than the
/// literal's own name says.
fn traced_owner(call: &Call<'_>, index: usize, own: &str) -> Option<String> {
    let names: Vec<&str> = traced_names(traced(call)?).filter_map(|word| word.strip_prefix("p_")).collect();
    if names.contains(&own) {
        return None;
    }
    let found = match call.node.op_type.as_str() {
        "Add" | "Sub" => names.last(),
        _ => names.get(index.saturating_sub(1)).or(names.last()),
    };
    found.map(|name| unmangled(name, &module_path(call)))
}

/// The module of a call. One that is called again has a number behind its name, and owns what its first call read.
fn called_again(path: String, literal: &str) -> String {
    let own = literal.rsplit_once('.').map_or("", |(module, _)| module);
    let again = |part: &str, own: &str| {
        let number = part.strip_prefix(own).and_then(|rest| rest.strip_prefix('_'));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let same = path.split('.').count() == own.split('.').count()
        && path.split('.').zip(own.split('.')).all(|(part, own)| part == own || again(part, own));
    if same { own.to_owned() } else { path }
}

/// What the input of an operator is called in a module.
fn role_name(op: &str, index: usize) -> &'static str {
    match (op, index) {
        ("Add" | "Sub", _) | (_, 2) => "bias",
        ("BatchNormalization", 3) => "running_mean",
        ("BatchNormalization", 4) => "running_var",
        _ => "weight",
    }
}

fn sorted(map: &HashMap<Name, String>) -> Vec<(&Name, &String)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_unstable();
    entries
}

/// A parameter's name as tracing writes it.
fn mangle(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

/// A name that an exporter made up, rather than that of a tensor of the model.
fn is_generated(name: &str) -> bool {
    let numbered =
        |prefix: &str| name.strip_prefix(prefix).is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()));
    let made = name.contains("::") || name.starts_with('/') || name.contains("Constant") || name.is_empty();
    if made || name.contains('.') {
        return made;
    }
    let state = ["token", "pos", "embed", "scale", "weight", "bias", "gamma", "beta", "query", "latent", "prompt"];
    numbered("val_") || numbered("") || !state.iter().any(|word| name.contains(word))
}

/// A name that buffers have: masks, tables of angles, positions.
fn is_buffer_name(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let words = ["mask", "inv_freq", "freqs", "position_ids", "index", "running_", "num_batches"];
    // Only as whole words: sinks are trained.
    let tables = ["cos", "sin", "cosine", "sine", "cosines", "sines"];
    let is_table = |part: &str| tables.contains(&part.trim_end_matches(|c: char| c.is_ascii_digit()));
    words.iter().any(|word| last.contains(word)) || last.split('_').any(is_table)
}

/// Who reads what, and what depends on the inputs of the model.
struct Uses<'p, 'm> {
    program: &'p Program<'m>,
    readers: HashMap<Name, Vec<(&'p Call<'m>, usize)>>,
    aliases: HashMap<Name, Vec<Name>>,
    active: Vec<bool>,
    /// Names of parameters and of buffers in traced operations.
    parameters: HashSet<&'m str>,
    buffers: HashSet<&'m str>,
    /// The file holds traced operations.
    traced: bool,
    /// Steps that may still be walked; uses may branch at every step.
    fuel: Cell<u32>,
}

impl<'p, 'm> Uses<'p, 'm> {
    fn collect(program: &'p Program<'m>) -> Self {
        let mut uses = Self {
            program,
            readers: HashMap::new(),
            aliases: HashMap::new(),
            active: vec![false; program.names.len()],
            parameters: HashSet::new(),
            buffers: HashSet::new(),
            traced: false,
            fuel: Cell::new(1 << 22),
        };
        for (name, _) in &program.inputs {
            uses.activate(*name);
        }
        each_call(&program.steps, &mut |step| uses.visit(step));
        uses
    }

    fn activate(&mut self, name: Name) {
        if let Some(active) = self.active.get_mut(name.0) {
            *active = true;
        }
    }

    fn is_active(&self, name: Name) -> bool {
        self.active.get(name.0).is_some_and(|&active| active)
    }

    fn visit(&mut self, step: &'p Step<'m>) {
        match step {
            Step::Alias { from, to } => {
                if let Some(from) = from {
                    self.aliases.entry(*from).or_default().push(*to);
                    if self.is_active(*from) {
                        self.activate(*to);
                    }
                }
            }
            Step::Call(call) => {
                for (index, name) in call.inputs.iter().enumerate() {
                    if let Some(name) = name {
                        self.readers.entry(*name).or_default().push((call, index));
                    }
                }
                for branch in &call.branches {
                    for (from, to) in branch.results.iter().zip(&call.outputs) {
                        if let (Some(from), Some(to)) = (from, to) {
                            self.aliases.entry(*from).or_default().push(*to);
                        }
                    }
                }
                let measures = matches!(call.node.op_type.as_str(), "Shape" | "Size");
                let reads = call.inputs.iter().flatten().any(|&name| self.is_active(name));
                let captures =
                    call.branches.iter().flat_map(|branch| &branch.captured).any(|&name| self.is_active(name));
                // What a linear layer makes of constants is computed at run time. Traced operations name their
                // parameters anyway.
                let layer = call.inputs.get(1).copied().flatten().filter(|_| traced(call).is_none());
                let layer = layer.is_some_and(|name| {
                    let rank = self.program.entry(name).and_then(|entry| entry.literal).map(|tensor| tensor.dims.len());
                    rank.is_some_and(|rank| Self::is_turned_weight(call, 1, rank, self.program.text(name)))
                });
                if (reads || captures || layer) && !measures {
                    for &name in call.outputs.iter().flatten() {
                        self.activate(name);
                    }
                }
                if let Some(text) = traced(call) {
                    self.traced = true;
                    for word in traced_names(text) {
                        if let Some(name) = word.strip_prefix("p_") {
                            self.parameters.insert(name);
                        } else if let Some(name) = word.strip_prefix("b_") {
                            self.buffers.insert(name);
                        }
                    }
                }
            }
        }
    }

    /// An integer literal that is turned into floats by a scale.
    fn is_quantised(&self, name: Name) -> bool {
        self.readers.get(&name).is_some_and(|readers| {
            readers.iter().any(|(call, index)| {
                let weights = ops::row(call.domain, &call.node.op_type).map_or(&[][..], |row| row.weights);
                *index == 0 && call.node.op_type == "DequantizeLinear" || weights.contains(index)
            })
        })
    }

    fn role(&self, name: Name, ty: &TensorType, depth: usize) -> Role {
        let text = self.program.text(name);
        if self.traced && !is_generated(text) {
            let mangled = mangle(text);
            if self.parameters.contains(mangled.as_str()) {
                return Role::Parameter;
            }
            if self.buffers.contains(mangled.as_str()) {
                return Role::Buffer;
            }
        }
        let role = self.used_as(name, ty, text, depth);
        if role == Role::Parameter && is_buffer_name(text) { Role::Buffer } else { role }
    }

    /// One step fewer; `None` when there are none left.
    fn descend(&self, depth: usize) -> Option<usize> {
        self.fuel.set(self.fuel.get().checked_sub(1)?);
        depth.checked_sub(1)
    }

    /// Rows of this matrix are looked up.
    fn is_looked_up(&self, name: Name) -> bool {
        let readers = self.readers.get(&name).into_iter().flatten();
        readers.take(64).any(|(call, index)| *index == 0 && call.node.op_type == "Gather")
    }

    /// The most that any use makes of a value.
    fn used_as(&self, name: Name, ty: &TensorType, text: &str, depth: usize) -> Role {
        let Some(depth) = self.descend(depth) else { return Role::Constant };
        let named = self.aliases.get(&name).into_iter().flatten().map(|&to| self.used_as(to, ty, text, depth));
        let read = self.readers.get(&name).into_iter().flatten().take(4096);
        let read = read.map(|&(call, index)| self.used_by(call, index, ty, text, depth));
        named.chain(read).max().unwrap_or(Role::Constant)
    }

    fn used_by(&self, call: &Call<'m>, index: usize, ty: &TensorType, text: &str, depth: usize) -> Role {
        let others = call.inputs.iter().enumerate().filter(|(other, _)| *other != index);
        let active = others.filter_map(|(_, name)| *name).any(|name| self.is_active(name));
        let row = ops::row(call.domain, &call.node.op_type);
        if row.is_some_and(|row| row.buffers.contains(&index)) {
            return Role::Buffer;
        }
        if row.is_some_and(|row| row.weights.contains(&index)) {
            // A number that was computed ahead scales a factor, it is none.
            let factor = ty.rank() > 0 || !is_generated(text);
            let trained = active && factor || Self::is_turned_weight(call, index, ty.rank(), text);
            return if trained { Role::Parameter } else { Role::Constant };
        }
        let through = || {
            let results = call.outputs.iter().flatten();
            results.map(|&name| self.used_as(name, ty, text, depth)).max().unwrap_or(Role::Constant)
        };
        let state = !is_generated(text);
        let spread = ty.shape.iter().filter(|&&extent| extent > 1).count();
        match call.node.op_type.as_str() {
            "Gather" | "GatherElements" | "GatherND" | "EmbedLayerNormalization" if index == 0 && active => {
                Role::Parameter
            }
            "Einsum" | "PRelu" | "LSTM" | "GRU" | "RNN" if active => Role::Parameter,
            "Add" | "Sub" | "Mul" | "Div" if active => {
                // One extent of its own is a bias or a scale. A table of positions is added to rows; what is added to
                // scores on the way to a softmax is a mask or what was computed from a table, and what stands in the
                // graph itself was written in the model's code.
                let vector = spread == 1 && !ty.shape.is_empty();
                let written = text.contains("/Constant");
                let added = call.node.op_type == "Add" && spread > 1 && !written && !self.reaches_softmax(call, DEPTH);
                if vector || state || added { Role::Parameter } else { Role::Constant }
            }
            "Concat" if active && spread == 1 && ty.rank() > 1 => Role::Parameter,
            "Concat" | "Where" | "Attention" if active && state && ty.rank() > 0 => Role::Parameter,
            "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Exp" | "Neg" | "Sqrt" | "Softplus" | "Sigmoid" | "Tanh"
            | "Clip" | "Transpose" | "Reshape" | "Cast" | "CastLike" | "DequantizeLinear" | "Identity"
            | "Unsqueeze" | "Squeeze" | "Slice" | "Split" | "Where" | "Expand" | "Tile" | "Flatten" | "Gather"
            | "GatherND" | "GatherElements" | "Concat" | "Resize" | "ReduceSum" | "ReduceL2" | "Pad"
                if !active =>
            {
                through()
            }
            _ => Role::Constant,
        }
    }

    /// The matrix of a linear layer, whose name was lost as it was turned. No input needs to reach the layer: some
    /// decoders begin with zeros and learned positions.
    fn is_turned_weight(call: &Call<'m>, index: usize, rank: usize, text: &str) -> bool {
        if index != 1 || rank != 2 || !matches!(call.node.op_type.as_str(), "MatMul" | "Gemm") {
            return false;
        }
        match traced(call) {
            Some(traced) => {
                let own = mangle(text);
                traced_names(traced).any(|name| name.starts_with("p_")) && traced_names(traced).all(|name| name != own)
            }
            None => text.starts_with("onnx::MatMul"),
        }
    }

    /// The results of a call are scores: they go into a softmax as they are.
    fn reaches_softmax(&self, call: &Call<'m>, depth: usize) -> bool {
        let Some(depth) = self.descend(depth) else { return false };
        let readers = call.outputs.iter().flatten().filter_map(|name| self.readers.get(name)).flatten().take(64);
        readers.into_iter().any(|(reader, _)| match reader.node.op_type.as_str() {
            "Softmax" => true,
            "Add" | "Where" | "Reshape" | "Cast" | "Mul" | "Div" | "Max" | "Unsqueeze" | "Squeeze" => {
                self.reaches_softmax(reader, depth)
            }
            _ => false,
        })
    }

    /// The name of the parameter that a literal was computed from, as the operation that reads it names it.
    fn recovered(&self, name: Name, depth: usize) -> Option<String> {
        let depth = self.descend(depth)?;
        for &(call, index) in self.readers.get(&name)? {
            let op = call.node.op_type.as_str();
            if matches!(op, "Transpose" | "Reshape" | "Cast" | "Identity") {
                let result = call.outputs.iter().flatten().find_map(|&name| self.recovered(name, depth));
                if result.is_some() {
                    return result;
                }
            }
            let Some(text) = traced(call) else { continue };
            let names: Vec<&str> = traced_names(text).filter_map(|word| word.strip_prefix("p_")).collect();
            let weight = if names.len() > 1 && index == 2 { names.last() } else { names.first() };
            if let Some(&found) = weight {
                return Some(unmangled(found, &module_path(call)));
            }
        }
        None
    }
}

/// The values that a traced operation reads: `%p_encoder_weight` and so on.
fn traced_names(text: &str) -> impl Iterator<Item = &str> {
    text.split('%').skip(2).map(|part| {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        part.split_at_checked(end).map_or(part, |(name, _)| name)
    })
}

/// `encoder_layer_0_weight` in the module `encoder.layer.0` is `encoder.layer.0.weight`.
fn unmangled(name: &str, path: &str) -> String {
    let prefix = format!("{}_", mangle(path));
    match name.strip_prefix(&prefix) {
        Some(local) if !path.is_empty() => format!("{path}.{local}"),
        _ => name.to_owned(),
    }
}
