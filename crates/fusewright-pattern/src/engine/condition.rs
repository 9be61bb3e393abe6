//! Conditions of a pattern: relations between numbers, extents and element types of what was matched.

use fusewright_ir::{DType, Shape, TensorType};

/// How two sides relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    Differs,
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// One side of a condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Side {
    Number(f64),
    /// A number that the pattern names.
    Named(String),
    /// Extent of an axis, counted from the end when negative.
    Extent {
        value: String,
        axis: i64,
    },
    Rank(String),
    Elements(String),
    Shape(String),
    DType(String),
    Add(Box<Side>, Box<Side>),
    Multiply(Box<Side>, Box<Side>),
    Divide(Box<Side>, Box<Side>),
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comparison {
    pub(super) left: Side,
    pub(super) relation: Relation,
    pub(super) right: Side,
    /// What a miss is called when it does not hold.
    pub(super) reason: Option<String>,
    /// As written.
    pub(super) text: String,
}

/// What a side comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Known {
    Number(f64),
    Shape(Shape),
    DType(DType),
}

impl std::fmt::Display for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Known::Number(number) => write!(f, "{number}"),
            Known::Shape(shape) => write!(f, "{:?}", shape.as_slice()),
            Known::DType(dtype) => f.write_str(dtype.name()),
        }
    }
}

impl Side {
    /// Values that it looks at, in the order of the text.
    pub(super) fn values(&self) -> Vec<&str> {
        match self {
            Side::Number(_) | Side::Named(_) => Vec::new(),
            Side::Extent { value, .. }
            | Side::Rank(value)
            | Side::Elements(value)
            | Side::Shape(value)
            | Side::DType(value) => vec![value],
            Side::Add(a, b) | Side::Multiply(a, b) | Side::Divide(a, b) => {
                a.values().into_iter().chain(b.values()).collect()
            }
        }
    }

    /// Numbers that it looks at.
    pub(super) fn numbers(&self) -> Vec<&str> {
        match self {
            Side::Named(name) => vec![name],
            Side::Add(a, b) | Side::Multiply(a, b) | Side::Divide(a, b) => {
                a.numbers().into_iter().chain(b.numbers()).collect()
            }
            _ => Vec::new(),
        }
    }

    fn has_kind(&self, wanted: fn(&Side) -> bool) -> bool {
        match self {
            Side::Add(a, b) | Side::Multiply(a, b) | Side::Divide(a, b) => a.has_kind(wanted) || b.has_kind(wanted),
            side => wanted(side),
        }
    }

    /// Its value; `None` where a value is absent or no tensor.
    fn evaluate<'a>(
        &self,
        tensor: &dyn Fn(&str) -> Option<&'a TensorType>,
        number: &dyn Fn(&str) -> Option<f64>,
    ) -> Option<Known> {
        let as_number = |side: &Side| match side.evaluate(tensor, number)? {
            Known::Number(number) => Some(number),
            _ => None,
        };
        Some(match self {
            Side::Number(number) => Known::Number(*number),
            Side::Named(name) => Known::Number(number(name)?),
            Side::Extent { value, axis } => {
                let shape = &tensor(value)?.shape;
                let rank = i64::try_from(shape.len()).ok()?;
                let position = usize::try_from(if *axis < 0 { axis + rank } else { *axis }).ok()?;
                Known::Number(*shape.get(position)? as f64)
            }
            Side::Rank(value) => Known::Number(tensor(value)?.rank() as f64),
            Side::Elements(value) => Known::Number(tensor(value)?.elements() as f64),
            Side::Shape(value) => Known::Shape(tensor(value)?.shape.clone()),
            Side::DType(value) => Known::DType(tensor(value)?.dtype),
            Side::Add(a, b) => Known::Number(as_number(a)? + as_number(b)?),
            Side::Multiply(a, b) => Known::Number(as_number(a)? * as_number(b)?),
            Side::Divide(a, b) => Known::Number(as_number(a)? / as_number(b)?),
        })
    }
}

/// A condition that does not hold: what its sides come to.
pub(super) struct Broken {
    pub(super) left: String,
    pub(super) right: String,
}

impl Comparison {
    /// Whether it holds, numbers being equal up to the share `tolerance`; one that looks at an operand that is absent does.
    pub(super) fn check<'a>(
        &self,
        tensor: &dyn Fn(&str) -> Option<&'a TensorType>,
        number: &dyn Fn(&str) -> Option<f64>,
        tolerance: f64,
    ) -> Result<(), Broken> {
        let (Some(left), Some(right)) = (self.left.evaluate(tensor, number), self.right.evaluate(tensor, number))
        else {
            return Ok(());
        };
        let holds = match (&left, &right) {
            (Known::Number(a), Known::Number(b)) => {
                let near = (a - b).abs() <= tolerance * a.abs().max(b.abs());
                match self.relation {
                    Relation::Equal => near,
                    Relation::Differs => !near,
                    Relation::Below => a < b,
                    Relation::AtMost => a <= b,
                    Relation::Above => a > b,
                    Relation::AtLeast => a >= b,
                }
            }
            _ => (left == right) == (self.relation == Relation::Equal),
        };
        if holds { Ok(()) } else { Err(Broken { left: left.to_string(), right: right.to_string() }) }
    }

    /// Values that it looks at.
    pub(super) fn values(&self) -> Vec<&str> {
        self.left.values().into_iter().chain(self.right.values()).collect()
    }

    /// Numbers that it looks at.
    pub(super) fn numbers(&self) -> Vec<&str> {
        self.left.numbers().into_iter().chain(self.right.numbers()).collect()
    }

    /// It compares element types.
    pub(super) fn is_of_dtypes(&self) -> bool {
        self.left.has_kind(|side| matches!(side, Side::DType(_)))
    }

    /// Shapes and element types are equal or not, nothing else.
    pub(super) fn is_well_formed(&self) -> bool {
        let kind = |side: &Side| match side {
            Side::Shape(_) => 1,
            Side::DType(_) => 2,
            _ => 0,
        };
        let inside = |side: &Side| {
            matches!(side, Side::Add(..) | Side::Multiply(..) | Side::Divide(..))
                && side.has_kind(|side| matches!(side, Side::Shape(_) | Side::DType(_)))
        };
        let ordered = !matches!(self.relation, Relation::Equal | Relation::Differs);
        let kinds = (kind(&self.left), kind(&self.right));
        let fits = kinds.0 == kinds.1 && (kinds.0 == 0 || !ordered);
        fits && !inside(&self.left) && !inside(&self.right)
    }
}
