//! The walk: every call of the document becomes exactly one node of the graph.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use fusewright_ir::ops::{Host, Opaque, Pointwise, View};
use fusewright_ir::{Bindings, Form, Graph, Loaded, Op, Origin, Source, TensorType, Type, ValueId, Warning, text};

use super::FxError;
use super::arguments::{Call, Inputs};
use super::functions::Target;
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
        held: Vec::with_capacity(document.nodes.len()),
        fuel: Cell::new(LIMIT),
    };
    let mut reader = Reader { document, sizes, env, names, parameters, modules: HashMap::new(), warnings: Vec::new() };
    let mut inputs = inputs.into_iter();
    for (position, node) in document.nodes.iter().enumerate() {
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
    Ok(Loaded { graph: reader.env.graph, warnings: reader.warnings, notes: Vec::new() })
}

/// What a call becomes.
#[derive(Debug)]
struct Planned {
    op: Op,
    inputs: Inputs,
    /// The call says that it writes into its operand.
    in_place: bool,
}

#[derive(Debug)]
struct Reader<'d> {
    document: &'d Document,
    sizes: Sizes<'d>,
    env: Env<'d>,
    names: Names,
    parameters: Parameters,
    modules: HashMap<&'d str, Module<'d>>,
    warnings: Vec<Warning>,
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
        let out = node.out.as_ref().ok_or_else(|| missing_shape(node))?;
        if form == Form::Module {
            self.prepare_module(node)?;
        }
        let types = tensor_types(out, node, &self.sizes)?;
        if types.is_empty() {
            return self.call_without_tensors(position, node, out, form);
        }
        let Planned { op, inputs, in_place } = self.plan(node, form, &types);
        let written = self.written(node).filter(|_| in_place && !hands_on(&op));
        let types = types.into_iter().map(Type::Tensor).collect();
        let outputs = self.emit(node, form, op, inputs, types)?;
        self.note_memory(position, node, written, &outputs);
        Ok(hold(out, &mut outputs.into_iter(), &self.sizes))
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
    fn plan(&mut self, node: &'d NodeEntry, form: Form, types: &[TensorType]) -> Planned {
        let module = self.modules.get(node.target.as_str()).filter(|_| form == Form::Module);
        let target = Target::of(form, &node.target);
        let (row, name) = match module {
            Some(module) => (module.function(), module.class()),
            None => (target.row(), node.target.as_str()),
        };
        let says_so =
            node.kwargs.0.iter().any(|(name, value)| name == "inplace" && *value == Arg::Scalar(Scalar::Bool(true)));
        let mut in_place = says_so || module.map_or_else(|| target.writes_in_place(), Module::writes_in_place);
        let built = row.map(|row| {
            let mut call = Call::bind(&self.env, row.signature, &node.args, &node.kwargs.0, types)?;
            if let Some(module) = module {
                module.complete(&mut call)?;
            }
            in_place |= call.flag("inplace", false)?;
            let (op, inputs) = (row.build)(&call)?;
            self.check(&op, &inputs, types)?;
            Ok((op, inputs))
        });
        let reason = match built {
            Some(Ok((op, inputs))) => return Planned { op, inputs, in_place },
            Some(Err(reason)) => Some(reason),
            None => None,
        };
        let mut inputs = self.operands(node);
        if let Some(module) = module {
            self.env.spend(module.tensors().len());
            inputs.extend(module.tensors().map(|value| self.env.mutations.current(value)));
        }
        let text = match &reason {
            None => format!("`{name}` is not known; it is kept as an opaque op and its arithmetic is not counted"),
            Some(reason) => format!("`{name}` is kept as an opaque op and its arithmetic is not counted: {reason}"),
        };
        self.warnings.push(Warning { node: node.name.clone(), text });
        Planned { op: Op::Opaque(Box::new(Opaque { name: name.to_owned(), reason })), inputs: inputs.into(), in_place }
    }

    /// The recorded types must be those that the op implies.
    fn check(&self, op: &Op, inputs: &[ValueId], recorded: &[TensorType]) -> Result<(), String> {
        let types: Vec<&Type> = inputs.iter().map(|&input| &self.env.graph.value(input).ty).collect();
        let Some(implied) = op.infer(&types).map_err(|error| error.to_string())? else { return Ok(()) };
        if implied.len() != recorded.len() {
            return Err(format!("the document records {} results, expected {}", recorded.len(), implied.len()));
        }
        for (implied, recorded) in implied.iter().zip(recorded) {
            let recorded = Type::Tensor(recorded.clone());
            if !implied.agrees_with(&recorded) {
                let (found, expected) = (text::type_text(&recorded), text::type_text(implied));
                return Err(format!("the document records {found}, expected {expected}"));
            }
        }
        Ok(())
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
        match node.args.first().map(|arg| self.env.operand(arg)) {
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
    fn host_operands(&self, node: &NodeEntry, target: Target<'_>) -> Vec<ValueId> {
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

    /// `x[…] = v` gives nothing, but x is another tensor afterwards.
    fn write_item(
        &mut self,
        position: usize,
        node: &'d NodeEntry,
        form: Form,
        written: ValueId,
    ) -> Result<Held, FxError> {
        let reason = "it writes into a part of its operand";
        let text = format!("`{}` is kept as an opaque op and its arithmetic is not counted: {reason}", node.target);
        self.warnings.push(Warning { node: node.name.clone(), text });
        let op = Op::Opaque(Box::new(Opaque { name: node.target.clone(), reason: Some(reason.to_owned()) }));
        let ty = self.env.graph.value(written).ty.clone();
        let outputs = self.emit(node, form, op, self.operands(node).into(), vec![ty])?;
        self.note_memory(position, node, Some(written), &outputs);
        Ok(Held::Literal(Known::None))
    }

    /// Adds the node and gives its results.
    fn emit(
        &mut self,
        node: &NodeEntry,
        form: Form,
        op: Op,
        inputs: Inputs,
        types: Vec<Type>,
    ) -> Result<Vec<ValueId>, FxError> {
        let graph = &mut self.env.graph;
        if graph.value_count().saturating_add(types.len()) > LIMIT {
            return Err(FxError::TooLarge { node: node.name.clone(), what: "values", limit: LIMIT });
        }
        let module = self.modules.get(node.target.as_str()).filter(|_| form == Form::Module);
        let (source_op, scope) = match module {
            Some(module) => (module.class(), node.target.as_str()),
            None => (node.target.as_str(), node.scope.as_str()),
        };
        let source = Source { form, op: graph.intern(source_op), scope: graph.intern(scope) };
        let names = result_names(&node.name, types.len()).map(|name| self.names.unique(&name));
        let outputs: Vec<(String, Type)> = names.zip(types).collect();
        let id = graph.add_node(&node.name, op, inputs, outputs, source);
        Ok(graph.node(id).outputs.to_vec())
    }

    /// Notes which memory the results of the last node share, and what it wrote into.
    fn note_memory(&mut self, position: usize, node: &NodeEntry, written: Option<ValueId>, outputs: &[ValueId]) {
        let Env { graph, mutations, references, .. } = &mut self.env;
        if let (Some(written), Some(&result)) = (written, outputs.first())
            && mutations.write(written, result, position)
        {
            let text = "it writes into memory that a later node reads through another view; \
                that node is given the value from before";
            self.warnings.push(Warning { node: node.name.clone(), text: text.to_owned() });
        }
        if let Some(maker) = outputs.first().and_then(|&output| graph.producer(output)) {
            let maker = graph.node(maker);
            mutations.record(&maker.op, &maker.inputs, outputs, references.last_use(position));
        }
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
