//! The walk: every call of the document becomes exactly one node of the graph.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use fusewright_ir::ops::{Copy, Host, Opaque, Pointwise, View};
use fusewright_ir::{
    Bindings, Contents, Form, Graph, Loaded, Op, Origin, Source, Storage, TensorType, Type, ValueId, Warning, text,
};
use smallvec::SmallVec;

use super::FxError;
use super::arguments::{Call, Inputs};
use super::functions::{Results, Row, Target};
use super::host::host_op;
use super::modules::Module;
use super::mutation::Mutations;
use super::names::Names;
use super::parameters::Parameters;
use super::recorded::{add_input, hold, is_unknown, missing_shape, result_names, tensor_types};
use super::references::References;
use super::schema::{Arg, Document, NodeEntry, Opcode, Scalar, Val};
use super::symbols::Sizes;
use super::values::{Env, Held, Known, Operand};

/// Most items of lists that are looked at, and most values, in one document.
const LIMIT: usize = 1 << 26;

/// How many nodes the calls of a document may become on average, beyond one each.
const NODES_PER_CALL: usize = 16;

/// Most steps before the op of a call.
const MAX_STEPS: usize = 8;

/// Builds the graph of a document.
pub(crate) fn graph(document: &Document, bindings: &Bindings) -> Result<Loaded, FxError> {
    let references = References::check(document)?;
    let sizes = Sizes::bind(&document.symbols, bindings)?;
    let mut graph = Graph::new(document.name.as_str());
    graph.training = document.training;
    sizes.record(&mut graph);
    let mut names = Names::default();
    let mut inputs = Vec::new();
    for node in document.nodes.iter().filter(|node| node.op == Opcode::Placeholder) {
        inputs.push(add_input(node, &sizes, &mut names, &mut graph)?);
    }
    let parameters = Parameters::add_all(document, &sizes, &mut names, &mut graph)?;
    let env = Env {
        graph,
        references,
        mutations: Mutations::default(),
        storage: Storage::default(),
        held: Vec::with_capacity(document.nodes.len()),
        fuel: Cell::new(LIMIT),
    };
    let mut reader = Reader {
        document,
        sizes,
        env,
        names,
        parameters,
        modules: HashMap::new(),
        warnings: Vec::new(),
        spare: document.nodes.len().saturating_mul(NODES_PER_CALL),
    };
    let mut inputs = inputs.into_iter();
    for (position, node) in document.nodes.iter().enumerate() {
        reader.refresh(node);
        let held = match node.op {
            Opcode::Placeholder => inputs.next().unwrap_or(Held::Literal(Known::Unknown)),
            Opcode::GetAttr => reader.attribute(node)?,
            Opcode::CallFunction => reader.call(position, node, Form::Function)?,
            Opcode::CallMethod => reader.call(position, node, Form::Method)?,
            Opcode::CallModule => reader.call(position, node, Form::Module)?,
            Opcode::Output => reader.output(node),
        };
        if !reader.env.spend(0) {
            return Err(FxError::TooLarge { node: node.name.clone(), what: "items in lists", limit: LIMIT });
        }
        reader.env.held.push(held);
    }
    Ok(Loaded { graph: reader.env.graph, warnings: reader.warnings, notes: Vec::new(), contents: Contents::default() })
}

/// What a call becomes.
#[derive(Debug)]
struct Planned {
    op: Op,
    inputs: Inputs,
    /// The types of the op's results.
    types: Vec<TensorType>,
    /// How many of the op's results come before those of the call.
    hidden: usize,
    /// The call says that it writes into its operand.
    in_place: bool,
}

#[derive(Debug)]
pub(super) struct Reader<'d> {
    document: &'d Document,
    sizes: Sizes<'d>,
    pub(super) env: Env<'d>,
    pub(super) names: Names,
    parameters: Parameters,
    modules: HashMap<&'d str, Module<'d>>,
    warnings: Vec<Warning>,
    /// How many more nodes than calls there may be.
    spare: usize,
}

impl<'d> Reader<'d> {
    /// A `get_attr` node is another name for a parameter, or for a constant of the model.
    fn attribute(&mut self, node: &NodeEntry) -> Result<Held, FxError> {
        if let Some(value) = self.parameters.get(&node.target) {
            return Ok(Held::Tensor(value));
        }
        let out = node.out.as_ref().ok_or_else(|| missing_shape(node))?;
        let mut types = tensor_types(out, node, &self.sizes)?.into_iter();
        match (types.next(), out) {
            (Some(ty), Val::Tensor { .. }) => {
                let (names, graph) = (&mut self.names, &mut self.env.graph);
                Ok(Held::Tensor(self.parameters.add(&node.target, Type::Tensor(ty), Origin::Constant, names, graph)))
            }
            _ => Ok(Held::Literal(Known::of(out, &self.sizes))),
        }
    }

    fn output(&mut self, node: &NodeEntry) -> Held {
        let mut results = Vec::new();
        for arg in &node.args {
            self.env.tensors(self.env.operand(arg), &mut results);
        }
        for value in results {
            self.env.graph.add_output(value);
        }
        Held::Literal(Known::None)
    }

    fn call(&mut self, position: usize, node: &'d NodeEntry, form: Form) -> Result<Held, FxError> {
        self.env.storage.follow(&self.env.graph);
        let out = node.out.as_ref().ok_or_else(|| missing_shape(node))?;
        if form == Form::Module {
            self.prepare_module(node)?;
        }
        let types = tensor_types(out, node, &self.sizes)?;
        if types.is_empty() {
            return self.call_without_tensors(position, node, out, form);
        }
        let Planned { op, inputs, types, hidden, in_place } = self.plan(node, form, types);
        if let Some(part) = self.part(position, &op, &inputs, &types) {
            return Ok(Held::Tensor(part));
        }
        let written = self.written(node).filter(|_| in_place && !hands_on(&op));
        if let (Some(target), Op::Copy(copy), &[source]) = (written, &op, inputs.as_slice())
            && matches!(**copy, Copy::Clone)
            && self.copy_into(position, node, form, target, source)?
        {
            return Ok(Held::Tensor(target));
        }
        let view = match (&op, written) {
            (Op::View(view), Some(_)) => Some(view.clone()),
            _ => None,
        };
        let types = types.into_iter().map(Type::Tensor).collect();
        let outputs = self.emit(node, form, op, inputs, types)?;
        let outputs = outputs.get(hidden..).unwrap_or_default();
        match (written, view, outputs.first()) {
            (Some(target), Some(view), Some(&result)) => {
                let slot = self.env.mutations.slot(target);
                self.env.mutations.reshape(slot, &view, result);
            }
            (Some(target), None, Some(&result)) => self.wrote(position, node, form, target, result),
            _ => self.record(outputs, self.env.references.last_use(position)),
        }
        Ok(hold(out, &mut outputs.iter().copied(), &self.sizes))
    }

    /// Makes sure that the tensors of a called module are in the graph.
    fn prepare_module(&mut self, node: &'d NodeEntry) -> Result<(), FxError> {
        if self.modules.contains_key(node.target.as_str()) {
            return Ok(());
        }
        let entry = self
            .document
            .modules
            .get(&node.target)
            .ok_or_else(|| FxError::UnknownModule { node: node.name.clone(), module: node.target.clone() })?;
        let mut tensors = BTreeMap::new();
        for (local, tensor) in &entry.params {
            let value = self.parameters.resolve(tensor, &self.sizes, &mut self.names, &mut self.env.graph)?;
            tensors.insert(local.as_str(), value);
        }
        self.modules.insert(&node.target, Module::new(entry, tensors, self.document.training));
        Ok(())
    }

    /// The op that a call stands for, or an opaque one that says why not.
    fn plan(&mut self, node: &'d NodeEntry, form: Form, types: Vec<TensorType>) -> Planned {
        let target = Target::of(form, &node.target);
        let module = self.modules.get(node.target.as_str()).filter(|_| form == Form::Module);
        let row = module.map_or_else(|| target.row(), Module::function);
        let name = module.map_or(node.target.as_str(), Module::class);
        let says_so =
            node.kwargs.0.iter().any(|(name, value)| name == "inplace" && *value == Arg::Scalar(Scalar::Bool(true)));
        let mut in_place = says_so || module.map_or_else(|| target.writes_in_place(), Module::writes_in_place);
        let built = row.map(|row| self.build(node, form, row, &types, &mut in_place));
        let reason = match built {
            Some(Ok((op, inputs, types, hidden))) => return Planned { op, inputs, types, hidden, in_place },
            Some(Err(reason)) => Some(reason),
            None => None,
        };
        let mut inputs = self.operands(node);
        if let Some(module) = self.modules.get(node.target.as_str()).filter(|_| form == Form::Module) {
            self.env.spend(module.tensors().len());
            inputs.extend(module.tensors().map(|value| self.env.mutations.current(value)));
        }
        let text = match &reason {
            None => format!("`{name}` is not known; it is kept as an opaque op and its arithmetic is not counted"),
            Some(reason) => format!("`{name}` is kept as an opaque op and its arithmetic is not counted: {reason}"),
        };
        let op = Op::Opaque(Box::new(Opaque { name: name.to_owned(), reason }));
        self.warnings.push(Warning { node: node.name.clone(), text });
        Planned { op, inputs: inputs.into(), types, hidden: 0, in_place }
    }

    /// The op of a row with its operands and the types of its results, after the steps that the row asks for.
    fn build(
        &mut self,
        node: &'d NodeEntry,
        form: Form,
        row: &'static Row,
        types: &[TensorType],
        in_place: &mut bool,
    ) -> Result<(Op, Inputs, Vec<TensorType>, usize), String> {
        let mut steps: SmallVec<[(&'static str, ValueId); 2]> = SmallVec::new();
        loop {
            let mut call = Call::bind(&self.env, row.signature, &node.args, &node.kwargs.0, types)?;
            if let Some(module) = self.modules.get(node.target.as_str()).filter(|_| form == Form::Module) {
                module.complete(&mut call)?;
            }
            for &(name, value) in &steps {
                call.replace(name, value);
            }
            let step = row.prepare.filter(|_| steps.len() < MAX_STEPS).map(|prepare| prepare(&call));
            let Some((name, op, inputs)) = step.transpose()?.flatten() else {
                *in_place |= call.flag("inplace", false)?;
                let (op, inputs) = (row.build)(&call)?;
                let (types, hidden) = self.check(&op, &inputs, types, row.results)?;
                return Ok((op, inputs, types, hidden));
            };
            drop(call);
            steps.push((name, self.add_step(node, form, name, op, inputs)?));
        }
    }

    /// Adds a node that a call needs beside its own, with one result.
    pub(super) fn add_step(
        &mut self,
        node: &NodeEntry,
        form: Form,
        what: &str,
        op: Op,
        inputs: Inputs,
    ) -> Result<ValueId, String> {
        let types: SmallVec<[&Type; 3]> = inputs.iter().map(|&input| &self.env.graph.value(input).ty).collect();
        let implied = op.infer(&types).map_err(|error| error.to_string())?;
        drop(types);
        let Some([ty]) = implied.as_deref() else { return Err("a step of it has not one result".to_owned()) };
        if !self.affords(1) {
            return Err("the calls of the document are too many ops".to_owned());
        }
        self.spare = self.spare.saturating_sub(1);
        let ty = ty.clone();
        let mut name = self.names.unique(&format!("{}.{what}", node.name));
        while self.env.references.position(&name).is_some() {
            name = self.names.unique(&name);
        }
        let source = self.source(node, form);
        let id = self.env.graph.add_node(&name, op, inputs, [(name.clone(), ty)], source);
        self.env.storage.follow(&self.env.graph);
        let outputs = self.env.graph.node(id).outputs.clone();
        self.record(&outputs, 0);
        outputs.first().copied().ok_or_else(|| "a step of it has no result".to_owned())
    }

    /// There may be so many more nodes than calls.
    pub(super) fn affords(&self, nodes: usize) -> bool {
        nodes <= self.spare
    }

    /// The recorded types must be those that the op implies. Gives the types of all results of the op, and how many of
    /// them come before those of the call.
    fn check(
        &self,
        op: &Op,
        inputs: &[ValueId],
        recorded: &[TensorType],
        results: Results,
    ) -> Result<(Vec<TensorType>, usize), String> {
        let types: Vec<&Type> = inputs.iter().map(|&input| &self.env.graph.value(input).ty).collect();
        let Some(implied) = op.infer(&types).map_err(|error| error.to_string())? else {
            return Ok((recorded.to_vec(), 0));
        };
        let (expected, recorded) = match results {
            Results::First => (implied.as_slice(), recorded.get(..implied.len()).unwrap_or(recorded)),
            Results::Last => {
                let hidden = implied.len().saturating_sub(recorded.len());
                (implied.get(hidden..).unwrap_or_default(), recorded)
            }
            Results::All => (implied.as_slice(), recorded),
        };
        if expected.len() != recorded.len() {
            return Err(format!("the document records {} results, expected {}", recorded.len(), expected.len()));
        }
        for (implied, recorded) in expected.iter().zip(recorded) {
            let recorded = Type::Tensor(recorded.clone());
            if !implied.agrees_with(&recorded) {
                let (found, expected) = (text::type_text(&recorded), text::type_text(implied));
                return Err(format!("the document records {found}, expected {expected}"));
            }
        }
        let hidden = implied.len().saturating_sub(recorded.len());
        let before = implied.iter().take(hidden).filter_map(|ty| ty.as_tensor().cloned());
        Ok((before.chain(recorded.iter().cloned()).collect(), hidden))
    }

    /// Every value that a node refers to.
    fn operands(&self, node: &NodeEntry) -> Vec<ValueId> {
        let mut values = Vec::new();
        for arg in node.args.iter().chain(node.kwargs.0.iter().map(|(_, arg)| arg)) {
            self.env.collect(self.env.operand(arg), false, &mut values);
        }
        values
    }

    /// The tensor that a call would write into: its first argument.
    fn written(&self, node: &NodeEntry) -> Option<ValueId> {
        let named = || node.kwargs.0.iter().find(|(name, _)| matches!(name.as_str(), "self" | "input"));
        let first = node.args.first().or_else(|| named().map(|(_, arg)| arg));
        match first.map(|arg| self.env.operand(arg)) {
            Some(Operand::Tensor(value)) => Some(value),
            _ => None,
        }
    }

    /// A call whose result is on the host, or that only writes into its operand.
    fn call_without_tensors(
        &mut self,
        position: usize,
        node: &'d NodeEntry,
        out: &Val,
        form: Form,
    ) -> Result<Held, FxError> {
        let target = Target::of(form, &node.target);
        let written = self.written(node);
        let means_tensor = form == Form::Module || target.row().is_some() && target.name != "builtins.getattr";
        if written.is_some() && means_tensor && is_unknown(out) {
            return Err(missing_shape(node));
        }
        if let (Some(written), "setitem" | "__setitem__") = (written, target.name) {
            return self.write_item(position, node, form, written);
        }
        let host = host_op(&self.env, node, form);
        let ty = Known::host_type(out, &self.sizes);
        let types = if host == Host::Assert { Vec::new() } else { vec![ty] };
        let inputs = self.host_operands(node, target);
        let outputs = self.emit(node, form, Op::Host(host), inputs.into(), types)?;
        Ok(match outputs.first() {
            Some(&value) => Held::Host(value, Known::of(out, &self.sizes)),
            None => Held::Literal(Known::None),
        })
    }

    /// Values that a host call refers to; of a tuple with an item taken only that item.
    pub(super) fn host_operands(&self, node: &NodeEntry, target: Target<'_>) -> Vec<ValueId> {
        if let ("getitem", [tuple, index]) = (target.name, node.args.as_slice())
            && let Operand::Items(items) = self.env.operand(tuple)
            && let Some(index) = self.env.operand(index).int().and_then(|index| usize::try_from(index).ok())
            && let Some(item) = self.env.item(items, index)
        {
            let mut values = Vec::new();
            self.env.collect(item, false, &mut values);
            return values;
        }
        self.operands(node)
    }

    /// Adds the node and gives its results.
    pub(super) fn emit(
        &mut self,
        node: &NodeEntry,
        form: Form,
        op: Op,
        inputs: Inputs,
        types: Vec<Type>,
    ) -> Result<Vec<ValueId>, FxError> {
        let source = self.source(node, form);
        let graph = &mut self.env.graph;
        if graph.value_count().saturating_add(types.len()) > LIMIT {
            return Err(FxError::TooLarge { node: node.name.clone(), what: "values", limit: LIMIT });
        }
        let names = result_names(&node.name, types.len()).map(|name| self.names.unique(&name));
        let outputs: Vec<(String, Type)> = names.zip(types).collect();
        let id = graph.add_node(&node.name, op, inputs, outputs, source);
        self.env.storage.follow(&self.env.graph);
        Ok(self.env.graph.node(id).outputs.to_vec())
    }

    /// Where in the document a node comes from.
    fn source(&mut self, node: &NodeEntry, form: Form) -> Source {
        let module = self.modules.get(node.target.as_str()).filter(|_| form == Form::Module);
        let (op, scope) = match module {
            Some(module) => (module.class(), node.target.as_str()),
            None => (node.target.as_str(), node.scope.as_str()),
        };
        let graph = &mut self.env.graph;
        Source { form, op: graph.intern(op), scope: graph.intern(scope) }
    }

    /// Notes which memory the results of a node share, and where they are read last.
    fn record(&mut self, outputs: &[ValueId], last_read: usize) {
        let Env { graph, mutations, storage, .. } = &mut self.env;
        if let Some(maker) = outputs.first().and_then(|&output| graph.producer(output)) {
            let shared = storage.is_free(maker);
            let maker = graph.node(maker);
            mutations.record(&maker.op, &maker.inputs, outputs, shared, last_read);
        }
    }

    /// Notes something about a node that whoever reads the graph should know.
    pub(super) fn warn(&mut self, node: &NodeEntry, text: String) {
        self.warnings.push(Warning { node: node.name.clone(), text });
    }
}

/// The op's result is its operand, whatever the call says about writing.
fn hands_on(op: &Op) -> bool {
    match op {
        Op::View(view) => matches!(**view, View::Alias),
        Op::Pointwise(Pointwise::Dropout { training, p, .. }) => !training || *p == 0.0,
        _ => false,
    }
}
