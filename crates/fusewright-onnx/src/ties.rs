//! Matrices that a file holds twice: an embedding table, and its transposed copy in the head.
//!
//! Where operations were traced, they name the parameter. Otherwise elements are compared: a few dozen of them, so that
//! no more than a few pages of the file are read.

use std::collections::BTreeMap;

use fusewright_ir::{Shape, TensorType};

use super::flatten::Name;
use super::proto::Tensor;
use super::tensor::element_bits;

/// How many elements of two matrices are compared.
const SAMPLES: u64 = 48;

/// A literal that holds what another one holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tie {
    pub(crate) target: Name,
    pub(crate) transposed: bool,
}

/// A matrix of the model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    pub(crate) name: Name,
    pub(crate) literal: &'a Tensor,
    pub(crate) ty: &'a TensorType,
}

/// Tables by shape, to look copies up in.
#[derive(Debug, Default)]
pub(crate) struct Tables<'a>(BTreeMap<Shape, Vec<Matrix<'a>>>);

/// What a comparison with the tables gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No table holds the same.
    Apart,
    Tied(Tie),
    /// A table has the right shape, but the elements are not there.
    Unknown,
}

impl<'a> Tables<'a> {
    pub(crate) fn add(&mut self, table: Matrix<'a>) {
        self.0.entry(table.ty.shape.clone()).or_default().push(table);
    }

    /// The table that a matrix is a copy of.
    pub(crate) fn find(&self, copy: Matrix<'_>) -> Verdict {
        let turned: Shape = copy.ty.shape.iter().rev().copied().collect();
        let mut verdict = Verdict::Apart;
        for (shape, transposed) in [(&turned, true), (&copy.ty.shape, false)] {
            for table in self.0.get(shape).into_iter().flatten().filter(|table| table.ty.dtype == copy.ty.dtype) {
                match same(copy, *table, transposed) {
                    Some(true) => return Verdict::Tied(Tie { target: table.name, transposed }),
                    Some(false) => {}
                    None => verdict = Verdict::Unknown,
                }
            }
        }
        verdict
    }
}

/// Compares elements spread over two matrices; `None` when they cannot be seen, or look alike everywhere.
fn same(copy: Matrix<'_>, table: Matrix<'_>, transposed: bool) -> Option<bool> {
    let &[rows, columns] = copy.ty.shape.as_slice() else { return None };
    let mut first = None;
    let mut differ = false;
    for sample in 0..SAMPLES {
        // Rows and columns are walked at different paces, so that no line of the matrix is favoured.
        let row = sample.checked_mul(rows)?.checked_div(SAMPLES)?;
        let column = sample.checked_mul(7)?.checked_rem(SAMPLES)?.checked_mul(columns)?.checked_div(SAMPLES)?;
        let place = row.checked_mul(columns)?.checked_add(column)?;
        let other = if transposed { column.checked_mul(rows)?.checked_add(row)? } else { place };
        let bits = element_bits(copy.literal, copy.ty, place)?;
        if bits != element_bits(table.literal, table.ty, other)? {
            return Some(false);
        }
        differ |= *first.get_or_insert(bits) != bits;
    }
    differ.then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fusewright_ir::DType;

    fn matrix(rows: u64, columns: u64, at: impl Fn(u64, u64) -> f32) -> (Tensor, TensorType) {
        let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let raw: Vec<u8> = cells.flat_map(|(row, column)| at(row, column).to_le_bytes()).collect();
        (Tensor { raw: Some(raw.into()), ..Tensor::default() }, TensorType::new(DType::F32, [rows, columns]))
    }

    #[test]
    fn copies_are_found_by_their_elements() {
        #[allow(clippy::cast_precision_loss, reason = "small numbers")]
        let number = |row: u64, column: u64| (row * 100 + column) as f32;
        let table = matrix(60, 50, number);
        let mut tables = Tables::default();
        tables.add(Matrix { name: Name(7), literal: &table.0, ty: &table.1 });
        let verdict = |(literal, ty): &(Tensor, TensorType)| tables.find(Matrix { name: Name(8), literal, ty });
        let tied = |transposed| Verdict::Tied(Tie { target: Name(7), transposed });
        assert_eq!(verdict(&matrix(60, 50, number)), tied(false));
        assert_eq!(verdict(&matrix(50, 60, |row, column| number(column, row))), tied(true));
        assert_eq!(verdict(&matrix(50, 60, number)), Verdict::Apart);
        assert_eq!(verdict(&matrix(50, 61, number)), Verdict::Apart);
        let mut stripped = matrix(50, 60, number);
        stripped.0.raw = None;
        assert_eq!(verdict(&stripped), Verdict::Unknown);
        let zeros = matrix(60, 50, |_, _| 0.0);
        let mut tables = Tables::default();
        tables.add(Matrix { name: Name(7), literal: &zeros.0, ty: &zeros.1 });
        assert_eq!(tables.find(Matrix { name: Name(8), literal: &zeros.0, ty: &zeros.1 }), Verdict::Unknown);
    }
}
