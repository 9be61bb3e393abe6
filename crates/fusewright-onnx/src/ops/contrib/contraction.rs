//! Products with what stands around them: packed weights, transposes, factors, activations.

use fusewright_ir::ops::{Binary, Contraction, Unary};
use fusewright_ir::{DType, Op, TensorType};

use super::heads::biased;
use super::pointwise::checked;
use super::{Row, size, standard};
use crate::build::{Build, Built, Operand, one};

pub(super) const ROWS: &[Row] = &[
    Row::new("MatMulNBits", packed).weights(&[1, 2, 3, 5]),
    Row::new("MatMulBnb4", packed_floats).weights(&[1, 2]),
    Row::new("GatherBlockQuantized", packed_rows).weights(&[0, 2, 3]),
    Row::new("FusedMatMul", fused_matmul).weights(&[0, 1]),
    Row::new("TransposeMatMul", fused_matmul).weights(&[0, 1]),
    Row::new("FusedGemm", fused_gemm).weights(&[0, 1, 2]),
    Row::new("GemmFastGelu", gemm_gelu).weights(&[1, 2]),
];

const PACKED: &str = "weights are packed: parameters are counted as they are stored, not as the numbers they stand for";

/// x times a packed weight of `N` rows; `storage` is what belongs to the weight.
fn packed_linear(build: &mut Build<'_, '_>, storage: &[Operand]) -> Result<Operand, String> {
    let x = build.input(0)?;
    let (width, out) = (size(build, "K")?, size(build, "N")?);
    if build.extent(x, -1)? != width {
        return Err(format!("its weight takes {width} columns, its input has {}", build.extent(x, -1)?));
    }
    build.notes.push(PACKED.to_owned());
    let operands: Vec<Operand> = [x].iter().chain(storage).copied().collect();
    build.add(Op::Contraction(Contraction::PackedLinear { out }), &operands)
}

/// Blocks of `bits`-bit integers with scales, zero points, and the group of each column.
fn packed(build: &mut Build<'_, '_>) -> Built {
    let storage: Vec<Operand> = (1..5).filter_map(|index| build.optional(index)).collect();
    let (stored, width) = (build.ty(build.input(1)?)?.bytes(), build.attributes.int("bits", 4).unsigned_abs());
    let needed = size(build, "K")?.saturating_mul(size(build, "N")?).saturating_mul(width) / 8;
    if stored < needed {
        return Err(format!("its weight takes {needed} bytes, it has {stored}"));
    }
    let product = packed_linear(build, &storage)?;
    let bias = build.optional(5);
    one(biased(build, product, bias)?)
}

/// Blocks of 4-bit floats with the largest size in each block.
fn packed_floats(build: &mut Build<'_, '_>) -> Built {
    if !build.attributes.flag("transB", true) {
        return Err("its weight is not transposed".to_owned());
    }
    let storage = [build.input(1)?, build.input(2)?];
    one(packed_linear(build, &storage)?)
}

/// Rows of a packed table; they are unpacked on the way.
fn packed_rows(build: &mut Build<'_, '_>) -> Built {
    let (table, indices, scales) = (build.input(0)?, build.input(1)?, build.input(2)?);
    if build.attributes.int("gather_axis", 0) != 0 || build.rank(table)? != 2 {
        return Err("it does not look up rows of a matrix".to_owned());
    }
    let bits = build.attributes.int("bits", 4).unsigned_abs();
    let stored = build.extent(table, 1)?;
    let width = match build.dtype(table)? {
        DType::U8 => stored.saturating_mul(8).checked_div(bits).ok_or("its elements have no bits")?,
        _ => stored,
    };
    let shape = build.shape(indices)?;
    let ty = TensorType::new(build.dtype(scales)?, shape.into_iter().chain([width]));
    checked(&ty)?;
    build.notes.push(PACKED.to_owned());
    build.opaque("rows of a packed table", [ty])
}

/// Factors with their last axes, or the first axis and the batch, exchanged.
fn turned(build: &mut Build<'_, '_>, index: usize, side: &str) -> Result<Operand, String> {
    let x = build.input(index)?;
    let rank = u32::try_from(build.rank(x)?).map_err(|_| "it has too many axes")?;
    let mut axes: Vec<u32> = (0..rank).collect();
    let matrix = build.attributes.flag(&format!("trans{side}"), false);
    let batch = build.attributes.flag(&format!("transBatch{side}"), false);
    if batch && let Some(outer) = axes.len().checked_sub(1).and_then(|last| axes.get_mut(..last)) {
        outer.rotate_left(usize::from(!outer.is_empty()));
    }
    if matrix && let Some([.., first, second]) = axes.get_mut(..) {
        std::mem::swap(first, second);
    }
    build.permute(x, &axes)
}

fn fused_matmul(build: &mut Build<'_, '_>) -> Built {
    let operands = [turned(build, 0, "A")?, turned(build, 1, "B")?];
    let product = build.add(Op::Contraction(Contraction::MatMul), &operands)?;
    let alpha = build.attributes.float("alpha", 1.0);
    let plain = (alpha - 1.0).abs() < f64::EPSILON;
    one(if plain { product } else { build.scalar(Binary::Mul, product, alpha, false)? })
}

fn fused_gemm(build: &mut Build<'_, '_>) -> Built {
    let result = standard(build, "Gemm")?;
    one(activated(build, result)?)
}

/// The activation that an attribute names.
pub(super) fn activated(build: &mut Build<'_, '_>, x: Operand) -> Result<Operand, String> {
    let kind = match build.attributes.text("activation") {
        None | Some("") => return Ok(x),
        Some("Relu") => Unary::Relu,
        Some("Sigmoid") => Unary::Sigmoid,
        Some("Tanh") => Unary::Tanh,
        Some("Gelu") => Unary::Gelu,
        Some("HardSwish") => Unary::HardSwish,
        Some("LeakyRelu") => {
            let given = build.attributes.floats("activation_params").and_then(|values| values.first().copied());
            let slope = given.map_or_else(|| build.attributes.float("activation_alpha", 0.01), f64::from);
            return build.add(Op::Pointwise(fusewright_ir::ops::Pointwise::LeakyRelu { slope }), &[x]);
        }
        Some(other) => return Err(format!("its activation is `{other}`")),
    };
    build.unary(kind, x)
}

fn gemm_gelu(build: &mut Build<'_, '_>) -> Built {
    let (x, weight, bias) = (build.input(0)?, build.input(1)?, build.optional(2));
    let product = build.add(Op::Contraction(Contraction::MatMul), &[x, weight])?;
    let sum = biased(build, product, bias)?;
    one(build.unary(Unary::GeluTanh, sum)?)
}
