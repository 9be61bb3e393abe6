//! Pointwise ops: each result element depends on one element of each (broadcast) operand.

use super::{Results, ShapeError, broadcast, one, tensor};
use crate::{AttributeError, Attributes, DType, Shape, TensorType, Type, Work};

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $text:literal $flops:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each kind is named after the function it applies")]
        pub enum $name { $($variant,)* }

        impl $name {
            /// Every kind.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// Name in the text form.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// Other FLOPs per result element.
            pub fn flops(self) -> u64 {
                match self { $($name::$variant => $flops,)* }
            }

            /// The kind with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some($name::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    /// Functions of one element, with the other FLOPs that one application counts.
    Unary {
        Neg "neg" 1, Abs "abs" 1, Sign "sign" 1, Floor "floor" 1, Ceil "ceil" 1, Round "round" 1,
        Exp "exp" 1, Log "log" 1, Sqrt "sqrt" 1, Rsqrt "rsqrt" 2, Reciprocal "reciprocal" 1, Square "square" 1,
        Sin "sin" 1, Cos "cos" 1, Tanh "tanh" 1, Erf "erf" 1,
        Relu "relu" 1, Relu6 "relu6" 2,
        Sigmoid "sigmoid" 4, HardSigmoid "hardsigmoid" 4, Silu "silu" 5, HardSwish "hardswish" 5, Mish "mish" 6,
        Gelu "gelu" 5, GeluTanh "gelu_tanh" 8, QuickGelu "quick_gelu" 6,
        LogicalNot "logical_not" 1, BitwiseNot "bitwise_not" 1, IsNan "is_nan" 1, IsInf "is_inf" 1,
        Trunc "trunc" 1, Log1p "log1p" 2, Expm1 "expm1" 2, Log2 "log2" 1, Exp2 "exp2" 1, Atan "atan" 1,
    }
}

kinds! {
    /// Functions of two elements.
    Binary {
        Add "add" 1, Sub "sub" 1, Mul "mul" 1, Div "div" 1, FloorDiv "floor_div" 1, Mod "mod" 1, Pow "pow" 1,
        Max "maximum" 1, Min "minimum" 1,
        Eq "eq" 1, Ne "ne" 1, Lt "lt" 1, Le "le" 1, Gt "gt" 1, Ge "ge" 1,
        And "and" 1, Or "or" 1, Xor "xor" 1,
        Fmod "fmod" 1, Polar "polar" 4,
    }
}

impl Unary {
    /// The result is a float, whatever the operand is.
    fn gives_float(self) -> bool {
        matches!(
            self,
            Unary::Exp
                | Unary::Exp2
                | Unary::Expm1
                | Unary::Log
                | Unary::Log1p
                | Unary::Log2
                | Unary::Sqrt
                | Unary::Rsqrt
                | Unary::Reciprocal
                | Unary::Sin
                | Unary::Cos
                | Unary::Atan
                | Unary::Tanh
                | Unary::Erf
                | Unary::Sigmoid
        )
    }
}

impl Binary {
    fn compares(self) -> bool {
        matches!(self, Binary::Eq | Binary::Ne | Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge)
    }
}

/// The pointwise ops.
#[derive(Clone, Debug, PartialEq)]
pub enum Pointwise {
    /// A function of one operand.
    Unary(Unary),
    /// A function of two operands that broadcast.
    Binary(Binary),
    /// A function of the operand and a constant.
    WithScalar {
        /// Which function.
        kind: Binary,
        /// The constant.
        scalar: f64,
        /// The constant is the first argument.
        reversed: bool,
    },
    /// x, times `slope` where it is negative; operand x.
    LeakyRelu {
        /// Factor on negative values.
        slope: f64,
    },
    /// x, `alpha · (eˣ − 1)` where it is negative; operand x.
    Elu {
        /// Factor on the exponential.
        alpha: f64,
    },
    /// `ln(1 + e^(beta · x)) / beta`, x itself where `beta · x` exceeds the threshold; operand x.
    Softplus {
        /// Sharpness.
        beta: f64,
        /// Where the function becomes the identity.
        threshold: f64,
    },
    /// Values brought into a range; operand x.
    Clamp {
        /// Lower bound.
        min: Option<f64>,
        /// Upper bound.
        max: Option<f64>,
    },
    /// Second operand where the first (bool) holds, else the third; operands broadcast.
    Where,
    /// x with `value` where the mask (bool) holds; operands x, mask.
    MaskedFill {
        /// What is filled in.
        value: f64,
    },
    /// x where the mask (bool) holds, `value` elsewhere; operands x, mask.
    MaskedKeep {
        /// What stands elsewhere.
        value: f64,
    },
    /// Elements on one side of a diagonal of the last two axes; zeros elsewhere. Operand x.
    Triangle {
        /// The upper side, not the lower.
        upper: bool,
        /// Which diagonal still belongs to it; 0 = the main one, positive = above.
        diagonal: i64,
    },
    /// Rotary position embedding of the first `width` elements of each row; operands x `[.., width + rest]`, cosines and
    /// sines, which broadcast to `[.., width]` or, one per pair, to `[.., width / 2]`.
    Rotary {
        /// How many elements of a row are turned.
        width: u64,
        /// Pairs are neighbours (2i, 2i + 1) instead of halves (i, i + width / 2).
        interleaved: bool,
    },
    /// Random zeros with probability `p`; outside training it passes its operand on.
    Dropout {
        /// Probability of a zero.
        p: f64,
        /// Live.
        training: bool,
        /// Whole samples are dropped (stochastic depth).
        per_sample: bool,
    },
}

impl Pointwise {
    pub(crate) fn mnemonic(&self) -> &'static str {
        match self {
            Pointwise::Unary(kind) => kind.name(),
            Pointwise::Binary(kind) | Pointwise::WithScalar { kind, .. } => kind.name(),
            Pointwise::LeakyRelu { .. } => "leaky_relu",
            Pointwise::Elu { .. } => "elu",
            Pointwise::Softplus { .. } => "softplus",
            Pointwise::Clamp { .. } => "clamp",
            Pointwise::Where => "where",
            Pointwise::MaskedFill { .. } => "masked_fill",
            Pointwise::MaskedKeep { .. } => "masked_keep",
            Pointwise::Triangle { .. } => "triangle",
            Pointwise::Rotary { .. } => "rotary",
            Pointwise::Dropout { per_sample: false, .. } => "dropout",
            Pointwise::Dropout { per_sample: true, .. } => "stochastic_depth",
        }
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        match self {
            Pointwise::Unary(_) | Pointwise::Binary(_) | Pointwise::Where => {}
            Pointwise::WithScalar { scalar, reversed, .. } => {
                attributes.set_float("scalar", *scalar);
                attributes.set_flag("reversed", *reversed);
            }
            Pointwise::LeakyRelu { slope } => attributes.set_float("slope", *slope),
            Pointwise::Elu { alpha } => attributes.set_float("alpha", *alpha),
            Pointwise::Softplus { beta, threshold } => {
                attributes.set_float("beta", *beta);
                attributes.set_float("threshold", *threshold);
            }
            Pointwise::Clamp { min, max } => {
                for (name, bound) in [("min", min), ("max", max)] {
                    if let Some(bound) = bound {
                        attributes.set_float(name, *bound);
                    }
                }
            }
            Pointwise::MaskedFill { value } | Pointwise::MaskedKeep { value } => attributes.set_float("value", *value),
            Pointwise::Triangle { upper, diagonal } => {
                attributes.set_flag("upper", *upper);
                attributes.set_int("diagonal", *diagonal);
            }
            Pointwise::Rotary { width, interleaved } => {
                attributes.set_int("width", i64::try_from(*width).unwrap_or(i64::MAX));
                attributes.set_flag("interleaved", *interleaved);
            }
            Pointwise::Dropout { p, training, .. } => {
                attributes.set_float("p", *p);
                attributes.set_flag("training", *training);
            }
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        if let Some(kind) = Unary::from_name(mnemonic) {
            return Ok(Some(Pointwise::Unary(kind)));
        }
        if let Some(kind) = Binary::from_name(mnemonic) {
            return Ok(Some(match attributes.optional_float("scalar")? {
                Some(scalar) => Pointwise::WithScalar { kind, scalar, reversed: attributes.flag("reversed")? },
                None => Pointwise::Binary(kind),
            }));
        }
        Ok(Some(match mnemonic {
            "leaky_relu" => Pointwise::LeakyRelu { slope: attributes.float("slope")? },
            "elu" => Pointwise::Elu { alpha: attributes.float("alpha")? },
            "softplus" => {
                Pointwise::Softplus { beta: attributes.float("beta")?, threshold: attributes.float("threshold")? }
            }
            "clamp" => {
                Pointwise::Clamp { min: attributes.optional_float("min")?, max: attributes.optional_float("max")? }
            }
            "where" => Pointwise::Where,
            "masked_fill" => Pointwise::MaskedFill { value: attributes.float("value")? },
            "masked_keep" => Pointwise::MaskedKeep { value: attributes.float("value")? },
            "triangle" => {
                Pointwise::Triangle { upper: attributes.flag("upper")?, diagonal: attributes.int("diagonal")? }
            }
            "rotary" => {
                Pointwise::Rotary { width: attributes.size("width")?, interleaved: attributes.flag("interleaved")? }
            }
            "dropout" | "stochastic_depth" => Pointwise::Dropout {
                p: attributes.float("p")?,
                training: attributes.flag("training")?,
                per_sample: mnemonic == "stochastic_depth",
            },
            _ => return Ok(None),
        }))
    }

    fn arity(&self) -> usize {
        match self {
            Pointwise::Binary(_) | Pointwise::MaskedFill { .. } | Pointwise::MaskedKeep { .. } => 2,
            Pointwise::Where | Pointwise::Rotary { .. } => 3,
            _ => 1,
        }
    }

    pub(crate) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        let operands = (0..self.arity()).map(|index| tensor(inputs, index)).collect::<Result<Vec<_>, _>>()?;
        if inputs.len() != operands.len() {
            return Err(ShapeError::new(format!("{} takes {} tensors", self.mnemonic(), operands.len())));
        }
        if let Pointwise::Rotary { width, .. } = self {
            return rotary(&operands, *width);
        }
        let shape = broadcast(operands.iter().map(|operand| operand.shape.as_slice()))?;
        let dtype = match self {
            Pointwise::Binary(kind) | Pointwise::WithScalar { kind, .. } if kind.compares() => DType::Bool,
            Pointwise::Unary(Unary::LogicalNot | Unary::IsNan | Unary::IsInf) => DType::Bool,
            Pointwise::Unary(kind) if kind.gives_float() => as_float(operands[0].dtype),
            Pointwise::Binary(Binary::Div) => as_float(promote(operands[0], operands[1])),
            Pointwise::Binary(Binary::Polar) => match operands[0].dtype {
                DType::F32 => DType::C64,
                DType::F64 => DType::C128,
                other => return Err(ShapeError::new(format!("polar takes f32 or f64, not {}", other.name()))),
            },
            Pointwise::Binary(_) => promote(operands[0], operands[1]),
            Pointwise::WithScalar { kind, scalar, .. } => scalar_result(*kind, *scalar, operands[0].dtype),
            Pointwise::Where => promote(operands[1], operands[2]),
            _ => operands[0].dtype,
        };
        one(TensorType::new(dtype, shape))
    }

    pub(crate) fn work(&self, _inputs: &[&Type], outputs: &[&Type]) -> Work {
        let out = outputs.first().and_then(|ty| ty.as_tensor()).map_or(0, TensorType::elements);
        let per_element = match self {
            Pointwise::Unary(kind) => kind.flops(),
            Pointwise::Binary(kind) | Pointwise::WithScalar { kind, .. } => kind.flops(),
            Pointwise::LeakyRelu { .. } => 2,
            Pointwise::Triangle { .. } => 0,
            Pointwise::Elu { .. } | Pointwise::Softplus { .. } | Pointwise::Rotary { .. } => 3,
            Pointwise::Clamp { min, max } => u64::from(min.is_some()) + u64::from(max.is_some()),
            Pointwise::Where | Pointwise::MaskedFill { .. } | Pointwise::MaskedKeep { .. } => 1,
            Pointwise::Dropout { p, training, .. } => u64::from(*training && *p > 0.0) * 2,
        };
        Work::new(0, out.saturating_mul(per_element))
    }
}

/// The tables of a rotary embedding must fit the turned part of x.
fn rotary(operands: &[&TensorType], width: u64) -> Result<Results, ShapeError> {
    let x = operands[0];
    let refused = |text: String| Err(ShapeError::new(format!("rotary: {text}")));
    let Some((&last, rows)) = x.shape.split_last() else { return refused("x must have an axis".to_owned()) };
    if width > last || !width.is_multiple_of(2) {
        return refused(format!("an even number of at most {last} elements can be turned, not {width}"));
    }
    for table in &operands[1..] {
        let turned = if table.shape.last() == Some(&width) { width } else { width / 2 };
        let part: Shape = rows.iter().copied().chain([turned]).collect();
        if broadcast([part.as_slice(), table.shape.as_slice()])? != part {
            return refused(format!("a table of shape {:?} does not fit {:?}", table.shape, x.shape));
        }
    }
    one(x.with_shape(x.shape.iter().copied()))
}

/// Result dtype of two operands: floats win over integers, wider over narrower; a rank-0 operand of the same class
/// does not widen the other (the rule of PyTorch; NumPy and ONNX graphs state their casts).
fn promote(a: &TensorType, b: &TensorType) -> DType {
    let class = |dtype: DType| match dtype {
        DType::C64 | DType::C128 => 3,
        dtype if dtype.is_float() => 2,
        DType::Bool => 0,
        _ => 1,
    };
    let key = |t: &TensorType| (class(t.dtype), t.rank() > 0, t.dtype.bytes(2));
    match (a.dtype, b.dtype) {
        (DType::F16, DType::Bf16) | (DType::Bf16, DType::F16) if (a.rank() > 0) == (b.rank() > 0) => DType::F32,
        (DType::U8, DType::I8) | (DType::I8, DType::U8) if (a.rank() > 0) == (b.rank() > 0) => DType::I16,
        _ => {
            if key(b) > key(a) {
                b.dtype
            } else {
                a.dtype
            }
        }
    }
}

/// What integers and truth values become where a function gives fractions.
fn as_float(dtype: DType) -> DType {
    if dtype.is_float() || matches!(dtype, DType::C64 | DType::C128) { dtype } else { DType::F32 }
}

fn scalar_result(kind: Binary, scalar: f64, dtype: DType) -> DType {
    let becomes_float = kind == Binary::Div || scalar.fract() != 0.0 || !scalar.is_finite();
    if becomes_float && !dtype.is_float() && !matches!(dtype, DType::C64 | DType::C128) {
        return DType::F32;
    }
    if dtype == DType::Bool && !matches!(kind, Binary::And | Binary::Or | Binary::Xor) { DType::I64 } else { dtype }
}
