//! What the row of an operator works with: a call's operands and settings, and a list of steps that it fills.
//!
//! Nothing enters the graph before a row is done, so a row may give up at any point with a reason; the call is then
//! kept as an opaque op.

use fusewright_ir::ops::{Binary, Copy, Opaque, Pointwise, Results, Unary, View};
use fusewright_ir::{DType, Op, Shape, TensorType, Type};
use smallvec::{SmallVec, smallvec};

use super::attributes::Attributes;
use super::content::{Content, Known};
use super::held::Held;

/// Most steps that one call may become.
const MAX_STEPS: usize = 4096;

/// A tensor that a step reads: an input of the call, a result of an earlier step, or a literal of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    Input(usize),
    Made { step: usize, output: usize },
    Literal(usize),
}

/// A node that a call becomes.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) op: Op,
    pub(crate) inputs: SmallVec<[Operand; 3]>,
    pub(crate) results: Results,
}

/// What a row gives: the results of the call in order. A reason says why the call must stay opaque.
pub(crate) type Built = Result<SmallVec<[Operand; 1]>, String>;

/// A call on its way into the graph.
#[derive(Debug)]
pub(crate) struct Build<'a, 'm> {
    /// Settings of the call.
    pub(crate) attributes: Attributes<'a, 'm>,
    /// Version of the operator's domain.
    pub(crate) version: i64,
    /// How many results the file names.
    pub(crate) outputs: usize,
    inputs: &'a [Option<&'a Held>],
    pub(crate) steps: Vec<Step>,
    pub(crate) literals: Vec<Known>,
    /// What a user should know about the call: why a part of it is opaque.
    pub(crate) warnings: Vec<String>,
    /// What a user should know about the model.
    pub(crate) notes: Vec<String>,
}

impl<'a, 'm> Build<'a, 'm> {
    pub(crate) fn new(
        attributes: Attributes<'a, 'm>,
        version: i64,
        outputs: usize,
        inputs: &'a [Option<&'a Held>],
    ) -> Self {
        let (warnings, notes) = (Vec::new(), Vec::new());
        Self { attributes, version, outputs, inputs, steps: Vec::new(), literals: Vec::new(), warnings, notes }
    }

    /// How many inputs the call names.
    pub(crate) fn count(&self) -> usize {
        self.inputs.len()
    }

    /// The call has this input.
    pub(crate) fn has(&self, index: usize) -> bool {
        self.inputs.get(index).is_some_and(Option::is_some)
    }

    /// This input, which must be there.
    pub(crate) fn input(&self, index: usize) -> Result<Operand, String> {
        if self.has(index) { Ok(Operand::Input(index)) } else { Err(format!("input {index} is missing")) }
    }

    /// Input `index`, if the call has it.
    pub(crate) fn optional(&self, index: usize) -> Option<Operand> {
        self.has(index).then_some(Operand::Input(index))
    }

    /// The inputs from `first` on that are there.
    pub(crate) fn inputs_from(&self, first: usize) -> Vec<Operand> {
        (first..self.count()).filter_map(|index| self.optional(index)).collect()
    }

    /// The type of an operand.
    pub(crate) fn ty(&self, operand: Operand) -> Result<&TensorType, String> {
        let ty = match operand {
            Operand::Input(index) => {
                let held = self.inputs.get(index).copied().flatten();
                return held
                    .and_then(|held| held.ty.as_ref())
                    .ok_or_else(|| format!("the type of input {index} is not known"));
            }
            Operand::Made { step, output } => {
                self.steps.get(step).and_then(|step| step.results.get(output)).and_then(Type::as_tensor)
            }
            Operand::Literal(index) => self.literals.get(index).map(|known| &known.ty),
        };
        ty.ok_or_else(|| "an operand is no tensor".to_owned())
    }

    pub(crate) fn shape(&self, operand: Operand) -> Result<Shape, String> {
        self.ty(operand).map(|ty| ty.shape.clone())
    }

    pub(crate) fn dtype(&self, operand: Operand) -> Result<DType, String> {
        self.ty(operand).map(|ty| ty.dtype)
    }

    pub(crate) fn rank(&self, operand: Operand) -> Result<usize, String> {
        self.ty(operand).map(TensorType::rank)
    }

    /// The extent of an axis, counted from the end when negative.
    pub(crate) fn extent(&self, operand: Operand, axis: i64) -> Result<u64, String> {
        let ty = self.ty(operand)?;
        let axis = position(axis, ty.rank())?;
        ty.shape.get(axis).copied().ok_or_else(|| "an axis is missing".to_owned())
    }

    /// The elements of an operand, where they are known.
    pub(crate) fn content(&self, operand: Operand) -> Option<&Content> {
        match operand {
            Operand::Input(index) => self.inputs.get(index).copied().flatten()?.known.as_deref(),
            Operand::Literal(index) => self.literals.get(index).map(|known| &**known),
            Operand::Made { .. } => None,
        }
    }

    /// The integers of input `index`, which must be known.
    pub(crate) fn known_ints(&self, index: usize) -> Result<Vec<i64>, String> {
        let known = self.content(self.input(index)?).and_then(Content::as_ints);
        known.map(<[i64]>::to_vec).ok_or_else(|| format!("the numbers of input {index} are only known when it runs"))
    }

    /// The only number of input `index`, if it is there; it must be known then.
    pub(crate) fn known_scalar(&self, index: usize) -> Result<Option<f64>, String> {
        let Some(operand) = self.optional(index) else { return Ok(None) };
        let known = self.content(operand).and_then(Content::scalar);
        known.map(Some).ok_or_else(|| format!("the number of input {index} is only known when it runs"))
    }

    /// Axes, which newer versions give as input `index` and older ones as an attribute.
    pub(crate) fn axes(&self, index: usize) -> Result<Option<Vec<i64>>, String> {
        if self.has(index) {
            return self.known_ints(index).map(Some);
        }
        Ok(self.attributes.ints("axes").map(<[i64]>::to_vec))
    }

    /// A literal of the row's own.
    pub(crate) fn literal(&mut self, content: Content) -> Operand {
        self.literals.push(content.into());
        Operand::Literal(self.literals.len().saturating_sub(1))
    }

    /// Adds a step with as many results as the op gives, and hands out the first.
    pub(crate) fn add(&mut self, op: impl Into<Op>, inputs: &[Operand]) -> Result<Operand, String> {
        let op = op.into();
        let types =
            inputs.iter().map(|&input| self.ty(input).cloned().map(Type::Tensor)).collect::<Result<Vec<_>, _>>()?;
        let types: Vec<&Type> = types.iter().collect();
        let results = op.infer(&types).map_err(|error| error.to_string())?;
        let results = results.ok_or_else(|| "the result types do not follow from the operands".to_owned())?;
        self.add_typed(op, inputs, results)
    }

    /// Adds a step whose result types the op does not imply.
    pub(crate) fn add_typed(&mut self, op: Op, inputs: &[Operand], results: Results) -> Result<Operand, String> {
        if self.steps.len() >= MAX_STEPS {
            return Err(format!("it would take more than {MAX_STEPS} nodes"));
        }
        self.steps.push(Step { op, inputs: inputs.into(), results });
        Ok(Operand::Made { step: self.steps.len().saturating_sub(1), output: 0 })
    }

    /// The call kept verbatim, where the row knows what types it gives and the file may not say.
    pub(crate) fn opaque(&mut self, reason: &str, types: impl IntoIterator<Item = TensorType>) -> Built {
        let node = self.attributes.node;
        let name = match node.domain.as_str() {
            "" => node.op_type.clone(),
            domain => format!("{domain}.{}", node.op_type),
        };
        self.warnings.push(format!("`{name}` is kept as an opaque op and its arithmetic is not counted: {reason}"));
        let op = Op::Opaque(Box::new(Opaque { name, reason: Some(reason.to_owned()) }));
        let results = types.into_iter().map(Type::Tensor).collect();
        let made = self.add_typed(op, &self.inputs_from(0), results)?;
        Ok(self.siblings(made))
    }

    /// Result `output` of the step that made an operand.
    pub(crate) fn sibling(operand: Operand, output: usize) -> Operand {
        match operand {
            Operand::Made { step, .. } => Operand::Made { step, output },
            other => other,
        }
    }

    /// All results of the step that made an operand.
    pub(crate) fn siblings(&self, operand: Operand) -> SmallVec<[Operand; 1]> {
        match operand {
            Operand::Made { step, .. } => {
                let count = self.steps.get(step).map_or(0, |step| step.results.len());
                (0..count).map(|output| Operand::Made { step, output }).collect()
            }
            other => smallvec![other],
        }
    }

    pub(crate) fn unary(&mut self, kind: Unary, x: Operand) -> Result<Operand, String> {
        self.add(Op::Pointwise(Pointwise::Unary(kind)), &[x])
    }

    /// A function of two operands. A known number becomes a part of the op.
    pub(crate) fn binary(&mut self, kind: Binary, a: Operand, b: Operand) -> Result<Operand, String> {
        let number = |build: &Self, number: Operand, other: Operand| -> Result<Option<f64>, String> {
            let small = build.rank(number)? <= build.rank(other)? && build.content(other).is_none();
            Ok(build.content(number).and_then(Content::scalar).filter(|_| small))
        };
        // A bool with a number would not stay a bool.
        let plain = self.dtype(a)? != DType::Bool;
        if let (Some(scalar), true) = (number(self, b, a)?, plain) {
            return self.scalar(kind, a, scalar, false);
        }
        if let (Some(scalar), true) = (number(self, a, b)?, plain) {
            return self.scalar(kind, b, scalar, true);
        }
        self.add(Op::Pointwise(Pointwise::Binary(kind)), &[a, b])
    }

    /// A function of an operand and a number; the result keeps the operand's type unless it is a comparison.
    pub(crate) fn scalar(&mut self, kind: Binary, x: Operand, scalar: f64, reversed: bool) -> Result<Operand, String> {
        let dtype = self.dtype(x)?;
        let result = self.add(Op::Pointwise(Pointwise::WithScalar { kind, scalar, reversed }), &[x])?;
        if self.dtype(result)? == DType::Bool { Ok(result) } else { self.cast(result, dtype) }
    }

    /// The operand as this element type; itself when it has it.
    pub(crate) fn cast(&mut self, x: Operand, dtype: DType) -> Result<Operand, String> {
        if self.dtype(x)? == dtype { Ok(x) } else { self.add(Copy::Cast { dtype }, &[x]) }
    }

    /// The operand with this shape; itself when it has it.
    pub(crate) fn reshape(&mut self, x: Operand, shape: impl Into<Shape>) -> Result<Operand, String> {
        let shape = shape.into();
        if self.ty(x)?.shape == shape { Ok(x) } else { self.add(View::Reshape { shape }, &[x]) }
    }

    /// The operand with its axes in another order; itself when that is its own.
    pub(crate) fn permute(&mut self, x: Operand, axes: &[u32]) -> Result<Operand, String> {
        if axes.iter().zip(0..).all(|(&axis, place)| axis == place) && axes.len() == self.rank(x)? {
            return Ok(x);
        }
        self.add(View::Permute { axes: axes.into() }, &[x])
    }

    /// The operand broadcast to this shape; itself when it has it.
    pub(crate) fn expand(&mut self, x: Operand, shape: impl Into<Shape>) -> Result<Operand, String> {
        let shape = shape.into();
        if self.ty(x)?.shape == shape { Ok(x) } else { self.add(View::Expand { shape }, &[x]) }
    }

    /// Indices `start .. start + length` of an axis; the operand itself when those are all.
    pub(crate) fn narrow(&mut self, x: Operand, axis: usize, start: u64, length: u64) -> Result<Operand, String> {
        if start == 0 && self.ty(x)?.shape.get(axis) == Some(&length) {
            return Ok(x);
        }
        self.add(View::Slice { axis: axis_number(axis), start, length, step: 1 }, &[x])
    }

    /// Operands joined along an axis.
    pub(crate) fn concat(&mut self, parts: &[Operand], axis: i64) -> Result<Operand, String> {
        match parts {
            [only] => Ok(*only),
            parts => self.add(Copy::Concat { axis }, parts),
        }
    }
}

/// An axis, counted from the end when negative, as a position.
pub(crate) fn position(axis: i64, rank: usize) -> Result<usize, String> {
    let signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let place = if axis < 0 { axis.checked_add(signed) } else { Some(axis) };
    let place = place.and_then(|place| usize::try_from(place).ok()).filter(|&place| place < rank);
    place.ok_or_else(|| format!("axis {axis} is outside a tensor of {rank} axes"))
}

/// A position as the number that views hold.
pub(crate) fn axis_number(axis: usize) -> u32 {
    u32::try_from(axis).unwrap_or(u32::MAX)
}

/// One result.
#[allow(clippy::unnecessary_wraps, reason = "what a row gives")]
pub(crate) fn one(result: Operand) -> Built {
    Ok(smallvec![result])
}
