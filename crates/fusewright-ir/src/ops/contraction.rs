//! Contractions: sums of products over shared indices. Work is `2 · product of all index extents` FLOP, exact.

use std::collections::BTreeMap;

use super::{Results, ShapeError, broadcast, one, tensor};
use crate::attributes::invalid;
use crate::{AttributeError, Attributes, DType, Shape, TensorType, Type, Work};

/// An einsum equation such as `bhqd,bhkd->bhqk`, checked when made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Einsum(String);

impl Einsum {
    /// Accepts equations of letters with an explicit result and no ellipsis.
    pub fn new(equation: &str) -> Option<Self> {
        let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
        let (operands, result) = equation.split_once("->")?;
        let letters = |text: &str| text.chars().all(|c| c.is_ascii_alphabetic());
        let known = result.chars().all(|c| operands.contains(c));
        (operands.split(',').all(letters) && letters(result) && known).then_some(Self(equation))
    }

    /// The equation without blanks.
    pub fn equation(&self) -> &str {
        &self.0
    }

    fn extents(&self, inputs: &[&Type]) -> Result<BTreeMap<char, u64>, ShapeError> {
        let operands = self.0.split("->").next().unwrap_or_default();
        let mut extents = BTreeMap::new();
        for (index, letters) in operands.split(',').enumerate() {
            let shape = &tensor(inputs, index)?.shape;
            if shape.len() != letters.len() {
                return Err(ShapeError::new(format!(
                    "operand {index} must have rank {} for `{letters}`",
                    letters.len()
                )));
            }
            for (letter, &extent) in letters.chars().zip(shape) {
                let known = extents.entry(letter).or_insert(extent);
                if *known == 1 {
                    *known = extent;
                } else if extent != 1 && *known != extent {
                    return Err(ShapeError::new(format!("index `{letter}` is both {known} and {extent}")));
                }
            }
        }
        Ok(extents)
    }
}

/// The contraction ops.
#[derive(Clone, Debug, PartialEq)]
pub enum Contraction {
    /// `x [.., in] · weight [out, in]ᵀ (+ bias [out])`; operands x, weight, bias?.
    Linear,
    /// `a [.., m, k] · b [.., k, n]` with broadcast batch axes; a rank-1 operand is a vector.
    MatMul,
    /// `beta · c + alpha · a · b`; operands c, a, b (addmm, baddbmm, Gemm).
    MatMulAdd {
        /// Factor on the product.
        alpha: f64,
        /// Factor on the addend.
        beta: f64,
    },
    /// Rows in consecutive groups, each group with a weight of its own (mixture of experts); operands x `[T, in]`,
    /// weight `[groups, in, out]` (`[groups, out, in]` when transposed), offsets `[groups]`?.
    GroupedMatMul {
        /// The weights are stored `[groups, out, in]`.
        transposed: bool,
    },
    /// A product of quantised operands; operands a, b, then scales and zero points.
    QuantizedMatMul {
        /// Element type of the result.
        dtype: DType,
    },
    /// A linear layer whose weight is stored in packed blocks; operands x `[.., in]`, packed weight, scales, then what
    /// else the storage needs. Bytes are those of the packed tensors.
    PackedLinear {
        /// Rows of the weight: the width of the result.
        out: u64,
    },
    /// A general sum of products.
    Einsum(Box<Einsum>),
}

impl Contraction {
    pub(crate) fn mnemonic(&self) -> &'static str {
        match self {
            Contraction::Linear => "linear",
            Contraction::MatMul => "matmul",
            Contraction::MatMulAdd { .. } => "matmul_add",
            Contraction::GroupedMatMul { .. } => "grouped_matmul",
            Contraction::QuantizedMatMul { .. } => "quantized_matmul",
            Contraction::PackedLinear { .. } => "packed_linear",
            Contraction::Einsum(_) => "einsum",
        }
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        match self {
            Contraction::Linear | Contraction::MatMul => {}
            Contraction::MatMulAdd { alpha, beta } => {
                attributes.set_float("alpha", *alpha);
                attributes.set_float("beta", *beta);
            }
            Contraction::GroupedMatMul { transposed } => attributes.set_flag("transposed", *transposed),
            Contraction::QuantizedMatMul { dtype } => attributes.set_text("dtype", dtype.name()),
            Contraction::PackedLinear { out } => attributes.set_int("out", i64::try_from(*out).unwrap_or(i64::MAX)),
            Contraction::Einsum(einsum) => attributes.set_text("equation", einsum.equation()),
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        Ok(Some(match mnemonic {
            "linear" => Contraction::Linear,
            "matmul" => Contraction::MatMul,
            "matmul_add" => {
                Contraction::MatMulAdd { alpha: attributes.float("alpha")?, beta: attributes.float("beta")? }
            }
            "grouped_matmul" => Contraction::GroupedMatMul { transposed: attributes.flag("transposed")? },
            "quantized_matmul" => {
                let dtype = DType::from_name(&attributes.text("dtype")?);
                let expected = "a dtype name such as \"i32\"";
                Contraction::QuantizedMatMul { dtype: dtype.ok_or_else(|| invalid("dtype", expected))? }
            }
            "packed_linear" => Contraction::PackedLinear { out: attributes.size("out")? },
            "einsum" => {
                let equation = attributes.text("equation")?;
                let einsum = Einsum::new(&equation).ok_or(AttributeError::Invalid {
                    name: "equation".into(),
                    expected: "an equation with `->` and letters only",
                })?;
                Contraction::Einsum(Box::new(einsum))
            }
            _ => return Ok(None),
        }))
    }

    pub(crate) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        match self {
            Contraction::Linear => {
                let (x, weight) = (tensor(inputs, 0)?, tensor(inputs, 1)?);
                let (&[out, width], Some(&last)) = (weight.shape.as_slice(), x.shape.last()) else {
                    return Err(ShapeError::new("linear takes x [.., in] and weight [out, in]"));
                };
                if width != last {
                    return Err(ShapeError::new(format!("linear: x ends in {last} but the weight takes {width}")));
                }
                if inputs.len() > 2 && tensor(inputs, 2)?.shape.as_slice() != [out] {
                    return Err(ShapeError::new(format!("linear: the bias must have shape [{out}]")));
                }
                let mut shape = x.shape.clone();
                *shape.last_mut().expect("x has a last axis") = out;
                one(x.with_shape(shape))
            }
            Contraction::MatMul => one(matmul(tensor(inputs, 0)?, tensor(inputs, 1)?)?.0),
            Contraction::MatMulAdd { .. } => {
                let product = matmul(tensor(inputs, 1)?, tensor(inputs, 2)?)?.0;
                let joined = broadcast([tensor(inputs, 0)?.shape.as_slice(), product.shape.as_slice()])?;
                if joined == product.shape {
                    one(product)
                } else {
                    Err(ShapeError::new("matmul_add: the addend must broadcast to the product"))
                }
            }
            Contraction::GroupedMatMul { transposed } => {
                let (x, weight) = (tensor(inputs, 0)?, tensor(inputs, 1)?);
                let (&[rows, width], &[_, first, second]) = (x.shape.as_slice(), weight.shape.as_slice()) else {
                    return Err(ShapeError::new("grouped_matmul takes x [rows, in] and one matrix per group"));
                };
                let (inner, out) = if *transposed { (second, first) } else { (first, second) };
                if inner != width {
                    return Err(ShapeError::new(format!(
                        "grouped_matmul: x ends in {width}, the weights take {inner}"
                    )));
                }
                one(x.with_shape([rows, out]))
            }
            Contraction::QuantizedMatMul { dtype } => {
                let (product, _) = matmul(tensor(inputs, 0)?, tensor(inputs, 1)?)?;
                one(TensorType::new(*dtype, product.shape))
            }
            Contraction::PackedLinear { out } => {
                let x = tensor(inputs, 0)?;
                let Some((_, outer)) = x.shape.split_last() else {
                    return Err(ShapeError::new("packed_linear takes x [.., in]"));
                };
                one(x.with_shape(outer.iter().copied().chain([*out])))
            }
            Contraction::Einsum(einsum) => {
                let extents = einsum.extents(inputs)?;
                let result = einsum.equation().split("->").nth(1).unwrap_or_default();
                one(tensor(inputs, 0)?.with_shape(result.chars().map(|letter| extents[&letter])))
            }
        }
    }

    pub(crate) fn work(&self, inputs: &[&Type], outputs: &[&Type]) -> Work {
        let out = outputs.first().and_then(|ty| ty.as_tensor()).map_or(0, TensorType::elements);
        let depth =
            |index: usize| inputs.get(index).and_then(|ty| ty.as_tensor()).and_then(|t| t.shape.last().copied());
        match self {
            Contraction::Linear => {
                Work::new(out.saturating_mul(depth(0).unwrap_or(0)), if inputs.len() > 2 { out } else { 0 })
            }
            Contraction::MatMul
            | Contraction::GroupedMatMul { .. }
            | Contraction::QuantizedMatMul { .. }
            | Contraction::PackedLinear { .. } => Work::new(out.saturating_mul(depth(0).unwrap_or(0)), 0),
            Contraction::MatMulAdd { beta, .. } => {
                let additions = if *beta == 0.0 { 0 } else { out };
                Work::new(out.saturating_mul(depth(1).unwrap_or(0)), additions)
            }
            Contraction::Einsum(einsum) => {
                let extents = einsum.extents(inputs).unwrap_or_default();
                Work::new(extents.values().fold(1, |product: u64, &extent| product.saturating_mul(extent)), 0)
            }
        }
    }
}

/// Result type and contracted extent of a matrix product with NumPy's rules for vectors and batch axes.
fn matmul(a: &TensorType, b: &TensorType) -> Result<(TensorType, u64), ShapeError> {
    let mismatch = || ShapeError::new(format!("matmul: {:?} times {:?} does not fit", a.shape, b.shape));
    let (Some(&k), false) = (a.shape.last(), b.shape.is_empty()) else { return Err(mismatch()) };
    let inner = if b.rank() == 1 { b.shape[0] } else { b.shape[b.rank() - 2] };
    if inner != k {
        return Err(mismatch());
    }
    let batch = |t: &TensorType| Shape::from_slice(&t.shape[..t.rank().saturating_sub(2)]);
    let mut shape = broadcast([batch(a).as_slice(), batch(b).as_slice()]).map_err(|_| mismatch())?;
    if a.rank() > 1 {
        shape.push(a.shape[a.rank() - 2]);
    }
    if b.rank() > 1 {
        shape.push(b.shape[b.rank() - 1]);
    }
    Ok((a.with_shape(shape), k))
}
