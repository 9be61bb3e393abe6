//! Products of one input with one or more weights, and what is done with the results while they are in the cache.

use rayon::prelude::*;

use fusewright_ir::ValueId;

use super::row::{Bound, Registers, RowLoop};
use crate::panels::{Block, COLUMNS, Panels, ROWS};
use crate::tensor::Tensor;

/// Rows that one task multiplies at most: its packed rows stay in the second cache.
const MOST_ROWS: usize = 128;

/// A product of the rows of a tensor with weights that are laid out once.
#[derive(Debug)]
pub(super) struct Product {
    /// The tensor whose rows are multiplied.
    pub(super) input: ValueId,
    /// One weight each, side by side where several projections share the input.
    pub(super) parts: Vec<Part>,
}

/// One weight and what follows it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) panels: Panels,
    /// The steps after the product; register 0 is a row of it.
    pub(super) epilogue: RowLoop,
}

/// The tensors that a product makes, by value.
pub(super) type Made = Vec<(ValueId, Vec<f32>)>;

impl Product {
    /// Multiplies; gives the elements of every result.
    pub(super) fn run(&self, x: &Tensor, get: impl Fn(ValueId) -> Option<Tensor>) -> Result<Made, String> {
        let width = x.shape.last().copied().unwrap_or(1);
        let rows = x.elements().checked_div(width).unwrap_or(0);
        let (x, stride) = match x.shape.len() {
            rank if rank > 1 && !x.is_contiguous() && rows_lie_together(x) => {
                (x.clone(), x.strides[rank - 2].unsigned_abs())
            }
            _ => (x.contiguous(), width),
        };
        let data = x.raw_floats().ok_or("the input holds no floats")?;
        let bound = self.parts.iter().map(|part| Bound::new(&part.epilogue.inputs, &get));
        let bound: Vec<Bound> = bound.collect::<Option<_>>().ok_or("an operand of the epilogue is missing")?;
        let threads = rayon::current_num_threads().max(1);
        // Few rows are cut by columns so that all threads have work; many rows by blocks of rows.
        if rows < 2 * ROWS * threads {
            return Ok(self.few_rows(rows, width, data, x.first, stride, &bound));
        }
        let tasks = threads * rows.div_ceil(threads * MOST_ROWS);
        let block_rows = rows.div_ceil(tasks).next_multiple_of(ROWS);
        let mut made = self.room(rows);
        let mut blocks: Vec<Vec<&mut [f32]>> = (0..rows.div_ceil(block_rows)).map(|_| Vec::new()).collect();
        for ((_, values), &columns) in made.iter_mut().zip(&self.widths()) {
            for (block, part) in blocks.iter_mut().zip(values.chunks_mut((block_rows * columns).max(1))) {
                block.push(part);
            }
        }
        blocks.into_par_iter().enumerate().for_each(|(index, mut targets)| {
            let start = index * block_rows;
            let count = block_rows.min(rows - start);
            let mut block = Block::default();
            block.pack(count, width, data, x.first + start * stride, [stride, 1]);
            let mut first = 0;
            let mut scratch = Vec::new();
            for (part, bound) in self.parts.iter().zip(&bound) {
                let outputs = part.epilogue.outputs.len();
                let targets = &mut targets[first..first + outputs];
                part.block(&block, start, count, bound, targets, &mut scratch);
                first += outputs;
            }
        });
        Ok(made)
    }

    /// A result for each output, filled later.
    fn room(&self, rows: usize) -> Made {
        let outputs = self
            .parts
            .iter()
            .flat_map(|part| part.epilogue.outputs.iter().map(|&(_, value)| (value, vec![0.0; rows * part.panels.n])));
        outputs.collect()
    }

    /// Columns of each output.
    fn widths(&self) -> Vec<usize> {
        self.parts.iter().flat_map(|part| part.epilogue.outputs.iter().map(|_| part.panels.n)).collect()
    }

    fn few_rows(&self, rows: usize, width: usize, data: &[f32], first: usize, stride: usize, bound: &[Bound]) -> Made {
        let mut block = Block::default();
        block.pack(rows, width, data, first, [stride, 1]);
        let mut made = self.room(rows);
        let mut position = 0;
        for (part, bound) in self.parts.iter().zip(bound) {
            let count = part.panels.count();
            let per_task = count.div_ceil(4 * rayon::current_num_threads().max(1)).max(1);
            // Columns of one task lie together: a task writes nowhere else.
            let mut columns = vec![0.0; rows * count * COLUMNS];
            columns.par_chunks_mut((rows * per_task * COLUMNS).max(1)).enumerate().for_each(|(task, target)| {
                let from = task * per_task;
                let to = (from + per_task).min(count);
                block.multiply(&part.panels, from, to, target, (to - from) * COLUMNS, false);
            });
            let mut registers = part.registers();
            let outputs = part.epilogue.outputs.len();
            for row in 0..rows {
                let own = registers.row_mut(0);
                own.clear();
                for task in 0..count.div_ceil(per_task) {
                    let from = task * per_task;
                    let wide = (per_task.min(count - from)) * COLUMNS;
                    let start = rows * from * COLUMNS + row * wide;
                    own.extend_from_slice(&columns[start..start + wide]);
                }
                own.truncate(part.panels.n);
                part.epilogue.run(bound, &mut registers, row, 0, part.panels.n);
                for (&(register, _), (_, values)) in
                    part.epilogue.outputs.iter().zip(&mut made[position..position + outputs])
                {
                    values[row * part.panels.n..][..part.panels.n].copy_from_slice(registers.row(register));
                }
            }
            position += outputs;
        }
        made
    }
}

/// The last axis is without gaps, and rows are equally far apart.
fn rows_lie_together(x: &Tensor) -> bool {
    let rank = x.shape.len();
    if x.strides[rank - 1] != 1 || x.shape[rank - 2] == 1 || x.strides[rank - 2] <= 0 {
        return false;
    }
    let mut expected = x.strides[rank - 2] * x.shape[rank - 2].cast_signed();
    (0..rank - 2).rev().all(|axis| {
        let fits = x.shape[axis] == 1 || x.strides[axis] == expected;
        expected *= x.shape[axis].cast_signed();
        fits
    })
}

impl Part {
    fn registers(&self) -> Registers {
        Registers::new(self.epilogue.registers.max(1), self.panels.n)
    }

    /// A block of rows: the product, then the epilogue over each row.
    fn block(
        &self,
        block: &Block,
        start: usize,
        rows: usize,
        bound: &Bound,
        targets: &mut [&mut [f32]],
        scratch: &mut Vec<f32>,
    ) {
        let n = self.panels.n;
        // The first result doubles as the room of the product.
        let (product, rest): (&mut [f32], &mut [&mut [f32]]) = if let Some((first, rest)) = targets.split_first_mut() {
            (first, rest)
        } else {
            scratch.resize(rows * n, 0.0);
            (scratch, &mut [])
        };
        block.multiply(&self.panels, 0, self.panels.count(), product, n, false);
        if self.epilogue.steps.is_empty() {
            return;
        }
        let mut registers = self.registers();
        for row in 0..rows {
            let own = registers.row_mut(0);
            own.clear();
            own.extend_from_slice(&product[row * n..][..n]);
            self.epilogue.run(bound, &mut registers, start + row, 0, n);
            for (position, &(register, _)) in self.epilogue.outputs.iter().enumerate() {
                let target = match position.checked_sub(1) {
                    None => &mut product[row * n..][..n],
                    Some(other) => &mut rest[other][row * n..][..n],
                };
                target.copy_from_slice(registers.row(register));
            }
        }
    }
}
