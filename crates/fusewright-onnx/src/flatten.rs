//! The nodes of a model as one list of calls: functions inlined, names resolved to numbers, every definition checked.

use std::collections::HashMap;
use std::rc::Rc;

use super::OnnxError;
use super::attributes::Settings;
use super::opset::Opsets;
use super::proto::{Function, Graph, Model, Node, Tensor, ValueInfo, ValueType};

/// Most functions and sub-graphs inside each other.
const DEPTH: usize = 24;
/// Most calls and names of a model once its functions are inlined.
const LIMIT: usize = 1 << 21;

/// A value of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name(pub(crate) usize);

/// What the file says about a value.
#[derive(Debug)]
pub(crate) struct NameEntry<'m> {
    /// The name in the file, after the path of the function call that it is local to.
    pub(crate) text: String,
    /// The literal that defines it.
    pub(crate) literal: Option<&'m Tensor>,
    /// The literal is a sparse one, with these extents.
    pub(crate) sparse: Option<&'m [i64]>,
    /// The recorded type.
    pub(crate) info: Option<&'m ValueType>,
}

/// A step of the model.
#[derive(Debug)]
pub(crate) enum Step<'m> {
    Call(Call<'m>),
    /// The result of a function is one of its arguments.
    Alias {
        from: Option<Name>,
        to: Name,
    },
}

/// An operator applied to values.
#[derive(Debug)]
pub(crate) struct Call<'m> {
    pub(crate) node: &'m Node,
    /// Domain of the operator, empty for the standard one.
    pub(crate) domain: &'m str,
    /// Version of the domain.
    pub(crate) version: i64,
    pub(crate) inputs: Vec<Option<Name>>,
    pub(crate) outputs: Vec<Option<Name>>,
    /// Attributes of the function call that this call is a part of.
    pub(crate) settings: Rc<Settings<'m>>,
    /// Path of function calls that this call stands in.
    pub(crate) prefix: Rc<str>,
    /// Sub-graphs by attribute name.
    pub(crate) branches: Vec<Branch<'m>>,
}

/// A sub-graph of a call.
#[derive(Debug)]
pub(crate) struct Branch<'m> {
    pub(crate) name: &'m str,
    pub(crate) steps: Vec<Step<'m>>,
    pub(crate) results: Vec<Option<Name>>,
    /// Values of the surrounding graphs that it reads.
    pub(crate) captured: Vec<Name>,
}

impl Call<'_> {
    /// A name for messages and for the node that this becomes.
    pub(crate) fn label(&self) -> String {
        let own = match (self.node.name.as_str(), self.node.outputs.first()) {
            ("", Some(output)) => format!("{}:{output}", self.node.op_type),
            ("", None) => self.node.op_type.clone(),
            (name, _) => name.to_owned(),
        };
        format!("{}{own}", self.prefix)
    }
}

/// A model as a list of calls.
#[derive(Debug)]
pub(crate) struct Program<'m> {
    pub(crate) names: Vec<NameEntry<'m>>,
    pub(crate) inputs: Vec<(Name, &'m ValueInfo)>,
    pub(crate) outputs: Vec<Name>,
    pub(crate) steps: Vec<Step<'m>>,
}

impl<'m> Program<'m> {
    /// Flattens the graph of a model.
    pub(crate) fn new(model: &'m Model, graph: &'m Graph) -> Result<Self, OnnxError> {
        let mut functions = HashMap::new();
        for function in &model.functions {
            let key = (domain(&function.domain), function.name.as_str(), function.overload.as_str());
            if functions.insert(key, function).is_some() {
                return Err(OnnxError::Duplicate { name: function.name.clone() });
            }
        }
        let mut flattener = Flattener { functions, names: Vec::new(), calls: 0 };
        let place = Place {
            opsets: Rc::new(Opsets::new(&model.opsets)),
            settings: Rc::new(Settings::default()),
            prefix: Rc::from(""),
            depth: 0,
        };
        let mut scope = Scope::default();
        flattener.literals(graph, &mut scope)?;
        let mut inputs = Vec::new();
        for input in &graph.inputs {
            // Old files list their initializers among the inputs.
            if scope.own.contains_key(input.name.as_str())
                && !inputs.iter().any(|(_, i): &(_, &ValueInfo)| i.name == input.name)
            {
                continue;
            }
            inputs.push((flattener.define(&input.name, &mut scope, &place)?, input));
        }
        let steps = flattener.nodes(&graph.nodes, &mut scope, &place)?;
        flattener.note_types(graph, &scope);
        let outputs = graph.outputs.iter().map(|output| {
            let found = scope.own.get(output.name.as_str()).copied().flatten();
            found.ok_or_else(|| OnnxError::UndefinedOutput { name: output.name.clone() })
        });
        let outputs = outputs.collect::<Result<_, _>>()?;
        Ok(Self { names: flattener.names, inputs, outputs, steps })
    }

    pub(crate) fn entry(&self, name: Name) -> Option<&NameEntry<'m>> {
        self.names.get(name.0)
    }

    /// The text of a name.
    pub(crate) fn text(&self, name: Name) -> &str {
        self.entry(name).map_or("", |entry| &entry.text)
    }
}

/// Every call, those in branches too.
pub(crate) fn each_call<'s, 'm>(steps: &'s [Step<'m>], visit: &mut impl FnMut(&'s Step<'m>)) {
    for step in steps {
        if let Step::Call(call) = step {
            for branch in &call.branches {
                each_call(&branch.steps, visit);
            }
        }
        visit(step);
    }
}

/// The names that nodes of a graph or of a function see.
#[derive(Debug, Default)]
struct Scope<'m, 'p> {
    own: HashMap<&'m str, Option<Name>>,
    /// Names that are given before the node that makes them is met: the results of a function.
    reserved: HashMap<&'m str, Name>,
    outer: Option<&'p Scope<'m, 'p>>,
}

impl Scope<'_, '_> {
    #[allow(clippy::option_option, reason = "a known name may stand for an argument that a call leaves out")]
    fn find(&self, name: &str) -> Option<Option<Name>> {
        let mut scope = Some(self);
        while let Some(here) = scope {
            if let Some(&found) = here.own.get(name) {
                return Some(found);
            }
            scope = here.outer;
        }
        None
    }
}

/// Where nodes stand.
#[derive(Clone)]
struct Place<'m> {
    opsets: Rc<Opsets<'m>>,
    settings: Rc<Settings<'m>>,
    prefix: Rc<str>,
    depth: usize,
}

struct Flattener<'m> {
    functions: HashMap<(&'m str, &'m str, &'m str), &'m Function>,
    names: Vec<NameEntry<'m>>,
    calls: usize,
}

impl<'m> Flattener<'m> {
    fn fresh(&mut self, text: &str, place: &Place<'m>) -> Result<Name, OnnxError> {
        if self.names.len() >= LIMIT {
            return Err(OnnxError::TooLarge { what: "values", limit: LIMIT as u64 });
        }
        let name = Name(self.names.len());
        let text = format!("{}{text}", place.prefix);
        self.names.push(NameEntry { text, literal: None, sparse: None, info: None });
        Ok(name)
    }

    fn define(&mut self, text: &'m str, scope: &mut Scope<'m, '_>, place: &Place<'m>) -> Result<Name, OnnxError> {
        let name = match scope.reserved.get(text) {
            Some(&name) => name,
            None => self.fresh(text, place)?,
        };
        match scope.own.insert(text, Some(name)) {
            None => Ok(name),
            Some(_) => Err(OnnxError::Duplicate { name: text.to_owned() }),
        }
    }

    /// Defines the literals of a graph.
    fn literals(&mut self, graph: &'m Graph, scope: &mut Scope<'m, '_>) -> Result<(), OnnxError> {
        let nowhere = Place {
            opsets: Rc::new(Opsets::default()),
            settings: Rc::new(Settings::default()),
            prefix: Rc::from(""),
            depth: 0,
        };
        for tensor in &graph.initializers {
            let name = self.define(&tensor.name, scope, &nowhere)?;
            if let Some(entry) = self.names.get_mut(name.0) {
                entry.literal = Some(tensor);
            }
        }
        for tensor in &graph.sparse_initializers {
            let Some(values) = &tensor.values else { continue };
            let name = self.define(&values.name, scope, &nowhere)?;
            if let Some(entry) = self.names.get_mut(name.0) {
                entry.literal = Some(values);
                entry.sparse = Some(&tensor.dims);
            }
        }
        Ok(())
    }

    fn note_types(&mut self, graph: &'m Graph, scope: &Scope<'m, '_>) {
        for info in graph.value_info.iter().chain(&graph.outputs) {
            if let Some(Some(name)) = scope.own.get(info.name.as_str())
                && let Some(entry) = self.names.get_mut(name.0)
                && info.ty.is_some()
            {
                entry.info = info.ty.as_ref();
            }
        }
    }

    fn nodes(
        &mut self,
        nodes: &'m [Node],
        scope: &mut Scope<'m, '_>,
        place: &Place<'m>,
    ) -> Result<Vec<Step<'m>>, OnnxError> {
        let mut steps = Vec::with_capacity(nodes.len());
        for (position, node) in nodes.iter().enumerate() {
            self.calls = self.calls.saturating_add(1);
            if self.calls > LIMIT {
                return Err(OnnxError::TooLarge { what: "nodes", limit: LIMIT as u64 });
            }
            let inputs = node.inputs.iter().map(|input| match (input.as_str(), scope.find(input)) {
                ("", _) => Ok(None),
                (_, Some(found)) => Ok(found),
                (_, None) => Err(undefined(nodes, position, input)),
            });
            let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
            let key = (domain(&node.domain), node.op_type.as_str(), node.overload.as_str());
            if let Some(&function) = self.functions.get(&key) {
                self.inline(node, function, &inputs, scope, place, &mut steps)?;
                continue;
            }
            let branches = self.branches(node, scope, place)?;
            let outputs = self.results(node, scope, place)?;
            steps.push(Step::Call(Call {
                node,
                domain: key.0,
                version: place.opsets.version(key.0),
                inputs,
                outputs,
                settings: Rc::clone(&place.settings),
                prefix: Rc::clone(&place.prefix),
                branches,
            }));
        }
        Ok(steps)
    }

    fn results(
        &mut self,
        node: &'m Node,
        scope: &mut Scope<'m, '_>,
        place: &Place<'m>,
    ) -> Result<Vec<Option<Name>>, OnnxError> {
        let name = |output: &'m String| match output.as_str() {
            "" => Ok(None),
            text => self.define(text, scope, place).map(Some),
        };
        node.outputs.iter().map(name).collect()
    }

    /// The place inside a function or sub-graph of a node.
    fn inside(node: &Node, place: &Place<'m>) -> Result<Place<'m>, OnnxError> {
        let depth = place.depth.saturating_add(1);
        if depth > DEPTH {
            return Err(OnnxError::TooDeep { node: node.name.clone(), limit: DEPTH });
        }
        Ok(Place { depth, ..place.clone() })
    }

    fn inline(
        &mut self,
        node: &'m Node,
        function: &'m Function,
        arguments: &[Option<Name>],
        scope: &mut Scope<'m, '_>,
        place: &Place<'m>,
        steps: &mut Vec<Step<'m>>,
    ) -> Result<(), OnnxError> {
        let results = self.results(node, scope, place)?;
        let mut inner = Self::inside(node, place)?;
        inner.opsets = Rc::new(place.opsets.with(&function.opsets));
        inner.settings = Rc::new(Settings::of_call(node, &place.settings, &function.defaults));
        let label = if node.name.is_empty() { &node.op_type } else { &node.name };
        inner.prefix = Rc::from(format!("{}{label}/", place.prefix));
        let mut body = Scope::default();
        for (position, formal) in function.inputs.iter().enumerate() {
            if body.own.insert(formal, arguments.get(position).copied().flatten()).is_some() {
                return Err(OnnxError::Duplicate { name: formal.clone() });
            }
        }
        for (formal, result) in function.outputs.iter().zip(&results) {
            if let (Some(result), false) = (result, body.own.contains_key(formal.as_str())) {
                body.reserved.insert(formal, *result);
            }
        }
        steps.extend(self.nodes(&function.nodes, &mut body, &inner)?);
        for (formal, result) in function.outputs.iter().zip(results) {
            let Some(to) = result else { continue };
            let from = body.own.get(formal.as_str()).copied().flatten();
            if from.is_none() && !body.own.contains_key(formal.as_str()) {
                return Err(OnnxError::UndefinedOutput { name: format!("{}{formal}", inner.prefix) });
            }
            if from != Some(to) {
                steps.push(Step::Alias { from, to });
            }
        }
        Ok(())
    }

    fn branches(
        &mut self,
        node: &'m Node,
        scope: &Scope<'m, '_>,
        place: &Place<'m>,
    ) -> Result<Vec<Branch<'m>>, OnnxError> {
        let mut branches = Vec::new();
        for attribute in &node.attributes {
            for graph in attribute.graph.as_deref().into_iter().chain(&attribute.graphs) {
                let inner = Self::inside(node, place)?;
                let first = self.names.len();
                let mut body = Scope { outer: Some(scope), ..Scope::default() };
                self.literals(graph, &mut body)?;
                for input in &graph.inputs {
                    if !body.own.contains_key(input.name.as_str()) {
                        let name = self.define(&input.name, &mut body, &inner)?;
                        if let Some(entry) = self.names.get_mut(name.0) {
                            entry.info = input.ty.as_ref();
                        }
                    }
                }
                let steps = self.nodes(&graph.nodes, &mut body, &inner)?;
                self.note_types(graph, &body);
                let result = |output: &ValueInfo| match body.find(&output.name) {
                    Some(found) => Ok(found),
                    None => Err(OnnxError::UndefinedOutput { name: output.name.clone() }),
                };
                let results = graph.outputs.iter().map(result).collect::<Result<Vec<_>, _>>()?;
                let captured = captured(&steps, &results, first);
                branches.push(Branch { name: &attribute.name, steps, results, captured });
            }
        }
        Ok(branches)
    }
}

/// Names from before `first` that the steps read.
fn captured(steps: &[Step<'_>], results: &[Option<Name>], first: usize) -> Vec<Name> {
    let mut names: Vec<Name> = results.iter().flatten().copied().collect();
    each_call(steps, &mut |step| match step {
        Step::Call(call) => names.extend(call.inputs.iter().flatten()),
        Step::Alias { from, .. } => names.extend(from),
    });
    names.retain(|name| name.0 < first);
    names.sort_unstable();
    names.dedup();
    names
}

/// The standard domain has two spellings.
pub(crate) fn domain(text: &str) -> &str {
    if text == "ai.onnx" { "" } else { text }
}

/// Why a name is not there: nothing defines it, a later node does, or the node waits for itself.
fn undefined(nodes: &[Node], position: usize, name: &str) -> OnnxError {
    let label = |node: &Node| if node.name.is_empty() { node.op_type.clone() } else { node.name.clone() };
    let node = nodes.get(position).map(label).unwrap_or_default();
    let name = name.to_owned();
    let Some(later) = nodes.get(position..) else { return OnnxError::Undefined { node, name } };
    if !later.iter().any(|node| node.outputs.contains(&name)) {
        return OnnxError::Undefined { node, name };
    }
    // What depends on the node, in as many rounds as it takes: lists are short of order, not of entries.
    let mut reached: std::collections::HashSet<&str> =
        later.first().map(|node| node.outputs.iter().map(String::as_str).collect()).unwrap_or_default();
    for _ in 0..64 {
        let before = reached.len();
        for node in later {
            if node.inputs.iter().any(|input| reached.contains(input.as_str())) {
                reached.extend(node.outputs.iter().map(String::as_str));
            }
        }
        if reached.len() == before {
            break;
        }
    }
    if reached.contains(name.as_str()) { OnnxError::Cycle { node, name } } else { OnnxError::WrongOrder { node, name } }
}
