//! Attention as PyTorch computes it where it has no kernel for the operands.
//!
//! After `_scaled_dot_product_attention_math` of PyTorch 2.5 and later: 16-bit operands are widened, queries and keys are
//! scaled apart, and rows of scores that a mask hides whole are found and set to zero. Without a compiler each step is a
//! kernel: operands whose outer axes do not lie evenly spaced are copied for their product, and the scores are narrowed
//! again, for a caller that asks for them. With a compiler, what comes before and after a product is a loop, and what nobody
//! reads is left out.

use fusewright_cost::time::{Attention, Gemm, Kernel, Stream, StreamKind};
use fusewright_ir::DType;

/// The kernels that take the place of a streaming one; `apart` says of queries, keys and values whether their outer axes
/// lie unevenly spaced.
pub(super) fn written_out(attention: &Attention, apart: [bool; 3], compiled: bool) -> Vec<Kernel> {
    let narrow = attention.dtype;
    let wide = if matches!(narrow, DType::F16 | DType::Bf16) { DType::F32 } else { narrow };
    let heads = attention.batch.saturating_mul(attention.heads);
    let elements = |rows: u64, cols: u64| heads.saturating_mul(rows).saturating_mul(cols);
    let pass = |kind, rows: u64, cols: u64, bytes: u64| {
        Kernel::Stream(Stream {
            kind,
            rows: heads.saturating_mul(rows),
            cols,
            dtype: wide,
            flops: elements(rows, cols),
            bytes,
        })
    };
    let product = |n, k| Kernel::Gemm(Gemm::plain(heads, attention.queries, n, k, wide));
    // From one element type to another and back are as many bytes.
    let widened = |rows: u64, cols: u64| {
        let count = elements(rows, cols);
        pass(StreamKind::Copy, rows, cols, narrow.bytes(count).saturating_add(wide.bytes(count)))
    };
    let scaled =
        |rows, cols| pass(StreamKind::Pointwise, rows, cols, wide.bytes(elements(rows, cols)).saturating_mul(2));
    let &Attention { queries, keys, head_dim, value_dim, .. } = attention;
    let scores = elements(queries, keys);
    let score_bytes = wide.bytes(scores);
    // What is read beside queries, keys and values is added to the scores.
    let mask_bytes = attention.bytes.saturating_sub(attention.clone().with_operand_bytes().bytes);
    let over_scores = |kind, bytes| pass(kind, queries, keys, bytes);
    let both_ways = score_bytes.saturating_mul(2);

    let spread = |operand: usize| apart[operand] && !compiled;
    let gathered =
        |rows: u64, cols: u64| pass(StreamKind::Copy, rows, cols, wide.bytes(elements(rows, cols)).saturating_mul(2));

    let mut kernels = Vec::new();
    if wide != narrow {
        kernels.extend([widened(queries, head_dim), widened(keys, head_dim), widened(keys, value_dim)]);
    }
    if wide == narrow || !compiled {
        kernels.extend([scaled(queries, head_dim), scaled(keys, head_dim)]);
    }
    kernels.extend(spread(0).then(|| gathered(queries, head_dim)));
    kernels.extend(spread(1).then(|| gathered(keys, head_dim)));
    kernels.push(product(keys, head_dim));
    if compiled {
        kernels.push(over_scores(StreamKind::Softmax, both_ways.saturating_add(mask_bytes)));
    } else {
        if mask_bytes > 0 {
            kernels.push(over_scores(StreamKind::Pointwise, both_ways.saturating_add(mask_bytes)));
        }
        kernels.extend([
            over_scores(StreamKind::Softmax, both_ways),
            over_scores(StreamKind::Pointwise, score_bytes.saturating_add(scores)),
            over_scores(StreamKind::Reduction, scores),
            over_scores(StreamKind::Pointwise, both_ways),
        ]);
    }
    kernels.extend(spread(2).then(|| gathered(keys, value_dim)));
    kernels.push(product(value_dim, keys));
    if wide != narrow {
        kernels.push(widened(queries, value_dim));
        kernels.extend((!compiled).then(|| widened(queries, keys)));
    }
    kernels
}

#[cfg(test)]
mod tests {
    use fusewright_cost::time::AttentionLibrary;

    use super::*;

    fn attention(dtype: DType) -> Attention {
        let sizes = Attention {
            batch: 2,
            heads: 3,
            kv_heads: 3,
            queries: 5,
            keys: 7,
            head_dim: 8,
            value_dim: 8,
            causal: false,
            dtype,
            bytes: 0,
            library: AttentionLibrary::PyTorch,
        };
        sizes.with_operand_bytes()
    }

    #[test]
    fn half_precision_is_widened_and_narrowed_again() {
        let count = |dtype, compiled| written_out(&attention(dtype), [false; 3], compiled).len();
        // Two products, softmax, three passes that look for hidden rows, two scales.
        assert_eq!(count(DType::F32, false), 8);
        // Three operands are widened, the result and the scores narrowed.
        assert_eq!(count(DType::F16, false), 13);
        // With a compiler the scales are part of the casts, and one loop does all of the softmax.
        assert_eq!(count(DType::F32, true), 5);
        assert_eq!(count(DType::Bf16, true), 7);
    }

    #[test]
    fn products_run_in_single_precision() {
        for kernel in written_out(&attention(DType::F16), [false; 3], false) {
            if let Kernel::Gemm(gemm) = kernel {
                assert_eq!((gemm.input, gemm.batch), (DType::F32, 6));
            }
        }
    }

    #[test]
    fn a_mask_is_one_more_pass_without_a_compiler() {
        let mut masked = attention(DType::F32);
        masked.bytes += 6 * 5 * 7 * 4;
        assert_eq!(written_out(&masked, [false; 3], false).len(), 9);
        assert_eq!(written_out(&masked, [false; 3], true).len(), 5);
    }

    #[test]
    fn operands_that_lie_unevenly_are_copied_unless_a_loop_reads_them() {
        let copies = |apart, compiled| written_out(&attention(DType::F32), apart, compiled).len();
        assert_eq!(copies([true, false, true], false), copies([false; 3], false) + 2);
        assert_eq!(copies([true; 3], true), copies([false; 3], true));
    }
}
