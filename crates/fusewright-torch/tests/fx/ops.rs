//! What single calls become, one line a call.

use super::support::{arguments, document, node_text, out, read};
use fusewright_ir::Op;

/// Reads one call and gives its node as text, or the reason why it is opaque.
fn node(op: &str, target: &str, args: &str, kwargs: &str, result: &str) -> String {
    let (args, kwargs, result) = (arguments(args), arguments(kwargs), out(result));
    let call = format!(
        r#"{{"name": "y", "op": "{op}", "target": "{target}", "args": [{args}], "kwargs": {{{kwargs}}}, "out": {result}}}"#
    );
    let json = document(&call, r#"{"ref": "y"}"#, "");
    let loaded = read(&json).unwrap_or_else(|error| panic!("{target}({args}): {error}"));
    let (_, node) = loaded.graph.nodes().last().unwrap();
    assert_eq!(matches!(node.op, Op::Opaque(_)), loaded.warnings.len() == 1, "{target}({args}): {:?}", loaded.warnings);
    match &node.op {
        Op::Opaque(opaque) => {
            opaque.reason.clone().map_or_else(|| "unknown".to_owned(), |reason| format!("opaque: {reason}"))
        }
        _ => node_text(&loaded, "y"),
    }
}

/// `op target | args | kwargs | result | expected`; the op is `F` for a function, `M` for a method.
fn check(table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [call, args, kwargs, result, expected] = columns.as_slice() else { panic!("five columns: {line}") };
        let (op, target) = match call.split_once(' ') {
            Some(("M", method)) => ("call_method", method),
            Some(("F", function)) => ("call_function", function),
            _ => panic!("M or F: {line}"),
        };
        assert_eq!(&node(op, target, args, kwargs, result), expected, "{line}");
    }
}

#[test]
fn pointwise_calls() {
    check(
        r#"
        F operator.add | %x, %x | | f32[2, 3, 8, 8] | add(%x, %x)
        F operator.iadd | %x, 1 | | f32[2, 3, 8, 8] | add(%x) {scalar = 1.0}
        F torch.add | | "input": %x, "other": %x | f32[2, 3, 8, 8] | add(%x, %x)
        F torch.add | %x, %x | "alpha": 1 | f32[2, 3, 8, 8] | add(%x, %x)
        F torch.add | %x, %x | "alpha": 2 | f32[2, 3, 8, 8] | add(%x, %y.scaled)
        M add_ | %x, %x | | f32[2, 3, 8, 8] | add(%x, %x)
        F operator.sub | 1, %x | | f32[2, 3, 8, 8] | sub(%x) {scalar = 1.0, reversed = true}
        F torch.rsub | %x, 1.5 | | f32[2, 3, 8, 8] | sub(%x) {scalar = 1.5, reversed = true}
        F operator.truediv | %x, %n | | f32[2, 3, 8, 8] | div(%x) {scalar = 2.0}
        F operator.truediv | %x, %unknown | | f32[2, 3, 8, 8] | opaque: the argument `other` is known only when the model runs, expected a number
        F torch.div | %x, %x | "rounding_mode": "floor" | f32[2, 3, 8, 8] | floor_div(%x, %x)
        F torch.div | %x, %x | "rounding_mode": "trunc" | f32[2, 3, 8, 8] | trunc(%y.quotient)
        F operator.pow | %x, 2 | | f32[2, 3, 8, 8] | square(%x)
        F operator.pow | 2, %x | | f32[2, 3, 8, 8] | pow(%x) {scalar = 2.0, reversed = true}
        M pow | %x | "exponent": 3 | f32[2, 3, 8, 8] | pow(%x) {scalar = 3.0}
        F operator.gt | %x, 0 | | bool[2, 3, 8, 8] | gt(%x) {scalar = 0.0}
        F operator.and_ | %c, %c | | bool[8] | and(%c, %c)
        F torch.logical_or | %x, %x | | bool[2, 3, 8, 8] | or(%y.input, %y.other)
        F torch.nn.functional.gelu | %x | "approximate": "tanh" | f32[2, 3, 8, 8] | gelu_tanh(%x)
        F torch.nn.functional.gelu | %x | | f32[2, 3, 8, 8] | gelu(%x)
        F torch.nn.functional.normalize | %x | "dim": -1 | f32[2, 3, 8, 8] | div(%x, %y.least)
        F torch.nn.functional.normalize | %x, 1 | | f32[2, 3, 8, 8] | opaque: only the Euclidean norm has a counterpart
        F torch.nn.functional.relu | %x | "inplace": true | f32[2, 3, 8, 8] | relu(%x)
        M relu_ | %x | | f32[2, 3, 8, 8] | relu(%x)
        F torch.ops.aten.hardtanh_.default | %x, 0.0, 6.0 | | f32[2, 3, 8, 8] | clamp(%x) {min = 0.0, max = 6.0}
        M clamp | %x | "min": 0 | f32[2, 3, 8, 8] | clamp(%x) {min = 0.0}
        M clamp | %x, %x | | f32[2, 3, 8, 8] | maximum(%x, %x)
        F torch.nn.functional.leaky_relu | %x | "negative_slope": 0.2 | f32[2, 3, 8, 8] | leaky_relu(%x) {slope = 0.2}
        F torch.nn.functional.elu | %x | | f32[2, 3, 8, 8] | elu(%x) {alpha = 1.0}
        F torch.ops.aten.elu.default | %x, 1.0, 2 | | f32[2, 3, 8, 8] | opaque: its operand or result is scaled
        F torch.nn.functional.softplus | %x, 2.0 | | f32[2, 3, 8, 8] | softplus(%x) {beta = 2.0, threshold = 20.0}
        F torch.where | %c, %x, %x | | f32[2, 3, 8, 8] | where(%c, %x, %x)
        F torch.where | %c, 0.0, %x | | f32[2, 3, 8, 8] | masked_fill(%x, %c) {value = 0.0}
        M masked_fill | %x, %c, {"float": "-Infinity"} | | f32[2, 3, 8, 8] | masked_fill(%x, %c) {value = -inf}
        F torch.nn.functional.dropout | %x, 0.1 | "training": false | f32[2, 3, 8, 8] | dropout(%x) {p = 0.1}
        F torch.nn.functional.dropout | %x | | f32[2, 3, 8, 8] | dropout(%x) {p = 0.5, training = true}
        F torchvision.ops.stochastic_depth.stochastic_depth | %x, 0.2, "row", true | | f32[2, 3, 8, 8] | stochastic_depth(%x) {p = 0.2, training = true}
        F torchvision.ops.stochastic_depth.stochastic_depth | %x | "p": 0.2, "mode": "batch", "training": false | f32[2, 3, 8, 8] | stochastic_depth(%x) {p = 0.2}
        F my.gelu | %x | | f32[2, 3, 8, 8] | unknown
        F torch.exp | "text" | | f32[2, 3, 8, 8] | opaque: the argument `input` is a text, expected a tensor
        F torch.exp | %x, 1, 2 | | f32[2, 3, 8, 8] | opaque: 3 positional arguments, expected at most 2
        F torch.exp | %x | "base": 2 | f32[2, 3, 8, 8] | opaque: the argument `base` is not known
        F torch.exp | %x | "input": %x | f32[2, 3, 8, 8] | opaque: the argument `input` is given twice
        F torch.exp | %x | "out": null | f32[2, 3, 8, 8] | exp(%x)
        F torch.exp | %x | | f32[2, 3, 8] | opaque: the document records f32[2, 3, 8], expected f32[2, 3, 8, 8]
        F operator.add | %unknown, [%x] | | f32[2, 3, 8, 8] | opaque: no operand is a tensor
        "#,
    );
}

#[test]
fn views() {
    check(
        r#"
        M reshape | %x, %n, -1 | | f32[2, 192] | reshape(%x, %n) {shape = [2, 192]}
        M view | %x, [2, 192] | | f32[2, 192] | reshape(%x) {shape = [2, 192]}
        F torch.reshape | %x, {"tuple": [2, -1]} | | f32[2, 192] | reshape(%x) {shape = [2, 192]}
        F torch.flatten | %x, 1 | | f32[2, 192] | reshape(%x) {shape = [2, 192]}
        M unsqueeze | %v | "dim": 0 | f32[1, 16] | reshape(%v) {shape = [1, 16]}
        M reshape | %x, 5 | | f32[5] | opaque: reshape: [2, 3, 8, 8] and [5] differ in elements
        M permute | %x, 0, 2, 3, 1 | | f32[2, 8, 8, 3] | permute(%x) {axes = [0, 2, 3, 1]}
        M permute | %x | "dims": [0, -1, 1, 2] | f32[2, 8, 3, 8] | permute(%x) {axes = [0, 3, 1, 2]}
        F torch.permute | %x, [0, 1] | | f32[2, 3] | opaque: permute: axes must be a permutation of 0..4
        M transpose | %x, 1, -1 | | f32[2, 8, 8, 3] | permute(%x) {axes = [0, 3, 2, 1]}
        F torch.transpose | %x | "dim0": 0, "dim1": 7 | f32[2, 8, 8, 3] | opaque: axis 7 is outside a tensor of rank 4
        M t | %w | | f32[16, 7] | permute(%w) {axes = [1, 0]}
        F builtins.getattr | %w, "T" | | f32[16, 7] | permute(%w) {axes = [1, 0]}
        F builtins.getattr | %x, "mT" | | f32[2, 3, 8, 8] | permute(%x) {axes = [0, 1, 3, 2]}
        F builtins.getattr | %x, "grad" | | f32[2, 3, 8, 8] | opaque: the attribute `grad` has no counterpart
        F torch.movedim | %x, 1, -1 | | f32[2, 8, 8, 3] | permute(%x) {axes = [0, 2, 3, 1]}
        M expand | %v, %n, -1 | | f32[2, 16] | expand(%v, %n) {shape = [2, 16]}
        M expand_as | %v, %w | | f32[7, 16] | expand(%v) {shape = [7, 16]}
        M chunk | %s, 2 | "dim": -1 | f32[2, 5, 8] + f32[2, 5, 8] | split(%s) {axis = 2, sizes = [8, 8]}
        F torch.split | %s | "split_size_or_sections": [1, 4], "dim": 1 | f32[2, 1, 16] + f32[2, 4, 16] | split(%s) {axis = 1, sizes = [1, 4]}
        M chunk | %s, 1000000000000000000 | | f32[2, 5, 16] + f32[2, 5, 16] | opaque: split: the sizes must add up to 2
        M unbind | %s | | f32[5, 16] + f32[5, 16] | unbind(%s) {axis = 0}
        M unbind | %s, 1 | | f32[2, 16] + f32[2, 16] | opaque: an axis of extent 5 and 2 results
        M narrow | %s, 1, -3, 2 | | f32[2, 2, 16] | slice(%s) {axis = 1, start = 2, length = 2, step = 1}
        M select | %s, 1, -1 | | f32[2, 16] | select(%s) {axis = 1, index = 4}
        F torch.ops.aten.slice.Tensor | %s, 1, 1, 9223372036854775807 | | f32[2, 4, 16] | slice(%s) {axis = 1, start = 1, length = 4, step = 1}
        M detach | %s | | f32[2, 5, 16] | alias(%s)
        "#,
    );
}

#[test]
fn subscripts() {
    check(
        r#"
        F operator.getitem | %parts, 1 | | f32[5, 16] | alias(%parts.1)
        F builtins.tuple | [%x, null, %s] | | [{"shape": [2, 3, 8, 8], "dtype": "float32"}, {"const": null}, {"shape": [2, 5, 16], "dtype": "float32"}] | alias(%x, %s)
        F operator.getitem | %parts, -1 | | f32[5, 16] | alias(%parts.1)
        F operator.getitem | %parts, 2 | | f32[5, 16] | opaque: index 2 is outside an axis of extent 2
        F operator.getitem | %parts, {"slice": [null, null, -1]} | | f32[5, 16] + f32[5, 16] | opaque: a slice step below 1
        F operator.getitem | %parts, {"slice": [null, null, null]} | | f32[5, 16] + f32[5, 16] | alias(%parts.0, %parts.1)
        F operator.getitem | %s, 0 | | f32[5, 16] | select(%s) {axis = 0, index = 0}
        F operator.getitem | %s, {"tuple": [{"slice": [null, null, null]}, 0]} | | f32[2, 16] | select(%s) {axis = 1, index = 0}
        F operator.getitem | %s, {"tuple": [{"ellipsis": true}, -1]} | | f32[2, 5] | select(%s) {axis = 2, index = 15}
        F operator.getitem | %s, {"tuple": [{"slice": [null, null, null]}, {"slice": [1, -1, 2]}]} | | f32[2, 2, 16] | slice(%s) {axis = 1, start = 1, length = 2, step = 2}
        F operator.getitem | %s, {"tuple": [0, {"slice": [%n, null, null]}, null]} | | f32[3, 1, 16] | subscript(%s, %n) {items = "@0 2:3:1 new 0:16:1"}
        F operator.getitem | %s, {"tuple": [{"ellipsis": true}, null]} | | f32[2, 5, 16, 1] | subscript(%s) {items = "0:2:1 0:5:1 0:16:1 new"}
        F operator.getitem | %s, {"ellipsis": true} | | f32[2, 5, 16] | alias(%s)
        F operator.getitem | %s, {"tuple": [0, 0, 0, 0]} | | f32[1] | opaque: more entries than axes
        F operator.getitem | %s, %unknown | | f32[5, 16] | opaque: an index that is known only when the model runs
        F operator.getitem | %s, true | | f32[1, 2, 5, 16] | opaque: a truth value as index
        F operator.getitem | %s, {"tuple": [{"slice": [null, null, null]}, %idx]} | | f32[2, 2, 16] | index_select(%s, %idx) {axis = 1}
        F operator.getitem | %table, %idx2 | | f32[2, 3, 16] | embedding(%idx2, %table)
        F operator.getitem | %s, %idx2 | | f32[2, 3, 5, 16] | gather_indexed(%s, %idx2) {axes = [0]}
        F operator.getitem | %s, {"tuple": [%idx, %idx]} | | f32[2, 16] | gather_indexed(%s, %idx, %idx) {axes = [0, 1]}
        F operator.getitem | %v, %c | | f32[3] | opaque: a mask as index
        F operator.getitem | %s | | f32[5, 16] | opaque: the argument `index` is missing
        F torch.ops.aten.index.Tensor | %s, [null, %idx] | | f32[2, 2, 16] | index_select(%s, %idx) {axis = 1}
        "#,
    );
}

#[test]
fn copies_and_fills() {
    check(
        r#"
        M contiguous | %x | | f32[2, 3, 8, 8] | contiguous(%x)
        M contiguous | %x | "memory_format": {"opaque": "torch.channels_last"} | f32[2, 3, 8, 8] | opaque: the memory format `torch.channels_last` has no counterpart
        M to | %s, {"dtype": "float16"} | | f16[2, 5, 16] | cast(%s) {dtype = "f16"}
        M to | %s, {"device": "cpu"} | | f32[2, 5, 16] | alias(%s)
        M to | %s | "dtype": {"dtype": "float32"}, "copy": true | f32[2, 5, 16] | clone(%s)
        M half | %s | | f16[2, 5, 16] | cast(%s) {dtype = "f16"}
        M float | %s | | f32[2, 5, 16] | alias(%s)
        F torch.cat | [%s, %s], 1 | | f32[2, 10, 16] | concat(%s, %s) {axis = 1}
        F torch.cat | %parts | "dim": -1 | f32[5, 32] | concat(%parts.0, %parts.1) {axis = -1}
        F torch.cat | {"tuple": [%s, 1]} | | f32[2, 10, 16] | opaque: the argument `tensors` is an integer, expected a list of tensors
        F torch.cat | [] | | f32[1] | opaque: operand 0 is missing
        F torch.stack | [%s, %s] | "dim": 1 | f32[2, 2, 5, 16] | stack(%s, %s) {axis = 1}
        F torch.nn.functional.pad | %s, {"tuple": [1, 2]} | "value": 3 | f32[2, 5, 19] | pad(%s) {pads = [0, 0, 0, 0, 1, 2], value = 3.0}
        F torch.nn.functional.pad | %s, [1, 1], "reflect" | | f32[2, 5, 18] | opaque: padding mode `reflect` has no counterpart
        F torch.nn.functional.pad | %s, [1] | | f32[2, 5, 17] | opaque: `pad` needs two numbers per axis
        F torch.roll | %s, {"tuple": [1, -2]}, {"tuple": [1, 2]} | | f32[2, 5, 16] | roll(%s) {shifts = [1, -2], axes = [1, 2]}
        F torch.roll | %s, 3 | | f32[2, 5, 16] | opaque: a roll needs one axis per shift
        M repeat | %v, %unknown, 2 | | f32[3, 32] | repeat(%v) {counts = [3, 2]}
        F torch.zeros | 2, 3 | "device": {"device": "cpu"} | f32[2, 3] | full() {shape = [2, 3], dtype = "f32", value = 0.0}
        F torch.ones_like | %s | | f32[2, 5, 16] | full() {shape = [2, 5, 16], dtype = "f32", value = 1.0}
        F torch.full | {"tuple": [2]}, 1.5 | | f32[2] | full() {shape = [2], dtype = "f32", value = 1.5}
        F torch.full | {"tuple": [2]} | "fill_value": 1.5 | f32[2] | full() {shape = [2], dtype = "f32", value = 1.5}
        F torch.arange | %unknown | | i64[7] | range() {start = 0, length = 7, dtype = "i64"}
        F torch.arange | 2, 9 | | i64[7] | range() {start = 2, length = 7, dtype = "i64"}
        F torch.arange | 0, 9, 2 | | i64[5] | steps() {start = 0.0, step = 2.0, length = 5, dtype = "i64"}
        "#,
    );
}

#[test]
fn contractions_and_convolutions() {
    check(
        r#"
        F torch.nn.functional.linear | %s, %w, %b | | f32[2, 5, 7] | linear(%s, %w, %b)
        F torch.nn.functional.linear | %s | "bias": %b, "weight": %w | f32[2, 5, 7] | linear(%s, %w, %b)
        F torch.nn.functional.linear | %s, %s | | f32[2, 5, 7] | opaque: linear takes x [.., in] and weight [out, in]
        F operator.matmul | %m, %m | | f32[4, 6, 6] | matmul(%m, %m)
        M bmm | %m, %m | | f32[4, 6, 6] | matmul(%m, %m)
        F torch.baddbmm | %m, %m, %m | "beta": 0, "alpha": 0.5 | f32[4, 6, 6] | matmul_add(%m, %m, %m) {alpha = 0.5, beta = 0.0}
        F torch.einsum | "b i j, b j k -> b i k", %m, %m | | f32[4, 6, 6] | einsum(%m, %m) {equation = "bij,bjk->bik"}
        F torch.einsum | "...ij,...jk", [%m, %m] | | f32[4, 6, 6] | einsum(%m, %m) {equation = "Aij,Ajk->Aik"}
        F torch.einsum | "ij->j", 3 | | f32[4] | opaque: the argument `operands` is an integer, expected a list of tensors
        F torch.conv2d | %x, %k, %kb, 2, 1 | | f32[2, 6, 4, 4] | conv(%x, %k, %kb) {stride = [2, 2], padding = [1, 1], dilation = [1, 1], groups = 1}
        F torch.conv2d | %x, %k | "padding": "same" | f32[2, 6, 8, 8] | conv(%x, %k) {stride = [1, 1], padding = "same", dilation = [1, 1], groups = 1}
        F torch.conv2d | %x, %k | "groups": 9223372036854775807 | f32[2, 6, 6, 6] | opaque: convolution: the weight takes 18446744073709551615 channels, x has 3
        F torch.conv2d | %x, %k | "stride": -1 | f32[2, 6, 6, 6] | opaque: `stride` is -1, expected a non-negative integer
        F torch.conv2d | %x, %k | "stride": [1, 2, 3] | f32[2, 6, 6, 6] | opaque: `stride` has 3 entries, expected 2
        F torch.nn.functional.conv_transpose2d | %x, %kt, null, 2, 1, 1 | | f32[2, 5, 16, 16] | conv_transpose(%x, %kt) {stride = [2, 2], padding = [1, 1], dilation = [1, 1], groups = 1, output_padding = [1, 1]}
        "#,
    );
}

#[test]
fn pooling_norms_and_reductions() {
    check(
        r#"
        F torch.nn.functional.max_pool2d | %x, 2 | | f32[2, 3, 4, 4] | max_pool(%x) {kernel = [2, 2], stride = [2, 2], padding = [0, 0], dilation = [1, 1]}
        F torch.nn.functional.max_pool2d | %x, 3 | "stride": 2, "padding": 1, "ceil_mode": true | f32[2, 3, 5, 5] | max_pool(%x) {kernel = [3, 3], stride = [2, 2], padding = [1, 1], dilation = [1, 1], ceil = true}
        F torch.nn.functional.max_pool2d | %x, 2 | "return_indices": true | f32[2, 3, 4, 4] + i64[2, 3, 4, 4] | opaque: the positions of the maxima are a second result
        F torch.ops.aten.avg_pool2d.default | %x, [2, 2], [] | | f32[2, 3, 4, 4] | avg_pool(%x) {kernel = [2, 2], stride = [2, 2], padding = [0, 0], dilation = [1, 1]}
        F torch.nn.functional.avg_pool2d | %x, 3, 1, 1 | "count_include_pad": false | f32[2, 3, 8, 8] | avg_pool(%x) {kernel = [3, 3], stride = [1, 1], padding = [1, 1], dilation = [1, 1], skip_padding = true}
        F torch.nn.functional.max_pool2d | %x, 9223372036854775807 | | f32[2, 3, 1, 1] | opaque: pooling: spatial axis 0 is smaller than the window
        F torch.nn.functional.adaptive_avg_pool2d | %x, {"tuple": [null, 4]} | | f32[2, 3, 8, 4] | adaptive_avg_pool(%x) {output = [8, 4]}
        F torch.nn.functional.adaptive_avg_pool2d | %x, 1 | | f32[2, 3, 1, 1] | adaptive_avg_pool(%x) {output = [1, 1]}
        F torch.nn.functional.adaptive_avg_pool2d | %x, [1, 2, 3] | | f32[2, 3, 1, 1] | opaque: `output_size` has 3 entries, expected 2
        F torch.nn.functional.layer_norm | %s, {"tuple": [16]}, %v, %v, 1e-6 | | f32[2, 5, 16] | layer_norm(%s, %v, %v) {axes = 1, epsilon = 1e-6}
        F torch.nn.functional.layer_norm | %s, 16 | "bias": %v | f32[2, 5, 16] | opaque: `bias` is given without `weight`
        F torch.nn.functional.rms_norm | %s, [16], %v | | f32[2, 5, 16] | rms_norm(%s, %v) {axes = 1, epsilon = 1.1920928955078125e-7}
        F torch.nn.functional.batch_norm | %x, %ch, %ch, %ch, %ch | | f32[2, 3, 8, 8] | batch_norm(%x, %ch, %ch, %ch, %ch) {epsilon = 1e-5}
        F torch.batch_norm | %x, %ch, %ch, null, null, false, 0.1, 1e-3, true | | f32[2, 3, 8, 8] | batch_norm(%x, %ch, %ch) {epsilon = 0.001, training = true}
        F torch.nn.functional.group_norm | %x, 3, %ch, %ch | | f32[2, 3, 8, 8] | group_norm(%x, %ch, %ch) {groups = 3, epsilon = 1e-5}
        F torch.nn.functional.group_norm | %x, 2 | | f32[2, 3, 8, 8] | opaque: group_norm: the groups must divide the channels
        F torch.nn.functional.instance_norm | %x | | f32[2, 3, 8, 8] | group_norm(%x) {groups = 3, epsilon = 1e-5}
        F torch.nn.functional.softmax | %s, -1 | | f32[2, 5, 16] | softmax(%s) {axis = -1}
        F torch.nn.functional.softmax | %s, -1, 3, null | | f32[2, 5, 16] | softmax(%s) {axis = -1}
        M softmax | %s | "dim": 1 | f32[2, 5, 16] | softmax(%s) {axis = 1}
        F torch.ops.aten.log_softmax.int | %s, -1 | | f32[2, 5, 16] | log_softmax(%s) {axis = -1}
        M softmax | %s, 3 | | f32[2, 5, 16] | opaque: axis 3 is outside a tensor of rank 3
        M mean | %x, {"tuple": [2, 3]} | | f32[2, 3] | mean(%x) {axes = [2, 3]}
        M mean | %x | "dim": -1, "keepdim": true | f32[2, 3, 8, 1] | mean(%x) {axes = [-1], keep = true}
        F torch.sum | %x | | f32[] | sum(%x) {axes = []}
        F torch.max | %x, %x | | f32[2, 3, 8, 8] | maximum(%x, %x)
        F torch.max | %x | "dim": 1 | f32[2, 8, 8] + i64[2, 8, 8] | extreme(%x) {largest = true, axis = 1}
        M norm | %s | "p": 2, "dim": -1 | f32[2, 5] | norm(%s) {axes = [-1]}
        M norm | %s, 1 | | f32[] | opaque: only the Euclidean norm has a counterpart
        M cumsum | %s, 1 | | f32[2, 5, 16] | cumsum(%s) {axis = 1}
        "#,
    );
}

#[test]
fn gathers_and_attention() {
    check(
        r#"
        F torch.nn.functional.embedding | %idx2, %table | | f32[2, 3, 16] | embedding(%idx2, %table)
        F torch.embedding | %table, %idx2 | | f32[2, 3, 16] | embedding(%idx2, %table)
        F torch.nn.functional.embedding | %idx2, %table | "max_norm": 1.0 | f32[2, 3, 16] | opaque: the argument `max_norm` has no counterpart
        M index_select | %s, 1, %idx | | f32[2, 2, 16] | index_select(%s, %idx) {axis = 1}
        F torch.nn.functional.scaled_dot_product_attention | %q, %q, %q, %mask | | f32[2, 4, 5, 8] | scaled_dot_product_attention(%q, %q, %q, %mask)
        F torch.nn.functional.scaled_dot_product_attention | | "query": %q, "key": %kv, "value": %kv, "is_causal": true, "scale": 0.5, "enable_gqa": true | f32[2, 4, 5, 8] | scaled_dot_product_attention(%q, %kv, %kv) {causal = true, scale = 0.5}
        F torch.nn.functional.scaled_dot_product_attention | %q, %q | | f32[2, 4, 5, 8] | opaque: the argument `value` is missing
        "#,
    );
}

#[test]
fn host_calls() {
    check(
        r#"
        F builtins.getattr | %x, "shape" | | [{"const": 2}, {"const": 3}, {"const": 8}, {"const": 8}] | size(%x)
        F builtins.getattr | %x, "dtype" | | {"opaque": "torch.dtype"} | dtype_of(%x)
        F builtins.getattr | %x, "device" | | {"opaque": "torch.device"} | host_compute(%x)
        M size | %x, -1 | | {"const": 8} | size(%x) {axis = -1}
        F builtins.len | %x | | {"const": 2} | size(%x) {axis = 0}
        M dim | %x | | {"const": 4} | host_compute(%x)
        F operator.floordiv | %n, 2 | | {"const": 1} | host_compute(%n)
        F operator.eq | %n, %unknown | | {"const": true} | host_compute(%n, %unknown)
        F torch._assert | %n, "message" | | {"const": null} | assert(%n)
        F my.describe | %x, [%s, {"dict": {"a": %v}}] | | {"opaque": "dict"} | host_compute(%x, %s, %v)
        F my.other | %n | | {"opaque": "unknown"} | host_compute(%n)
        F operator.getitem | %parts, 1 | | {"const": null} | host_compute(%parts.1)
        "#,
    );
}

#[test]
fn absurd_counts_are_refused() {
    check(
        r#"
        F torch.nn.functional.conv_transpose2d | %x, %kt | "dilation": 4611686018427387904, "output_padding": 9223372036854775807 | f32[2, 5, 1, 1] | opaque: shape [2, 5, 18446744073709551615, 18446744073709551615] has more than 2^48 elements
        F torch.conv2d | %x, %k4 | "dilation": 6148914691236517205 | f32[2, 6, 1, 1] | opaque: convolution: spatial axis 0 is smaller than the kernel
        F torch.nn.functional.avg_pool2d | %x, 2, 1, 9223372036854775807, true | | f32[2, 3, 1, 1] | opaque: shape [2, 3, 18446744073709551613, 18446744073709551613] has more than 2^48 elements
        F torch.nn.functional.max_pool2d | %x, 9, 1, 1, 9223372036854775807 | | f32[2, 3, 1, 1] | opaque: pooling: spatial axis 0 is smaller than the window
        F torch.nn.functional.adaptive_avg_pool2d | %x, 9223372036854775807 | | f32[2, 3, 1, 1] | opaque: shape [2, 3, 9223372036854775807, 9223372036854775807] has more than 2^48 elements
        F torch.nn.functional.group_norm | %x, 9223372036854775807 | | f32[2, 3, 8, 8] | opaque: group_norm: the groups must divide the channels
        F torch.nn.functional.pad | %x, [9223372036854775807, 9223372036854775807] | | f32[1] | opaque: shape [2, 3, 8, 9223372036854775815] has more than 2^48 elements
        F torch.nn.functional.pad | %x, [-9223372036854775808, -1] | | f32[1] | opaque: pad: cropped below nothing
        M repeat | %x, 9223372036854775807, 1, 1, 1 | | f32[4, 3, 8, 8] | repeat(%x) {counts = [2, 1, 1, 1]}
        M sum | %x, [-9223372036854775808] | | f32[] | opaque: axis -9223372036854775808 is outside a tensor of rank 4
        M narrow | %s, 1, 9223372036854775807, 2 | | f32[2, 2, 16] | opaque: index 9223372036854775807 is outside an axis of extent 5
        F torch.full | [], 1e308 | | f32[281474976710656] | full() {shape = [281474976710656], dtype = "f32", value = 1e308}
        "#,
    );
}

#[test]
fn swin_functions() {
    check(
        r#"
        F torchvision.models.swin_transformer._patch_merging_pad | %map | | f32[1, 4, 5, 32] | patch_merge(%map)
        F torchvision.models.swin_transformer._get_relative_position_bias | %table, %idx, [7, 7] | | f32[1, 16, 49, 49] | opaque: position_bias: 49² indices are needed
        F torchvision.models.swin_transformer._get_relative_position_bias | %table, %idx, [9223372036854775807, 7] | | f32[1, 16, 49, 49] | opaque: position_bias: 18446744073709551615² indices are needed
        F torchvision.models.swin_transformer.shifted_window_attention | %map, %w3, %w1, %bias, [4, 4], 2 | "shift_size": [2, 2], "training": false | f32[1, 7, 9, 8] | shifted_window_attention(%map, %w3, %w1, %bias) {num_heads = 2, window = [4, 4], shift = [2, 2], attention_dropout = 0.0, dropout = 0.0, operands = "map in_weight out_weight position_bias"}
        F torchvision.models.swin_transformer.shifted_window_attention | %map, %w3, %w1, %bias, [4, 4], 2 | "shift_size": [4, 4] | f32[1, 7, 9, 8] | opaque: the shift must be smaller than the window
        F torchvision.models.swin_transformer.shifted_window_attention | %map, %w3, %w1, %bias, [4, 4, 4], 2 | "shift_size": [2, 2] | f32[1, 7, 9, 8] | opaque: `window_size` has 3 entries, expected 2
        "#,
    );
}

/// Operators as exported graphs name them, with arguments named by their schemas.
#[test]
fn aten_calls() {
    check(
        r#"
        F torch.ops.aten._softmax.default | | "self": %s, "dim": -1, "half_to_float": false | f32[2, 5, 16] | softmax(%s) {axis = -1}
        F torch.ops.aten._safe_softmax.default | | "self": %s, "dim": -1 | f32[2, 5, 16] | softmax(%s) {axis = -1, zero_masked = true}
        F torch.ops.aten.softmax.int | | "self": %h, "dim": -1, "dtype": {"dtype": "float32"} | f32[2] | softmax(%y.input) {axis = -1}
        F torch.ops.aten.native_layer_norm.default | %s, [16], %v, %v, 1e-6 | | f32[2, 5, 16] + f32[2, 5, 1] + f32[2, 5, 1] | layer_norm(%s, %v, %v) {axes = 1, epsilon = 1e-6}
        F torch.ops.aten.native_group_norm.default | %x, %ch, %ch, 2, 3, 64, 3, 1e-5 | | f32[2, 3, 8, 8] + f32[2, 3] + f32[2, 3] | group_norm(%x, %ch, %ch) {groups = 3, epsilon = 1e-5}
        F torch.ops.aten._native_batch_norm_legit_no_training.default | %x, %ch, %ch, %ch, %ch, 0.1, 0.001 | | f32[2, 3, 8, 8] + f32[0] + f32[0] | batch_norm(%x, %ch, %ch, %ch, %ch) {epsilon = 0.001}
        F torch.ops.aten._native_batch_norm_legit.no_stats | %x, %ch, %ch, true, 0.1, 0.001 | | f32[2, 3, 8, 8] + f32[3] + f32[3] | batch_norm(%x, %ch, %ch) {epsilon = 0.001, training = true}
        F torch.ops.aten.bmm.default | | "self": %m, "mat2": %m | f32[4, 6, 6] | matmul(%m, %m)
        F torch.ops.aten.baddbmm.default | | "self": %m, "batch1": %m, "batch2": %m, "alpha": 0.5 | f32[4, 6, 6] | matmul_add(%m, %m, %m) {alpha = 0.5, beta = 1.0}
        F torch.ops.aten.einsum.default | | "equation": "bij,bjk->bik", "tensors": [%m, %m] | f32[4, 6, 6] | einsum(%m, %m) {equation = "bij,bjk->bik"}
        F torch.ops.transformers.grouped_mm_fallback.default | | "input": %w, "weight": %grouped, "offs": %idx | f32[7, 8] | grouped_matmul(%w, %grouped, %idx)
        F torch.ops.aten._grouped_mm.default | | "self": %w, "mat2": %grouped, "offs": %idx | f32[7, 8] | grouped_matmul(%w, %grouped, %idx)
        F torch.ops.aten.convolution.default | %x, %k, %kb, [2, 2], [1, 1], [1, 1], false, [0, 0], 1 | | f32[2, 6, 4, 4] | conv(%x, %k, %kb) {stride = [2, 2], padding = [1, 1], dilation = [1, 1], groups = 1}
        F torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default | %q, %q, %q, 0.0, true | "attn_mask": null, "scale": 1.0 | f32[2, 4, 5, 8] + f32[2, 4, 5] | scaled_dot_product_attention(%q, %q, %q) {causal = true, scale = 1.0}
        F torch.ops.aten.embedding.default | | "weight": %table, "indices": %idx2 | f32[2, 3, 16] | embedding(%idx2, %table)
        F torch.ops.aten.index.Tensor | %x, [null, %idx, %idx] | | f32[2, 2, 8] | gather_indexed(%x, %idx, %idx) {axes = [1, 2]}
        F torch.ops.aten.index.Tensor | %x, [%idx, null, %idx] | | f32[2, 3, 8] | gather_indexed(%x, %idx, %idx) {axes = [0, 2]}
        F torch.ops.aten.index.Tensor | %c, [%c] | | f32[3] | opaque: a mask as index
        F torch.ops.aten.index_put.default | %s, [%idx], %v, true | | f32[2, 5, 16] | scatter_indexed(%s, %v, %idx) {axes = [0], add = true}
        F torch.ops.aten.index_add.default | %v, 0, %idx, %h | | f32[16] | scatter_slices(%v, %h, %idx) {axis = 0, add = true}
        F torch.ops.aten.scatter.value | | "self": %v, "dim": 0, "index": %idx, "value": 1 | f32[16] | scatter(%v, %y.src, %idx) {axis = 0}
        F torch.ops.aten.select_scatter.default | | "self": %m, "src": %k6, "dim": 0, "index": -1 | f32[4, 6, 6] | write(%m, %k6) {view = "select", axis = 0, index = 3}
        F torch.ops.aten.slice_scatter.default | %m, %m, 1, 0, 9223372036854775807 | | f32[4, 6, 6] | write(%m, %m) {view = "slice", axis = 1, start = 0, length = 6, step = 1}
        F torch.ops.aten.masked_scatter.default | %x, %c, %v | | f32[2, 3, 8, 8] | scatter_masked(%x, %v, %c)
        F torch.ops.aten.copy.default | %s, %v | | f32[2, 5, 16] | clone(%y.src)
        F torch.ops.aten.topk.default | | "self": %s, "k": 3 | f32[2, 5, 3] + i64[2, 5, 3] | topk(%s) {k = 3, axis = -1}
        F torch.ops.aten.argsort.default | %s, 1 | | i64[2, 5, 16] | sort(%s) {axis = 1}
        F torch.ops.aten.min.dim | %s, 1, true | | f32[2, 1, 16] + i64[2, 1, 16] | extreme(%s) {axis = 1, keep = true}
        F torch.ops.aten.var_mean.correction | %s, [2] | "correction": 0, "keepdim": true | f32[2, 5, 1] + f32[2, 5, 1] | var_mean(%s) {axes = [2], keep = true}
        F torch.ops.aten.histc.default | %v, 4, 0, 3 | | f32[4] | histogram(%v) {bins = 4}
        F torch.ops.aten.cumsum.default | %v, 0 | "dtype": {"dtype": "int32"} | int32[16] | cast(%y.wide) {dtype = "i32"}
        F torch.ops.aten.where.ScalarOther | %c, %x, 0.0 | | f32[2, 3, 8, 8] | masked_keep(%x, %c) {value = 0.0}
        F torch.ops.aten.where.Scalar | %c, 1.0, 0.0 | | f32[8] | masked_keep(%y.input, %c) {value = 0.0}
        F torch.ops.aten.masked_fill.Tensor | %x, %c, %zero | | f32[2, 3, 8, 8] | where(%c, %zero, %x)
        F torch.ops.aten.fmod.Scalar | %x, 2 | | f32[2, 3, 8, 8] | fmod(%x) {scalar = 2.0}
        F torch.ops.aten.pow.Scalar | | "self": 2, "exponent": %x | f32[2, 3, 8, 8] | pow(%x) {scalar = 2.0, reversed = true}
        F torch.ops.aten.div.Tensor | %idx, %idx | | f32[2] | div(%idx, %idx)
        F torch.ops.aten.sqrt.default | %idx | | f32[2] | sqrt(%idx)
        F torch.ops.aten.diff.default | %v | "prepend": %h32 | f32[16] | sub(%y.upper, %y.lower)
        F torch.ops.aten.upsample_nearest2d.vec | %x, null, [2.0, 2.0] | | f32[2, 3, 16, 16] | resize(%x) {taps = 1, output = [16, 16]}
        F torch.ops.aten.view_as_complex.default | %w2 | | complex64[7] | reinterpret(%w2) {dtype = "c64", shape = [7]}
        F torch.ops.aten.tril.default | %m | | f32[4, 6, 6] | triangle(%m) {diagonal = 0}
        F torch.ops.aten.flip.default | %m, [0] | | f32[4, 6, 6] | flip(%m) {axes = [0]}
        F torch.ops.aten.as_strided.default | %m, [24, 6], [6, 1] | | f32[24, 6] | reshape(%m) {shape = [24, 6]}
        F torch.ops.aten.as_strided.default | %m, [4, 6], [6, 1] | | f32[4, 6] | opaque: strides that are not those of the shape
        F torch.ops.aten.linspace.default | 0, 1, 5 | | f32[5] | steps() {start = 0.0, step = 0.25, length = 5, dtype = "f32"}
        F torch.ops.aten.repeat_interleave.self_int | %v, 3, 0 | | f32[48] | reshape(%y.repeated) {shape = [48]}
        F torch.ops.aten.one_hot.default | %idx, 4 | | i64[2, 4] | cast(%y.hits) {dtype = "i64"}
        F torch.ops.aten._weight_norm_interface.default | %w, %g | | f32[7, 16] + f32[7, 1] | mul(%w, %y.ratio)
        F torch.ops.aten.empty.memory_format | [2, 3] | | f32[2, 3] | full() {shape = [2, 3], dtype = "f32", value = 0.0}
        F torch.ops.aten.max_pool2d_with_indices.default | %x, [2, 2] | | f32[2, 3, 4, 4] + i64[2, 3, 4, 4] | max_pool(%x) {kernel = [2, 2], stride = [2, 2], padding = [0, 0], dilation = [1, 1]}
        "#,
    );
}
